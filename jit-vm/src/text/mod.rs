//! The text form of modules: what is printed can be parsed.
//!
//! Tests, examples and bug reports want a program that can be read and typed. One instruction stands on
//! a line, under the name it has in the table of the bytecode:
//!
//! ```text
//! ; Factorial, wrapping.
//! func factorial(1) {
//!     get 0
//!     int 0
//!     eq
//!     jump_if zero        ; a label of this function
//!     get 0
//!     get 0
//!     int 1
//!     sub
//!     call factorial      ; a function of this module, also a later one
//!     mul
//!     ret
//! zero:
//!     int 1
//!     ret
//! }
//! ```
//!
//! - `func NAME(PARAMETERS) locals N {` opens a function; `locals N` counts the parameters too and is left
//!   out when there are no other locals. A name that is no plain word stands in quotes, `"a b"`.
//! - `constant V` takes the value and puts it into the pool.
//! - `.line N` gives the source line of the instructions that follow.
//! - `;` begins a comment, which ends with the line.
//! - `@N` is instruction N where a label would stand, `#N` the function or constant with that number. They
//!   let the text say what the verifier will refuse.
//!
//! Invariants: parsing what was printed gives the same module, if its pools are in the order of first
//! use, as the builder and the parser make them. Every mistake in a text is reported, one a line, with
//! its place and what would do.
//!
//! Cost: linear in the text; no part of it runs when programs do.

mod parse;
mod print;

pub use parse::{ParseError, ParseErrors, parse};

/// Whether a name can stand without quotes: a letter or `_`, and then also digits and dots.
fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_word_char)
}

fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}
