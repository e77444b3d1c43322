//! System V in both directions: C functions made of templates, and calls of functions that compilers made.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "disassemble"))]
#![allow(unsafe_code)]

mod callees;
mod caller;
mod compiler;
mod functions;
mod matrix;
mod refusals;
mod samples;
#[path = "../support/step.rs"]
mod step;
#[path = "../support/mod.rs"]
mod support;
mod unwinding;
mod ways;

use jit_runtime::Features;
use jit_runtime::abi::{CEntry, CFunction, Signature};
use jit_runtime::stitch::{Assembler, Code, detected_features};
use jit_runtime::transition::{CHeap, EntryPoint, FunctionPointer};
use std::io::Write as _;

fn heap() -> CHeap {
    CHeap::probe().expect("Linux with the GNU C library")
}

/// Whether code may run here that needs an extension; where not, it is told what is not looked at.
fn may_run(needed: Features, what: &str) -> bool {
    let here = detected_features().contains(needed);
    if !here {
        // Past the capture of test output: every run tells what it could not look at.
        let _ = writeln!(std::io::stderr(), "{what}: the processor has no {needed}, nothing is claimed");
    }
    here
}

/// Make and publish one function, and check its frame.
fn function<F: Signature + FunctionPointer>(
    heap: &CHeap,
    build: impl FnOnce(&mut CFunction<'_, F>),
) -> EntryPoint<F> {
    let mut asm = Assembler::new();
    let mut f = CFunction::<F>::begin(&mut asm);
    build(&mut f);
    let entry = f.finish().expect("right");
    let code = publish(heap, asm);
    entry_point(&code, entry)
}

fn publish(heap: &CHeap, asm: Assembler) -> Code {
    let sealed = asm.seal().expect("no labels are open");
    let breaches = jit_runtime::frame::check(&sealed.bytes()[..sealed.code_len()], sealed.data());
    assert!(breaches.is_empty(), "{breaches:?}");
    heap.publish(sealed).expect("room")
}

fn entry_point<F: Signature + FunctionPointer>(code: &Code, entry: CEntry<F>) -> EntryPoint<F> {
    // SAFETY: the tests publish what they made the entry of, and pass what their functions want.
    unsafe { EntryPoint::of_function(code.clone(), entry) }.expect("inside")
}
