//! The host's side of code memory, as a trait: two real ones, and a fake for the tests.

use super::MemoryError;
use core::fmt;
use core::ops::Range;

/// What stands in every accessible byte that is not code: `int3`, which traps.
pub const POISON: u8 = 0xCC;

/// How code memory stays writable for the runtime and not writable where it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strategy {
    /// A memory file mapped twice: written at one address, run at another. Linux. Other threads may run code
    /// of the heap while one publishes, patches and frees.
    ///
    /// Neither mapping is there in a child of fork, which could otherwise write, or run, what its parent
    /// writes: there its heap refuses ([`MemoryError::Forked`]) and its code faults. A child that is to run the
    /// code wants the other strategy; it may have heaps of its own under this one.
    DualMapping,
    /// One mapping whose pages turn writable and not executable, and back. Any Unix. A child of fork has a
    /// copy of its own.
    ///
    /// While a page is writable it cannot run: no other thread may be running code of the heap while one
    /// publishes, patches or frees. Nothing is undefined if one does: it faults (SIGSEGV). So does code in a page
    /// that the host lets be written and then refuses to make executable again, as a process does to itself that
    /// forbids new executable memory after its start; the heap asks for no other page before it agrees.
    ProtectFlip,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Strategy::DualMapping => "dual mapping",
            Strategy::ProtectFlip => "mprotect flip",
        })
    }
}

/// Where regions come from.
pub trait Pages: Send {
    /// Bytes of a page, a power of two of at least 4.
    fn page_size(&self) -> usize;

    /// Reserve `len` bytes of address space, a multiple of the page size. Nothing in it is accessible
    /// at its executable address yet.
    ///
    /// # Errors
    /// The host's refusal; nothing is mapped then.
    fn map(&self, len: usize) -> Result<Box<dyn Mapping>, MemoryError>;

    /// Have every thread of the process serialise its instruction stream, so that none has instructions in
    /// its pipeline that were fetched before what was written last (Intel SDM vol. 3, "Handling Self- and
    /// Cross-Modifying Code"; AMD APM vol. 2, "Cross-Modifying Code"). The answer is whether the host did.
    fn synchronise(&self) -> bool;
}

/// A region as mapped. Dropping it unmaps it.
///
/// Ranges are byte offsets in the region. Bytes change only between `begin` and `finish`; a `begin` that
/// was not finished, because the host refused, may be followed by another, or by the `finish` again.
#[allow(clippy::len_without_is_empty)] // a mapping is never empty
pub trait Mapping: Send {
    /// The address at which the first byte runs.
    fn address(&self) -> usize;

    /// Bytes reserved.
    fn len(&self) -> usize;

    /// Make `range` writable for `write` and `fill`.
    ///
    /// # Errors
    /// The host's refusal; every page is as it was.
    fn begin(&mut self, range: Range<usize>) -> Result<(), MemoryError>;

    /// Copy `bytes` to `offset`. Four or eight aligned bytes are stored at once: a thread that is
    /// running the code sees the old value or the new.
    ///
    /// # Panics
    /// If the place was not begun: a defect of the heap.
    fn write(&mut self, offset: usize, bytes: &[u8]);

    /// Set every byte of `range` to [`POISON`].
    ///
    /// # Panics
    /// As `write`.
    fn poison(&mut self, range: Range<usize>);

    /// Make instruction fetch see what was written to `range`. Nothing on x86-64, whose caches are
    /// coherent (Intel SDM vol. 3, "Self-Modifying Code"); `__clear_cache` elsewhere.
    fn flush(&mut self, range: Range<usize>);

    /// Make `range` executable, and writable no longer at its executable address.
    ///
    /// # Errors
    /// The host's refusal; the pages of `range` may be not executable until a `finish` succeeds.
    fn finish(&mut self, range: Range<usize>) -> Result<(), MemoryError>;

    /// The bytes of `range`, all of which were finished once.
    fn read(&self, range: Range<usize>) -> Vec<u8>;
}

/// The pages of the machine under one strategy.
pub(super) fn open(strategy: Strategy) -> Result<Box<dyn Pages>, MemoryError> {
    if !cfg!(all(unix, target_arch = "x86_64")) {
        return Err(MemoryError::Unsupported { wanted: "x86-64 processor under a Unix" });
    }
    match strategy {
        #[cfg(target_os = "linux")]
        Strategy::DualMapping => Ok(Box::new(super::dual::DualPages::new())),
        #[cfg(not(target_os = "linux"))]
        Strategy::DualMapping => {
            Err(MemoryError::Unsupported { wanted: "memfd_create; `Strategy::ProtectFlip` does without" })
        }
        #[cfg(unix)]
        Strategy::ProtectFlip => Ok(Box::new(super::flip::FlipPages::new())),
        #[cfg(not(unix))]
        Strategy::ProtectFlip => Err(MemoryError::Unsupported { wanted: "mprotect" }),
    }
}

/// The best strategy that works here, found by mapping a page under it.
pub(super) fn probe() -> Result<Strategy, MemoryError> {
    let works = |strategy| -> Result<(), MemoryError> {
        let pages = open(strategy)?;
        let page = 0..pages.page_size();
        let mut mapping = pages.map(page.end)?;
        mapping.begin(page.clone())?;
        mapping.poison(page.clone());
        mapping.flush(page.clone());
        mapping.finish(page)
    };
    if works(Strategy::DualMapping).is_ok() {
        return Ok(Strategy::DualMapping);
    }
    works(Strategy::ProtectFlip)?;
    Ok(Strategy::ProtectFlip)
}
