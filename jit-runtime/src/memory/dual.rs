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
        for (view, to) in [(&mut write, "map code for writing"), (&mut run, "map code for running")] {
            // A child that another thread forks between these has the view, and cannot read, write or run it.
            view.map_file(file.as_fd(), to)?;
            view.keep_from_children()?;
        }
        write.protect(0..len, libc::PROT_READ | libc::PROT_WRITE, "make code writable")?;
        // The views keep the file; without a descriptor nobody here can map it a third time. A child that was forked
        // meanwhile has the descriptor until it starts another program, under a number that no code of ours uses.
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

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicUsize, Ordering};

    /// Children that were forked, and those among them that could use memory for code.
    static FORKED: AtomicUsize = AtomicUsize::new(0);
    static SHARING: AtomicUsize = AtomicUsize::new(0);
    /// The fourth argument of `madvise`, which the system does not look at: the call of the handler itself.
    const OURS: libc::c_long = 0x6F75_7273;

    /// Have calls of `madvise` that keep memory from children raise a signal, in this thread.
    fn trap_keeping_from_children() {
        let [load, jump, answer] = [
            libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            libc::BPF_RET | libc::BPF_K,
        ];
        let statement =
            |code: u32, k: u32, [jt, jf]: [u8; 2]| libc::sock_filter { code: code as u16, jt, jf, k };
        let argument = |n: usize| (core::mem::offset_of!(libc::seccomp_data, args) + 8 * n) as u32;
        // Jumps say how many statements are left out when the values are equal, and when they are not.
        let mut program = [
            statement(load, core::mem::offset_of!(libc::seccomp_data, nr) as u32, [0, 0]),
            statement(jump, libc::SYS_madvise as u32, [0, 5]),
            statement(load, argument(2), [0, 0]),
            statement(jump, libc::MADV_DONTFORK as u32, [0, 3]),
            statement(load, argument(3), [0, 0]),
            statement(jump, OURS as u32, [1, 0]),
            statement(answer, libc::SECCOMP_RET_TRAP, [0, 0]),
            statement(answer, libc::SECCOMP_RET_ALLOW, [0, 0]),
        ];
        let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        // SAFETY: this request sets a flag of the thread and takes no pointer.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
        // SAFETY: the program and its statements live until the call returns, which copies them.
        let done =
            unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
        assert_eq!(done, 0);
    }

    /// Whether this process may use a mapping of a file for code.
    fn may_use_code() -> bool {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
        maps.lines().any(|line| line.contains("jit-code") && !line.contains(" ---s "))
    }

    /// Fork where memory is about to be kept from children, then do what was asked for.
    extern "C" fn fork_first(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
        // SAFETY: the child of this process with several threads reads a file and ends; the allocator is whole in a
        // child, and this thread was not in it.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = libc::c_int::from(may_use_code());
            // SAFETY: it ends the process, in which nobody waits for anything.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: the pointer is to a local of the right type.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        FORKED.fetch_add(1, Ordering::Relaxed);
        SHARING.fetch_add(usize::from(status != 0), Ordering::Relaxed);
        // SAFETY: the system calls this handler with the state of the thread in the call.
        let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
        let [start, len] = [libc::REG_RDI, libc::REG_RSI].map(|register| registers[register as usize]);
        // SAFETY: the call that was made, which changes nothing in this process.
        let done = unsafe { libc::syscall(libc::SYS_madvise, start, len, libc::MADV_DONTFORK, OURS) };
        registers[libc::REG_RAX as usize] = done;
    }

    /// Until a view is kept from children nothing can be done with it, so that one which is forked a moment too early
    /// has nothing of it either.
    #[test]
    fn no_child_shares_a_view_that_is_being_made() {
        // In a thread of its own, since a filter is for good.
        let maker = std::thread::spawn(|| {
            // SAFETY: all zeros is a valid value of this struct.
            let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
            action.sa_sigaction = fork_first as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            // SAFETY: the action is filled in, and its handler is for this very signal, which nobody else uses.
            assert_eq!(unsafe { libc::sigaction(libc::SIGSYS, &raw const action, core::ptr::null_mut()) }, 0);
            trap_keeping_from_children();
            let mut mapping = DualPages::new().map(page_size()).expect("room");
            mapping.begin(0..16).expect("it is here");
            mapping.poison(0..16);
            mapping.finish(0..16).expect("it may run");
        });
        maker.join().expect("the handler lets the calls through");
        assert_eq!((FORKED.load(Ordering::Relaxed), SHARING.load(Ordering::Relaxed)), (2, 0), "one a view");
    }
}
