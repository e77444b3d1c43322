//! Code memory as a memory file mapped twice: one view to write, one to run.
#![allow(unsafe_code)]

use super::host::{page_size, refused};
use super::view::{View, Where};
use super::{Mapping, MemoryError, POISON, Pages};
use core::ops::Range;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

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

    fn synchronise(&self) -> bool {
        super::host::synchronise()
    }

    fn map(&self, len: usize) -> Result<Box<dyn Mapping>, MemoryError> {
        let file = memory_file(len)?;
        let mut write = View::reserve(len, Where::Anywhere, "reserve room to write code")?;
        let mut run = View::reserve(len, Where::NearProgram, "reserve room to run code")?;
        write.map_file(file.as_fd(), libc::PROT_READ | libc::PROT_WRITE, "map code for writing")?;
        run.map_file(file.as_fd(), libc::PROT_NONE, "map code for running")?;
        // Nothing is in the file yet; a child that another thread forks before this has an empty one.
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

/// Invariant: in the process that made it, all of `write` is readable and writable; of `run` the first
/// `executable` bytes are readable and executable, the rest inaccessible. In a child of fork neither view is
/// mapped.
struct DualMapping {
    write: View,
    run: View,
    executable: usize,
}

impl DualMapping {
    fn assert_here(&self) {
        assert!(self.write.is_here(), "`begin` refuses in a child of fork");
    }
}

impl Mapping for DualMapping {
    fn address(&self) -> usize {
        self.run.address()
    }

    fn len(&self) -> usize {
        self.run.len()
    }

    fn begin(&mut self, range: Range<usize>) -> Result<(), MemoryError> {
        if !self.write.is_here() {
            return Err(MemoryError::Forked);
        }
        if range.end > self.executable { self.write.populate(&range) } else { Ok(()) }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.assert_here();
        // SAFETY: here, where all of the view is writable.
        unsafe { self.write.write(offset, bytes) };
    }

    fn poison(&mut self, range: Range<usize>) {
        self.assert_here();
        // SAFETY: here, where all of the view is writable.
        unsafe { self.write.poison(range) };
    }

    fn flush(&mut self, range: Range<usize>) {
        self.run.flush(range);
    }

    fn finish(&mut self, range: Range<usize>) -> Result<(), MemoryError> {
        if !self.run.is_here() {
            return Err(MemoryError::Forked);
        }
        if range.end > self.executable {
            let end = range.end.next_multiple_of(page_size());
            let fresh = self.executable..end;
            self.run.protect(fresh, libc::PROT_READ | libc::PROT_EXEC, "make code executable")?;
            self.executable = end;
        }
        Ok(())
    }

    fn read(&self, range: Range<usize>) -> Vec<u8> {
        if !self.write.is_here() {
            return vec![POISON; range.len()];
        }
        // SAFETY: here, where all of the view is readable.
        unsafe { self.write.read(range) }
    }
}
