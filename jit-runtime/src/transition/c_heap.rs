//! Where C functions are published.

use super::unwind;
use crate::frame::callable_region_record;
use crate::memory::{CodeHeap, HeapOptions, HeapStats, MemoryError, Observer, Strategy};
use crate::stitch::{Code, Sealed, StitchError};
use core::fmt;
use std::sync::{Arc, Mutex};

/// A heap for [`CFunction`](crate::abi::CFunction)s. An unwinder finds its way from every instruction of them, and the
/// registers that they have saved; a panic of a Rust function that they call passes through.
///
/// It is apart from the heaps of JIT code, whose frames are others: each region has one record. Handles may be used
/// from any thread.
#[derive(Clone, Debug)]
pub struct CHeap {
    heap: CodeHeap,
}

/// Why there is no heap for C functions.
#[derive(Debug)]
#[non_exhaustive]
pub enum CHeapError {
    /// No unwinder of this target can be told of code at run time.
    Unsupported,
    /// There is no memory for code.
    Memory(MemoryError),
}

impl fmt::Display for CHeapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CHeapError::Unsupported => f.write_str(
                "heap for C functions: panics cannot pass them on this target; Linux with the GNU C library is supported",
            ),
            CHeapError::Memory(e) => write!(f, "heap for C functions: {e}"),
        }
    }
}

impl std::error::Error for CHeapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CHeapError::Unsupported => None,
            CHeapError::Memory(e) => Some(e),
        }
    }
}

impl CHeap {
    /// An empty heap under the best strategy that the host allows.
    ///
    /// # Errors
    /// Why there is none.
    pub fn probe() -> Result<CHeap, CHeapError> {
        CHeap::describe(CodeHeap::probe())
    }

    /// An empty heap under a strategy.
    ///
    /// # Errors
    /// Why there is none.
    pub fn new(strategy: Strategy) -> Result<CHeap, CHeapError> {
        CHeap::with(HeapOptions::new(strategy))
    }

    /// An empty heap.
    ///
    /// # Errors
    /// Why there is none.
    pub fn with(options: HeapOptions) -> Result<CHeap, CHeapError> {
        CHeap::describe(CodeHeap::with(options))
    }

    /// The heap is new, so that nobody has described it otherwise.
    fn describe(heap: Result<CodeHeap, MemoryError>) -> Result<CHeap, CHeapError> {
        let heap = heap.map_err(CHeapError::Memory)?;
        if !unwind::describe(&heap, callable_region_record) {
            return Err(CHeapError::Unsupported);
        }
        Ok(CHeap { heap })
    }

    /// An empty heap whose code is told to the observers that the other one has now.
    ///
    /// # Errors
    /// Why there is none.
    pub fn apart_from(heap: &CodeHeap, options: HeapOptions) -> Result<CHeap, CHeapError> {
        CHeap::describe(heap.apart(options))
    }

    /// Have `observer` told of the code from now on, as by [`CodeHeap::observe`]. What it is told of each piece has the
    /// record of its frames ([`Event::Described`](crate::memory::Event::Described)), which debuggers need.
    pub fn observe<O: Observer + 'static>(&self, observer: O) -> Arc<Mutex<O>> {
        self.heap.observe(observer)
    }

    /// How many bytes stand for what.
    #[must_use]
    pub fn stats(&self) -> HeapStats {
        self.heap.stats()
    }

    /// Place and link code, and make it executable.
    ///
    /// # Errors
    /// The host refuses memory.
    pub fn publish(&self, sealed: Sealed) -> Result<Code, StitchError> {
        let code = sealed.publish(&self.heap)?;
        if self.heap.is_observed()
            && let Ok(record) = callable_region_record(code.address(), code.len())
        {
            self.heap.describe(code.address(), &record);
        }
        Ok(code)
    }
}
