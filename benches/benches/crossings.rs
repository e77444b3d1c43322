//! What it costs to enter native code from Rust and to call Rust from native code, beside calls of Rust through a
//! pointer.
//!
//! `cargo bench -p jit-benches --bench crossings`
#![allow(unsafe_code)]

use jit_benches::{Contestant, contest};
use jit_runtime::frame::{enter_frame, leave_frame};
use jit_runtime::memory::CodeHeap;
use jit_runtime::stitch::{Assembler, Code, Function};
use jit_runtime::transition::{Gate, Machine};
use jit_runtime::x64;
use std::hint::black_box;

const ROUNDS: usize = 400;
const TIMES: u32 = 10_000;

fn main() {
    let heap = CodeHeap::probe().expect("this machine gives code memory");
    let gate = Gate::new(&heap).expect("Linux with the GNU C library");
    println!("{TIMES} crossings, {ROUNDS} rounds");
    entering(&heap, &gate);
    calling(&heap, &gate);
}

fn publish(heap: &CodeHeap, emit: impl FnOnce(&mut Assembler)) -> Code {
    let mut asm = Assembler::new();
    emit(&mut asm);
    asm.seal().and_then(|sealed| sealed.publish(heap)).expect("there is memory for it")
}

#[inline(never)]
extern "C" fn nothing() {
    black_box(());
}

fn entering(heap: &CodeHeap, gate: &Gate) {
    let body = publish(heap, |asm| {
        enter_frame(asm);
        leave_frame(asm);
    });
    let mut machine = Machine::new(0);
    // SAFETY: a function of nothing that keeps the frame convention, and so the ABI.
    let entry = unsafe { body.entry::<extern "C" fn()>() };
    let through_gate = || {
        for _ in 0..TIMES {
            // SAFETY: the machine is this function's, and `body` keeps the frame convention and returns.
            black_box(unsafe { gate.enter(&raw mut machine, body.address(), 0) }).expect("nothing cuts");
        }
    };
    let pointer: extern "C" fn() = black_box(nothing);
    let contestants = vec![
        Contestant::new("Rust through a pointer", || (0..TIMES).for_each(|_| pointer())),
        Contestant::new("EntryPoint", || (0..TIMES).for_each(|_| black_box(&entry).call())),
        Contestant::new("Gate", through_gate),
    ];
    contest(ROUNDS, contestants).print("Enter native code and return", "ns", TIMES.into());
}

extern "C-unwind" fn nothing_of(_: *mut Machine) {
    black_box(());
}

fn calling(heap: &CodeHeap, gate: &Gate) {
    let stub = gate.rust_call(heap, nothing_of as extern "C-unwind" fn(_)).expect("there is memory for it");
    let calls = publish(heap, |asm| {
        let again = asm.label();
        enter_frame(asm);
        x64!(asm => push rbx; push rbx);
        asm.bind(again);
        x64!(asm => call {Function(stub.address())}; dec qword [rbp - 8]; jnz {again});
        leave_frame(asm);
    });
    let mut machine = Machine::new(0);
    let from_native = || {
        // SAFETY: the machine is this function's; the code keeps the frame convention and counts rbx down.
        let run = unsafe { gate.enter(&raw mut machine, calls.address(), TIMES.into()) };
        black_box(run).expect("nothing cuts");
    };
    let other: *mut Machine = std::ptr::null_mut();
    let pointer: extern "C-unwind" fn(*mut Machine) = black_box(nothing_of);
    let contestants = vec![
        Contestant::new("Rust from Rust, through a pointer", || (0..TIMES).for_each(|_| pointer(other))),
        Contestant::new("Rust from native code, through a stub", from_native),
    ];
    contest(ROUNDS, contestants).print("Call Rust and return", "ns", TIMES.into());
}
