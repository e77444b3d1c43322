//! Where values live while a baseline compiler walks its bytecode, and how they get from place to place.
//!
//! This room names no other: it sees a client through the traits [`Emit`] and [`Moves`] and decides about registers,
//! never about instructions. So it can be driven by a machine that is none, which is how it is checked: by one of numbers
//! in the tests, and by one of symbols (`watch.rs`) in every debug build, whoever the client is.

mod consistent;
mod join;
mod parallel_move;
mod shape;
pub mod stack;
mod watch;

pub use parallel_move::{Moves, parallel_move};
pub use shape::{Disagreement, Misfit, Shape};
pub use stack::{Emit, Entry, Payload, REACH, Slot, StackCache, Tag};

#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code, unused_imports))] // a fuzz target runs a part
mod tests;

/// What the fuzz targets run, which the tests run for a second each.
#[cfg(fuzzing)]
pub mod fuzzing {
    use arbtest::arbitrary::{Result, Unstructured};

    /// The cache, step by step, on a machine of numbers.
    pub fn cache(u: &mut Unstructured<'_>) -> Result<()> {
        super::tests::one_run(u)
    }

    /// Ways into a join.
    pub fn join(u: &mut Unstructured<'_>) -> Result<()> {
        super::tests::join::one_join(u)
    }

    /// Places of values at a join that the client chooses.
    pub fn shape(u: &mut Unstructured<'_>) -> Result<()> {
        super::tests::shape::one_shape(u)
    }

    /// Arguments of calls.
    pub fn call(u: &mut Unstructured<'_>) -> Result<()> {
        super::tests::shape::one_call(u)
    }

    /// The checker of debug builds, after a slip.
    pub fn slip(u: &mut Unstructured<'_>) -> Result<()> {
        super::tests::watch::one_slip(u).map(drop)
    }

    /// Moves that happen at once.
    pub fn moves(u: &mut Unstructured<'_>) -> Result<()> {
        super::parallel_move::tests::random_moves(u)
    }
}
