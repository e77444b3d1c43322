//! The runtime of a template JIT.

pub mod deopt;
pub mod memory;
pub mod registers;
pub mod tier;
