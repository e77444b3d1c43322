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
//! dropping the last handle of the block poisons the bytes and takes the room back, joined with what is free
//! beside it. A patch goes through the same door as a publication. Two strategies stand behind the door:
//!
//! - [`Strategy::DualMapping`]: a region is a memory file mapped twice, once to write and once to run.
//!   Nothing changes protection, so publishing stops nobody.
//! - [`Strategy::ProtectFlip`]: a region is mapped once, and its pages turn writable and back. While they
//!   are writable they cannot run: no other thread may be running code of these pages meanwhile. It is
//!   the choice of hosts that go on after fork, and the fallback where memory files may not be executed.
//!
//! Regions are mapped beside the program's own text where there is room, so that `call rel32` reaches its
//! functions (`near.rs`).
//! Observers ([`CodeHeap::observe`]) are told at the same door what is published, patched and freed.
//!
//! **Invariants.** No page is ever writable and executable at one address. A byte of a region that is not
//! part of a live block traps: it is [`POISON`], or its page is not accessible yet; an inaccessible page stands on
//! either side of a region. Reachable code changes by aligned stores to patch points and by nothing else
//! ([`crate::stitch::Code::retarget`]). Blocks never cross regions. The cache is flushed after the last write
//! and before the code may run. A request that the host refuses, or the heap's own limit does, returns an
//! error and leaves every block as it was; but what a host under the flip does not make executable again, having let
//! it be written, does not run until it agrees. A region is unmapped when it is empty and not the heap's last one,
//! or when the last handle of the heap and of its blocks is gone.
//!
//! **Threads.** A processor may have fetched, long before it gets there, what stood at an address earlier. The
//! manuals want a serialising instruction on every processor between a store to code and its execution (Intel
//! SDM vol. 3, "Handling Self- and Cross-Modifying Code"), the more so where the store went to another
//! linear address. Each publication and each patch of a heap with [`HeapOptions::other_threads`] therefore
//! ends with `membarrier(PRIVATE_EXPEDITED_SYNC_CORE)`: when it returns, all threads of the process have
//! serialised. It is the default. A heap whose code only runs on the thread that publishes it, with a jump in
//! between, does without: the processors that there are compare stores with what they have fetched by
//! physical address. On that one also relies a process whose kernel has no such barrier (Linux before 4.16, other
//! systems, a filter that refuses it), as other just-in-time compilers for x86-64 do everywhere; the worst to be
//! feared there is an instruction of the block that was at the address before.
//!
//! **Forks.** A child shares no code memory with its parent. Under the flip it has a copy; under the dual mapping
//! it has neither view, its heap refuses by [`MemoryError::Forked`], and it may have heaps of its own, at addresses
//! that were not its parent's: what was told of those (unwind records) is inherited. No lock of the whole process is
//! in the way of that, whatever other threads did at the fork (`forks.rs`). A heap has a lock of its own: as for
//! everything that has one, a child of a process with several threads must not use a heap that another thread
//! was using at the fork.
//!
//! **Cost.** With the dual mapping, publishing 200 bytes and freeing them is a lock, two copies and an
//! allocation: 0.1 us, and a patch is 0.02 us; the barrier adds 0.45 us, and more where it has to interrupt a
//! thread on another processor. A change under the flip is two system calls, some 5 us. A region is a
//! reservation; its pages are made accessible and poisoned a step (16 KiB) at a time, because touching fresh
//! pages is what costs. `cargo bench -p jit-benches --bench memory` prints the figures of the machine at hand;
//! `docs/performance.md` has some.
//!
//! This module is unsafe room 1; the unsafe operations are in `view.rs` (mapping and writing), `host.rs`
//! (what else is asked of the system) and `forks.rs` (handlers of forks), and their callers `dual.rs` and `flip.rs`.

#[cfg(target_os = "linux")]
mod dual;
mod error;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code, unused_imports))] // a fuzz target runs a part
mod fake;
#[cfg(unix)]
mod flip;
mod forks;
mod heap;
#[cfg(unix)]
mod host;
#[cfg(target_os = "linux")]
mod inherited;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code, unused_imports))] // a fuzz target runs a part
mod model;
#[cfg(unix)]
mod near;
mod observer;
mod pages;
mod policy;
mod region;
mod rooms;
#[cfg(test)]
mod tests;
#[cfg(unix)]
mod view;

pub use error::MemoryError;
#[cfg(all(feature = "gdb", target_os = "linux"))]
pub(crate) use forks::Undivided;
pub(crate) use forks::undivided;
pub use heap::{Block, CodeHeap, HeapOptions, HeapStats, Keep, RegionGuard, Space};
pub use observer::{Event, Observer};
pub use pages::{Mapping, POISON, Pages, Strategy};
pub use policy::Policy;

/// What the fuzz targets run, which the tests run for a second.
#[cfg(fuzzing)]
pub mod fuzzing {
    use arbtest::arbitrary::{Result, Unstructured};

    /// A heap over fake pages, against a list of what must be there.
    pub fn heap(u: &mut Unstructured<'_>) -> Result<()> {
        super::model::one_life(u)
    }
}
