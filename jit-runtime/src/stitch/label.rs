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
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Section {
    /// What usually runs; first in the finished code.
    #[default]
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
    /// Sections end here, so that any distance in the code fits 32 signed bits and the two highest
    /// bits are free. Tests have short ones.
    pub(super) const LIMIT: u32 = if cfg!(test) { 1 << 20 } else { Self::COLD } - 1;
    /// The code ends here, veneers and constants included: the reach of a distance.
    pub(super) const WHOLE: u32 = 2 * Self::LIMIT + 1;

    /// The position `offset` bytes into `section`.
    #[inline(always)]
    pub(super) fn new(section: Section, offset: u32) -> Position {
        match section {
            Section::Hot => Position(offset),
            Section::Cold => Position(Self::COLD | offset),
        }
    }

    #[inline(always)]
    pub(super) fn section(self) -> Section {
        if self.0 & Self::COLD == 0 { Section::Hot } else { Section::Cold }
    }

    #[inline(always)]
    pub(super) fn offset(self) -> u32 {
        self.0 & !Self::COLD
    }

    /// Where this is in the finished code, whose cold section starts at `cold_at`.
    pub(super) fn settle(self, cold_at: u32) -> CodePtr {
        match self.section() {
            Section::Hot => CodePtr(self.offset()),
            Section::Cold => CodePtr(cold_at + self.offset()),
        }
    }
}

/// What one section knows of a label, in one word: waited for by a chain of fields, each of which holds the
/// word of the next; or unused, which also ends a chain; or bound. In this order, so that one comparison tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LabelState(pub(super) u32);

impl LabelState {
    const BOUND: u32 = 1 << 31;
    /// Not bound, and no field waits. As an offset it would be beyond every section.
    pub(super) const UNUSED: LabelState = LabelState(Self::BOUND - 1);

    #[inline(always)]
    pub(super) fn bound(at: u32) -> LabelState {
        LabelState(at | Self::BOUND)
    }

    #[inline(always)]
    pub(super) fn waiting(field: u32) -> LabelState {
        LabelState(field)
    }

    /// Where it is bound, if it is.
    #[inline(always)]
    pub(super) fn offset(self) -> Option<u32> {
        (self.0 & Self::BOUND != 0).then_some(self.0 & !Self::BOUND)
    }

    /// The first field that waits, if one does.
    #[inline(always)]
    pub(super) fn head(self) -> Option<u32> {
        (self.0 < Self::UNUSED.0).then_some(self.0)
    }
}
