//! From code back to the client's program: which position each instruction was emitted for.
//!
//! **Problem.** Exits, tracebacks, profilers and debuggers stand at an address of code and want the bytecode or the
//! line that it came from. All of them should read one table, which has to be small, since every function has
//! one, and cheap to write, since functions are compiled in a microsecond.
//!
//! **Idea.** The client says where a position begins ([`super::Assembler::mark`]); what is emitted from there on
//! belongs to it. Each section has a stream of differences that is written while the code is emitted, so that
//! sealing only joins the two. One byte says how far the code has come and how many positions on it is:
//!
//! ```text
//! 0dddddss                        d bytes further, 1 + s positions on
//! 1ddddddd, step                  d bytes further, d < 127; the step in LEB128 (DWARF 5, 7.6), its sign lowest
//! 11111111, distance, step        both in LEB128
//! ```
//!
//! A mark that has no code before the next one is forgotten: a bytecode that became nothing has no entry.
//!
//! **Invariants.** A byte of code has the position that was current when it was emitted, whatever section it
//! went to; [`super::Assembler::cold`] leaves the position as it was. Code before the first mark, veneers and
//! constants have none.
//!
//! **Cost.** Nothing where nothing is marked. Otherwise one allocation a function, and one byte an entry where
//! positions come in order and code in less than 32 bytes, else two, seldom more. Every 64 entries a place to
//! start reading is noted, 16 bytes: a look-up is a search among those and a walk over 63 entries at most.

#[cfg(test)]
mod tests;

use super::label::{CodePtr, Section};
use std::ops::Range;
use std::sync::Arc;

/// A place in the client's program, in the client's own count: the index of a bytecode, a line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SourcePosition(pub u32);

/// A position as streams have it: one more than its number, or 0 where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Origin(u64);

impl Origin {
    #[inline(always)]
    fn of(position: Option<SourcePosition>) -> Origin {
        Origin(position.map_or(0, |position| u64::from(position.0) + 1))
    }

    #[inline(always)]
    fn position(self) -> Option<SourcePosition> {
        self.0.checked_sub(1).map(|number| SourcePosition(number as u32))
    }
}

/// Entries between two places where reading can start.
const BLOCK: u32 = 64;

/// Bytes of such a place in the table.
const WAYPOINT: usize = 16;

/// A place in a stream where reading can start: what holds there, and where the next mark is.
#[derive(Clone, Copy, Debug, Default)]
struct Waypoint {
    at: u32,
    /// Offset in the stream.
    next: u32,
    origin: Origin,
}

