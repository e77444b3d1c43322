//! The baseline compiler: one walk over verified bytecode, templates out.
//!
//! **Problem.** Native code is wanted after microseconds, for functions that may run once more or a
//! billion times, and it must be able to hand over to the interpreter in the middle of anything.
//!
//! **Idea.** Translate each instruction by itself, but run the operand stack at compile time
//! ([`StackCache`](jit_runtime::registers::StackCache)): constants and locals are pushed without code, the
//! top of the stack lives in registers, and only jumps and calls bring it to memory. Locals stay in the
//! interpreter's own slots, so an exit has little to rebuild. Integer paths are inline; what an operator is
//! not defined for leaves to the interpreter at the same position, which raises the error: so an error
//! can only be the same in both.
//!
//! Given a profile the compiler *speculates*: where operands have had one kind so far it guards that kind
//! and compiles the short path alone. Without one (*plain* code) it never leaves for a program that has no
//! error.
//!
//! **Invariants.**
//! - rbx is the address of slot 0 of the frame; the callee's frame starts at its arguments, in place.
//! - Every local is in its slot at every instruction. Some are mirrored in registers as well
//!   (`pinning.rs`).
//! - Code never stores to a slot beyond its frame, whose end the prologue has compared with the limit.
//! - At an exit nothing of the current instruction has happened.
//!
//! **Cost.** One walk, linear in the bytecode; no intermediate form, and in the steady state no
//! allocation but the frame maps.

mod arithmetic;
mod branches;
mod compiler;
mod emit;
mod kinds;
mod pinning;
mod templates;

use crate::op::FuncId;
use crate::profile::Profile;
use crate::verify::Program;
pub use compiler::Compiler;
use core::fmt;
use jit_runtime::deopt::FrameMaps;
use jit_runtime::stitch::{Code, Function, StitchError};

/// What to compile, and how.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Whose function it is.
    pub program: &'a Program,
    /// Which.
    pub function: FuncId,
    /// What has been seen of it; given, the code speculates on it.
    pub profile: Option<&'a Profile>,
    /// Where the code leaves to.
    pub wiring: Wiring,
    /// Whether every n-th guard is to leave although it holds.
    pub stress: bool,
}

/// The stubs that compiled code refers to.
#[derive(Clone, Copy, Debug)]
pub struct Wiring {
    /// Called by exits; see [`jit_runtime::deopt`].
    pub deopt: Function,
    /// Jumped to by a prologue that finds no room, with the number of the function in eax.
    pub overflow: Function,
}

/// A compiled function.
#[derive(Debug)]
pub struct Compiled {
    /// Its code, entered at the start.
    pub code: Code,
    /// The state of the frame at each of its exits.
    pub maps: FrameMaps,
}

/// Why a function was not compiled.
#[derive(Debug)]
pub struct CompileError(StitchError);

impl From<StitchError> for CompileError {
    fn from(e: StitchError) -> CompileError {
        CompileError(e)
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the function stays interpreted: {}", self.0)
    }
}

impl core::error::Error for CompileError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.0)
    }
}
