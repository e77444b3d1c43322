//! Which code of a function runs, and when that changes.
//!
//! **Problem.** A function starts interpreted, earns native code by being called, may lose it because a
//! speculation failed or a fact changed, and its old code may still have frames on the stack when it does. New
//! code may come from another thread, and too late.
//!
//! **Idea.** Small parts that a client puts together. The [`policy`] is a pure function of counters:
//! it can be read as a table and tested as one. The [`EntryTable`] holds one address a function, through
//! which every call goes, so that changing a tier is one store. The [`CodeMap`] knows all code by
//! address: it finds the function of a return address, and keeps what was replaced until a walk of the
//! frames finds nobody in it. [`Assumptions`] say which code relies on which fact; [`Jobs`] compile on other
//! threads.
//!
//! **Install, invalidate, free.** These are the three things that happen to code, and each wants a
//! [`Safepoint`](crate::transition::Safepoint).
//!
//! ```text
//! install      compile, or fetch (Jobs::finished); publish; CodeMap::insert, Assumptions::rely; EntryTable::set
//! invalidate   Assumptions::refute gives the code that relied on a fact; CodeMap::invalidate takes its entries
//!              away and re-aims its frames: each leaves by the exit of the call that it is suspended in
//!              (deopt::CallExits)
//! free         CodeMap::sweep, at collections and under policy::Pressure; Assumptions::forget what it freed
//! ```
//!
//! **Invariants.** They happen on the thread that runs the code, while every frame of it is suspended in a call: so
//! a walk of the frames sees every place it can return to. What is harmless elsewhere, such as entering code into
//! the map before it is called or retiring it after it was replaced, asks for no safepoint. A stub that several
//! pieces of code call is not in the map: Rust may stand in it while no frame returns into it.
//!
//! **Cost.** A call through the table is one load. Looking up an address is logarithmic in the number of
//! functions; a sweep looks up each frame until all retired code is known to be in use, and costs nothing
//! while nothing is retired. An invalidation looks up every frame, once for any number of pieces; an assumption
//! costs nothing while it holds.

mod assumption;
mod code_map;
mod entry_table;
mod jobs;
pub mod policy;
#[cfg(test)]
mod tests;

pub use assumption::{Assumption, Assumptions, Outdated, Premise};
pub use code_map::{CodeMap, Instead, Invalidated, Retired};
pub use entry_table::EntryTable;
pub use jobs::{Finished, JobError, JobStats, Jobs, Refused, Ticket};
