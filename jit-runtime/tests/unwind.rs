//! An unwinder finds the caller from every instruction of JIT code, and panics pass through it.
//!
//! The process steps itself: a trap handler asks libgcc for the whole chain of callers at every
//! instruction of the trampoline and of the bodies, and compares it with a list that it keeps by watching
//! calls and returns, which shares nothing with the records.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "disassemble"))]
#![allow(unsafe_code)]

#[path = "support/step.rs"]
mod step;
mod support;

use jit_runtime::frame::{enter_frame, enter_frame_sized, leave_frame};
use jit_runtime::stitch::{Assembler, Code, Function};
use jit_runtime::transition::{Checked, Cut};
use jit_runtime::x64;
use std::collections::BTreeSet;
use std::ffi::c_void;
use std::num::NonZeroU64;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use step::{Caller, Watch, backtrace, stepping, word};
use support::{Context, PATTERN, context, enter, heap, publish, registers_after};

/// What the trap handler knows and finds out.
#[derive(Default)]
struct Stepper {
    trampoline: Range<usize>,
    /// Behind the return of the trampoline.
    cut: usize,
    bodies: Vec<Range<usize>>,
    /// The function that JIT code calls, and how often it did.
    rust: usize,
    rust_calls: usize,
    /// Callers of what runs, the oldest first: Rust, the trampoline, bodies.
    callers: Vec<Caller>,
    /// The registers of Rust when it called the trampoline.
    kept: [usize; 6],
    /// Instructions at which the chain was compared.
    stepped: BTreeSet<usize>,
    steps: usize,
    wrong: Vec<String>,
}

impl Watch for Stepper {
    fn step(&mut self, ip: usize, sp: usize, registers: [usize; 6]) {
        if ip == self.trampoline.start {
            self.kept = registers;
            self.callers.clear();
        }
        let function = ip == self.rust || self.bodies.iter().any(|body| body.start == ip);
        if function && sp % 16 != 8 {
            self.wrong.push(format!("{ip:#x} is called with rsp {sp:#x}, which was not 16-aligned"));
        }
        self.rust_calls += usize::from(ip == self.rust);
        let in_bodies = self.bodies.iter().any(|body| body.contains(&ip));
        if !in_bodies && !self.trampoline.contains(&ip) {
            return;
        }
        // Whose rsp on return is not above the present one has been returned to.
        self.callers.retain(|caller| caller.sp > sp);
        if (self.cut..self.trampoline.end).contains(&ip) {
            // A cut drops the segment at once: its code runs for the trampoline.
            self.callers.truncate(1);
        }
        let enters = ip == self.trampoline.start || self.bodies.iter().any(|body| body.start == ip);
        if enters {
            self.callers.push(Caller { ip: word(sp), sp: sp + 8 });
        }
        self.steps += 1;
        self.stepped.insert(ip);
        self.compare(ip);
    }
}

impl Stepper {
    /// Compare the unwinder's chain with the list.
    fn compare(&mut self, ip: usize) {
        let seen = backtrace();
        // In front are this handler and the signal's own frame.
        let Some(here) = seen.iter().position(|s| s.caller.ip == ip) else {
            return self.wrong.push(format!("{ip:#x} is not in its own backtrace"));
        };
        let found: Vec<Caller> = seen[here + 1..].iter().map(|s| s.caller).take(self.callers.len()).collect();
        let wanted: Vec<Caller> = self.callers.iter().rev().copied().collect();
        if found != wanted {
            return self.wrong.push(format!("at {ip:#x}: found {found:x?}, wanted {wanted:x?}"));
        }
        let rust = seen[here + wanted.len()].kept;
        if rust != self.kept {
            self.wrong.push(format!("at {ip:#x}: registers {rust:x?}, wanted {:x?}", self.kept));
        }
        if seen.len() < here + wanted.len() + 3 {
            self.wrong.push(format!("at {ip:#x}: the walk ends in {:x?}", seen.last()));
        }
    }
}

fn range(code: &Code) -> Range<usize> {
    code.address()..code.address() + code.len()
}

extern "C-unwind" fn checked(_: *mut Context, how: u64) -> Checked {
    match how {
        0 => Checked::value(7),
        1 => Checked::cut(NonZeroU64::MIN),
        _ => resume_unwind(Box::new("through JIT code")),
    }
}

