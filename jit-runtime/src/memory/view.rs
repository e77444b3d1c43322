//! One `mmap` and what is done with it: every system call and every raw write of code memory.
#![allow(unsafe_code)]

use super::host::{page_size, refused};
use super::{MemoryError, POISON, near};
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use libc::{c_int, c_void};

/// A mapping of this process with an inaccessible page on either side, owned: nobody else unmaps it, and
/// nothing else is in it.
///
/// Invariant: `address - page .. address + len + page` is what one successful `mmap` returned, and stays
/// mapped for as long as the view lives; in a child of fork it is not, if `home` is another process. Its
/// first and its last page are never made accessible.
pub(super) struct View {
    address: usize,
    len: usize,
    /// The only process that has the view, if children of fork do not.
    #[cfg(target_os = "linux")]
    home: Option<super::host::Process>,
}

/// Where a view may lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Where {
    /// In reach of the program's functions, if there is room.
    NearProgram,
    /// Wherever the kernel likes.
    #[cfg(target_os = "linux")]
    Anywhere,
}

impl View {
    /// Reserve `len` bytes of address space between guards, all of it inaccessible.
    pub(super) fn reserve(len: usize, place: Where, to: &'static str) -> Result<View, MemoryError> {
        let page = page_size();
        let all =
            len.checked_add(2 * page).ok_or(MemoryError::TooLarge { len, most: usize::MAX - 2 * page })?;
        let near = if place == Where::NearProgram { reserve_near(all, page) } else { None };
        let start = near.or_else(|| reserve_anywhere(all)).ok_or_else(|| refused("mmap", to, len))?;
        Ok(View {
            address: start + page,
            len,
            #[cfg(target_os = "linux")]
            home: None,
        })
    }

    /// Put the first `len` bytes of a file into the view, shared, and inaccessible as the view is.
    #[cfg(target_os = "linux")]
    pub(super) fn map_file(
        &mut self,
        file: std::os::fd::BorrowedFd<'_>,
        to: &'static str,
    ) -> Result<(), MemoryError> {
        use std::os::fd::AsRawFd;
        let start = self.pointer(&(0..self.len)).cast::<c_void>();
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        // SAFETY: MAP_FIXED replaces what is mapped there, which is the inside of this view (`pointer`
        // checks): its own, and no Rust reference points into it.
        let at = unsafe { libc::mmap(start, self.len, libc::PROT_NONE, flags, file.as_raw_fd(), 0) };
        if at == libc::MAP_FAILED { Err(refused("mmap", to, self.len)) } else { Ok(()) }
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

    /// Keep the view out of children of fork.
    #[cfg(target_os = "linux")]
    pub(super) fn keep_from_children(&mut self) -> Result<(), MemoryError> {
        let (start, len) = self.all();
        // SAFETY: MADV_DONTFORK changes nothing in this process, and the range is this view's.
        let done = unsafe { libc::madvise(start, len, libc::MADV_DONTFORK) };
        if done != 0 {
            return Err(refused("madvise", "keep code from a child of fork", self.len));
        }
        self.home = Some(super::host::Process::current());
        super::inherited::note(self.addresses());
        Ok(())
    }

    /// The addresses of the view with its guards.
    #[cfg(target_os = "linux")]
    fn addresses(&self) -> Range<usize> {
        let (start, len) = self.all();
        start.addr()..start.addr() + len
    }

    /// Whether this process has the view: a child of fork may not.
    #[cfg(target_os = "linux")]
    pub(super) fn is_here(&self) -> bool {
        self.home.is_none_or(|home| home == super::host::Process::current())
    }

    #[cfg(not(target_os = "linux"))]
    fn is_here(&self) -> bool {
        true
    }

    /// Have the pages of `range`, which are writable, backed by memory, so that a host that has none says so
    /// here instead of by a signal at the first store. Kernels before 5.14 cannot say it, and do as they did.
    #[cfg(target_os = "linux")]
    pub(super) fn populate(&self, range: &Range<usize>) -> Result<(), MemoryError> {
        let page = page_size();
        let pages = range.start & !(page - 1)..range.end.next_multiple_of(page);
        let start = self.pointer(&pages).cast::<c_void>();
        // SAFETY: the call writes nothing that was there: it has pages of this view allocated.
        let done = unsafe { libc::madvise(start, pages.len(), libc::MADV_POPULATE_WRITE) };
        let unknown = || std::io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL);
        if done == 0 || unknown() {
            Ok(())
        } else {
            Err(refused("madvise", "get memory for code", range.len()))
        }
    }

    /// The view with its guards.
    fn all(&self) -> (*mut c_void, usize) {
        let page = page_size();
        (ptr::with_exposed_provenance_mut(self.address - page), self.len + 2 * page)
    }

