//! All code by address, and what waits to be freed.

use super::EntryTable;
use crate::transition::{Exits, Safepoint};
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

/// What stands in for code that is not to be entered any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instead {
    /// The function whose entry the code may be.
    pub function: usize,
    /// Where calls of the function go then.
    pub entry: usize,
}

/// What an invalidation found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Invalidated {
    /// Entries that led into the code, and do not any more.
    pub entries: usize,
    /// Frames that leave the code when their callee returns.
    pub leaving: usize,
    /// Frames that go on in the code, since their call has no exit. A later invalidation of the same code finds them at
    /// other calls.
    pub staying: usize,
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

impl<T: Exits> CodeMap<T> {
    /// The code that starts at each of `dead` is wrong from here on. Entries that lead into it lead to what `instead`
    /// says, its frames leave by the exits of the calls that they are suspended in, and it is retired.
    ///
    /// One walk of the frames serves all of `dead`. Starts of no code, and code that was retired or invalidated before,
    /// may be among them. Calls that do not go through the table are the client's to aim elsewhere.
    pub fn invalidate(
        &mut self,
        at: &mut Safepoint<'_>,
        entries: &EntryTable,
        dead: &BTreeSet<usize>,
        mut instead: impl FnMut(&T) -> Option<Instead>,
    ) -> Invalidated {
        let mut done = Invalidated::default();
        for start in dead {
            let Some(placed) = self.code.get(start) else { continue };
            self.retired.insert(*start);
            // Of code that was replaced, the entry is its successor's.
            if let Some(Instead { function, entry }) = instead(&placed.value)
                && (*start..start + placed.len).contains(&entries.get(function))
            {
                entries.set(at, function, entry);
                done.entries += 1;
            }
        }
        if !dead.is_empty() {
            let dead_at = |address| self.at_return(address).filter(|(start, _)| dead.contains(start));
            let frames = at.re_aim(|address| dead_at(address).map(|(_, code)| code));
            (done.leaving, done.staying) = (frames.leaving, frames.staying);
        }
        done
    }
}
