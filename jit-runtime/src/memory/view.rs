//! One `mmap` and what is done with it: every system call and every raw write of code memory.
#![allow(unsafe_code)]

use super::{MemoryError, POISON};
use core::ops::Range;
use core::ptr;
use libc::{c_int, c_void};
use std::io;

/// A mapping of this process, owned: nobody else unmaps it, and nothing else is in it.
///
/// Invariant: `address .. address + len` is what one successful `mmap` returned, and stays mapped for as
/// long as the view lives.
pub(super) struct View {
    address: usize,
    len: usize,
}

/// An error of the host about `len` bytes, with the thread's `errno`.
pub(super) fn refused(call: &'static str, to: &'static str, len: usize) -> MemoryError {
    MemoryError::Host { call, to, len, errno: io::Error::last_os_error().raw_os_error().unwrap_or(0) }
}

/// Bytes of a page of this machine.
pub(super) fn page_size() -> usize {
    // SAFETY: `sysconf` has no precondition; an unknown name gives -1.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("POSIX wants a positive page size")
}

impl View {
    /// Map `len` bytes, anew (`fd` -1) or of a file from its start.
    pub(super) fn new(
        len: usize,
        prot: c_int,
        flags: c_int,
        fd: c_int,
        to: &'static str,
    ) -> Result<View, MemoryError> {
        // SAFETY: without MAP_FIXED (callers pass kinds of sharing only, and this asserts it) `mmap`
        // takes address space that nothing uses, whatever its other arguments are.
        let address = unsafe { libc::mmap(ptr::null_mut(), len, prot, flags & !libc::MAP_FIXED, fd, 0) };
        if address == libc::MAP_FAILED {
            return Err(refused("mmap", to, len));
        }
        Ok(View { address: address.addr(), len })
    }

    pub(super) fn address(&self) -> usize {
        self.address
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn pointer(&self, range: &Range<usize>) -> *mut u8 {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "{range:?} is not in a view of {}",
            self.len
        );
        ptr::with_exposed_provenance_mut(self.address + range.start)
    }

    /// Change what may be done with the pages that `range` touches.
    pub(super) fn protect(
        &self,
        range: Range<usize>,
        prot: c_int,
        to: &'static str,
    ) -> Result<(), MemoryError> {
        let page = page_size();
        let pages = range.start & !(page - 1)..range.end.next_multiple_of(page);
        let start = self.pointer(&pages);
        // SAFETY: the pages are inside this view (`pointer` checks) and hold machine code and poison
        // only: no Rust reference points into them whose access this could take away.
        let done = unsafe { libc::mprotect(start.cast::<c_void>(), pages.len(), prot) };
        if done == 0 { Ok(()) } else { Err(refused("mprotect", to, range.len())) }
    }

    /// Keep the view out of a child of fork.
    #[cfg(target_os = "linux")]
    pub(super) fn keep_from_children(&self) -> Result<(), MemoryError> {
        let start = self.pointer(&(0..self.len));
        // SAFETY: MADV_DONTFORK changes nothing in this process, and the range is this view's.
        let done = unsafe { libc::madvise(start.cast::<c_void>(), self.len, libc::MADV_DONTFORK) };
        if done == 0 { Ok(()) } else { Err(refused("madvise", "keep code from a child of fork", self.len)) }
    }

    /// Copy `bytes` to `offset`; four or eight aligned bytes by one store.
    ///
    /// # Safety
    /// The pages of `offset .. offset + bytes.len()` are writable in this view.
    pub(super) unsafe fn write(&mut self, offset: usize, bytes: &[u8]) {
        let to = self.pointer(&(offset..offset + bytes.len()));
        if let Ok(four) = <[u8; 4]>::try_from(bytes)
            && to.addr().is_multiple_of(4)
        {
            // SAFETY: in the view (`pointer` checked), writable (the caller's promise) and aligned.
            unsafe { ptr::write_volatile(to.cast::<u32>(), u32::from_ne_bytes(four)) };
        } else if let Ok(eight) = <[u8; 8]>::try_from(bytes)
            && to.addr().is_multiple_of(8)
        {
            // SAFETY: as above.
            unsafe { ptr::write_volatile(to.cast::<u64>(), u64::from_ne_bytes(eight)) };
        } else {
            // SAFETY: `bytes` is readable, the place is in the view and writable; they cannot overlap,
            // since no Rust reference points into a view.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        }
    }

    /// Set every byte of `range` to [`POISON`].
    ///
    /// # Safety
    /// The pages of `range` are writable in this view.
    pub(super) unsafe fn poison(&mut self, range: Range<usize>) {
        let to = self.pointer(&range);
        // SAFETY: in the view (`pointer` checked) and writable (the caller's promise).
        unsafe { ptr::write_bytes(to, POISON, range.len()) };
    }

    /// A copy of the bytes of `range`.
    ///
    /// # Safety
    /// The pages of `range` are readable in this view.
    pub(super) unsafe fn read(&self, range: Range<usize>) -> Vec<u8> {
        let from = self.pointer(&range);
        let mut bytes = vec![0; range.len()];
        // SAFETY: the source is in the view and readable; the destination is a fresh allocation of the
        // same length.
        unsafe { ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), range.len()) };
        bytes
    }

    /// Make instruction fetch at this view see what was written.
    pub(super) fn flush(&self, range: Range<usize>) {
        let start = self.pointer(&range);
        #[cfg(target_arch = "x86_64")]
        let _ = start; // caches are coherent, and the jump into new code is all that is needed
        #[cfg(not(target_arch = "x86_64"))]
        {
            unsafe extern "C" {
                fn __clear_cache(start: *mut u8, end: *mut u8);
            }
            let end = start.wrapping_add(range.len());
            // SAFETY: the range is mapped for as long as the view lives; cleaning caches changes no value.
            unsafe { __clear_cache(start, end) };
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let start = self.pointer(&(0..self.len));
        // SAFETY: the view owns the range, this is its end, and whoever runs code holds the block that
        // keeps the view alive. The result is not looked at: `munmap` of a whole mapping fails only for
        // ranges that no `mmap` returned.
        unsafe { libc::munmap(start.cast::<c_void>(), self.len) };
    }
}
