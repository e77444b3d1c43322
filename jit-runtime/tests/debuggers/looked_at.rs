//! The process that is looked at: Rust, JIT code that calls JIT code, and Rust again.

use jit_runtime::abi::CFunction;
use jit_runtime::frame::{enter_frame, leave_frame};
use jit_runtime::memory::{CodeHeap, HeapOptions, Strategy};
use jit_runtime::observe::{Gdb, JitDump, PerfMap, SourceFile};
use jit_runtime::stitch::{Assembler, Code, Function, SourcePosition};
use jit_runtime::transition::{CHeap, EntryPoint, Gate, Machine};
use jit_runtime::{templates, x64};
use std::path::Path;

/// Where the debugger stops: when there is code, in the call of the code, when the code is gone.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C-unwind" fn code_is_there() {
    std::hint::black_box(());
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C-unwind" fn called_by_code(machine: *mut Machine, value: u64) -> u64 {
    std::hint::black_box(machine);
    value + 1
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C-unwind" fn code_is_gone() {
    std::hint::black_box(());
}

fn publish(heap: &CodeHeap, name: &str, build: impl FnOnce(&mut Assembler)) -> Code {
    let mut asm = Assembler::new();
    asm.set_name(name);
    build(&mut asm);
    asm.seal().and_then(|sealed| sealed.publish(heap)).expect("room for code")
}

/// Runs `outer`, which calls `inner`, which calls Rust.
pub(crate) fn debugged(flip: bool) {
    let strategy = if flip { Strategy::ProtectFlip } else { Strategy::DualMapping };
    let heap = CodeHeap::new(strategy).expect("Linux on x86-64");
    heap.observe(Gdb::new().with_source(SourceFile::new("some.program")));
    let gate = Gate::new(&heap).expect("an unwinder");
    type Rust = extern "C-unwind" fn(*mut Machine, u64) -> u64;
    let rust = gate.rust_call(&heap, called_by_code as Rust).expect("room for code");
    // Two bodies: a debugger that does not look at the bytes takes the second one for the middle of the first.
    let inner = publish(&heap, "inner", |asm| {
        enter_frame(asm);
        leave_frame(asm);
        x64!(asm => .align 16);
        enter_frame(asm);
        asm.mark(SourcePosition(71));
        x64!(asm => mov esi, 41);
        asm.mark(SourcePosition(72));
        x64!(asm => call {Function(rust.address())}; nop);
        asm.mark(SourcePosition(73));
        leave_frame(asm);
    });
    let outer = publish(&heap, "outer", |asm| {
        enter_frame(asm);
        asm.mark(SourcePosition(7));
        x64!(asm => call {Function(inner.address() + 16)}; nop);
        leave_frame(asm);
    });
    code_is_there();
    let mut machine = Machine::new(0);
    // SAFETY: the machine lives here; `outer` is a body of this heap that keeps the convention, as what it calls
    // does; none of them uses rbx, and r14 is only handed on.
    let result = unsafe { gate.enter(&raw mut machine, outer.address(), 0) };
    assert_eq!(result.map(|(value, _)| value), Ok(42));
    drop((inner, outer));
    code_is_gone();
}

/// Runs `c_function`, which has saved rbx and r15, and calls Rust.
pub(crate) fn debugged_c() {
    type F = extern "C-unwind" fn(*mut Machine, u64) -> u64;
    let heap = CodeHeap::new(Strategy::ProtectFlip).expect("Linux on x86-64");
    heap.observe(Gdb::new());
    let heap = CHeap::apart_from(&heap, HeapOptions::new(Strategy::ProtectFlip)).expect("as before");
    let mut asm = Assembler::new();
    asm.set_name("c_function");
    let mut f = CFunction::<F>::begin(&mut asm);
    let (machine, value) = f.arguments();
    x64!(f => mov ebx, 1; mov r15d, 2);
    let result = f.call(called_by_code as F, (machine, value));
    f.ret(result);
    let entry = f.finish().expect("it keeps the ABI");
    let code = asm.seal().and_then(|sealed| heap.publish(sealed)).expect("room for code");
    code_is_there();
    // SAFETY: the function passes its arguments on, to a function that takes any, and writes rbx and r15.
    let f = unsafe { EntryPoint::of_function(code, entry) }.expect("it is in this code");
    assert_eq!(f.call(std::ptr::null_mut(), 41), 42);
    drop(f);
    code_is_gone();
}

/// What a role prints when it begins and when it has ended well.
pub(crate) const BEGINS: &str = "the role begins";
pub(crate) const ENDS: &str = "the role ends";

templates! {
    /// A loop that takes a while.
    fn spin(count: i64) = x64!< mov rcx, {count}; again: dec rcx; jnz again >;
}

/// Tells perf of its code by a dump.
pub(crate) fn dumped(directory: &Path) {
    println!("{BEGINS}");
    let heap = CodeHeap::new(Strategy::DualMapping).expect("Linux on x86-64");
    heap.observe(JitDump::create_in(directory).expect("a dump").with_source(SourceFile::new("some.program")));
    spend_time(&heap);
    println!("{ENDS}");
}

/// Tells perf of its code by a map, where perf looks for it. A line of the output is its path.
pub(crate) fn mapped() {
    println!("{BEGINS}");
    let heap = CodeHeap::new(Strategy::ProtectFlip).expect("Linux on x86-64");
    let map = heap.observe(PerfMap::create().expect("a map"));
    println!("{}", map.lock().expect("no panic").path().display());
    spend_time(&heap);
    println!("{ENDS}");
}

/// In `spinning`, called by `calling`.
fn spend_time(heap: &CodeHeap) {
    let gate = Gate::new(heap).expect("an unwinder");
    let spinning = publish(heap, "spinning", |asm| {
        enter_frame(asm);
        asm.mark(SourcePosition(5));
        spin(asm, 1_000_000_000);
        leave_frame(asm);
    });
    let calling = publish(heap, "calling", |asm| {
        enter_frame(asm);
        x64!(asm => call {Function(spinning.address())}; nop);
        leave_frame(asm);
    });
    let mut machine = Machine::new(0);
    // SAFETY: as in `debugged`.
    let result = unsafe { gate.enter(&raw mut machine, calling.address(), 0) };
    assert!(result.is_ok());
}
