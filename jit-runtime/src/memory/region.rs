//! One mapping and the rooms in it: how it grows, how its bytes change, what the host has refused and owes.

use super::MemoryError;
use super::heap::RegionGuard;
use super::pages::Mapping;
use super::rooms::Rooms;
use core::ops::Range;

/// Where a room is: its region's number, its bytes there, its address.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) id: u64,
    pub(super) range: Range<usize>,
    pub(super) address: usize,
}

/// What a region may take when it grows.
pub(super) struct Growth {
    pub(super) page: usize,
    /// Bytes to grow by: whole pages.
    pub(super) step: usize,
    pub(super) limit: usize,
    /// Bytes that are accessible in all regions.
    pub(super) mapped: usize,
    /// Bytes of the space that is asked for.
    pub(super) len: usize,
}

impl Growth {
    /// Whether `more` bytes may become accessible.
    pub(super) fn check(&self, more: usize) -> Result<(), MemoryError> {
        let Growth { limit, mapped, len, .. } = *self;
        if more <= limit.saturating_sub(mapped) {
            Ok(())
        } else {
            Err(MemoryError::Full { limit, mapped, len })
        }
    }

    /// Where a region of `whole` bytes that has `grown` is to end so that it has at least `end`: a step
    /// further, or what the limit leaves.
    fn end(&self, grown: usize, end: usize, whole: usize) -> Result<usize, MemoryError> {
        let least = end.next_multiple_of(self.page).min(whole);
        self.check(least - grown)?;
        let most = grown.saturating_add(self.limit - self.mapped) & !(self.page - 1);
        Ok(end.next_multiple_of(self.step).min(whole).min(most).max(least))
    }
}

/// One mapping and the rooms in it. Guards are the first field: they are dropped before the mapping.
pub(super) struct Region {
    pub(super) guards: Vec<RegionGuard>,
    pub(super) mapping: Box<dyn Mapping>,
    pub(super) id: u64,
    pub(super) rooms: Rooms,
    /// Bytes from the start that are accessible. All rooms taken are below.
    pub(super) grown: usize,
    /// Ranges whose `finish` the host refused: not executable until it agrees.
    shut: Vec<Range<usize>>,
    /// Rooms that were given back and hold code yet: to be poisoned, then free.
    dirty: Vec<Range<usize>>,
}

impl Region {
    /// All of `mapping`, which has `guards`, free and not accessible.
    pub(super) fn new(id: u64, mapping: Box<dyn Mapping>, guards: Vec<RegionGuard>) -> Region {
        let rooms = Rooms::new(mapping.len());
        Region { guards, mapping, id, rooms, grown: 0, shut: vec![], dirty: vec![] }
    }

    /// Take a room and have it accessible; `None` when there is none of `len` bytes.
    pub(super) fn place(
        &mut self,
        len: usize,
        growth: &Growth,
    ) -> Result<Option<(Place, Range<usize>)>, MemoryError> {
        let Some(range) = self.rooms.take(len) else { return Ok(None) };
        if range.end > self.grown
            && let Err(error) = self.grow(range.end, growth)
        {
            self.rooms.give(range);
            return Err(error);
        }
        let base = self.mapping.address();
        let place = Place { id: self.id, address: base + range.start, range };
        Ok(Some((place, base..base + self.mapping.len())))
    }

    /// Make at least `end` bytes accessible, poisoned.
    fn grow(&mut self, end: usize, growth: &Growth) -> Result<(), MemoryError> {
        let end = growth.end(self.grown, end, self.mapping.len())?;
        let fresh = self.grown..end;
        self.mapping.begin(fresh.clone())?;
        self.mapping.poison(fresh.clone());
        self.mapping.flush(fresh.clone());
        self.mapping.finish(fresh)?;
        self.grown = end;
        Ok(())
    }

    /// Its side of the door.
    ///
    /// A host that did not let pages be executable again is not asked for others before it does: code in them would be
    /// lost too.
    pub(super) fn change(&mut self, offset: usize, bytes: &[u8]) -> Result<(), MemoryError> {
        self.open_shut()?;
        self.settle();
        let range = offset..offset + bytes.len();
        if range.is_empty() {
            return Ok(());
        }
        self.mapping.begin(range.clone())?;
        self.mapping.write(offset, bytes);
        self.mapping.flush(range.clone());
        self.finish(range)
    }

    /// Have a room poisoned, then free: at once, unless the host refuses.
    pub(super) fn give_back(&mut self, room: Range<usize>) {
        self.dirty.push(room);
        self.settle();
    }

    /// Close the door behind a change. What the host refuses twice is tried again by every later change.
    fn finish(&mut self, range: Range<usize>) -> Result<(), MemoryError> {
        if self.mapping.finish(range.clone()).is_ok() {
            return Ok(());
        }
        let refusal = self.mapping.finish(range.clone());
        if refusal.is_err() {
            self.shut.push(range);
        }
        refusal
    }

    /// Have pages executable again that are not, because the host refused.
    fn open_shut(&mut self) -> Result<(), MemoryError> {
        while let Some(range) = self.shut.pop() {
            if let Err(refusal) = self.mapping.finish(range.clone()) {
                self.shut.push(range);
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Do what was due and what the host refused before: make pages executable again, poison rooms that
    /// were given back and free them. What it refuses again stays due.
    pub(super) fn settle(&mut self) {
        if self.open_shut().is_err() {
            return;
        }
        while let Some(range) = self.dirty.pop() {
            if self.mapping.begin(range.clone()).is_err() {
                self.dirty.push(range);
                return;
            }
            self.mapping.poison(range.clone());
            self.mapping.flush(range.clone());
            // Poison that cannot run yet traps as well: the room is free either way.
            let _ = self.finish(range.clone());
            self.rooms.give(range);
        }
    }
}
