//! What the tests of calls share: a heap with a gate, and a thunk that sees the caller's registers.
#![allow(unsafe_code, dead_code)] // each test binary uses a part

use jit_runtime::memory::{CodeHeap, Strategy};
use jit_runtime::stitch::{Assembler, Code};
use jit_runtime::transition::{Cut, Gate, Machine};
use jit_runtime::x64;
use std::ffi::c_void;

/// A client's context: the machine, and something of its own.
#[repr(C)]
pub(crate) struct Context {
    pub(crate) machine: Machine,
    pub(crate) gate: Gate,
    /// The body that helpers enter.
    pub(crate) body: usize,
    /// What the test wants to remember.
    pub(crate) seen: Vec<usize>,
}

pub(crate) fn heap() -> CodeHeap {
    CodeHeap::new(Strategy::DualMapping).expect("Linux on x86-64")
}

pub(crate) fn context(heap: &CodeHeap) -> Context {
    let gate = Gate::new(heap).expect("Linux with the GNU C library");
    Context { machine: Machine::new(0), gate, body: 0, seen: vec![] }
}

/// Publish a body and check that it keeps the frame convention.
pub(crate) fn publish(heap: &CodeHeap, build: impl FnOnce(&mut Assembler)) -> Code {
    let mut asm = Assembler::new();
    build(&mut asm);
    let end = asm.offset().0 as usize;
    let code = asm.seal().expect("every label is bound").publish(heap).expect("room");
    let breaches = jit_runtime::frame::check(&code.block().bytes()[..end], code.data());
    assert!(breaches.is_empty(), "{breaches:?}");
    code
}

/// Enter `code` from Rust.
pub(crate) fn enter(context: *mut Context, code: usize, base: u64) -> Result<(u64, u64), Cut> {
    // SAFETY: the tests pass a context that lives on their stack, and nobody changes its gate.
    let gate = unsafe { &(*context).gate };
    // SAFETY: the machine is the context's first field; `code` is a body that `publish` checked.
    unsafe { gate.enter(context.cast::<Machine>(), code, base) }
}

/// What the thunk puts into rbx, rbp and r12 to r15.
pub(crate) const PATTERN: [u64; 6] = [
    0x1111_2222_3333_4444,
    0x2222_3333_4444_5555,
    0x3333_4444_5555_6666,
    0x4444_5555_6666_7777,
    0x5555_6666_7777_8888,
    0x6666_7777_8888_9999,
];

/// Call `function(argument)` with [`PATTERN`] in the six registers that a callee keeps, and return what is
/// in them afterwards.
pub(crate) fn registers_after(function: extern "C" fn(*mut c_void), argument: *mut c_void) -> [u64; 6] {
    let apart = heap();
    let mut asm = Assembler::new();
    x64!(asm =>
        push rbp; push rbx; push r12; push r13; push r14; push r15; push rdx;
        mov rax, rdi;
        mov rdi, rsi;
        mov rbx, {PATTERN[0] as i64};
        mov rbp, {PATTERN[1] as i64};
        mov r12, {PATTERN[2] as i64};
        mov r13, {PATTERN[3] as i64};
        mov r14, {PATTERN[4] as i64};
        mov r15, {PATTERN[5] as i64};
        call rax;
        pop rdx;
        mov [rdx], rbx;
        mov [rdx + 8], rbp;
        mov [rdx + 16], r12;
        mov [rdx + 24], r13;
        mov [rdx + 32], r14;
        mov [rdx + 40], r15;
        pop r15; pop r14; pop r13; pop r12; pop rbx; pop rbp;
        ret
    );
    let code = asm.seal().expect("no labels").publish(&apart).expect("room");
    type Thunk = extern "C" fn(extern "C" fn(*mut c_void), *mut c_void, *mut [u64; 6]);
    let entry = std::ptr::with_exposed_provenance::<()>(code.address());
    // SAFETY: published code of this signature, which keeps the ABI: it saves what it overwrites, and has rsp
    // aligned at its call (a return address and seven words are a multiple of sixteen bytes).
    let thunk = unsafe { std::mem::transmute::<*const (), Thunk>(entry) };
    let mut after = [0; 6];
    thunk(function, argument, &raw mut after);
    after
}
