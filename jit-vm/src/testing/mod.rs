//! For tests and fuzzers: programs out of random bytes, and the dumb checkers of the clever parts.
//!
//! Whoever writes a new tier wants thousands of programs to compare it with the interpreter on, and
//! wants to see a failing one as text. [`generate`] makes verified programs with loops, calls and errors,
//! [`shuffle`] such as move values about in ways no front end would;
//! [`Script`] is a program with calls and what comes out of them, as a file; [`Expr`] is a tree with an
//! evaluator that shares no code with [`crate::semantics`]; [`reference()`] runs a program slowly and checks
//! at each step what the verifier claims.

mod expression;
mod generate;
mod reference;
mod script;
mod shuffle;

pub use expression::{Expr, ExprCase, ExprError};
pub use generate::generate;
pub use reference::reference;
pub use script::{Case, Script, ScriptError, outcome};
pub use shuffle::shuffle;
