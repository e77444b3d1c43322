//! Positions, labels and the packed words that describe them.

use std::fmt;

/// An offset in the code of one assembler, in bytes from its first instruction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CodePtr(pub u32);

/// A place in the code of one assembler that jumps may name before it is known.
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Position(u32);

impl Position {
    const COLD: u32 = 1 << 31;
    /// Sections end before this offset, so that any distance in the code fits 32 signed bits and the
    /// bit for "bound" is free in a label's word.
    pub(super) const LIMIT: u32 = (1 << 30) - 1;

    pub(super) fn new(section: Section, offset: u32) -> Position {
        debug_assert!(offset <= Self::LIMIT);
        match section {
            Section::Hot => Position(offset),
            Section::Cold => Position(offset | Self::COLD),
        }
    }

    pub(super) fn section(self) -> Section {
        if self.0 & Self::COLD == 0 { Section::Hot } else { Section::Cold }
    }

    pub(super) fn offset(self) -> u32 {
        self.0 & !Self::COLD
    }

    /// Whether both are in one section.
    pub(super) fn beside(self, other: Position) -> bool {
        (self.0 ^ other.0) & Self::COLD == 0
    }

    /// Where this is in the finished code, whose cold section starts at `cold_at`.
    pub(super) fn settle(self, cold_at: u32) -> CodePtr {
        match self.section() {
            Section::Hot => CodePtr(self.offset()),
            Section::Cold => CodePtr(cold_at + self.offset()),
        }
    }
}

/// What is known of a label, in one word: bound at a position, or waited for by a chain of fields, each
/// of which holds the word of the next. The chain ends with [`LabelState::UNUSED`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LabelState(pub(super) u32);

impl LabelState {
    const BOUND: u32 = 1 << 30;
    /// Not bound, and no field waits. The offset is the one that no field can have.
    pub(super) const UNUSED: LabelState = LabelState(Position::LIMIT);

    pub(super) fn bound(at: Position) -> LabelState {
        LabelState(at.0 | Self::BOUND)
    }

    pub(super) fn waiting(field: Position) -> LabelState {
        LabelState(field.0)
    }

    pub(super) fn is_bound(self) -> bool {
        self.0 & Self::BOUND != 0
    }

    /// The position, if it is bound.
    pub(super) fn position(self) -> Option<Position> {
        self.is_bound().then_some(Position(self.0 & !Self::BOUND))
    }

    /// The first field that waits, if it is not bound and one does.
    pub(super) fn head(self) -> Option<Position> {
        (!self.is_bound() && self != Self::UNUSED).then_some(Position(self.0))
    }
}
