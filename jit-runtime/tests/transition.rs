//! Rust calls JIT code calls Rust: values, cuts and panics, to any depth, with every register in place.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "disassemble"))]
#![allow(unsafe_code)]

mod support;

use jit_runtime::frame::{enter_frame, enter_frame_sized, leave_frame};
use jit_runtime::memory::{CodeHeap, Event, Strategy};
use jit_runtime::stitch::{About, Assembler, Code, Function};
use jit_runtime::transition::{Checked, Cut, EntryPoint, Machine, NativeStack};
use jit_runtime::x64;
use std::cell::RefCell;
use std::ffi::c_void;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Context, PATTERN, context, enter, heap, publish, registers_after};

/// How many frames the machine's walk finds, and whether each returns into `code`.
fn walk(context: *mut Context, code: std::ops::RangeInclusive<usize>) -> usize {
    // SAFETY: called from a function that JIT code called through a stub.
    let machine = unsafe { &*context.cast::<Machine>() };
    // SAFETY: as above.
    let frames: Vec<_> = unsafe { machine.frames() }.collect();
    assert!(frames.iter().all(|f| code.contains(&f.return_address)), "{frames:x?} in {code:x?}");
    assert!(frames.windows(2).all(|w| w[0].fp < w[1].fp), "callers stand higher");
    frames.len()
}

#[test]
fn results_come_in_two_registers() {
    let heap = heap();
    let mut context = context(&heap);
    let code = publish(&heap, |asm| {
        enter_frame(asm);
        x64!(asm => mov rax, rbx; mov rdx, r14);
        leave_frame(asm);
    });
    let at = &raw mut context;
    assert_eq!(enter(at, code.address(), 42), Ok((42, at.addr() as u64)));
    assert!(!context.machine.is_entered());
}

extern "C-unwind" fn sum(_: *mut Context, a: u64, b: u64, c: u64, d: u64, e: u64) -> u64 {
    a + 10 * b + 100 * c + 1000 * d + 10000 * e
}

#[test]
fn rust_takes_five_words() {
    let heap = heap();
    let mut context = context(&heap);
    let sum = sum as extern "C-unwind" fn(_, _, _, _, _, _) -> _;
    let stub = context.gate.rust_call(&heap, sum).expect("room");
    let code = publish(&heap, |asm| {
        enter_frame(asm);
        x64!(asm => mov esi, 1; mov edx, 2; mov ecx, 3; mov r8d, 4; mov r9d, 5);
        x64!(asm => call {Function(stub.address())});
        leave_frame(asm);
    });
    assert_eq!(enter(&raw mut context, code.address(), 0).map(|r| r.0), Ok(54321));
}

extern "C-unwind" fn itself(context: *mut Context) -> *mut Context {
    context
}

extern "C-unwind" fn half_of(_: *mut Context, bits: u64) -> u64 {
    (f64::from_bits(bits) / 2.0).to_bits()
}

#[test]
fn pointers_and_the_bits_of_doubles_are_words() {
    let heap = heap();
    let mut context = context(&heap);
    let itself = context.gate.rust_call(&heap, itself as extern "C-unwind" fn(_) -> _).expect("room");
    let half_of = context.gate.rust_call(&heap, half_of as extern "C-unwind" fn(_, _) -> _).expect("room");
    let code = publish(&heap, |asm| {
        enter_frame(asm);
        x64!(asm => mov rsi, rbx; call {Function(half_of.address())}; push rax; push rax);
        x64!(asm => call {Function(itself.address())}; pop rdx; pop rdx);
        leave_frame(asm);
    });
    let at = &raw mut context;
    let wanted = (at.addr() as u64, 1.25_f64.to_bits());
    assert_eq!(enter(at, code.address(), 2.5_f64.to_bits()), Ok(wanted));
}

