//! What is asked of the host besides mappings: its page size, its barrier, whether this process was forked.
#![allow(unsafe_code)]

use super::MemoryError;
use super::policy::Policy;
use std::io;

/// Bytes of a page of this machine.
pub(super) fn page_size() -> usize {
    // SAFETY: `sysconf` has no precondition; an unknown name gives -1.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("POSIX wants a positive page size")
}

/// An error of the host about `len` bytes, with the thread's `errno` and what forbids it.
pub(super) fn refused(call: &'static str, to: &'static str, len: usize) -> MemoryError {
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
    MemoryError::Host { call, to, len, errno, policy: Policy::behind(call, errno) }
}

/// Whether the process gave up its right to make memory executable (`prctl(PR_SET_MDWE)`, Linux 6.3).
#[cfg(target_os = "linux")]
pub(super) fn denies_write_execute() -> bool {
    let unused: libc::c_ulong = 0;
    // SAFETY: this request reads a flag of the process and takes no pointer; kernels that do not know it
    // return -1.
    unsafe { libc::prctl(libc::PR_GET_MDWE, unused, unused, unused, unused) > 0 }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn denies_write_execute() -> bool {
    false
}

/// Have every thread of this process serialise its instruction stream: when this returns, each has executed
/// a serialising instruction since the call, so none has an instruction from before it in its pipeline. The
/// answer is whether the kernel did it.
///
/// This is `membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE)`, Linux 4.16. The kernel interrupts the
/// processors on which threads of the process run now; the others serialise when they switch to one.
#[cfg(target_os = "linux")]
pub(super) fn synchronise() -> bool {
    const SYNC_CORE: libc::c_int = libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE;
    const REGISTER: libc::c_int = libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE;
    let membarrier = |command: libc::c_int| {
        // SAFETY: the call takes two numbers and touches no memory of this process.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    };
    // A process that has not registered is refused; registering twice does no harm.
    membarrier(SYNC_CORE) || membarrier(REGISTER) && membarrier(SYNC_CORE)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn synchronise() -> bool {
    false
}

/// Which process this is, as far as forks go: a child is another one than its parent, and threads are not.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Process(u32);

#[cfg(target_os = "linux")]
impl Process {
    /// The process that asks. One load, where the kernel has `MADV_WIPEONFORK` (4.14).
    pub(super) fn current() -> Process {
        use core::sync::atomic::{AtomicU32, Ordering};
        use std::sync::OnceLock;

        /// A word that is zero in every new process.
        static MARK: OnceLock<Option<&'static AtomicU32>> = OnceLock::new();
        /// The last number that was given out; a child goes on with its parent's.
        static LAST: AtomicU32 = AtomicU32::new(0);
        let mark = MARK.get().unwrap_or_else(|| {
            let _whole = super::forks::undivided();
            MARK.get_or_init(wiped_on_fork)
        });
        let Some(mark) = mark else { return Process(std::process::id()) };
        match mark.load(Ordering::Relaxed) {
            0 => {
                let fresh = LAST.fetch_add(1, Ordering::Relaxed) + 1;
                let set = mark.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed);
                Process(set.err().unwrap_or(fresh))
            }
            number => Process(number),
        }
    }
}

/// A word that reads as zero in a child of fork. `None`: the kernel does not do that.
#[cfg(target_os = "linux")]
fn wiped_on_fork() -> Option<&'static core::sync::atomic::AtomicU32> {
    let len = page_size();
    let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: without MAP_FIXED `mmap` takes address space that nothing uses.
    let page = unsafe { libc::mmap(core::ptr::null_mut(), len, prot, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the page was just mapped, and nobody knows of it yet.
    if unsafe { libc::madvise(page, len, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: as above.
        unsafe { libc::munmap(page, len) };
        return None;
    }
    // SAFETY: a page is aligned for a word and zero; it is never unmapped, and used through this
    // reference only.
    Some(unsafe { core::sync::atomic::AtomicU32::from_ptr(page.cast()) })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn threads_are_one_process() {
        let here = Process::current();
        assert_eq!(here, Process::current());
        let there = std::thread::spawn(Process::current).join().expect("it only asks");
        assert_eq!(here, there);
    }
}
