//! The free room of one region: which bytes may be given out.
#![allow(clippy::single_range_in_vec_init)] // a list of one range is what is meant

use core::ops::Range;

/// Rooms begin and end at multiples of this: bodies begin 16-aligned (the frame convention, and Intel's
/// optimisation manual, "Code Alignment"), and what lies between two of them is poison.
pub(super) const GRANULE: usize = 16;

/// Free ranges of a region, in order, with no two adjacent.
#[derive(Debug)]
pub(super) struct Rooms {
    free: Vec<Range<usize>>,
}

impl Rooms {
    /// All of `len` bytes free.
    pub(super) fn new(len: usize) -> Rooms {
        Rooms { free: vec![0..len] }
    }

    /// Take the first room of at least `len` bytes, which is a multiple of [`GRANULE`] and not 0.
    pub(super) fn take(&mut self, len: usize) -> Option<Range<usize>> {
        let at = self.free.iter().position(|room| room.len() >= len)?;
        let room = &mut self.free[at];
        let taken = room.start..room.start + len;
        if room.end == taken.end {
            self.free.remove(at);
        } else {
            room.start = taken.end;
        }
        Some(taken)
    }

    /// Give a taken room back; it joins its free neighbours.
    pub(super) fn give(&mut self, room: Range<usize>) {
        let at = self.free.partition_point(|free| free.start < room.start);
        let joins_left = at > 0 && self.free[at - 1].end == room.start;
        let joins_right = self.free.get(at).is_some_and(|free| free.start == room.end);
        match (joins_left, joins_right) {
            (true, true) => {
                self.free[at - 1].end = self.free[at].end;
                self.free.remove(at);
            }
            (true, false) => self.free[at - 1].end = room.end,
            (false, true) => self.free[at].start = room.start,
            (false, false) => self.free.insert(at, room),
        }
    }

    /// Bytes free in all.
    pub(super) fn bytes(&self) -> usize {
        self.free.iter().map(Range::len).sum()
    }

    /// Whether nothing of a region of `len` bytes is taken.
    pub(super) fn is_whole(&self, len: usize) -> bool {
        self.free == [0..len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A bitmap, scanned from the start: shares no idea with the list.
    struct Model {
        taken: Vec<bool>,
    }

    impl Model {
        fn take(&mut self, len: usize) -> Option<Range<usize>> {
            let n = len / GRANULE;
            let at = (0..=self.taken.len().checked_sub(n)?)
                .find(|&at| self.taken[at..at + n].iter().all(|taken| !taken))?;
            self.taken[at..at + n].fill(true);
            Some(at * GRANULE..(at + n) * GRANULE)
        }

        fn give(&mut self, room: &Range<usize>) {
            self.taken[room.start / GRANULE..room.end / GRANULE].fill(false);
        }

        fn free_ranges(&self) -> Vec<Range<usize>> {
            let mut ranges: Vec<Range<usize>> = vec![];
            for (i, taken) in self.taken.iter().enumerate() {
                let (start, end) = (i * GRANULE, (i + 1) * GRANULE);
                match ranges.last_mut() {
                    _ if *taken => {}
                    Some(last) if last.end == start => last.end = end,
                    _ => ranges.push(start..end),
                }
            }
            ranges
        }
    }

    #[test]
    fn behaves_as_a_bitmap() {
        arbtest::arbtest(|u| {
            let granules = u.int_in_range(1..=40)?;
            let len = granules * GRANULE;
            let mut rooms = Rooms::new(len);
            let mut model = Model { taken: vec![false; granules] };
            let mut held: Vec<Range<usize>> = vec![];
            for _ in 0..u.int_in_range(0..=60)? {
                if u.ratio(2, 5)? && !held.is_empty() {
                    let room = held.swap_remove(u.choose_index(held.len())?);
                    model.give(&room);
                    rooms.give(room);
                } else {
                    let want = u.int_in_range(1..=12)? * GRANULE;
                    let got = rooms.take(want);
                    assert_eq!(got, model.take(want));
                    held.extend(got);
                }
                assert_eq!(rooms.free, model.free_ranges());
                assert_eq!(rooms.bytes(), model.taken.iter().filter(|t| !**t).count() * GRANULE);
                assert_eq!(rooms.is_whole(len), held.is_empty());
            }
            Ok(())
        })
        .budget(Duration::from_secs(1));
    }
}