#[test]
fn stubs_have_names() {
    let heap = heap();
    let context = context(&heap);
    let names = Arc::new(Mutex::new(vec![]));
    let told = Arc::clone(&names);
    heap.observe(move |event: &Event<'_>| {
        told.lock().unwrap().extend(About::of(event).map(|about| about.name.clone()));
    });
    let function = itself as extern "C-unwind" fn(_) -> _;
    let _named = context.gate.rust_call_named(&heap, "itself", function).expect("room");
    let _other = context.gate.rust_call(&heap, function).expect("room");
    assert_eq!(*names.lock().unwrap(), ["itself", "rust_call"]);
}

extern "C-unwind" fn halve(_: *mut Context, n: u64) -> Checked {
    match NonZeroU64::new(n % 2 * n) {
        None => Checked::value(n / 2),
        Some(odd) => Checked::cut(odd),
    }
}

/// A body that calls a stub with rbx and adds one to what it returns.
fn one_more_than(heap: &CodeHeap, stub: &Code) -> Code {
    publish(heap, |asm| {
        let size = enter_frame_sized(asm);
        x64!(asm => mov rsi, rbx; call {Function(stub.address())}; inc rax);
        leave_frame(asm);
        size.set(asm, 3);
    })
}

#[test]
fn a_status_cuts_and_zero_goes_on() {
    let heap = heap();
    let mut context = context(&heap);
    let halve = halve as extern "C-unwind" fn(_, _) -> _;
    let stub = context.gate.rust_call(&heap, halve).expect("room");
    let code = one_more_than(&heap, &stub);
    for _ in 0..3 {
        assert_eq!(enter(&raw mut context, code.address(), 10).map(|r| r.0), Ok(6));
        assert_eq!(enter(&raw mut context, code.address(), 11), Err(Cut { status: 11 }));
    }
    assert!(!context.machine.is_entered());
}

#[test]
fn gates_work_under_either_strategy() {
    for strategy in [Strategy::DualMapping, Strategy::ProtectFlip] {
        let heap = CodeHeap::new(strategy).expect("Linux on x86-64");
        let mut context = context(&heap);
        let end = end as extern "C-unwind" fn(_, _) -> _;
        let stub = context.gate.rust_call(&heap, end).expect("room");
        let code = one_more_than(&heap, &stub);
        let at = &raw mut context;
        assert_eq!(enter(at, code.address(), 0).map(|r| r.0), Ok(6));
        assert_eq!(enter(at, code.address(), 1), Err(Cut { status: 1 }));
        assert!(catch_unwind(AssertUnwindSafe(|| enter(at, code.address(), 2))).is_err());
    }
}

#[test]
fn code_cuts_itself_from_any_depth() {
    let heap = heap();
    let mut context = context(&heap);
    let cut = context.gate.cut();
    // Calls itself rbx times with a frame that grows, then cuts.
    let code = publish(&heap, |asm| {
        let again = asm.bound_label();
        let down = asm.label();
        enter_frame(asm);
        x64!(asm => push rbx; push rbx; dec rbx; jns {down}; mov eax, 77; jmp {cut});
        asm.bind(down);
        x64!(asm => call {again}; ud2);
    });
    for depth in [0, 1, 2, 1000] {
        assert_eq!(enter(&raw mut context, code.address(), depth), Err(Cut { status: 77 }));
    }
}

/// What a call through JIT code ends with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Value,
    Cut,
    Panic,
}

/// Overwrites what it may and more, then ends as rsi says (the number of an [`End`]).
extern "C-unwind" fn end(_: *mut Context, how: u64) -> Checked {
    match how {
        0 => Checked::value(5),
        1 => Checked::cut(NonZeroU64::MIN),
        _ => resume_unwind(Box::new("through JIT code")),
    }
}

