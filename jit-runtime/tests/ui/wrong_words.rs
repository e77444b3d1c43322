//! What does not fill an integer register does not go between Rust and JIT code.

use jit_runtime::memory::CodeHeap;
use jit_runtime::transition::{Gate, Machine};

extern "C-unwind" fn double(_: *mut Machine, _: f64) {}

extern "C-unwind" fn flag(_: *mut Machine) -> bool {
    true
}

fn main() {
    let heap = CodeHeap::probe().unwrap();
    let gate = Gate::new(&heap).unwrap();
    let _ = gate.rust_call(&heap, double as extern "C-unwind" fn(_, _));
    let _ = gate.rust_call(&heap, flag as extern "C-unwind" fn(_) -> _);
}
