//! The VM's stack: slots that the interpreter and native code share.
#![allow(unsafe_code)]

use crate::value::Value;
use core::ptr::NonNull;
use core::slice;
use std::alloc::{self, Layout};

/// A fixed number of slots that never move. Native code holds addresses of them across calls into Rust,
/// so they are owned through a raw pointer, and Rust borrows them only while no native code runs.
#[derive(Debug)]
pub(super) struct ValueStack {
    first: NonNull<Value>,
    len: usize,
}

/// Why there is no stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoStack {
    slots: usize,
}

impl core::fmt::Display for NoStack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "no memory for a stack of {} slots; ask for fewer (at least one)", self.slots)
    }
}

impl core::error::Error for NoStack {}

impl ValueStack {
    /// A stack of `len` slots, all the integer 0.
    pub(super) fn new(len: usize) -> Result<ValueStack, NoStack> {
        const _: () = assert!(Value::ZERO.tag() == 0 && Value::ZERO.payload() == 0);
        let refused = NoStack { slots: len };
        let layout = Layout::array::<Value>(len).map_err(|_| refused)?;
        if layout.size() == 0 {
            return Err(refused);
        }
        // SAFETY: the layout has a size.
        let first = unsafe { alloc::alloc_zeroed(layout) };
        Ok(ValueStack { first: NonNull::new(first.cast()).ok_or(refused)?, len })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The address of slot `n`, for native code; at most that of the end.
    pub(super) fn address(&self, n: usize) -> usize {
        debug_assert!(n <= self.len);
        self.first.as_ptr().expose_provenance() + n * Value::SIZE
    }

    /// The slot at an address that native code gave.
    pub(super) fn slot(&self, address: usize) -> usize {
        (address - self.address(0)) / Value::SIZE
    }

    pub(super) fn slots(&mut self) -> &mut [Value] {
        // SAFETY: `len` values were allocated there, and zero bytes are a value; native code writes only
        // whole values. Nobody else borrows them: the slice borrows `self`, and native code, which does not
        // ask, does not run while a `ValueStack` is borrowed.
        unsafe { slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
    }
}

impl Drop for ValueStack {
    fn drop(&mut self) {
        let layout = Layout::array::<Value>(self.len).expect("it was allocated with this layout");
        // SAFETY: allocated by `new` with this layout, and not freed before.
        unsafe { alloc::dealloc(self.first.as_ptr().cast(), layout) };
    }
}
