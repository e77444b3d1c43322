//! Location holes where they cannot be, or of the wrong type.

use jit_asm::{Address, Gpr, Rm, Rmi};
use jit_asm_macros::{templates, x64};

fn main() {
    let (a, b) = (Rm::Reg(Gpr::Rax), Rm::Reg(Gpr::Rcx));
    let constant = Rmi::Imm(5);
    let address = Address::new(Gpr::Rbp, -16);
    let reg = Gpr::Rdx;
    let mut code: Vec<u8> = vec![];

    // Two operands that may be in memory.
    x64!(code => add {a: rm64}, {b: rm64});
    x64!(code => mov {a: rm64}, [rbx]);
    x64!(code => mov qword [rbx + 8], {constant: rmi64});

    // What the instruction does not take there.
    x64!(code => lea rax, {a: rm64});
    x64!(code => cmovz rax, {constant: rmi64});
    x64!(code => add eax, {a: rm64});
    x64!(code => jmp {a: rm32});
    x64!(code => inc {address: m});

    // Types that there are not.
    x64!(code => add al, {constant: rmi8});
    x64!(code => add rax, {a: rm});
    x64!(code => add rax, {const a: rm64});
    x64!(code => add rax, [{a: rm64}]);

    // Patchable targets that cannot be aligned, or are none.
    x64!(code => call {reg: patchable}; nop; call {reg: patchable});
    x64!(code => call {reg: patchable}; add rax, {a: rm64});
    x64!(code => add rax, {reg: patchable});
    x64!(code => call {const reg: patchable});
    x64!(code => call {reg: patchable});

    // Values of another type.
    x64!(code => add rax, {reg: rm64});
    x64!(code => add rax, {a: rmi64});
    x64!(code => lea rax, {5: m});
}

const CONSTANT: jit_asm::Template = x64! { add rax, {SOURCE: rm64} };

templates! {
    fn unknown() = x64!< add rax, {src: rm64} >;
}
