//! Polls, and interrupts from other threads: a loop or a recursion that would never end ends, nothing is lost, and
//! code that goes on finds its registers as they were.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "disassemble"))]
#![allow(unsafe_code)] // to call code is to vouch for it: every case does

mod support;

use jit_runtime::frame::{enter_frame, enter_frame_sized, leave_frame};
use jit_runtime::memory::CodeHeap;
use jit_runtime::stitch::{Assembler, Code, Function};
use jit_runtime::transition::{
    Checked, Cut, Interrupter, Machine, NativeStack, RustFunction, poll, rust_call_keeping,
};
use jit_runtime::{Gpr, RegSet, Xmm, templates, x64};
use std::io::Write as _;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use support::{Context, context, heap, publish};

const OVERFLOW: u64 = 1;
const INTERRUPTED: u64 = 2;

/// What a poll calls: says why the code has to stop.
extern "C-unwind" fn stop(context: *mut Context) -> Checked {
    // SAFETY: r14 is the context of the test that entered, and the machine is not borrowed mutably while code runs.
    let machine = unsafe { &(*context).machine };
    let status = if machine.take_interrupt() { INTERRUPTED } else { OVERFLOW };
    Checked::cut(NonZeroU64::new(status).expect("both are not 0"))
}

/// A context that does not move: the interrupters know where it is.
fn pinned(heap: &CodeHeap) -> Pin<Box<Context>> {
    Box::pin(context(heap))
}

fn interrupter(context: &Pin<Box<Context>>) -> Interrupter {
    // SAFETY: the machine is pinned because its context is, and nothing moves out of a context.
    unsafe { Pin::new_unchecked(&context.machine) }.interrupter()
}

/// The context as native code has it.
fn address(context: &mut Pin<Box<Context>>) -> *mut Context {
    // SAFETY: nothing is moved out of it.
    unsafe { Pin::get_unchecked_mut(context.as_mut()) }
}

fn stub(heap: &CodeHeap, context: &Context, kept: RegSet, function: impl RustFunction) -> Code {
    publish(heap, |asm| rust_call_keeping(asm, context.gate.cut(), kept, function))
}

/// How often the loops below go round when nobody stops them: for hours.
const ENDLESS: u64 = 1 << 43;

/// How long code may take to stop. It is no claim of how fast that is: a test that hangs is to fail.
const PATIENCE: Duration = Duration::from_secs(20);

/// Enter `code` from Rust, and end the process if that does not end.
fn enter(context: *mut Context, code: usize, base: u64) -> Result<(u64, u64), Cut> {
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            // Past the capture of test output, which ends with the process.
            let _ = writeln!(std::io::stderr(), "code that was to be interrupted runs on and on");
            std::process::abort();
        }
    });
    let result = support::enter(context, code, base);
    drop(done);
    result
}

/// `while counter != 0 { counter -= 1; poll }`, with the counter in rbx.
fn endless(heap: &CodeHeap, slow: &Code) -> Code {
    publish(heap, |asm| {
        let (again, late) = (asm.label(), asm.label());
        enter_frame(asm);
        asm.bind(again);
        poll(asm, late);
        x64!(asm => dec rbx; jnz {again});
        leave_frame(asm);
        asm.bind(late);
        x64!(asm => call {Function(slow.address())}; jmp {again});
    })
}

type Stop = extern "C-unwind" fn(*mut Context) -> Checked;

#[test]
fn an_interrupt_stops_an_endless_loop() {
    let heap = heap();
    let mut context = pinned(&heap);
    let slow = stub(&heap, &context, RegSet::EMPTY, stop as Stop);
    let code = endless(&heap, &slow);
    let interrupter = interrupter(&context);
    for _ in 0..20 {
        let other = interrupter.clone();
        std::thread::scope(|scope| {
            scope.spawn(move || assert!(other.interrupt()));
            assert_eq!(
                enter(address(&mut context), code.address(), ENDLESS),
                Err(Cut { status: INTERRUPTED })
            );
        });
        assert!(!context.machine.is_interrupted(), "it was taken");
    }
}

/// A request while nothing runs is there for the next run; two requests are one.
#[test]
fn a_request_waits_for_the_next_run() {
    let heap = heap();
    let mut context = pinned(&heap);
    let slow = stub(&heap, &context, RegSet::EMPTY, stop as Stop);
    let code = endless(&heap, &slow);
    let interrupter = interrupter(&context);
    assert!(interrupter.interrupt() && interrupter.interrupt());
    assert!(context.machine.is_interrupted());
    assert_eq!(context.machine.set_bound(4096), 0);
    assert_eq!(enter(address(&mut context), code.address(), ENDLESS), Err(Cut { status: INTERRUPTED }));
    assert!(!context.machine.take_interrupt(), "two requests are one");
    assert_eq!(context.machine.set_bound(u64::MAX - 1), 4096);
    // With a bound above every stack each poll fails, and says that it is the stack.
    assert_eq!(enter(address(&mut context), code.address(), ENDLESS), Err(Cut { status: OVERFLOW }));
}

