//! Where values live while a baseline compiler walks its bytecode.
//!
//! This room names no other: it sees a client through the trait [`Emit`] and decides about registers,
//! never about instructions. So it can be driven by a symbolic machine, which is how it is checked.

pub mod stack;

pub use stack::{Emit, Entry, Payload, REACH, Slot, StackCache, Tag};

#[cfg(test)]
mod tests;
