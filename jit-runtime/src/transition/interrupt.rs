//! Asking JIT code to stop, from any thread, and the poll by which it hears.
//!
//! A poll is a comparison with the bound of the stack that prologues make anyway: an interrupt stores a bound that no
//! stack meets, the *alarm*. What the code then does is the client's: it calls Rust, which takes the interrupt
//! ([`Machine::take_interrupt`]) and returns, or cuts the segment. The machine keeps the true bound beside the
//! one that is compared, so taking an interrupt restores it, and a bound that changes while one is pending does
//! not lose it.
#![allow(unsafe_code)]

use super::Machine;
use crate::stitch::{Assembler, Label};
use crate::templates;
use core::fmt;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

templates! {
    /// Leave for `slow` if the thread's stack has reached its bound, or an interrupt is pending. For prologues
    /// and back-edges of code whose frames are on the thread's stack. Flags change.
    fn compare(slow: Label) = x64!< cmp rsp, [r14 + {const Machine::STACK_LIMIT}]; jb {slow} >;
}

/// Emit a poll: code goes on at `slow` if rsp is below the bound, be it that the stack is used up, be it that
/// somebody asked for an interrupt. What is at `slow`, in the cold section, calls Rust
/// ([`super::rust_call_keeping`]) and asks [`Machine::take_interrupt`] which of both it is. It is for machines whose
/// bound is that of the thread's stack: a client that bounds a stack of its own compares what it has with
/// [`Machine::STACK_LIMIT`]. Flags change.
///
/// In a prologue it stands behind the frame, so the frame is there when it fails: the reserve of the bound has to hold
/// the largest of them ([`super::NativeStack::limit`]).
pub fn poll(asm: &mut Assembler, slow: Label) {
    compare(asm, slow);
}

/// The right to interrupt a machine, from any thread and as often as wanted.
#[derive(Clone)]
pub struct Interrupter {
    link: Arc<Link>,
}

impl Interrupter {
    /// Ask the code of the machine to stop at its next poll. If none runs, the next that does will; a second
    /// request before the first is taken is the same request. Whether the machine is there to be asked.
    ///
    /// What the caller wrote before is seen by who takes the interrupt. This takes a lock: it is not for
    /// handlers of signals.
    pub fn interrupt(&self) -> bool {
        let limit = self.link.lock();
        if limit.is_null() {
            return false;
        }
        // SAFETY: the machine takes the address back under this lock before it goes (`Link::cut`), and it does not
        // move before (`Machine::interrupter` has it pinned).
        let limit = unsafe { &**limit };
        limit.store(self.link.alarm, Ordering::Release);
        true
    }
}

impl fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.link.lock().is_null() { "Interrupter(no machine)" } else { "Interrupter" })
    }
}

/// Between a machine and its interrupters.
#[derive(Debug)]
pub(super) struct Link {
    /// The machine's bound; null when the machine is gone.
    limit: Mutex<*const AtomicU64>,
    alarm: u64,
}

// SAFETY: the pointer is only followed under the lock, to an atomic, while the machine that owns it is there.
unsafe impl Send for Link {}
// SAFETY: as above.
unsafe impl Sync for Link {}

impl Link {
    fn lock(&self) -> MutexGuard<'_, *const AtomicU64> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine goes.
    pub(super) fn cut(&self) {
        *self.lock() = core::ptr::null();
    }
}

impl Machine {
    /// A handle by which any thread interrupts what this machine runs. The machine stays where it is from now
    /// on, which `Pin` says: a client pins its context, and says that the machine in it is pinned with it.
    ///
    /// ```
    /// use jit_runtime::transition::{Interrupter, Machine, NativeStack};
    /// use std::pin::Pin;
    ///
    /// #[repr(C)]
    /// struct Context { machine: Machine, steps: u64 }
    ///
    /// impl Context {
    ///     fn interrupter(self: Pin<&Context>) -> Interrupter {
    ///         // SAFETY: nothing moves the machine out of a pinned context.
    ///         unsafe { self.map_unchecked(|context| &context.machine) }.interrupter()
    ///     }
    ///
    ///     /// What native code and [`Gate::enter`](jit_runtime::transition::Gate::enter) get.
    ///     fn address(self: Pin<&mut Context>) -> *mut Context {
    ///         // SAFETY: nothing is moved through this pointer.
    ///         unsafe { self.get_unchecked_mut() }
    ///     }
    /// }
    ///
    /// let bound = NativeStack::of_this_thread().limit(64 << 10);
    /// let mut context = Box::pin(Context { machine: Machine::new(bound), steps: 0 });
    /// let interrupter = context.as_ref().interrupter();
    /// let entered: *mut Machine = context.as_mut().address().cast();
    /// # let _ = entered;
    /// assert!(std::thread::spawn({ let interrupter = interrupter.clone(); move || interrupter.interrupt() }).join().unwrap());
    /// assert!(context.machine.take_interrupt());
    /// drop(context);
    /// assert!(!interrupter.interrupt(), "there is no machine any more");
    /// ```
    ///
    /// A context that lives as long as the program needs no projection, and no `unsafe`:
    ///
    /// ```
    /// # use jit_runtime::transition::Machine;
    /// # use std::pin::Pin;
    /// # #[repr(C)] struct Context { machine: Machine, steps: u64 }
    /// let context: &'static Context = Box::leak(Box::new(Context { machine: Machine::new(0), steps: 0 }));
    /// let interrupter = Pin::static_ref(&context.machine).interrupter();
    /// # assert!(interrupter.interrupt() && context.steps == 0);
    /// ```
    #[must_use]
    pub fn interrupter(self: Pin<&Machine>) -> Interrupter {
        let machine = self.get_ref();
        let link =
            || Arc::new(Link { limit: Mutex::new(&raw const machine.stack_limit), alarm: machine.alarm });
        Interrupter { link: Arc::clone(machine.link.get_or_init(link)) }
    }

    /// Take a pending interrupt: polls hold again until the next one. `false` if there is none, which says that
    /// a poll failed because the stack is used up.
    ///
    /// What was written before [`Interrupter::interrupt`] is seen after this.
    #[must_use = "whether there was an interrupt decides what a failed poll means"]
    pub fn take_interrupt(&self) -> bool {
        let bound = self.bound.get();
        self.stack_limit.compare_exchange(self.alarm, bound, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Whether an interrupt is pending.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.stack_limit.load(Ordering::Relaxed) == self.alarm
    }

    /// Set the bound of the stack; a pending interrupt stays pending. The bound before is returned, for clients
    /// that nest runs with bounds of their own.
    ///
    /// A machine that goes to another thread needs the bound of that thread's stack before code runs there: nothing
    /// but the polls of the code ([`poll`]) looks at the bound, and they compare rsp with whatever it is.
    ///
    /// # Panics
    /// If the bound is one that no stack meets: `u64::MAX` for a stack that grows down, 0 for one that grows up.
    pub fn set_bound(&self, bound: u64) -> u64 {
        assert_ne!(bound, self.alarm, "a bound that no stack meets stands for an interrupt");
        let before = self.bound.replace(bound);
        // This fails if an interrupt is pending, which is then the alarm's.
        let _ = self.stack_limit.compare_exchange(before, bound, Ordering::Relaxed, Ordering::Relaxed);
        before
    }
}
