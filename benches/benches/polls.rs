//! What polls cost code that is never interrupted, and how soon code stops that is.
//!
//! `cargo bench -p jit-benches --bench polls`
#![allow(unsafe_code)] // the code below is called

use jit_benches::contest::aim_at_most;
use jit_benches::{Contestant, Spread, contest};
use jit_runtime::frame::{enter_frame, leave_frame};
use jit_runtime::memory::CodeHeap;
use jit_runtime::stitch::{Assembler, Code, Function, Label};
use jit_runtime::transition::{Checked, Gate, Machine, NativeStack, poll, rust_call_keeping};
use jit_runtime::{RegSet, x64};
use std::num::NonZeroU64;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: usize = 31;
const PLAIN: &str = "without polls";
const POLLED: &str = "with polls";
/// Iterations of a loop in one measurement.
const LOOP: u64 = 200_000;
const FIB: u64 = 22;
/// How often a loop is interrupted.
const INTERRUPTS: usize = 200;

/// Ends the run.
extern "C-unwind" fn stop(machine: *mut Machine) -> Checked {
    // SAFETY: r14 is the machine of the run, which nobody borrows mutably.
    let interrupted = unsafe { &*machine }.take_interrupt();
    Checked::cut(if interrupted { NonZeroU64::MIN } else { NonZeroU64::MAX })
}

struct Bench {
    heap: CodeHeap,
    gate: Gate,
    slow: Code,
}

impl Bench {
    fn new() -> Bench {
        let heap = CodeHeap::probe().expect("code memory");
        let gate = Gate::new(&heap).expect("Linux with the GNU C library");
        let mut asm = Assembler::new();
        let stop: extern "C-unwind" fn(*mut Machine) -> Checked = stop;
        rust_call_keeping(&mut asm, gate.cut(), RegSet::EMPTY, stop);
        let slow = asm.seal().and_then(|sealed| sealed.publish(&heap)).expect("room");
        Bench { heap, gate, slow }
    }

    /// A body, and the slow path of its polls, if it has any.
    fn publish(&self, polls: bool, body: impl Fn(&mut Assembler, Option<Label>)) -> Code {
        let mut asm = Assembler::new();
        let late = polls.then(|| asm.label());
        body(&mut asm, late);
        if let Some(late) = late {
            asm.bind(late);
            x64!(asm => call {Function(self.slow.address())}; ud2);
        }
        asm.seal().and_then(|sealed| sealed.publish(&self.heap)).expect("room")
    }

    fn enter(&self, machine: Pin<&mut Machine>, code: &Code, argument: u64) -> Result<u64, u64> {
        // SAFETY: nothing is moved out of it.
        let machine: *mut Machine = unsafe { machine.get_unchecked_mut() };
        // SAFETY: the machine is pinned and this thread's; the code keeps the frame convention, asks nothing of rbx
        // but a number, and stays published.
        let result = unsafe { self.gate.enter(machine, code.address(), argument) };
        result.map(|(value, _)| value).map_err(|cut| cut.status)
    }

    /// The same body with and without polls.
    fn compare(&self, title: &str, argument: u64, per: u64, body: impl Fn(&mut Assembler, Option<Label>)) {
        let (plain, polled) = (self.publish(false, &body), self.publish(true, &body));
        let limit = NativeStack::of_this_thread().limit(64 << 10);
        let (mut first, mut second) = (pin!(Machine::new(limit)), pin!(Machine::new(limit)));
        let expected = self.enter(first.as_mut(), &plain, argument);
        let contest = contest(
            ROUNDS,
            vec![
                Contestant::new(PLAIN, || assert_eq!(self.enter(first.as_mut(), &plain, argument), expected)),
                Contestant::new(POLLED, || {
                    assert_eq!(self.enter(second.as_mut(), &polled, argument), expected)
                }),
            ],
        );
        contest.print(title, "ns", per as f64);
    }
}

/// Three instructions: a loop has no less. Loops are aligned, or where they happen to stand decides.
fn tiny(asm: &mut Assembler, late: Option<Label>) {
    let again = asm.label();
    enter_frame(asm);
    x64!(asm => xor eax, eax; .align 16);
    asm.bind(again);
    if let Some(late) = late {
        poll(asm, late);
    }
    x64!(asm => add rax, rbx; dec rbx; jnz {again});
    leave_frame(asm);
}

/// Locals in memory, as a baseline compiler has them.
fn slots(asm: &mut Assembler, late: Option<Label>) {
    let again = asm.label();
    enter_frame(asm);
    x64!(asm => sub rsp, 16; mov qword [rbp - 8], 0; mov [rbp - 16], rbx; .align 16);
    asm.bind(again);
    if let Some(late) = late {
        poll(asm, late);
    }
    x64!(asm =>
        mov rax, [rbp - 8]; add rax, [rbp - 16]; mov [rbp - 8], rax;
        mov rcx, [rbp - 16]; sub rcx, 1; mov [rbp - 16], rcx;
        test rcx, rcx; jnz {again};
        mov rax, [rbp - 8]
    );
    leave_frame(asm);
}

/// Calls, each with a prologue; the argument is rbx.
fn fib(asm: &mut Assembler, late: Option<Label>) {
    let (start, small) = (asm.bound_label(), asm.label());
    enter_frame(asm);
    x64!(asm => sub rsp, 16);
    if let Some(late) = late {
        poll(asm, late);
    }
    x64!(asm =>
        mov rax, rbx; cmp rbx, 2; jb {small};
        mov [rbp - 8], rbx; dec rbx; call {start};
        mov [rbp - 16], rax; mov rbx, [rbp - 8]; sub rbx, 2; call {start};
        add rax, [rbp - 16]
    );
    asm.bind(small);
    leave_frame(asm);
}

/// From the request of another thread to the end of a run that would not end soon.
fn latency(bench: &Bench, what: &str, base: u64, body: fn(&mut Assembler, Option<Label>)) {
    let code = bench.publish(true, body);
    let mut machine = pin!(Machine::new(0));
    let interrupter = machine.as_ref().interrupter();
    let ready = AtomicBool::new(false);
    let mut times = vec![];
    for _ in 0..INTERRUPTS {
        ready.store(false, Ordering::Relaxed);
        let requested = std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                while !ready.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                // The code is running by now, or will be.
                std::thread::sleep(Duration::from_micros(200));
                let now = Instant::now();
                interrupter.interrupt();
                now
            });
            ready.store(true, Ordering::Relaxed);
            assert_eq!(bench.enter(machine.as_mut(), &code, base), Err(1), "interrupted");
            let ended = Instant::now();
            ended.duration_since(asking.join().expect("it only asks"))
        });
        times.push(requested.as_nanos() as f64 / 1000.0);
    }
    let worst = times.iter().copied().fold(0.0, f64::max);
    let spread = Spread::of(times);
    println!("\nfrom a request on another thread to the end of {what}: {spread} us, at worst {worst:.1} us");
    aim_at_most(&format!("an interrupt of {what}, the longest of {INTERRUPTS}, us"), worst, 1000.0);
}

fn main() {
    let bench = Bench::new();
    bench.compare("a loop of three instructions, an iteration", LOOP, LOOP, tiny);
    bench.compare("a loop of eight instructions on slots, an iteration", LOOP, LOOP, slots);
    bench.compare("fib(22), a call", FIB, 57_313, fib);
    latency(&bench, "a loop", u64::MAX, tiny);
    latency(&bench, "a recursion", 90, fib);
}
