//! Positions, labels and the packed words that describe them.

use std::fmt;

/// An offset in the code of one assembler, in bytes from its first instruction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CodePtr(pub u32);

/// A place in the code of one assembler that jumps may name before it is known.
///
/// It is a number. In another assembler it means the label of that number there, if there is one; otherwise sealing
/// reports it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Label(pub(super) u32);

/// Something outside the code that it calls or jumps to, by its absolute address in this process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Function(pub usize);

/// Which of the two buffers code goes to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Section {
    /// What usually runs; first in the finished code.
    Hot,
    /// What rarely runs: exits, slow paths. Placed behind the hot section.
    Cold,
}

impl fmt::Display for CodePtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// A position: an offset of at most [`Position::LIMIT`] and its section, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Position(u32);

impl Position {
    const COLD: u32 = 1 << 30;
    /// Sections end here, so that any distance in the code fits 32 signed bits and the highest bit is
    /// free in a label's word. Tests have short ones.
    pub(super) const LIMIT: u32 = if cfg!(test) { 1 << 20 } else { Self::COLD } - 1;

    /// Where `section` begins.
    pub(super) fn start(section: Section) -> Position {
        match section {
            Section::Hot => Position(0),
            Section::Cold => Position(Self::COLD),
        }
    }

    /// The position `offset` bytes into the section that begins here.
    #[inline(always)]
    pub(super) fn plus(self, offset: u32) -> Position {
        Position(self.0 | offset)
    }

    #[inline(always)]
    pub(super) fn section(self) -> Section {
        if self.0 & Self::COLD == 0 { Section::Hot } else { Section::Cold }
    }

    #[inline(always)]
    pub(super) fn offset(self) -> u32 {
        self.0 & !Self::COLD
    }

    /// The offset, if this is in the section that begins at `start`; otherwise an offset that no section
    /// has.
    #[inline(always)]
    pub(super) fn offset_from(self, start: Position) -> u32 {
        self.0 ^ start.0
    }

    /// The distance that lets a field at `self` reach `to` in the same section.
    #[inline(always)]
    pub(super) fn distance(self, to: Position) -> u32 {
        to.0.wrapping_sub(self.0.wrapping_add(4))
    }

    /// Whether both are in one section.
    pub(super) fn beside(self, other: Position) -> bool {
        self.section() == other.section()
    }

    /// Where this is in the finished code, whose cold section starts at `cold_at`.
    pub(super) fn settle(self, cold_at: u32) -> CodePtr {
        match self.section() {
            Section::Hot => CodePtr(self.offset()),
            Section::Cold => CodePtr(cold_at + self.offset()),
        }
    }
}

/// What is known of a label, in one word: waited for by a chain of fields, each of which holds the word
/// of the next; or unused, which also ends a chain; or bound. In this order, so that one comparison tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LabelState(pub(super) u32);

impl LabelState {
    const BOUND: u32 = 1 << 31;
    /// Not bound, and no field waits. As a position it would be the last one, where no field begins.
    pub(super) const UNUSED: LabelState = LabelState(Self::BOUND - 1);

    #[inline(always)]
    pub(super) fn bound(at: Position) -> LabelState {
        LabelState(at.0 | Self::BOUND)
    }

    #[inline(always)]
    pub(super) fn waiting(field: Position) -> LabelState {
        LabelState(field.0)
    }

    #[inline(always)]
    pub(super) fn is_bound(self) -> bool {
        self.0 & Self::BOUND != 0
    }

    /// The position, if it is bound.
    pub(super) fn position(self) -> Option<Position> {
        self.is_bound().then_some(Position(self.0 & !Self::BOUND))
    }

    /// The first field that waits, if one does.
    #[inline(always)]
    pub(super) fn head(self) -> Option<Position> {
        (self.0 < Self::UNUSED.0).then_some(Position(self.0))
    }
}
