//! The runtime of a template JIT: what a VM in Rust needs around its machine code.
//!
//! **Problem.** A template gives bytes. Between bytes and a VM that runs at native speed stand memory that
//! may be executed, jumps whose targets come later, a stack that panics can pass, registers that somebody
//! has to give out, and a way back to the interpreter when a guess was wrong.
//!
//! **Idea.** Each of these is a module that knows templates and the machine, but no bytecode and no kind of
//! value; a client puts them together. Write templates with [`x64!`] and [`templates!`], then:
//!
//! | module | what it gives |
//! |---|---|
//! | [`memory`] | executable memory that is never writable, its reuse and its patching |
//! | [`stitch`] | an assembler: labels, hot and cold sections, veneers, positions, patch points; code as a typestate |
//! | [`frame`] | the frame convention, under which one record unwinds all code |
//! | [`abi`] | functions that C calls, and calls of C: the System V convention, by types |
//! | [`transition`] | Rust to native code and back, errors and panics across, bounds of the stack, interrupts, safepoints |
//! | [`registers`] | the operand-stack cache: the top of a stack machine's stack in registers; parallel moves |
//! | [`deopt`] | frame maps, and exits of guards and calls that hand the state of the machine over |
//! | [`tier`] | when to compile, and on which thread; where calls go, what code relies on, when old code is left and freed |
//! | [`observe`] | listings of finished code; perf, gdb, events and counts |
//!
//! `jit-vm` is the client that shows all of it together.
//!
//! **Invariants.** Who may name whom is a table in `ARCHITECTURE.md`, and tested. `unsafe` lives in `memory`,
//! `transition`, `deopt` and `observe`, one operation a block. No machine-code byte is written by hand.
//!
//! **Threads.** What is `Send` and `Sync`, and why; the crate asserts it.
//!
//! | type | | why |
//! |---|---|---|
//! | [`memory::CodeHeap`], [`transition::CHeap`], [`memory::Space`], [`memory::Block`], [`stitch::Code`], [`memory::Keep`] | `Send`, `Sync` | handles of a heap behind a lock; its bytes change by aligned stores only, and only at patch points |
//! | [`transition::EntryPoint`], [`transition::Entry`], [`transition::Gate`] | `Send`, `Sync` | code that is never written under them; what the code itself touches is in the contract of whoever vouches for it |
//! | [`stitch::Assembler`], [`stitch::Sealed`], [`stitch::Listing`], [`stitch::Positions`], [`stitch::About`], [`frame::CallableFrame`], [`frame::FrameSize`], [`frame::CodeRecord`], [`abi::CFunction`], [`abi::Target`] | `Send`, `Sync` | plain data; a job on another thread compiles and hands over what is sealed |
//! | [`registers::StackCache`], [`registers::Shape`], [`deopt::FrameMaps`], [`deopt::FrameState`], [`deopt::Captured`], [`deopt::CallExits`], [`tier::CodeMap`], [`tier::EntryTable`], [`tier::Assumptions`], [`tier::Retired`], [`tier::Instead`], [`tier::Invalidated`], [`tier::Refused`] | `Send`, `Sync`, if what the client puts in is | plain data |
//! | [`transition::Closure`], [`transition::Interrupter`] | `Send`, `Sync` | code calls the one from any thread; the other is for other threads than the machine's |
//! | labels, patch points, offsets, addresses, places, kinds, values, entries and slots of the cache, options, counts, instructions, errors | `Send`, `Sync` | numbers and text; but [`tier::JobError`], and [`tier::Finished`] with it, which has what a job panicked with, is not `Sync` |
//! | [`transition::Machine`] | `Send`, not `Sync` | it points into the stack of the thread that runs its code, and at nothing between two runs. Its stack limit alone is for other threads: an atomic |
//! | [`transition::Frames`], [`transition::Safepoint`] | neither | they are about the stack of the thread they were made on |
//! | [`tier::Jobs`] | `Send`, not `Sync` | one thread polls it |
//! | [`memory::Pages`], [`memory::Mapping`], [`memory::RegionGuard`], [`memory::Observer`] and those in [`observe`] | `Send`; nobody asks for `Sync` | used under the lock of the heap |
//! | [`memory::Event`] | neither | what an observer is told, there and then |
//!
//! Code that is published or patched while other threads run code: [`memory`] says when that is sound.
//!
//! **Targets.** x86-64 under a Unix. On any other target the crate compiles, and whoever asks for a code heap gets
//! [`memory::MemoryError::Unsupported`].
//!
//! **Cost.** Each module says its own.

pub mod abi;
pub mod deopt;
pub mod frame;
pub mod memory;
pub mod observe;
pub mod registers;
pub mod stitch;
mod threads;
pub mod tier;
pub mod transition;

pub use jit_asm::{Address, Rm, Rmi, Scale, Xm};
pub use jit_asm::{Cond, Features, Gpr, IndexGpr, LinkSink, RegSet, Sink, Template, Xmm};

#[doc(hidden)]
pub use jit_asm;

/// What the macros below expand to, which is not to be named.
#[doc(hidden)]
pub mod __macros {
    pub use jit_asm_macros::{templates, x64};
}

/// Assembly, checked and encoded while Rust compiles.
///
/// `x64! { .. }` is a constant [`Template`](jit_asm::Template); `x64!(sink => ..)` emits into a
/// [`Sink`](jit_asm::Sink): a `Vec<u8>`, or an assembler when there are labels and functions to link. The
/// grammar and the kinds of holes are described at [`jit_asm_macros::x64!`].
///
/// ```
/// use jit_runtime::{jit_asm::Template, x64};
///
/// const QUOTIENT: Template = x64! { mov rax, [rbp - 16]; cqo; idiv rcx };
/// assert_eq!(QUOTIENT.bytes.len(), 9);
///
/// let (mut code, slot) = (vec![], -16);
/// x64!(code => mov rax, [rbp + {slot}]; add rax, {slot * 2});
/// assert_eq!(code, b"\x48\x8b\x85\xf0\xff\xff\xff\x48\x05\xe0\xff\xff\xff");
/// ```
#[macro_export]
macro_rules! x64 {
    ($($template:tt)*) => { $crate::__macros::x64! { @crate [$crate::jit_asm] $($template)* } };
}

/// Functions that emit templates, with names, types and documentation; see [`jit_asm_macros::templates!`].
///
/// ```
/// use jit_runtime::templates;
///
/// templates! {
///     /// Adds a frame slot to rax.
///     pub fn add_slot(slot: i32) = x64!< add rax, [rbp + {slot}] >;
/// }
///
/// let mut code = vec![];
/// add_slot(&mut code, 16);
/// assert_eq!(code, b"\x48\x03\x85\x10\0\0\0");
/// assert_eq!(add_slot::TEMPLATE.name, "add_slot");
/// ```
#[macro_export]
macro_rules! templates {
    ($($entries:tt)*) => { $crate::__macros::templates! { @crate [$crate::jit_asm] $($entries)* } };
}

/// The Rust code of the README compiles, and what can run runs.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadmeExamples;

/// The Rust code of the page about debuggers compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/debugging.md")]
struct DebuggingExamples;

/// The program of the page about guards runs.
#[cfg(all(doctest, target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
#[doc = include_str!("../../docs/guards.md")]
struct GuardExamples;
