//! A comma that is missing, a label that nothing names, a value of two types.

use jit_asm::Gpr;
use jit_asm_macros::{templates, x64};

fn main() {
    let mut code = vec![];
    let (n, r) = (5, Gpr::Rcx);
    x64! { mov rax rbx };
    x64! { mov rax 5; mov rax [rbx]; mov rax {const 5}; mov rax qword [rbx] };
    x64! { mov rax, rbx nop };
    x64! { again: nop };
    x64! { nop; end: };
    x64! { agian: dec rcx; jnz again };
    x64!(code => add rax, {n: i8}; add rax, {n: i32});
    x64!(code => add rax, {n}; mov rax, {n});
    x64!(code => mov rax, [rbp + {n}]; add al, {n});
    x64!(code => mov {r: r64}, 5; add rax, {r});
    x64!(code => mov {r: r64}, [rax + {r: r64}*8]);
    x64!(code => j{n} {n}; mov rax, [rbp + {n}]);
}

templates! {
    fn narrow(dst: i64) = x64!< mov rax, [rbp + {dst}] >;
    fn register(r: i32) = x64!< mov {r: r64}, 5 >;
    fn value(r: Gpr) = x64!< add rax, {r} >;
    fn byte(n: u8) = x64!< add rax, {n: i8} >;
}