#[test]
fn six_registers_survive_every_end() {
    struct Run {
        context: Context,
        code: usize,
        how: u64,
        end: Option<End>,
    }
    extern "C" fn run(argument: *mut c_void) {
        // SAFETY: the test passes a `Run` that it does not use meanwhile.
        let run = unsafe { &mut *argument.cast::<Run>() };
        let at = &raw mut run.context;
        let result = catch_unwind(AssertUnwindSafe(|| enter(at, run.code, run.how)));
        run.end = Some(match result {
            Ok(Ok(_)) => End::Value,
            Ok(Err(_)) => End::Cut,
            Err(_) => End::Panic,
        });
    }
    let heap = heap();
    let context = context(&heap);
    let end = end as extern "C-unwind" fn(_, _) -> _;
    let stub = context.gate.rust_call(&heap, end).expect("room");
    let code = publish(&heap, |asm| {
        enter_frame(asm);
        x64!(asm => mov rsi, rbx; xor ebx, ebx; mov r12, rbx; mov r13, rbx; mov r15, rbx);
        x64!(asm => call {Function(stub.address())}; xor ebx, ebx);
        leave_frame(asm);
    });
    let mut run_it = Run { context, code: code.address(), how: 0, end: None };
    for (how, end) in [End::Value, End::Cut, End::Panic, End::Value].into_iter().enumerate() {
        run_it.how = how as u64 % 3;
        let after = registers_after(run, (&raw mut run_it).cast());
        assert_eq!((run_it.end, after), (Some(end), PATTERN));
        assert!(!run_it.context.machine.is_entered());
    }
}

/// Enters the body again, one less deep; at the bottom it looks at the frames.
extern "C-unwind" fn deeper(context: *mut Context, left: u64) -> Checked {
    // SAFETY: the context is on the test's stack, and no reference to this field lives across calls.
    let body = unsafe { (*context).body };
    if left == 0 {
        let frames = walk(context, body..=body + 64);
        // SAFETY: as above.
        unsafe { (*context).seen.push(frames) };
        return Checked::value(0);
    }
    match enter(context, body, left - 1) {
        Ok((value, _)) => Checked::value(value),
        Err(Cut { status }) => Checked::cut(NonZeroU64::new(status).expect("a status is not 0")),
    }
}

#[test]
fn a_thousand_segments_nest_and_the_walk_sees_each_frame() {
    let heap = heap();
    let mut context = context(&heap);
    let stub = context.gate.rust_call(&heap, deeper as extern "C-unwind" fn(_, _) -> _).expect("room");
    let code = one_more_than(&heap, &stub);
    context.body = code.address();
    for depth in [0_u64, 1, 2, 10, 1000] {
        let result = enter(&raw mut context, code.address(), depth);
        assert_eq!(result.map(|r| r.0), Ok(depth + 1));
        // One frame in each segment: the stub is not a caller of anything in JIT code.
        assert_eq!(context.seen.pop(), Some(depth as usize + 1));
        assert!(!context.machine.is_entered());
    }
}

#[test]
fn the_walk_sees_several_frames_of_a_segment() {
    extern "C-unwind" fn look(context: *mut Context) -> u64 {
        // SAFETY: as in `deeper`.
        let body = unsafe { (*context).body };
        // SAFETY: as in `walk`.
        let machine = unsafe { &*context.cast::<Machine>() };
        // SAFETY: called through a stub.
        let inside = unsafe { machine.returns_into(&(body..body + 64)) };
        // SAFETY: as above.
        let outside = unsafe { machine.returns_into(&(1..2)) };
        assert!(inside && !outside);
        walk(context, body..=body + 64) as u64
    }
    let heap = heap();
    let mut context = context(&heap);
    let stub = context.gate.rust_call(&heap, look as extern "C-unwind" fn(_) -> _).expect("room");
    let code = publish(&heap, |asm| {
        let again = asm.bound_label();
        let down = asm.label();
        enter_frame(asm);
        x64!(asm => dec rbx; jns {down}; call {Function(stub.address())});
        leave_frame(asm);
        asm.bind(down);
        x64!(asm => call {again}; nop);
        leave_frame(asm);
    });
    context.body = code.address();
    for depth in [0, 1, 2, 500] {
        assert_eq!(enter(&raw mut context, code.address(), depth).map(|r| r.0), Ok(depth + 1));
    }
}