/// A leaf that pushes, a body with slots that loops over it, a recursive one, and one that calls Rust.
struct Bodies {
    main: Code,
    all: Vec<Code>,
}

fn bodies(heap: &jit_runtime::memory::CodeHeap, stub: Code) -> Bodies {
    let leaf = publish(heap, |asm| {
        enter_frame(asm);
        // Bytes that mean something elsewhere: 55, C3 and 48 89 E5 inside instructions.
        x64!(asm => push rax; mov eax, 0x55C3; xor rax, 0x55; add eax, 0x00E58948; pop rcx);
        leave_frame(asm);
    });
    let recursive = publish(heap, |asm| {
        let again = asm.bound_label();
        let bottom = asm.label();
        let size = enter_frame_sized(asm);
        x64!(asm => dec rsi; js {bottom}; mov [rbp - 8], rsi; call {again}; mov rcx, [rbp - 8]);
        asm.bind(bottom);
        leave_frame(asm);
        size.set(asm, 1);
    });
    let main = publish(heap, |asm| {
        let again = asm.label();
        let size = enter_frame_sized(asm);
        x64!(asm => xor eax, eax; mov qword [rbp - 8], 2; xor r12d, r12d; mov r13, r12; mov r15, r12);
        asm.bind(again);
        x64!(asm => call {Function(leaf.address())}; nop; dec qword [rbp - 8]; jnz {again});
        x64!(asm => mov esi, 3; call {Function(recursive.address())});
        x64!(asm => mov rsi, rbx; xor ebx, ebx; call {Function(stub.address())});
        x64!(asm => mov [rbp - 16], rax; mov rax, [rbp - 16]);
        leave_frame(asm);
        size.set(asm, 2);
    });
    Bodies { main: main.clone(), all: vec![leaf, recursive, main, stub] }
}

