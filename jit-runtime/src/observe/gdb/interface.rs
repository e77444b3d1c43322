//! The list that debuggers read, and the function at which they wait.
#![allow(unsafe_code)]

use crate::memory::{Undivided, undivided};
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};

/// A file in the list. The layout is gdb's (`struct jit_code_entry`).
#[repr(C)]
struct Entry {
    next: *mut Entry,
    previous: *mut Entry,
    file: *const u8,
    len: u64,
}

/// The head of the list (`struct jit_descriptor`).
#[repr(C)]
struct Descriptor {
    version: u32,
    action: u32,
    relevant: *mut Entry,
    first: *mut Entry,
}

/// What has happened to the relevant entry (`jit_actions_t`).
#[derive(Clone, Copy)]
enum Action {
    None = 0,
    Register = 1,
    Unregister = 2,
}

/// Changed under [`Locked`] only.
#[repr(transparent)]
struct Shared(UnsafeCell<Descriptor>);

// SAFETY: whoever in this process uses the contents has `Locked`, which one thread at a time has. A debugger
// reads them while the process is stopped.
unsafe impl Sync for Shared {}

#[allow(non_upper_case_globals)] // the name is gdb's
#[unsafe(no_mangle)]
static __jit_debug_descriptor: Shared = Shared(UnsafeCell::new(Descriptor {
    version: 1,
    action: Action::None as u32,
    relevant: ptr::null_mut(),
    first: ptr::null_mut(),
}));

/// Debuggers put a breakpoint here. Not in line, and not left out: it seems to use the list.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn __jit_debug_register_code() {
    core::hint::black_box(&raw const __jit_debug_descriptor);
}

/// The right to use the list. A child of fork has its parent's list, and finds it whole.
struct Locked(#[expect(dead_code, reason = "held")] Undivided);

impl Locked {
    fn new() -> Locked {
        Locked(undivided())
    }

    fn descriptor(&mut self) -> &mut Descriptor {
        // SAFETY: nobody else has a reference, since this is `Locked` and borrowed for as long as this borrow; a
        // debugger stops the process in `__jit_debug_register_code`, where none is alive.
        unsafe { &mut *__jit_debug_descriptor.0.get() }
    }

    /// Have debuggers look at what was done with an entry.
    fn tell(mut self, entry: NonNull<Entry>, action: Action) {
        let descriptor = self.descriptor();
        descriptor.relevant = entry.as_ptr();
        descriptor.action = action as u32;
        __jit_debug_register_code();
        let descriptor = self.descriptor();
        descriptor.relevant = ptr::null_mut();
        descriptor.action = Action::None as u32;
    }
}

/// A file that is in the list, until this is dropped.
pub(super) struct Listed {
    entry: NonNull<Entry>,
    /// What the entry points to.
    file: Box<[u8]>,
}

// SAFETY: the entry is changed under `Locked` only, by any thread; the rest is plain memory.
unsafe impl Send for Listed {}

impl Listed {
    /// Enter an object file.
    pub(super) fn new(file: Vec<u8>) -> Listed {
        let file = file.into_boxed_slice();
        let mut list = Locked::new();
        let first = list.descriptor().first;
        let (previous, len) = (ptr::null_mut(), file.len() as u64);
        let entry = Box::new(Entry { next: first, previous, file: file.as_ptr(), len });
        let entry = NonNull::from(Box::leak(entry));
        if let Some(mut first) = NonNull::new(first) {
            // SAFETY: an entry of the list lives, since it leaves the list before it ends, and the list is locked.
            unsafe { first.as_mut() }.previous = entry.as_ptr();
        }
        list.descriptor().first = entry.as_ptr();
        list.tell(entry, Action::Register);
        Listed { entry, file }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut list = Locked::new();
        // SAFETY: `new` leaked the entry, it ends below, and the list is locked.
        let &Entry { next, previous, .. } = unsafe { self.entry.as_ref() };
        if let Some(mut next) = NonNull::new(next) {
            // SAFETY: an entry of the list lives, and the list is locked.
            unsafe { next.as_mut() }.previous = previous;
        }
        match NonNull::new(previous) {
            // SAFETY: as above.
            Some(mut previous) => unsafe { previous.as_mut() }.next = next,
            None => list.descriptor().first = next,
        }
        list.tell(self.entry, Action::Unregister);
        // SAFETY: `new` leaked it from a box, and nothing in the list points to it any more.
        drop(unsafe { Box::from_raw(self.entry.as_ptr()) });
    }
}

impl core::fmt::Debug for Listed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Listed({} bytes)", self.file.len())
    }
}

/// The files that are in the list now, the latest first.
#[cfg(test)]
pub(super) fn listed() -> Vec<Vec<u8>> {
    let mut list = Locked::new();
    let (mut at, mut files) = (list.descriptor().first, vec![]);
    while let Some(entry) = NonNull::new(at) {
        // SAFETY: an entry of the list lives while the list is locked.
        let &Entry { next, file, len, .. } = unsafe { entry.as_ref() };
        // SAFETY: the file of an entry lives as long as the entry.
        files.push(unsafe { core::slice::from_raw_parts(file, len as usize) }.to_vec());
        at = next;
    }
    files
}