/// A script: each byte is what one level of nesting does when the level below it has ended.
struct Script {
    steps: Vec<u8>,
    /// Levels whose frames were counted wrongly.
    wrong: usize,
}

thread_local! {
    static SCRIPT: RefCell<Script> = const { RefCell::new(Script { steps: vec![], wrong: 0 }) };
}

fn status(level: u64) -> NonZeroU64 {
    NonZeroU64::new(level + 100).expect("at least 100")
}

/// What level `level` does, in JIT code and in the model alike, with the end of the level below.
fn react(step: u8, level: u64, below: Result<u64, Result<u64, u64>>) -> Result<u64, Result<u64, u64>> {
    match (step % 5, below) {
        (0, _) => Ok(level),
        (1, _) => Err(Ok(status(level).get())),
        (2, _) => Err(Err(level)),
        (_, below) => below,
    }
}

extern "C-unwind" fn scripted(context: *mut Context, level: u64) -> Checked {
    // SAFETY: as in `deeper`.
    let body = unsafe { (*context).body };
    let count = || walk(context, body..=body + 64);
    let frames = count();
    let (step, last) = SCRIPT.with_borrow(|s| (s.steps[level as usize], level as usize + 1 == s.steps.len()));
    let below = if last {
        Ok(0)
    } else {
        match catch_unwind(AssertUnwindSafe(|| enter(context, body, level + 1))) {
            Ok(Ok((value, _))) => Ok(value),
            Ok(Err(Cut { status })) => Err(Ok(status)),
            Err(panic) => Err(Err(*panic.downcast::<u64>().expect("panics of this test carry a level"))),
        }
    };
    // Whatever happened below, this segment is as it was.
    if count() != frames || frames != level as usize + 1 {
        SCRIPT.with_borrow_mut(|s| s.wrong += 1);
    }
    match react(step, level, below) {
        Ok(value) => Checked::value(value),
        Err(Ok(status)) => Checked::cut(NonZeroU64::new(status).expect("a status is not 0")),
        Err(Err(level)) => resume_unwind(Box::new(level)),
    }
}

/// Values, cuts and panics cross random nestings exactly as results cross Rust functions.
#[test]
fn ends_cross_as_results_do() {
    let heap = heap();
    let mut context = context(&heap);
    let stub = context.gate.rust_call(&heap, scripted as extern "C-unwind" fn(_, _) -> _).expect("room");
    let code = publish(&heap, |asm| {
        enter_frame(asm);
        x64!(asm => mov rsi, rbx; call {Function(stub.address())});
        leave_frame(asm);
    });
    context.body = code.address();
    let at = &raw mut context;
    arbtest::arbtest(|u| {
        let steps: Vec<u8> = (0..u.int_in_range(1..=12)?).map(|_| u.arbitrary()).collect::<Result<_, _>>()?;
        let mut wanted = Ok(0);
        for (level, step) in steps.iter().enumerate().rev() {
            wanted = react(*step, level as u64, wanted);
        }
        SCRIPT.set(Script { steps, wrong: 0 });
        let got = match catch_unwind(AssertUnwindSafe(|| enter(at, code.address(), 0))) {
            Ok(Ok((value, _))) => Ok(value),
            Ok(Err(Cut { status })) => Err(Ok(status)),
            Err(panic) => Err(Err(*panic.downcast::<u64>().expect("panics of this test carry a level"))),
        };
        assert_eq!(got, wanted);
        assert_eq!(SCRIPT.with_borrow(|s| s.wrong), 0);
        // SAFETY: nothing runs.
        assert!(!unsafe { &*at }.machine.is_entered());
        Ok(())
    })
    .budget(Duration::from_secs(1));
}