    /// Copy `bytes` to `offset`; four or eight aligned bytes by one store.
    ///
    /// # Safety
    /// The pages of `offset .. offset + bytes.len()` are mapped and writable in this view.
    pub(super) unsafe fn write(&mut self, offset: usize, bytes: &[u8]) {
        let to = self.pointer(&(offset..offset + bytes.len()));
        if let Ok(four) = <[u8; 4]>::try_from(bytes)
            && to.addr().is_multiple_of(4)
        {
            // SAFETY: in the view (`pointer` checked), writable (the caller's promise) and aligned; nobody in
            // this program reads or writes it in another way meanwhile: the heap is locked, and what runs
            // the code is the processor.
            let word = unsafe { AtomicU32::from_ptr(to.cast()) };
            word.store(u32::from_ne_bytes(four), Ordering::Release);
        } else if let Ok(eight) = <[u8; 8]>::try_from(bytes)
            && to.addr().is_multiple_of(8)
        {
            // SAFETY: as above.
            let word = unsafe { AtomicU64::from_ptr(to.cast()) };
            word.store(u64::from_ne_bytes(eight), Ordering::Release);
        } else {
            // SAFETY: `bytes` is readable, the place is in the view and writable; they cannot overlap,
            // since no Rust reference points into a view.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        }
    }

    /// Set every byte of `range` to [`POISON`].
    ///
    /// # Safety
    /// The pages of `range` are mapped and writable in this view.
    pub(super) unsafe fn poison(&mut self, range: Range<usize>) {
        let to = self.pointer(&range);
        // SAFETY: in the view (`pointer` checked) and writable (the caller's promise).
        unsafe { ptr::write_bytes(to, POISON, range.len()) };
    }

    /// A copy of the bytes of `range`.
    ///
    /// # Safety
    /// The pages of `range` are mapped and readable in this view.
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
        #[cfg(target_os = "linux")]
        if self.home.is_some() {
            super::inherited::forget(&self.addresses());
        }
        if !self.is_here() {
            return; // something else may be mapped there by now
        }
        let (start, len) = self.all();
        // SAFETY: the view owns the range, this is its end, and whoever runs code holds the block that
        // keeps the view alive. The result is not looked at: `munmap` of a whole mapping fails only for
        // ranges that no `mmap` returned.
        unsafe { libc::munmap(start, len) };
    }
}

/// Map `len` inaccessible bytes anew, at an address if one is wanted. `None`: the host refused, as `errno` says.
fn map_anew(len: usize, at: Option<usize>) -> Option<usize> {
    #[cfg(target_os = "linux")]
    let exactly = libc::MAP_FIXED_NOREPLACE;
    #[cfg(not(target_os = "linux"))]
    let exactly = 0;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | if at.is_some() { exactly } else { 0 };
    let hint = at.map_or(ptr::null_mut(), ptr::without_provenance_mut);
    // SAFETY: without MAP_FIXED `mmap` takes address space that nothing uses, at a hint or elsewhere.
    let address = unsafe { libc::mmap(hint, len, libc::PROT_NONE, flags, -1, 0) };
    (address != libc::MAP_FAILED).then(|| address.expose_provenance())
}

/// Give back what [`map_anew`] has just mapped.
fn unmap(start: usize, len: usize) {
    let start = ptr::with_exposed_provenance_mut::<c_void>(start);
    // SAFETY: only the functions below ask, for what they mapped themselves, of this length, and told nobody.
    unsafe { libc::munmap(start, len) };
}

/// Whether these addresses are free of what a parent left.
fn is_ours(start: usize, len: usize) -> bool {
    #[cfg(target_os = "linux")]
    return !super::inherited::is_among(&(start..start + len));
    #[cfg(not(target_os = "linux"))]
    return {
        let _ = (start, len);
        true
    };
}

/// Map `len` inaccessible bytes where the kernel likes. `None`: the host refused.
fn reserve_anywhere(len: usize) -> Option<usize> {
    // What cannot be used is kept until there is something else: else the kernel would give it again.
    let mut unusable = vec![];
    let found = loop {
        match map_anew(len, None) {
            Some(start) if !is_ours(start, len) => unusable.push(start),
            other => break other,
        }
    };
    unusable.into_iter().for_each(|start| unmap(start, len));
    found
}

/// Map `len` inaccessible bytes in reach of the program's functions. `None`: there is no room.
fn reserve_near(len: usize, page: usize) -> Option<usize> {
    for wanted in near::places(len, page) {
        match map_anew(len, Some(wanted)) {
            Some(got) if got == wanted && is_ours(got, len) => {
                near::took(got);
                return Some(got);
            }
            Some(elsewhere) => unmap(elsewhere, len),
            // Something is there, or nothing may be: the next place. Out of memory is so everywhere.
            None if std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOMEM) => return None,
            None => {}
        }
    }
    None
}
