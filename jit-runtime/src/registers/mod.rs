//! Where values live while a baseline compiler walks its bytecode, and how they get from place to place.
//!
//! This room names no other: it sees a client through the traits [`Emit`] and [`Moves`] and decides about registers,
//! never about instructions. So it can be driven by a symbolic machine, which is how it is checked.

mod consistent;
mod join;
mod parallel_move;
pub mod stack;

pub use join::{Disagreement, Shape};
pub use parallel_move::{Moves, parallel_move};
pub use stack::{Emit, Entry, Payload, REACH, Slot, StackCache, Tag};

#[cfg(test)]
mod tests;