#[test]
fn two_gates_serve_one_heap_on_many_threads() {
    let heap = heap();
    let stub_of = |context: &Context| {
        context.gate.rust_call(&heap, deeper as extern "C-unwind" fn(_, _) -> _).expect("room")
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut context = context(&heap);
                let stub = stub_of(&context);
                let code = one_more_than(&heap, &stub);
                context.body = code.address();
                for depth in 0..50 {
                    assert_eq!(enter(&raw mut context, code.address(), depth).map(|r| r.0), Ok(depth + 1));
                }
            });
        }
    });
}

/// A body that calls itself until the limit stops it, with rbx as its depth.
fn runaway(heap: &CodeHeap, context: &Context) -> Code {
    let cut = context.gate.cut();
    publish(heap, |asm| {
        let (again, stop) = (asm.bound_label(), asm.label());
        enter_frame(asm);
        x64!(asm => cmp rsp, [r14 + {const Machine::STACK_LIMIT}]; jb {stop}; inc rbx; call {again}; ud2);
        asm.bind(stop);
        x64!(asm => mov rax, rbx; jmp {cut});
    })
}

#[test]
fn the_stack_limit_stops_recursion() {
    let heap = heap();
    let mut context = context(&heap);
    let code = runaway(&heap, &context);
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let depth = thread.spawn(move || {
        let stack = NativeStack::of_this_thread();
        let reserve = 256 << 10;
        context.machine.set_bound(stack.limit(reserve));
        let depth = enter(&raw mut context, code.address(), 0).expect_err("it ends at the limit").status;
        // Each frame is a return address and rbp.
        let wanted = (stack.remaining() - reserve) as u64 / 16;
        assert!(wanted.abs_diff(depth) < 100, "{depth} frames of {wanted}");
    });
    depth.expect("a thread").join().expect("the limit holds");
}

#[test]
fn the_native_stack_has_bounds() {
    let check = |at_least: usize, at_most: usize| {
        let stack = NativeStack::of_this_thread();
        let remaining = stack.remaining();
        assert!((at_least..at_most).contains(&remaining), "{remaining} bytes in {at_least}..{at_most}");
        assert_eq!(stack.limit(4096), stack.lowest() as u64 + 4096);
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    // The C library may give a larger stack that it had left over, of at most four times the size.
    thread
        .spawn(move || check(900 << 10, 4100 << 10))
        .expect("a thread")
        .join()
        .expect("bounds as asked for");
}

/// The bound is true: all of it but a little can be used.
#[test]
fn the_native_stack_can_be_used_down_to_its_bound() {
    fn dig(stack: &NativeStack, deep: u32) -> u32 {
        let ballast = std::hint::black_box([0_u8; 512]);
        let depth = if stack.remaining() < 16 << 10 { deep } else { dig(stack, deep + 1) };
        depth + u32::from(ballast[0])
    }
    let thread = std::thread::Builder::new().stack_size(512 << 10);
    let depth = thread
        .spawn(|| dig(&NativeStack::of_this_thread(), 0))
        .expect("a thread")
        .join()
        .expect("no overflow");
    assert!(depth > 100, "{depth} frames");
}

#[test]
fn an_entry_point_keeps_its_code() {
    let mut asm = Assembler::new();
    x64!(asm =>
        lea rax, [rdi + rsi * 2];
        lea rax, [rax + rdx * 4];
        lea rcx, [rcx + r8 * 2];
        lea rcx, [rcx + r9 * 4];
        imul rax, rcx;
        ret
    );
    let heap = heap();
    let code = asm.seal().expect("no labels").publish(&heap).expect("room");
    type Six = extern "C" fn(i64, i64, i64, i64, i64, i64) -> i64;
    // SAFETY: the code above takes six integers, returns one, and changes registers that are its to change.
    let six = unsafe { EntryPoint::<Six>::new(code) };
    let other = six.clone();
    drop((heap, six));
    assert_eq!(other.call(1, 2, 3, 4, 5, 6), 17 * 38);
    assert_eq!(other.call(-1, 0, 0, 1, 0, 0), -1);
    let text = format!("{other:?}");
    assert!(text.starts_with("EntryPoint<extern \"C\" fn(i64"), "{text}");
}

/// What an assembler says when a stub is emitted twice into it: two bodies, both in order.
#[test]
fn stubs_can_share_code() {
    let heap = heap();
    let context = context(&heap);
    let mut asm = Assembler::new();
    let double = (sum as extern "C-unwind" fn(*mut Context, u64, u64, u64, u64, u64) -> u64, asm.label());
    jit_runtime::transition::rust_call(&mut asm, context.gate.cut(), double.0);
    asm.bind(double.1);
    let sealed = asm.seal().expect("every label is bound");
    let end = sealed.offset_of(double.1).expect("bound");
    let code = sealed.publish(&heap).expect("room");
    assert!(jit_runtime::frame::check(&code.block().bytes()[..end.0 as usize], code.data()).is_empty());
}

/// Walks its frames and enters the body of the context, and notes what each says when it panics.
extern "C-unwind" fn walk_and_enter(context: *mut Context) {
    let said = |what: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(what)).expect_err("frames are missing");
        panic
            .downcast_ref::<&str>()
            .is_some_and(|text| text.starts_with("JIT code called Rust without a stub"))
    };
    // SAFETY: the context lives.
    let body = unsafe { (*context).body };
    let walked = said(&|| _ = walk(context, 0..=usize::MAX));
    let entered = said(&|| _ = enter(context, body, 0));
    // SAFETY: as above.
    unsafe { (*context).seen.extend([usize::from(walked), usize::from(entered)]) };
}

