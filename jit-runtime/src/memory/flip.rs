//! Code memory as one mapping whose pages are writable or executable, never both.
#![allow(unsafe_code)]

use super::host::page_size;
use super::view::{View, Where};
use super::{Mapping, MemoryError, Pages};
use core::ops::Range;

/// Mapped anonymously and privately: a child of fork has its own copy.
pub(super) struct FlipPages {
    page: usize,
}

impl FlipPages {
    pub(super) fn new() -> FlipPages {
        FlipPages { page: page_size() }
    }
}

impl Pages for FlipPages {
    fn page_size(&self) -> usize {
        self.page
    }

    fn synchronise(&self) -> bool {
        super::host::synchronise()
    }

    fn map(&self, len: usize) -> Result<Box<dyn Mapping>, MemoryError> {
        let view = View::reserve(len, Where::NearProgram, "reserve room for code")?;
        Ok(Box::new(FlipMapping { view, begun: 0..0, readable: 0 }))
    }
}

/// Invariant: the pages of `begun` are readable and writable, all pages below `readable` are readable
/// (and executable, or writable too after a refused `finish`). The heap opens pages from the start on.
struct FlipMapping {
    view: View,
    begun: Range<usize>,
    readable: usize,
}

impl FlipMapping {
    fn assert_begun(&self, range: &Range<usize>) {
        assert!(
            self.begun.start <= range.start && range.end <= self.begun.end,
            "{range:?} is written while {:?} is begun",
            self.begun
        );
    }
}

impl Mapping for FlipMapping {
    fn address(&self) -> usize {
        self.view.address()
    }

    fn len(&self) -> usize {
        self.view.len()
    }

    fn begin(&mut self, range: Range<usize>) -> Result<(), MemoryError> {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        self.view.protect(range.clone(), prot, "make code writable")?;
        #[cfg(target_os = "linux")]
        if range.end > self.readable
            && let Err(error) = self.view.populate(&range)
        {
            // As they were: what is fresh is not accessible.
            self.view.protect(
                range.start.max(self.readable)..range.end,
                libc::PROT_NONE,
                "give pages back",
            )?;
            if range.start < self.readable {
                self.finish(range.start..self.readable)?;
            }
            return Err(error);
        }
        if range.start <= self.readable {
            self.readable = self.readable.max(range.end);
        }
        self.begun = range;
        Ok(())
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.assert_begun(&(offset..offset + bytes.len()));
        // SAFETY: begun, so writable.
        unsafe { self.view.write(offset, bytes) };
    }

    fn poison(&mut self, range: Range<usize>) {
        self.assert_begun(&range);
        // SAFETY: begun, so writable.
        unsafe { self.view.poison(range) };
    }

    fn flush(&mut self, range: Range<usize>) {
        self.view.flush(range);
    }

    fn finish(&mut self, range: Range<usize>) -> Result<(), MemoryError> {
        self.begun = 0..0;
        self.view.protect(range, libc::PROT_READ | libc::PROT_EXEC, "make code executable")
    }

    fn read(&self, range: Range<usize>) -> Vec<u8> {
        assert!(range.end <= self.readable, "{range:?} is read, {} bytes are readable", self.readable);
        // SAFETY: below `readable`; no protection that is set from then on takes reading away.
        unsafe { self.view.read(range) }
    }
}
