//! Code memory as a memory file mapped twice: one view to write, one to run.
#![allow(unsafe_code)]

use super::view::{View, page_size, refused};
use super::{Mapping, MemoryError, Pages};
use core::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Mapped from memory files, one a region.
pub(super) struct DualPages {
    page: usize,
}

impl DualPages {
    pub(super) fn new() -> DualPages {
        DualPages { page: page_size() }
    }
}

impl Pages for DualPages {
    fn page_size(&self) -> usize {
        self.page
    }

    fn map(&self, len: usize) -> Result<Box<dyn Mapping>, MemoryError> {
        let file = memory_file(len)?;
        let shared = libc::MAP_SHARED;
        let write = View::new(
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            shared,
            file.as_raw_fd(),
            "map code for writing",
        )?;
        let run = View::new(len, libc::PROT_NONE, shared, file.as_raw_fd(), "map code for running")?;
        write.keep_from_children()?;
        run.keep_from_children()?;
        // The views keep the file; without a descriptor nobody can map it a third time.
        drop(file);
        Ok(Box::new(DualMapping { write, run, executable: 0 }))
    }
}

/// A file of `len` bytes that lives in memory, may be executed, and can change its length no more.
fn memory_file(len: usize) -> Result<OwnedFd, MemoryError> {
    let create = |flags| {
        // SAFETY: the name is a C string; the call makes a new descriptor and touches nothing else.
        unsafe { libc::memfd_create(c"jit-code".as_ptr(), flags) }
    };
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // Kernels from 6.3 want to be told that the file is for running; older ones do not know the flag.
    let mut fd = create(flags | libc::MFD_EXEC);
    if fd < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) {
        fd = create(flags);
    }
    if fd < 0 {
        return Err(refused("memfd_create", "make a memory file for code", len));
    }
    // SAFETY: the descriptor is new and valid, and owned by nobody else.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    let size =
        libc::off_t::try_from(len).map_err(|_| MemoryError::TooLarge { len, most: i64::MAX as usize })?;
    // SAFETY: the descriptor is valid for as long as `file` lives.
    if unsafe { libc::ftruncate(file.as_raw_fd(), size) } != 0 {
        return Err(refused("ftruncate", "size the memory file for code", len));
    }
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: as above.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
        return Err(refused("fcntl", "seal the size of the memory file for code", len));
    }
    Ok(file)
}

/// Invariant: all of `write` is readable and writable; of `run` the first `executable` bytes are readable
/// and executable, the rest inaccessible.
struct DualMapping {
    write: View,
    run: View,
    executable: usize,
}

impl Mapping for DualMapping {
    fn address(&self) -> usize {
        self.run.address()
    }

    fn len(&self) -> usize {
        self.run.len()
    }

    fn begin(&mut self, _range: Range<usize>) -> Result<(), MemoryError> {
        Ok(())
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        // SAFETY: all of the view is writable.
        unsafe { self.write.write(offset, bytes) };
    }

    fn poison(&mut self, range: Range<usize>) {
        // SAFETY: all of the view is writable.
        unsafe { self.write.poison(range) };
    }

    fn flush(&mut self, range: Range<usize>) {
        self.run.flush(range);
    }

    fn finish(&mut self, range: Range<usize>) -> Result<(), MemoryError> {
        if range.end > self.executable {
            let end = range.end.next_multiple_of(page_size());
            let fresh = self.executable..end;
            self.run.protect(fresh, libc::PROT_READ | libc::PROT_EXEC, "make code executable")?;
            self.executable = end;
        }
        Ok(())
    }

    fn read(&self, range: Range<usize>) -> Vec<u8> {
        // SAFETY: all of the view is readable.
        unsafe { self.write.read(range) }
    }
}
