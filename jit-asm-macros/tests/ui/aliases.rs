//! Names for registers.

use jit_asm_macros::{templates, x64};

fn main() {
    x64! { let five = 5; nop };
    x64! { let acc = raz; nop };
    x64! { let acc = {r: r64}; nop };
    x64! { let acc = [rax]; nop };
    x64! { let acc = ; nop };
    x64! { let acc; nop };
    x64! { let mut acc = rax; nop };
    x64! { let rcx = rdx; nop };
    x64! { let QWORD = rdx; nop };
    x64! { let add = rdx; nop };
    x64! { let acc = rax; let acc = rcx; mov acc, 5 };
    x64! { let unused = rax; nop };
    x64! { mov acc, 5; let acc = rax; mov acc, 5 };
    x64! { mov rax, [rbx + acc]; let acc = rcx; mov acc, 5 };
    x64! { acc: nop; let acc = rax; jmp acc };
    x64! { let acc = rax; acc: jmp acc };
    x64! { let acc = rax; acc, 5 };
    x64! { acc = rax; mov rax, 5 };
    // Errors stand under the alias and name its register.
    x64! { let low = eax; mov rcx, low; mov rcx, [low] };
    x64! { let top = rsp; mov rcx, [rax + top*8] };
}

templates! {
    let acc = rax;
    let unused = rcx;
    let acc = rdx;
    fn shadows() = x64!< let acc = rbx; mov acc, 5 >;
    fn before() = x64!< mov late, 5 >;
    let late = rsi;
    fn behind() = x64!< mov late, 5 >;
}
