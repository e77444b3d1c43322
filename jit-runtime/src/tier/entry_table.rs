//! Where calls go: one address a function.

use crate::transition::Safepoint;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The entry of every function, by its number. The table never moves, so native code may hold its
/// address and call through it.
#[derive(Debug)]
pub struct EntryTable {
    entries: Box<[AtomicUsize]>,
}

impl EntryTable {
    /// A table in which function `n` is entered at `initial(n)`.
    pub fn new(len: usize, initial: impl FnMut(usize) -> usize) -> EntryTable {
        EntryTable { entries: (0..len).map(initial).map(AtomicUsize::new).collect() }
    }

    /// The address of the entry of function 0; that of `n` is 8·n bytes further.
    #[must_use]
    pub fn address(&self) -> usize {
        self.entries.as_ptr() as usize
    }

    /// Where calls of `function` go.
    ///
    /// # Panics
    /// If the table has no such function.
    #[must_use]
    #[track_caller]
    pub fn get(&self, function: usize) -> usize {
        self.entry(function).load(Ordering::Relaxed)
    }

    /// Let later calls of `function` go to `address`. Calls that are under way go on where they are.
    ///
    /// # Panics
    /// If the table has no such function.
    #[track_caller]
    pub fn set(&self, _: &Safepoint<'_>, function: usize, address: usize) {
        self.entry(function).store(address, Ordering::Release);
    }

    #[track_caller]
    fn entry(&self, function: usize) -> &AtomicUsize {
        let len = self.entries.len();
        assert!(
            function < len,
            "there is no function {function} in this entry table, which has {len}, from 0"
        );
        &self.entries[function]
    }
}
