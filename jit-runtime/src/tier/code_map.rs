//! All code by address, and what waits to be freed.

use crate::transition::Safepoint;
use std::collections::{BTreeMap, BTreeSet};

/// Code by address. `T` is what the client wants to find, and keeps the code's memory alive.
///
/// All of it runs on one machine, whose safepoints are shown to it.
#[derive(Debug)]
pub struct CodeMap<T> {
    /// By start address.
    code: BTreeMap<usize, Placed<T>>,
    /// The starts of what waits to be freed.
    retired: BTreeSet<usize>,
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
        CodeMap { code: BTreeMap::new(), retired: BTreeSet::new() }
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

    /// The code at `start`, if a piece starts there.
    #[must_use]
    pub fn get(&self, start: usize) -> Option<&T> {
        self.code.get(&start).map(|placed| &placed.value)
    }

    /// The code at `start` is not entered any more. Its frames go on in it; it is freed by a later
    /// [`CodeMap::sweep`].
    pub fn retire(&mut self, start: usize) {
        if self.code.contains_key(&start) {
            self.retired.insert(start);
        }
    }

    /// Drop the retired code that no frame returns into, and tell `freed` of each piece with its start.
    pub fn sweep(&mut self, at: &Safepoint<'_>, freed: impl FnMut(usize, T)) -> Retired {
        self.sweep_by(at.returns(), freed)
    }

    /// The same by the return addresses of all frames; no more of them are asked for than it takes to know.
    pub(super) fn sweep_by(
        &mut self,
        mut returns: impl Iterator<Item = usize>,
        mut freed: impl FnMut(usize, T),
    ) -> Retired {
        let mut unused = std::mem::take(&mut self.retired);
        while !unused.is_empty()
            && let Some(address) = returns.next()
        {
            if let Some((start, _)) = self.at_return(address)
                && unused.remove(&start)
            {
                self.retired.insert(start);
            }
        }
        for &start in &unused {
            if let Some(placed) = self.code.remove(&start) {
                freed(start, placed.value);
            }
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
