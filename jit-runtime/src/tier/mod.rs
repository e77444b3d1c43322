//! Which code of a function runs, and when that changes.
//!
//! **Problem.** A function starts interpreted, earns native code by being called, may lose it because a
//! speculation failed, and its old code may still have frames on the stack when it does.
//!
//! **Idea.** Three small parts that do not know each other. The [`policy`] is a pure function of counters:
//! it can be read as a table and tested as one. The [`EntryTable`] holds one address a function, through
//! which every call goes, so that changing a tier is one store. The [`CodeMap`] knows all code by
//! address: it finds the function of a return address, and keeps what was replaced until a walk of the
//! frames finds nobody in it. [`Assumptions`] say which code relies on which fact; [`Jobs`] compile on other
//! threads.
//!
//! **Invariants.** Installing, retiring and freeing happen on the thread that runs the code, between two
//! instructions of it that are calls: so a walk of the frames sees every place it can return to.
//!
//! **Cost.** A call through the table is one load. Looking up an address is logarithmic in the number of
//! functions; a sweep looks up each frame until all retired code is known to be in use, and costs nothing
//! while nothing is retired.

mod assumption;
mod code_map;
mod entry_table;
mod jobs;
pub mod policy;
#[cfg(test)]
mod tests;

pub use assumption::{Assumption, Assumptions, Outdated, Premise};
pub use code_map::{CodeMap, Retired};
pub use entry_table::EntryTable;
pub use jobs::{Finished, JobError, JobStats, Jobs, Refused, Ticket};
