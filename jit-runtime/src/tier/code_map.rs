//! All code by address, and what waits to be freed.

use std::collections::BTreeMap;

/// Code by address. `T` is what the client wants to find, and keeps the code's memory alive.
#[derive(Debug)]
pub struct CodeMap<T> {
    /// By start address.
    code: BTreeMap<usize, Placed<T>>,
    /// The starts of what waits to be freed.
    retired: Vec<usize>,
}

#[derive(Debug)]
struct Placed<T> {
    len: usize,
    value: T,
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
        CodeMap { code: BTreeMap::new(), retired: vec![] }
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
        let before = self.code.insert(start, Placed { len, value });
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
        if self.code.contains_key(&start) && !self.retired.contains(&start) {
            self.retired.push(start);
        }
    }

    /// Drop the retired code that none of `returns` lies in. These must be all return addresses on the
    /// stacks that run the code; no more of them are asked for than it takes to know.
    pub fn sweep(&mut self, mut returns: impl Iterator<Item = usize>) -> Retired {
        let mut unused = std::mem::take(&mut self.retired);
        while !unused.is_empty()
            && let Some(address) = returns.next()
        {
            if let Some((start, _)) = self.at_return(address)
                && let Some(n) = unused.iter().position(|&s| s == start)
            {
                self.retired.push(unused.swap_remove(n));
            }
        }
        for start in &unused {
            self.code.remove(start);
        }
        Retired { freed: unused.len(), in_use: self.retired.len() }
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
        self.retired.len()
    }
}
