//! What a template cannot jump to, call, or take the address of.

use jit_runtime::stitch::{Assembler, Label};
use jit_runtime::x64;

extern "C" fn callee() {}

fn labels(code: &mut Vec<u8>, done: Label) {
    x64!(code => jmp {done});
}

fn main() {
    let mut asm = Assembler::new();
    let address = callee as *const () as usize;
    let pi = 3.14;
    x64!(asm => call {address});
    x64!(asm => call {callee});
    x64!(asm => movsd xmm0, [{pi}]);
}
