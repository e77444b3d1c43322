//! Templates out of proc-macro2 tokens.
//!
//! **Problem.** A macro gets tokens and owes its user either bytes or every mistake at once, each under
//! the operand that is wrong.
//!
//! **Idea.** Two stages with a wall between them. [`parse`] reads statements and knows how things are
//! spelled; [`lay_out`] selects forms, encodes them and resolves the template's own labels. Each gathers
//! all its errors. Where the first found some, the second still selects forms for the statements that could be
//! read, so that one look at a template tells everything that is wrong with it; nothing is laid out then. What
//! is inside the braces of a hole stays tokens: it is Rust, and rustc reads it.
//!
//! **Invariants.** No stage panics, whatever the tokens. What [`lay_out`] returns can be written out as
//! Rust without any further error. Layout follows from the types of the holes, never from values. Nothing
//! here needs a compiler around it: tests and fuzzers give it parsed strings.
//!
//! **Cost.** One pass over the tokens, one form selection per instruction, and one more for each jump
//! that turns out to be long.

mod alias;
mod attribute;
mod constant;
mod directive;
mod error;
mod hole;
mod layout;
mod memory;
mod names;
mod operand;
mod parse;
mod stmt;
#[cfg(test)]
mod tests;
mod text;
mod warning;

pub use alias::Aliases;
pub use attribute::Attribute;
pub use error::{Error, Errors, Extent};
pub use layout::{
    Choice, Component, Crossing, Gather, Integer, LaidOut, Part, Piece, PlacedConstant, PlacedHole, Value,
    Variant, lay_out,
};
pub use names::one_slip;
pub use parse::{Misread, parse, parse_with};
pub use stmt::{
    Arg, Directive, Effect, Hole, HoleType, Insn, Item, Label, Location, Name, Slot, Stmt, Sum, SumTerm,
};
pub use warning::Warning;
