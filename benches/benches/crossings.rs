//! What it costs to enter native code from Rust and to call Rust from native code, beside calls of Rust through a
//! pointer, and beside a trampoline and a stub by hand that save and pass the same and know neither cuts nor frames.
//!
//! `cargo bench -p jit-benches --bench crossings`
#![allow(unsafe_code)]

use jit_benches::contest::aim_at_most;
use jit_benches::{Contestant, contest};
use jit_runtime::frame::{enter_frame, leave_frame};
use jit_runtime::memory::CodeHeap;
use jit_runtime::stitch::{Assembler, Code, Function};
use jit_runtime::transition::{Gate, Machine};
use jit_runtime::x64;
use std::cell::RefCell;
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

const GATE: &str = "Gate";
const TRAMPOLINE: &str = "trampoline by hand";
const STUB: &str = "Rust from native code, through a stub";
const STUB_BY_HAND: &str = "Rust from native code, by hand";

/// As [`Gate::enter`], without what can go wrong and without anybody outside.
type Trampoline = extern "C" fn(*mut Machine, usize, u64) -> u64;

fn trampoline(heap: &CodeHeap) -> Code {
    publish(heap, |asm| {
        x64!(asm =>
            push rbp; mov rbp, rsp; push rbx; push r12; push r13; push r14; push r15; sub rsp, 8;
            mov r14, rdi; mov rbx, rdx; call rsi;
            add rsp, 8; pop r15; pop r14; pop r13; pop r12; pop rbx; pop rbp; ret
        );
    })
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
    let trampoline = trampoline(heap);
    // SAFETY: a function of this type, which saves the registers of its caller.
    let by_hand = unsafe { trampoline.entry::<Trampoline>() };
    // SAFETY: the code is there until this function returns.
    let by_hand: Trampoline = black_box(unsafe { by_hand.pointer() });
    let mut other = Machine::new(0);
    let through_trampoline =
        || (0..TIMES).for_each(|_| _ = black_box(by_hand(&raw mut other, body.address(), 0)));
    let pointer: extern "C" fn() = black_box(nothing);
    let contestants = vec![
        Contestant::new("Rust through a pointer", || (0..TIMES).for_each(|_| pointer())),
        Contestant::new("EntryPoint", || (0..TIMES).for_each(|_| black_box(&entry).call())),
        Contestant::new(TRAMPOLINE, through_trampoline),
        Contestant::new(GATE, through_gate),
    ];
    let contest = contest(ROUNDS, contestants);
    contest.print("Enter native code and return", "ns", TIMES.into());
    aim_at_most("Gate, x a trampoline by hand", contest.ratio(GATE, TRAMPOLINE).median, 1.2);
}

extern "C-unwind" fn nothing_of(_: *mut Machine) {
    black_box(());
}

fn calling(heap: &CodeHeap, gate: &Gate) {
    let stub = gate.rust_call(heap, nothing_of as extern "C-unwind" fn(_)).expect("there is memory for it");
    let nothing_at = nothing_of as extern "C-unwind" fn(_) as usize as i64;
    let stub_by_hand = publish(heap, |asm| {
        enter_frame(asm);
        x64!(asm => mov rdi, r14; mov rax, {nothing_at}; call rax);
        leave_frame(asm);
    });
    let calls = |stub: &Code| {
        publish(heap, |asm| {
            enter_frame(asm);
            x64!(asm => push rbx; push rbx; .align 16);
            let again = asm.bound_label();
            x64!(asm => call {Function(stub.address())}; dec qword [rbp - 8]; jnz {again});
            leave_frame(asm);
        })
    };
    let (calls, calls_by_hand) = (calls(&stub), calls(&stub_by_hand));
    let machine = RefCell::new(Machine::new(0));
    let from_native = |code: &Code| {
        // SAFETY: the machine is this function's; the code keeps the frame convention and counts rbx down.
        let run = unsafe { gate.enter(machine.as_ptr(), code.address(), TIMES.into()) };
        black_box(run).expect("nothing cuts");
    };
    let other: *mut Machine = std::ptr::null_mut();
    let pointer: extern "C-unwind" fn(*mut Machine) = black_box(nothing_of);
    let contestants = vec![
        Contestant::new("Rust from Rust, through a pointer", || (0..TIMES).for_each(|_| pointer(other))),
        Contestant::new(STUB_BY_HAND, || from_native(&calls_by_hand)),
        Contestant::new(STUB, || from_native(&calls)),
    ];
    let contest = contest(ROUNDS, contestants);
    contest.print("Call Rust and return", "ns", TIMES.into());
    aim_at_most("a stub, x by hand", contest.ratio(STUB, STUB_BY_HAND).median, 1.2);
}
