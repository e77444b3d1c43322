//! What is the whole process's, and is never found half done, or locked, by a child of fork.
//!
//! A child has one thread, the copy of the one that forked. What another thread had locked at that moment stays locked
//! in the child for ever, and what it was changing stays half changed. So everything of this crate that a process has
//! once is changed under one lock, which `fork` takes first and gives back on either side (`pthread_atfork`). Nothing
//! that lasts is done under it, and no code of a client runs there.
//!
//! Locks of a client's own, those of a heap among them, are the client's affair, as with all locks.
#![allow(unsafe_code)]

use std::sync::{Mutex, MutexGuard, PoisonError};

static WHOLE: Mutex<()> = Mutex::new(());

/// While this lives no thread forks, and no other has one. Dropped by the thread that made it.
#[derive(Debug)]
#[must_use]
pub(crate) struct Undivided(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

/// Wait for the right to change what the process has once. A thread that has it must not ask again.
pub(crate) fn undivided() -> Undivided {
    #[cfg(unix)]
    handlers::install();
    Undivided(WHOLE.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(unix)]
mod handlers {
    use super::{PoisonError, Undivided, WHOLE};
    use core::sync::atomic::{AtomicBool, Ordering};
    use std::cell::RefCell;

    thread_local! {
        /// Of a thread that is forking, and of its copy in the child: how often `before` was called, and the lock.
        static FORKING: RefCell<(u32, Option<Undivided>)> = const { RefCell::new((0, None)) };
    }

    /// Called when the program is loaded: a fork that has begun asks no more who wants to be told of it. Other systems
    /// have no such section; there the first use of the lock has to come before the first fork.
    #[cfg(target_os = "linux")]
    // SAFETY: the loader calls what stands in this section by the ABI of C, with arguments that need not be taken.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static AT_LOADING: extern "C" fn() = install;

    /// Have forks take the lock from now on.
    pub(super) extern "C" fn install() {
        // A flag alone, since a child must not wait for a thread that is at it. Threads that are at it together
        // install the handlers more than once, which they count.
        static INSTALLED: AtomicBool = AtomicBool::new(false);
        if !INSTALLED.load(Ordering::Acquire) {
            // SAFETY: the handlers may be called wherever a thread forks: they take a lock, and touch memory of the
            // thread. One that is refused for want of memory leaves forks as they are without.
            unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after)) };
            INSTALLED.store(true, Ordering::Release);
        }
    }

    // A thread that ends has no such memory any more; should it fork all the same, it does so without the lock.
    extern "C" fn before() {
        let _ = FORKING.try_with(|forking| {
            let (times, lock) = &mut *forking.borrow_mut();
            *times += 1;
            lock.get_or_insert_with(|| Undivided(WHOLE.lock().unwrap_or_else(PoisonError::into_inner)));
        });
    }

    extern "C" fn after() {
        let _ = FORKING.try_with(|forking| {
            let (times, lock) = &mut *forking.borrow_mut();
            *times -= 1;
            if *times == 0 {
                *lock = None;
            }
        });
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicBool, Ordering};

    /// Whether a child of fork runs `work` to its end. One that hangs is ended by the system.
    fn child_does(work: impl FnOnce()) -> bool {
        // SAFETY: the child does what this crate promises for one, and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: the call takes a number.
            unsafe { libc::alarm(10) };
            work();
            // SAFETY: it ends the process, in which nobody waits for anything.
            unsafe { libc::_exit(0) };
        }
        let mut status = 0;
        // SAFETY: the pointer is to a local of the right type.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        waited == child && status == 0
    }

    /// Two threads have the lock nearly always, and what is changed under it is half done as often.
    #[test]
    fn a_child_finds_what_is_shared_whole_and_free() {
        static HALVES: Mutex<(u64, u64)> = Mutex::new((0, 0));
        let stop = AtomicBool::new(false);
        let step = || {
            let _whole = undivided();
            let mut halves = HALVES.lock().unwrap_or_else(PoisonError::into_inner);
            assert_eq!(halves.0, halves.1);
            halves.0 += 1;
            std::thread::yield_now();
            halves.1 += 1;
        };
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        step();
                    }
                });
            }
            let all = (0..20).all(|_| child_does(step) && child_does(|| assert!(child_does(step))));
            stop.store(true, Ordering::Relaxed);
            assert!(all, "a child hangs");
        });
    }
}
