//! Each line from the mark on is one mistake.

use jit_runtime::memory::CodeHeap;
use jit_runtime::transition::{Gate, Machine};

extern "C-unwind" fn item(_: *mut Machine, by: u64) -> u64 {
    by
}

extern "C" fn no_panic(_: *mut Machine, by: u64) -> u64 {
    by
}

fn rust(_: *mut Machine, by: u64) -> u64 {
    by
}

extern "C-unwind" fn borrows(_: &Machine) {}

fn main() {
    let heap = CodeHeap::probe().unwrap();
    let gate = Gate::new(&heap).unwrap();
    // The mark.
    let _ = gate.rust_call(&heap, item);
    let _ = gate.rust_call(&heap, no_panic as extern "C" fn(_, _) -> _);
    let _ = gate.rust_call(&heap, rust as fn(_, _) -> _);
    let _ = gate.rust_call(&heap, borrows as extern "C-unwind" fn(&_));
}
