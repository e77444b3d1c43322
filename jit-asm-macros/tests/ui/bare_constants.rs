//! Constants of Rust without braces.

use jit_asm::Template;
use jit_asm_macros::{templates, x64};
use std::mem::offset_of;

struct Ctx {
    top: u32,
}

impl Ctx {
    const FAR: i64 = 0x8000_0000;
    const HALF: f64 = 0.5;
}

// Found in const evaluation, under the whole constant.
const A: Template = x64! { mov rax, [rdi + Ctx::FAR] };
const B: Template = x64! { mov rax, [rdi + offset_of!(Ctx, top) + rcx*8 + Ctx::FAR + 8] };
const C: Template = x64! { mov al, -Ctx::FAR };

// Found by rustc.
const D: Template = x64! { mov rax, [rdi + offset_of!(Ctx, bottom)] };
const E: Template = x64! { mov rax, Ctx::SIZE * 8 };
const F: Template = x64! { mov rax, Ctx::HALF };

fn main() {
    let mut code = vec![];
    let d = 8;
    x64!(code =>
        mov rax, [rdi + {d} + Ctx::FAR];
        mov rax, [rdi + {const 8: i8} - Ctx::FAR];
        mov rax, [rdi + Ctx::FAR*rcx];
        mov rax, [rcx*Ctx::FAR];
        mov rax, [rdi + FAR];
        mov rax, [rdi - {d}];
        mov rax, [rdi - {const 8: i8}];
        mov rax, Ctx::FAR + rcx;
        mov rax, f(3);
        mov rax, <Ctx as Size>::SIZE;
        mov rax, rcx::;
        mov rax, Ctx::FAR * rcx
    );
    x64!(code => jmp Ctx::enter; mov Ctx::FAR, rax; mov rax, offset_of!(Ctx, top));
    x64!(code => mov rax, Ctx::; mov rax, Ctx::FAR rcx);
    x64!(code => mov rax, (Ctx::FAR); call code!{});
}

templates! {
    fn parameter(n: i32) = x64!< mov rax, std::convert::identity(n); add rcx, {n} >;
}

templates! {
    fn open() = x64!< mov rax, size_of::<Ctx() >;
}