extern "C-unwind" fn nothing(_: *mut Context) {}

/// What JIT code calls without a stub is a function as any other, until it wants to know of frames, or hides some:
/// also where a stub was called before, whose frame is gone.
#[test]
fn who_is_called_without_a_stub_neither_walks_nor_enters() {
    let heap = heap();
    let mut context = context(&heap);
    let stub = context.gate.rust_call(&heap, nothing as extern "C-unwind" fn(_)).expect("room");
    context.body = publish(&heap, |asm| {
        enter_frame(asm);
        leave_frame(asm);
    })
    .address();
    let direct = Function(walk_and_enter as extern "C-unwind" fn(_) as usize);
    for before in [None, Some(Function(stub.address()))] {
        let code = publish(&heap, |asm| {
            enter_frame(asm);
            before.into_iter().for_each(|stub| x64!(asm => call {stub}));
            x64!(asm => mov rdi, r14; call {direct}; mov eax, 7; xor edx, edx);
            leave_frame(asm);
        });
        assert_eq!(enter(&raw mut context, code.address(), 0), Ok((7, 0)));
        assert_eq!(std::mem::take(&mut context.seen), [1, 1]);
    }
    assert!(!context.machine.is_entered());
}

/// A stub that fails jumps to the cut of the gate that it was made by.
#[test]
fn a_stub_keeps_the_cut_of_its_gate() {
    let heap = heap();
    let mut context = context(&heap);
    let other = jit_runtime::transition::Gate::new(&heap).expect("room");
    let stub = other.rust_call(&heap, halve as extern "C-unwind" fn(_, _) -> _).expect("room");
    drop(other);
    // Somebody else's code, should the room of the trampoline be free.
    let others: Vec<_> = (0..8).map(|_| jit_runtime::transition::Gate::new(&heap).expect("room")).collect();
    let code = publish(&heap, |asm| {
        enter_frame(asm);
        x64!(asm => mov rsi, rbx; call {Function(stub.address())});
        leave_frame(asm);
    });
    assert_eq!(enter(&raw mut context, code.address(), 8).map(|r| r.0), Ok(4));
    assert_eq!(enter(&raw mut context, code.address(), 9), Err(Cut { status: 9 }));
    drop(others);
}