impl Waypoint {
    fn write(self) -> [u8; WAYPOINT] {
        let mut bytes = [0; WAYPOINT];
        bytes[..4].copy_from_slice(&self.at.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.next.to_le_bytes());
        bytes[8..].copy_from_slice(&self.origin.0.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Waypoint {
        let word = |at: usize| bytes[at..at + 4].try_into().map_or(0, u32::from_le_bytes);
        let origin = Origin(u64::from(word(8)) | u64::from(word(12)) << 32);
        Waypoint { at: word(0), next: word(4), origin }
    }
}

/// A byte below says all: the distance in the code times [`STEPS`], plus how many positions on it is, less one.
const LONG: u8 = 0x80;
/// What the short form can say: positions on, and the distance.
const STEPS: u64 = 4;
const SHORT: u32 = LONG as u32 / STEPS as u32;
/// The long form is [`LONG`] plus the distance, or plus this when the distance follows.
const FAR: u8 = 0x7F;

/// The marks of one section while it is written.
#[derive(Debug, Default)]
struct Stream {
    bytes: Vec<u8>,
    waypoints: Vec<Waypoint>,
    /// Entries so far.
    count: u32,
    /// The last entry.
    at: u32,
    origin: Origin,
    /// The last mark, which is no entry before there is code for it.
    marked_at: u32,
    marked: Origin,
}

impl Stream {
    #[inline(always)]
    fn mark(&mut self, at: u32, origin: Origin) {
        if at != self.marked_at && self.marked != self.origin {
            self.put();
        }
        (self.marked_at, self.marked) = (at, origin);
    }

    /// The last mark becomes an entry.
    fn put(&mut self) {
        let distance = self.marked_at.wrapping_sub(self.at);
        let further = self.marked.0.wrapping_sub(self.origin.0).wrapping_sub(1);
        if further < STEPS && distance < SHORT {
            self.bytes.push((distance as u64 * STEPS + further) as u8);
        } else {
            self.put_long(distance, further.wrapping_add(1) as i64);
        }
        (self.at, self.origin) = (self.marked_at, self.marked);
        self.count += 1;
        if self.count.is_multiple_of(BLOCK) {
            self.waypoints.push(Waypoint { at: self.at, next: self.bytes.len() as u32, origin: self.origin });
        }
    }

    fn put_long(&mut self, distance: u32, step: i64) {
        match u8::try_from(distance) {
            Ok(near) if near < FAR => self.bytes.push(LONG + near),
            _ => {
                self.bytes.push(LONG + FAR);
                leb128(&mut self.bytes, distance.into());
            }
        }
        // The sign goes to the lowest bit.
        leb128(&mut self.bytes, (step << 1 ^ step >> 63) as u64);
    }

    /// No code is to come before `end`.
    fn finish(&mut self, end: u32) {
        self.mark(end, self.marked);
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.waypoints.clear();
        (self.count, self.at, self.marked_at) = (0, 0, 0);
        (self.origin, self.marked) = (Origin::default(), Origin::default());
    }
}

fn leb128(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// The marks of code under construction.
#[derive(Debug, Default)]
pub(super) struct Marks {
    current: Origin,
    hot: Stream,
    cold: Stream,
}

impl Marks {
    #[inline(always)]
    fn stream(&mut self, section: Section) -> &mut Stream {
        match section {
            Section::Hot => &mut self.hot,
            Section::Cold => &mut self.cold,
        }
    }

    /// From the offset `at` of a section on, code has this position.
    #[inline(always)]
    pub(super) fn mark(&mut self, section: Section, at: u32, position: Option<SourcePosition>) {
        self.current = Origin::of(position);
        self.go_on(section, at);
    }

    /// From here on code goes to `section`, and keeps its position.
    #[inline(always)]
    pub(super) fn go_on(&mut self, section: Section, at: u32) {
        let current = self.current;
        self.stream(section).mark(at, current);
    }

    /// The position of what is emitted now.
    #[inline]
    pub(super) fn current(&self) -> Option<SourcePosition> {
        self.current.position()
    }

    pub(super) fn clear(&mut self) {
        self.hot.clear();
        self.cold.clear();
        self.current = Origin::default();
    }

    /// The table of finished code, whose cold section is `cold`. `None` where nothing was marked. To be cleared
    /// before anything else is marked.
    pub(super) fn settle(&mut self, cold: Range<u32>) -> Option<Positions> {
        self.hot.finish(cold.start);
        self.cold.finish(cold.end - cold.start);
        if self.hot.count == 0 && self.cold.count == 0 {
            return None;
        }
        // The table is made in the buffer of the hot stream, which is kept.
        let table = &mut self.hot.bytes;
        let mut part = |start, marks: Option<&[u8]>, waypoints: &[Waypoint]| {
            let first = if marks.is_some() { table.len() } else { 0 };
            table.extend_from_slice(marks.unwrap_or_default());
            let behind = table.len();
            for &waypoint in waypoints {
                table.extend_from_slice(&Waypoint { at: start + waypoint.at, ..waypoint }.write());
            }
            Part { start, marks: first..behind, waypoints: behind..table.len() }
        };
        let hot = part(0, None, &self.hot.waypoints);
        let cold_part = part(cold.start, Some(&self.cold.bytes), &self.cold.waypoints);
        Some(Positions { table: table.as_slice().into(), hot, cold: cold_part, end: cold.end })
    }
}

/// The positions of finished code, by code offset. See the module.
#[derive(Clone, Debug)]
pub struct Positions {
    table: Arc<[u8]>,
    hot: Part,
    cold: Part,
    /// Where what stands behind the sections begins.
    end: u32,
}

/// Where the marks of a section are in the table.
#[derive(Clone, Debug)]
struct Part {
    /// Where the section starts in the code.
    start: u32,
    marks: Range<usize>,
    waypoints: Range<usize>,
}

impl Positions {
    /// The position of the instruction that `at` is inside of. `None` where it has none.
    ///
    /// A frame that is suspended in a call stands behind it, where the next position may have begun already:
    /// ask for its return address less one.
    #[must_use]
    pub fn at(&self, at: CodePtr) -> Option<SourcePosition> {
        if at.0 >= self.end {
            return None;
        }
        let part = if at.0 < self.cold.start { &self.hot } else { &self.cold };
        let (waypoints, _) = self.table[part.waypoints.clone()].as_chunks::<WAYPOINT>();
        let behind = waypoints.partition_point(|bytes| Waypoint::read(bytes).at <= at.0);
        let start = Waypoint { at: part.start, ..Waypoint::default() };
        let from = behind.checked_sub(1).map_or(start, |n| Waypoint::read(&waypoints[n]));
        let mut origin = from.origin;
        for (start, next) in self.marks(part, from).take_while(|&(start, _)| start <= at.0) {
            debug_assert!(start >= from.at);
            origin = next;
        }
        origin.position()
    }

    /// Where a position begins, in the order of the code, and where the code of one ends that has no other behind.
    pub fn iter(&self) -> impl Iterator<Item = (CodePtr, Option<SourcePosition>)> {
        let sections = [&self.hot, &self.cold].into_iter().flat_map(|part| {
            // A section begins without a position.
            let begin = (0 < part.start && part.start < self.end).then_some((part.start, Origin::default()));
            let start = Waypoint { at: part.start, ..Waypoint::default() };
            begin
                .into_iter()
                .chain(self.marks(part, start))
                .map(|(at, origin)| (CodePtr(at), origin.position()))
        });
        sections.chain([(CodePtr(self.end), None)])
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.table.len()
    }

    /// The marks of a section behind a place.
    fn marks(&self, part: &Part, from: Waypoint) -> impl Iterator<Item = (u32, Origin)> {
        let marks = part.marks.start + from.next as usize..part.marks.end;
        Reader { bytes: &self.table[marks], at: from.at, origin: from.origin }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: u32,
    origin: Origin,
}

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
            shift += 7;
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = (u32, Origin);

    fn next(&mut self) -> Option<(u32, Origin)> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        let (distance, step) = if first < LONG {
            (u64::from(first) / STEPS, (u64::from(first) % STEPS + 1) as i64)
        } else {
            let distance = if first == LONG + FAR { self.number()? } else { (first - LONG).into() };
            let step = self.number()?;
            (distance, (step >> 1) as i64 ^ -((step & 1) as i64))
        };
        self.at += distance as u32;
        self.origin.0 = self.origin.0.wrapping_add_signed(step);
        Some((self.at, self.origin))
    }
}
