//! Telling the unwinder of this process about code.
//!
//! The unwinder has a lock of its own, of which a child of fork knows nothing. It is not told of anything while a thread
//! forks. What this crate cannot know is whether another thread is unwinding at that moment: a child of such a fork may
//! wait for ever when it tells the unwinder of code, or panics.
#![allow(unsafe_code)]

use crate::frame::RecordError;
use crate::memory::CodeHeap;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use crate::memory::undivided;

/// A record that the unwinder knows, until this is dropped.
pub(super) struct Registered {
    record: Box<[u8]>,
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod host {
    // Of libgcc, which the standard library of this target links; not part of any header. Both take the
    // first byte of a list of records as in `.eh_frame`, ended by four zeros (LSB 5.0, 10.6).
    unsafe extern "C" {
        pub(super) fn __register_frame(begin: *const u8);
        pub(super) fn __deregister_frame(begin: *const u8);
    }
}

/// Whether there is an unwinder that can be told.
pub(super) const fn is_supported() -> bool {
    cfg!(all(target_os = "linux", target_env = "gnu"))
}

impl Registered {
    /// Have the unwinder know `record`.
    ///
    /// # Safety
    /// `record` is a well-formed list of records with its end mark, true of the code that it describes, and
    /// no registered record describes that code already.
    pub(super) unsafe fn new(record: Vec<u8>) -> Registered {
        let record = record.into_boxed_slice();
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        let _whole = undivided();
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: the list is well-formed (the caller's promise), and stays where it is until `drop`.
        unsafe {
            host::__register_frame(record.as_ptr());
        }
        Registered { record }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        let _whole = undivided();
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: registered by `new` under this very address, once.
        unsafe {
            host::__deregister_frame(self.record.as_ptr());
        }
        let _ = &self.record;
    }
}

/// Have the unwinder know all code of `heap`, now and later, by the records that `record` makes for regions. A second
/// call for the same heap changes nothing. `false`: there is no unwinder to be told.
#[must_use]
pub(super) fn describe(heap: &CodeHeap, record: fn(usize, usize) -> Result<Vec<u8>, RecordError>) -> bool {
    if is_supported() {
        // Whoever was first told it all.
        let _first = heap.tell_unwinder(move |base, len| {
            let record = record(base, len).expect("a region has at most 1 GiB");
            // SAFETY: it is a record of `frame`, which makes well-formed lists; it is true of code that keeps the frame
            // convention of the heap, which entering any code of it promises; the heap tells this hook, which it
            // keeps once, of each region once.
            Box::new(unsafe { Registered::new(record) })
        });
    }
    is_supported()
}
