//! The bounds of the thread's own stack.
#![allow(unsafe_code)]

/// The stack of one thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NativeStack {
    lowest: usize,
}

/// What is taken for free below the caller where the system does not tell the bounds: half of the smallest
/// default of the Unixes that Rust runs on (512 KiB, for threads of macOS).
const ASSUMED: usize = 256 << 10;

impl NativeStack {
    /// The stack of the calling thread. Costs some microseconds, on the first thread some tens: it is for
    /// the start of a thread, not for every call.
    ///
    /// On Linux the system tells, and the guard is left out. Where it does not (other systems; the first
    /// thread without `/proc`), 256 KiB below the caller are taken to be there.
    #[must_use]
    pub fn of_this_thread() -> NativeStack {
        NativeStack { lowest: lowest().unwrap_or_else(|| here().saturating_sub(ASSUMED)) }
    }

    /// Its lowest address.
    #[must_use]
    pub const fn lowest(&self) -> usize {
        self.lowest
    }

    /// Bytes that are free below the caller. For the thread whose stack it is.
    #[must_use]
    pub fn remaining(&self) -> usize {
        here().saturating_sub(self.lowest)
    }

    /// The bound for rsp that keeps `reserve` bytes free. JIT code compares with it when its frame is there, so out of
    /// the reserve come one frame, of the largest size, and whatever is called by code that has just compared, Rust
    /// functions above all. A reserve that is too small is worse than an overflow: a large frame passes over the guard
    /// page of the stack without touching it.
    #[must_use]
    pub const fn limit(&self, reserve: usize) -> u64 {
        self.lowest.saturating_add(reserve) as u64
    }
}

/// An address in the frame of the caller, or a little below.
#[inline(never)]
fn here() -> usize {
    let mark = 0_u8;
    std::hint::black_box(&raw const mark).addr()
}

#[cfg(not(target_os = "linux"))]
fn lowest() -> Option<usize> {
    None
}

/// The lowest address that this thread may use, as the C library knows it.
#[cfg(target_os = "linux")]
fn lowest() -> Option<usize> {
    use core::mem::MaybeUninit;
    use core::ptr;

    // SAFETY: no precondition.
    let this = unsafe { libc::pthread_self() };
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: this thread lives; its attributes are filled in when the result is 0.
    if unsafe { libc::pthread_getattr_np(this, attributes.as_mut_ptr()) } != 0 {
        return None;
    }
    let (mut lowest, mut size, mut guard) = (ptr::null_mut(), 0, 0);
    // SAFETY: the attributes are filled in; the other pointers are to locals of the right types.
    unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut size) };
    // SAFETY: as above.
    unsafe { libc::pthread_attr_getguardsize(attributes.as_ptr(), &raw mut guard) };
    // SAFETY: the attributes are filled in, and not used after this.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    // Whether the guard lies inside what is told has differed between versions of the C library.
    Some(lowest.addr() + guard)
}