/// The prologue's comparison is a poll as well: a recursion stops, and it is known whether for the stack.
#[test]
fn recursion_stops_for_the_stack_or_for_a_request() {
    let run = |interrupted: bool| {
        let heap = heap();
        let mut context = pinned(&heap);
        let slow = stub(&heap, &context, RegSet::EMPTY, stop as Stop);
        let body = publish(&heap, |asm| {
            let (again, late) = (asm.bound_label(), asm.label());
            enter_frame(asm);
            poll(asm, late);
            x64!(asm => call {again}; ud2);
            asm.bind(late);
            x64!(asm => call {Function(slow.address())}; ud2);
        });
        context.machine.set_bound(NativeStack::of_this_thread().limit(128 << 10));
        if interrupted {
            interrupter(&context).interrupt();
        }
        enter(address(&mut context), body.address(), 0)
    };
    assert_eq!(run(false), Err(Cut { status: OVERFLOW }));
    assert_eq!(run(true), Err(Cut { status: INTERRUPTED }));
}

/// A recursion that runs, and that would neither end soon nor need much of the stack, is stopped at the poll of some
/// prologue: wherever it is.
#[test]
fn an_interrupt_stops_a_running_recursion() {
    let heap = heap();
    let mut context = pinned(&heap);
    let slow = stub(&heap, &context, RegSet::EMPTY, stop as Stop);
    let calls = std::mem::offset_of!(Context, body) as i32;
    let fibonacci = publish(&heap, |asm| {
        let (again, end, late) = (asm.bound_label(), asm.label(), asm.label());
        let size = enter_frame_sized(asm);
        poll(asm, late);
        x64!(asm => lock inc qword [r14 + {calls}]; mov rax, rbx; cmp rbx, 2; jl {end});
        x64!(asm => mov [rbp - 8], rbx; dec rbx; call {again}; mov [rbp - 16], rax);
        x64!(asm => mov rbx, [rbp - 8]; sub rbx, 2; call {again}; add rax, [rbp - 16]);
        asm.bind(end);
        leave_frame(asm);
        asm.bind(late);
        x64!(asm => call {Function(slow.address())}; ud2);
        size.set(asm, 2);
    });
    context.machine.set_bound(NativeStack::of_this_thread().limit(128 << 10));
    let interrupter = interrupter(&context);
    for _ in 0..20 {
        let at = address(&mut context);
        // SAFETY: the context is pinned and alive.
        let calls = unsafe { &raw mut (*at).body };
        // SAFETY: as above; only code changes the field meanwhile, by atomic additions.
        let calls = unsafe { AtomicUsize::from_ptr(calls) };
        calls.store(0, Ordering::Relaxed);
        let (other, code) = (interrupter.clone(), fibonacci.address());
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while calls.load(Ordering::Relaxed) < 1000 {
                    std::thread::yield_now();
                }
                assert!(other.interrupt());
            });
            assert_eq!(enter(at, code, 90), Err(Cut { status: INTERRUPTED }));
        });
        assert!(calls.load(Ordering::Relaxed) >= 1000, "it ran");
        assert_eq!(enter(at, code, 20).map(|r| r.0), Ok(6765), "and runs again");
    }
}

/// A request that comes while an inner run is entered with a bound of its own stops the inner run, is taken there,
/// and leaves the outer one its bound; one that is not taken there stops the outer run.
#[test]
fn nested_runs_lose_no_request() {
    extern "C-unwind" fn inner(context: *mut Context, takes: u64) -> u64 {
        // SAFETY: as in `stop`.
        let machine = unsafe { &(*context).machine };
        let outside = machine.set_bound(1000);
        // SAFETY: the test holds an interrupter of the same machine, and the context is pinned.
        unsafe { Pin::new_unchecked(machine) }.interrupter().interrupt();
        // SAFETY: as above.
        let body = unsafe { (*context).body };
        if takes == 1 {
            assert_eq!(enter(context, body, ENDLESS), Err(Cut { status: INTERRUPTED }));
        }
        assert_eq!(machine.set_bound(outside), 1000);
        machine.is_interrupted().into()
    }
    let heap = heap();
    let mut context = pinned(&heap);
    let slow = stub(&heap, &context, RegSet::EMPTY, stop as Stop);
    let call =
        context.gate.rust_call(&heap, inner as extern "C-unwind" fn(*mut Context, u64) -> u64).expect("room");
    let within = endless(&heap, &slow);
    // SAFETY: the context is pinned, alive and not borrowed.
    unsafe { (*address(&mut context)).body = within.address() };
    let outer = publish(&heap, |asm| {
        let late = asm.label();
        enter_frame(asm);
        x64!(asm => mov rsi, rbx; call {Function(call.address())});
        poll(asm, late);
        leave_frame(asm);
        asm.bind(late);
        x64!(asm => call {Function(slow.address())}; ud2);
    });
    assert_eq!(enter(address(&mut context), outer.address(), 1).map(|r| r.0), Ok(0));
    assert_eq!(enter(address(&mut context), outer.address(), 0), Err(Cut { status: INTERRUPTED }));
}

