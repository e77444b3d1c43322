//! Constants that do not fit, found in const evaluation under the hole.

use jit_asm::Template;
use jit_asm_macros::{templates, x64};

const BIG: usize = 0x8000_0000;
const A: Template = x64! { add rax, {const BIG} };
const B: Template = x64! { mov al, {const 256} };
const C: Template = x64! { nop; mov rax, [rbp + {const 128: i8}] };

templates! {
    fn named() = x64!< push {const -0x8000_0001_i64} >;
}

fn main() {}
