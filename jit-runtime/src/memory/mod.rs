//! Memory that holds machine code.
//!
//! **Problem.** Code must be written before it runs, and a page that is writable and executable at one
//! address is an invitation to whoever finds a stray write. Functions are small and pages are large, so
//! many functions share one; they come and go, and some are patched while others run.
//!
//! **Idea.** A [`CodeHeap`] takes *regions* of address space from the host through the small trait
//! [`Pages`] and gives out 16-aligned rooms in them, first fit. A function goes through three states:
//! [`CodeHeap::place`] gives a [`Space`], whose address is known before the bytes are, so that code can be
//! linked for it; [`CodeHeap::publish`] copies the bytes in and gives a [`Block`], whose code can run;
//! dropping the last handle of the block poisons the bytes and takes the room back. A patch goes through
//! the same door as a publication. Two strategies stand behind the door:
//!
//! - [`Strategy::DualMapping`]: a region is a memory file mapped twice, once to write and once to run.
//!   Nothing changes protection, so publishing needs no system call and stops nobody.
//! - [`Strategy::ProtectFlip`]: a region is mapped once, and its pages turn writable and back. While they
//!   are writable they cannot run: no other thread may be running code of these pages meanwhile. It is
//!   the choice of hosts that go on after fork, and the fallback where memory files may not be executed.
//!
//! **Invariants.** No page is ever writable and executable at one address. A byte of a region that is not
//! part of a live block traps: it is [`POISON`], or its page is not accessible yet. Blocks never cross
//! regions. The cache is flushed after the last write and before the code may run. A request that the
//! host refuses returns an error and leaves every block as it was. A region is unmapped when it is empty
//! and not the heap's last one, or when the last handle of the heap and of its blocks is gone.
//!
//! **Cost.** With the dual mapping, publishing 200 bytes and freeing them is a lock, two copies and an
//! allocation: 0.1 us. The flip costs some 8 us. A region is a reservation; its pages are made accessible
//! and poisoned a step (16 KiB, some 15 us) at a time, because touching fresh pages is what costs.
//! `cargo test -p jit-runtime --release --test costs -- --nocapture` prints the figures of the machine at
//! hand.
//!
//! This module is unsafe room 1; the unsafe operations are in `view.rs` (mapping and writing), and their
//! callers `dual.rs` and `flip.rs`.

#[cfg(target_os = "linux")]
mod dual;
mod error;
#[cfg(test)]
mod fake;
#[cfg(unix)]
mod flip;
mod heap;
mod pages;
mod rooms;
#[cfg(test)]
mod tests;
#[cfg(unix)]
mod view;

pub use error::MemoryError;
pub use heap::{Block, CodeHeap, HeapOptions, HeapStats, RegionGuard, Space};
pub use pages::{Mapping, POISON, Pages, Strategy};