#[test]
fn an_interrupter_outlives_its_machine() {
    let heap = heap();
    let context = pinned(&heap);
    let one = interrupter(&context);
    let other = interrupter(&context).clone();
    assert_eq!(format!("{one:?}"), "Interrupter");
    let gone = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Once it answers that there is no machine it never says anything else.
            while one.interrupt() {}
            gone.store(true, Ordering::Relaxed);
            assert!(!one.interrupt());
        });
        std::thread::yield_now();
        drop(context);
    });
    assert!(gone.load(Ordering::Relaxed) && !other.interrupt());
    assert_eq!(format!("{other:?}"), "Interrupter(no machine)");
}

#[test]
#[should_panic(expected = "stands for an interrupt")]
fn the_alarm_is_no_bound() {
    Machine::growing_up(10).set_bound(0);
}

templates! {
    fn fill(register: Gpr, value: i64) = x64!< mov {register: r64}, {value} >;
    fn differs(register: Gpr, value: i64) = x64!< mov r14, {value}; sub r14, {register: r64}; or rax, r14 >;
    /// Both halves.
    fn fill_vector(register: Xmm, value: i64) = x64!<
        mov rax, {value}; movq {register: xmm}, rax; punpcklqdq {register: xmm}, {register: xmm}
    >;
    fn vector_differs(register: Xmm, value: i64) = x64!<
        mov rdx, {value};
        movq rcx, {register: xmm}; sub rcx, rdx; or rax, rcx;
        psrldq {register: xmm}, 8;
        movq rcx, {register: xmm}; sub rcx, rdx; or rax, rcx
    >;
}

/// Everything that a Rust function may change is changed by this one.
extern "C-unwind" fn trample(context: *mut Context) {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let seen = CALLS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: as in `stop`, but that the test reads nothing while code runs.
    let context = unsafe { &mut *context };
    context.seen.push(seen as usize);
    let apart = heap();
    let mut asm = Assembler::new();
    for register in [Gpr::Rcx, Gpr::Rdx, Gpr::Rsi, Gpr::Rdi, Gpr::R8, Gpr::R9, Gpr::R10, Gpr::R11, Gpr::Rax] {
        fill(&mut asm, register, -1);
    }
    for register in Xmm::ALL {
        fill_vector(&mut asm, register, -1);
    }
    x64!(asm => ret);
    let code = asm.seal().expect("no labels").publish(&apart).expect("room");
    // SAFETY: the code takes nothing and returns nothing, and changes what a callee may change.
    unsafe { code.entry::<extern "C" fn()>() }.call();
}

/// The registers that are kept are as they were, each of them alone and all together.
#[test]
fn a_keeping_call_keeps_registers() {
    let heap = heap();
    let mut context = pinned(&heap);
    let general = [
        Gpr::Rcx,
        Gpr::Rdx,
        Gpr::Rbx,
        Gpr::Rsi,
        Gpr::Rdi,
        Gpr::R8,
        Gpr::R9,
        Gpr::R10,
        Gpr::R11,
        Gpr::R12,
        Gpr::R13,
        Gpr::R15,
    ];
    let all = RegSet::of(&general).union(RegSet::of_vectors(&Xmm::ALL));
    let one_general = general.map(|r| RegSet::of(&[r]));
    let one_vector = Xmm::ALL.map(|x| RegSet::of_vectors(&[x]));
    for kept in one_general.into_iter().chain(one_vector).chain([all, RegSet::EMPTY.with(Gpr::Rax)]) {
        let slow = stub(&heap, &context, kept, trample as extern "C-unwind" fn(_));
        let value = |n: u8| i64::from(n) * 0x0101_0101_0101 + 7;
        let body = publish(&heap, |asm| {
            enter_frame(asm);
            x64!(asm => push r14; push r14);
            kept.vectors().for_each(|x| fill_vector(asm, x, value(x.number())));
            kept.iter().for_each(|r| fill(asm, r, value(r.number())));
            x64!(asm => call {Function(slow.address())});
            let rax = kept.contains(Gpr::Rax);
            if rax {
                x64!(asm => mov rcx, {value(0)}; sub rax, rcx);
            } else {
                x64!(asm => mov eax, 0);
            }
            kept.without(Gpr::Rax).iter().for_each(|r| differs(asm, r, value(r.number())));
            kept.vectors().for_each(|x| vector_differs(asm, x, value(x.number())));
            x64!(asm => pop r14; pop rcx);
            leave_frame(asm);
        });
        let differing = enter(address(&mut context), body.address(), 0).map(|r| r.0);
        assert_eq!(differing, Ok(0), "{kept:?}");
    }
    assert_eq!(context.seen.len(), general.len() + 16 + 2);
}
