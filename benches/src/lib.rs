//! Every performance claim of the project, as a ratio against a peer measured in the same run.
//!
//! **Problem.** A figure in nanoseconds says as much about the machine and its other users as about the
//! code. On a shared machine two runs of one program differ by more than the differences that matter.
//!
//! **Idea.** Contestants are timed in turns: each [`contest()`] goes through all of them once a round, in an
//! order that rotates, and repeats. What is reported of a pair is the median of its ratios *inside* the
//! rounds, where both met the same weather, and the quartiles show how far to trust it.
//!
//! **Invariants.** Before contestants are timed their results are compared: bytes with bytes, sums with
//! sums. Every claim ends in one line, `aim: .. met` or `aim: .. missed`.
//!
//! **Cost.** The peers are built with this crate alone, which is why it is no default member of the
//! workspace. Each benchmark runs for some seconds.

pub mod contest;
pub mod cranelift;
pub mod emission;
pub mod macro_time;
pub mod programs;

pub use contest::{Contest, Contestant, Spread, contest};
