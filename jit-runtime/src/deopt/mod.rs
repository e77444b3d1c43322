//! Leaving native code in the middle: what is where, and how the interpreter gets it back.
//!
//! **Problem.** A guard may fail between any two bytecodes, with half an expression in registers. The
//! interpreter has to go on at exactly that bytecode as if it had run all along.
//!
//! **Idea.** A failing guard jumps to the cold section, where each exit is one instruction, a `call`. Its
//! return address is the exit's name: it costs nothing in the hot code, needs no register, and is looked
//! up in the same frame maps that describe ordinary calls. The called stub ([`capture`]) stores all registers
//! and calls the client, who rebuilds the frame from its [map](FrameMaps), goes on interpreting until
//! the function returns, and hands back what it returned; the stub then returns to the native caller,
//! who cannot tell the difference.
//!
//! **Invariants.** Until the registers are stored no instruction of an exit changes a register; flags it
//! may. The code that was left is not returned to, so it may be freed while its exit is being served.
//!
//! A frame that is suspended in a call has no guard to fail. When its code turns wrong meanwhile, its return address
//! is re-aimed to an exit of that call ([`CallExits`]), which is served like any other. `docs/guards.md` shows a guard
//! from its template to the interpreter.
//!
//! This module is unsafe room 3, for the one read in `exit.rs`.
//!
//! **Cost.** Five bytes an exit, and one jump for all exits of a function.

mod call_exit;
mod exit;
mod map;
#[cfg(test)]
mod tests;

pub use call_exit::CallExits;
pub use exit::{Captured, capture};
pub use map::{FrameMaps, FrameMemory, FrameState, MapEntry, Registers, Source, WordAt};
