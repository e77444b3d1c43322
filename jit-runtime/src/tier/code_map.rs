//! All code by address, and what waits to be freed.

use std::collections::BTreeMap;

/// Code by address. `T` is what the client wants to find, and keeps the code's memory alive.
#[derive(Debug)]
pub struct CodeMap<T> {
    /// By start address.
    code: BTreeMap<usize, Placed<T>>,
    retired: usize,
}

#[derive(Debug)]
struct Placed<T> {
    len: usize,
    value: T,
    retired: bool,
}

/// How much code a sweep found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retired {
    /// Pieces that were freed.
    pub freed: usize,
    /// Pieces that a frame still returns to.
    pub in_use: usize,
}

impl<T> Default for CodeMap<T> {
    fn default() -> Self {
        CodeMap { code: BTreeMap::new(), retired: 0 }
    }
}

impl<T> CodeMap<T> {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enter `len` bytes of code at `start`.
    pub fn insert(&mut self, start: usize, len: usize, value: T) {
        let before = self.code.insert(start, Placed { len, value, retired: false });
        debug_assert!(before.is_none(), "two pieces of code at {start:#x}");
    }

    /// The code that a return address lies in. The address behind a final call counts, the start of the
    /// code does not: nothing returns there.
    #[must_use]
    pub fn at_return(&self, address: usize) -> Option<(usize, &T)> {
        let (&start, placed) = self.code.range(..address).next_back()?;
        (address - start <= placed.len).then_some((start, &placed.value))
    }

    /// The code at `start` is not entered any more. It is freed by a later [`CodeMap::sweep`].
    pub fn retire(&mut self, start: usize) {
        if let Some(placed) = self.code.get_mut(&start)
            && !placed.retired
        {
            placed.retired = true;
            self.retired += 1;
        }
    }

    /// Drop the retired code that none of `returns` lies in. These must be all return addresses on the
    /// stacks that run the code.
    pub fn sweep(&mut self, returns: impl Iterator<Item = usize>) -> Retired {
        if self.retired == 0 {
            return Retired::default();
        }
        let mut used: Vec<usize> = returns.filter_map(|address| Some(self.at_return(address)?.0)).collect();
        used.sort_unstable();
        let before = self.retired;
        self.code.retain(|start, placed| !placed.retired || used.binary_search(start).is_ok());
        self.retired = self.code.values().filter(|placed| placed.retired).count();
        Retired { freed: before - self.retired, in_use: self.retired }
    }

    /// How many pieces it holds, retired ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.code.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.code.is_empty()
    }

    /// How many pieces wait to be freed.
    #[must_use]
    pub fn retired(&self) -> usize {
        self.retired
    }
}
