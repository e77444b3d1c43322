//! The ways between Rust and JIT code, and what keeps the stack between them in order.
//!
//! **Problem.** Compiled code calls Rust, which may run compiled code again, to any depth. An error may
//! end a run of it anywhere; a panic may pass through it; a collector must find every frame of it; and the
//! six registers that Rust believes in must survive all of this.
//!
//! **Idea.** A run of JIT frames that Rust entered is a *segment*. A [`Gate`] enters one through a
//! trampoline that saves the registers and notes its stack pointer in the [`Machine`], the header of the
//! client's context, to which r14 points while JIT code runs. An error *cuts* the segment: it jumps to the
//! gate's stub, which takes that stack pointer and returns from [`Gate::enter`] with [`Cut`]; compiled code
//! checks nothing behind its calls. JIT code calls Rust through a stub ([`Gate::rust_call`]) that notes its
//! frame, so that [`Machine::frames`] walks from there along the saved rbp to the trampoline, segment by
//! segment. It may call other functions of the C ABI as they are, of Rust, of a [`CHeap`], of the system: they neither
//! walk nor enter the machine again, and are told so if they try.
//!
//! ```text
//!  Rust         Gate::enter, suspends the segment outside, if there is one
//!  trampoline   saves six registers; rbp, entry_sp          exact unwind record
//!  JIT frame    \
//!  JIT frame     > the segment                              the region's record
//!  stub frame   /  exit_fp
//!  Rust         the function that was called; it may enter again
//! ```
//!
//! **Invariants.** Registers in JIT code: r14 is the machine, rbx belongs to the client, rbp is the frame;
//! all others are free, and none survives a call. Functions on both sides are `extern "C-unwind"`. Only the
//! innermost segment is ever cut, and no Rust frame lies in a segment, so a cut skips no destructor. Between
//! segments the machine is as the outer one left it, also when a panic passes. The ABI is System V's (AMD64,
//! 3.2): rbx, rbp, r12 to r15 belong to the caller, rsp is 16-aligned at a call, and arguments come in rdi,
//! rsi, rdx, rcx, r8, r9, results in rax and rdx.
//!
//! **Cost.** To enter and return is some forty instructions (2.5 ns), to call Rust through a stub and return
//! ten (2 ns); `cargo bench -p jit-benches --bench crossings` prints both. Nothing is
//! allocated, and there are no thread-locals.
//!
//! Code that needs none of this, a leaf that keeps the C ABI by itself, is an [`EntryPoint`].
//!
//! A run ends early in three ways: its code cuts, its stack is used up, or another thread interrupts it
//! ([`Interrupter`]). Prologues and back-edges [`poll`] for the second and third with one comparison.
//!
//! A [`Safepoint`] is the proof that a machine's thread stands in Rust: what changes code under its frames asks for
//! one.
//!
//! C functions ([`crate::abi`]) need no gate and no machine: they stand in a [`CHeap`], are entered as an [`EntryPoint`],
//! and call Rust functions as they are, and its closures as a [`Closure`].
//!
//! This module is unsafe room 2: `gate.rs` and `entry_point.rs` enter, `closure.rs` is entered, `retarget.rs` aims code
//! that runs elsewhere, `machine.rs` reads the stack, `safepoint.rs` re-aims frames, `interrupt.rs` writes into a
//! machine of another thread, `unwind.rs` talks to the unwinder, `native.rs` to the system.

mod c_heap;
mod call;
mod closure;
mod entry_point;
mod gate;
mod interrupt;
mod machine;
mod native;
mod retarget;
mod safepoint;
mod trampoline;
mod unwind;

pub use c_heap::{CHeap, CHeapError};
pub use call::{Checked, RustFunction, RustReturn, Word, rust_call, rust_call_keeping};
pub use closure::{Calls, Closure};
pub use entry_point::{CodeHandle, Entry, EntryPoint, FunctionPointer};
pub use gate::{Cut, Gate, GateError};
pub use interrupt::{Interrupter, poll};
pub use machine::{Frame, Frames, Machine};
pub use native::NativeStack;
pub use safepoint::{Exits, ReAimed, Safepoint};