#[test]
fn every_instruction_finds_its_callers() {
    let heap = heap();
    let mut context = context(&heap);
    let checked = checked as extern "C-unwind" fn(_, _) -> _;
    let stub = context.gate.rust_call(&heap, checked).expect("room");
    let bodies = bodies(&heap, stub);
    let trampoline = range(context.gate.code());
    let stepper = Stepper {
        rust: checked as usize,
        cut: context.gate.cut().0,
        trampoline: trampoline.clone(),
        bodies: bodies.all.iter().map(range).collect(),
        ..Stepper::default()
    };
    let mut ends = vec![];
    let at = &raw mut context;
    let stepper = stepping(stepper, || {
        for how in [0, 1] {
            ends.push(enter(at, bodies.main.address(), how));
        }
    });
    assert_eq!(ends[0].map(|r| r.0), Ok(7));
    assert_eq!(ends[1], Err(Cut { status: 1 }));
    let first = stepper.wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(stepper.wrong.is_empty(), "{} of {} steps:\n{first}", stepper.wrong.len(), stepper.steps);

    // Every instruction was met: of the trampoline and the cut, of every body.
    let mut missed = vec![];
    for code in std::iter::once(context.gate.code()).chain(&bodies.all) {
        let bytes = code.block().bytes();
        let mut decoder = iced_x86::Decoder::with_ip(64, &bytes, code.address() as u64, 0);
        while decoder.can_decode() {
            let instruction = decoder.decode();
            if instruction.mnemonic() == iced_x86::Mnemonic::Int3 {
                break; // the room for veneers
            }
            if !stepper.stepped.contains(&(instruction.ip() as usize)) {
                missed.push(instruction.to_string());
            }
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
    println!("{} steps at {} instructions", stepper.steps, stepper.stepped.len());
    assert!(stepper.steps > 150 && stepper.rust_calls == 2);
}

/// The net itself: an instruction between `leave` and `ret`, which the convention forbids, is found.
#[test]
fn a_breach_of_the_convention_is_found_by_stepping() {
    let heap = heap();
    let mut context = context(&heap);
    let mut asm = Assembler::new();
    enter_frame(&mut asm);
    x64!(asm => leave);
    let breach = asm.offset();
    x64!(asm => nop; ret);
    let code = asm.seal().expect("no labels").publish(&heap).expect("room");
    let stepper = Stepper {
        cut: context.gate.cut().0,
        trampoline: range(context.gate.code()),
        bodies: vec![range(&code)],
        ..Stepper::default()
    };
    let at = &raw mut context;
    let stepper = stepping(stepper, || {
        enter(at, code.address(), 0).expect("nothing cuts");
    });
    let breach = format!("at {:#x}:", code.address_of(breach).expect("inside"));
    assert!(
        !stepper.wrong.is_empty() && stepper.wrong.iter().all(|w| w.starts_with(&breach)),
        "{:?}",
        stepper.wrong
    );
}

/// A thunk fills the registers that a callee keeps, and finds them filled after a panic was caught.
#[test]
fn a_panic_passes_jit_frames_with_registers_intact() {
    struct Run {
        context: Context,
        code: usize,
        caught: Option<String>,
    }
    extern "C" fn run(argument: *mut c_void) {
        // SAFETY: the test passes a `Run` that it does not use meanwhile.
        let run = unsafe { &mut *argument.cast::<Run>() };
        let at = &raw mut run.context;
        let caught = catch_unwind(AssertUnwindSafe(|| enter(at, run.code, 2)));
        run.caught = caught.err().map(|payload| payload.downcast_ref::<&str>().expect("text").to_string());
    }
    let heap = heap();
    let context = context(&heap);
    let checked = checked as extern "C-unwind" fn(_, _) -> _;
    let stub = context.gate.rust_call(&heap, checked).expect("room");
    let bodies = bodies(&heap, stub);
    let mut run_it = Run { context, code: bodies.main.address(), caught: None };
    for _ in 0..3 {
        run_it.caught = None;
        assert_eq!(registers_after(run, (&raw mut run_it).cast()), PATTERN);
        assert_eq!(run_it.caught.as_deref(), Some("through JIT code"));
        assert!(!run_it.context.machine.is_entered());
    }
}

/// Destructors between segments run when a panic passes: Rust, JIT, Rust, JIT, Rust.
#[test]
fn a_panic_runs_the_destructors_between_segments() {
    struct Note(*mut Context, usize);
    impl Drop for Note {
        fn drop(&mut self) {
            // SAFETY: the context is on the test's stack, below all of this.
            let seen = unsafe { &mut (*self.0).seen };
            seen.push(self.1);
        }
    }
    extern "C-unwind" fn level(context: *mut Context, left: u64) -> u64 {
        let _note = Note(context, left as usize);
        if left == 0 {
            resume_unwind(Box::new("from the bottom"));
        }
        // SAFETY: the context lives.
        let body = unsafe { (*context).body };
        enter(context, body, left - 1).expect("nothing cuts").0
    }
    let heap = heap();
    let mut context = context(&heap);
    let stub = context.gate.rust_call(&heap, level as extern "C-unwind" fn(_, _) -> _).expect("room");
    let code = publish(&heap, |asm| {
        enter_frame(asm);
        x64!(asm => mov rsi, rbx; call {Function(stub.address())});
        leave_frame(asm);
    });
    context.body = code.address();
    let at = &raw mut context;
    let caught = catch_unwind(AssertUnwindSafe(|| level(at, 5)));
    assert!(caught.is_err());
    assert_eq!(context.seen, [0, 1, 2, 3, 4, 5]);
    assert!(!context.machine.is_entered());
}

/// Called by the code of the test below. It stands apart: within the test its name would hold that of the test.
extern "C-unwind" fn look(context: *mut Context) -> u64 {
    let trace = std::backtrace::Backtrace::force_capture().to_string();
    let sees = |name: &str| usize::from(trace.contains(name));
    // SAFETY: the context lives.
    let seen = unsafe { &mut (*context).seen };
    seen.extend([sees("unwind::look"), sees("a_backtrace_goes_through")]);
    0
}

/// `std::backtrace` sees beyond JIT frames.
#[test]
fn a_backtrace_goes_through() {
    // Whatever a client's own hooks are called, the unwinder is told.
    for name in ["", "unwinding", "unwinder"] {
        let heap = heap();
        assert!(heap.on_region(name, |_, _| Box::new(())), "{name}");
        let mut context = context(&heap);
        let stub = context.gate.rust_call(&heap, look as extern "C-unwind" fn(_) -> _).expect("room");
        let code = publish(&heap, |asm| {
            enter_frame(asm);
            x64!(asm => call {Function(stub.address())}; nop);
            leave_frame(asm);
        });
        let at = &raw mut context;
        enter(at, code.address(), 0).expect("nothing cuts");
        assert_eq!(context.seen, [1, 1], "the function that looks, and beyond the code this test");
    }
}
