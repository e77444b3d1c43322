//! Published code.

use super::label::CodePtr;
use super::life::Life;
use super::listing::Listing;
use super::patch::PatchPoints;
use super::positions::{Positions, SourcePosition};
use crate::memory::Block;
use std::ops::Range;
use std::sync::Arc;

/// Executable code. Nothing of it changes but its patch points ([`Code::retarget`]). Cloning gives another handle; the
/// memory is freed when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Code {
    pub(super) block: Block,
    pub(super) len: u32,
    pub(super) code_len: u32,
    pub(super) patch_points: Option<Arc<PatchPoints>>,
    pub(super) data: Option<Arc<[Range<usize>]>>,
    pub(super) listing: Option<Arc<Listing>>,
    pub(super) positions: Option<Positions>,
    /// The life of its assembler, if that was asked for.
    pub(super) life: Option<Life>,
}

impl Code {
    /// Its address: the first instruction of the hot section. 16-aligned.
    #[must_use]
    pub fn address(&self) -> usize {
        self.block.address()
    }

    /// The address of an offset in it. `None` beyond its end.
    #[must_use]
    pub fn address_of(&self, at: CodePtr) -> Option<usize> {
        (at.0 < self.len).then(|| self.block.address() + at.0 as usize)
    }

    /// The offset of an address in it. The address just behind its end counts: a call that does not
    /// return can stand last.
    #[must_use]
    pub fn offset_of(&self, address: usize) -> Option<CodePtr> {
        let offset = address.checked_sub(self.block.address())?;
        u32::try_from(offset).ok().filter(|&o| o <= self.len).map(CodePtr)
    }

    /// Its length in bytes: both sections, the veneers and the constants.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// The length of what is instructions: what stands behind are constants.
    #[must_use]
    pub fn code_len(&self) -> usize {
        self.code_len as usize
    }

    /// Where there is data of templates among the instructions, in order.
    #[must_use]
    pub fn data(&self) -> &[Range<usize>] {
        self.data.as_deref().unwrap_or_default()
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The room it lives in.
    #[must_use]
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// The position of the client's program that the instruction at `at` was emitted for, if the client marked it.
    #[must_use]
    pub fn position_at(&self, at: CodePtr) -> Option<SourcePosition> {
        self.positions.as_ref()?.at(at)
    }

    /// The position of the call that returns to `address`: that of the byte in front.
    #[must_use]
    pub fn position_of_return(&self, address: usize) -> Option<SourcePosition> {
        self.position_at(self.offset_of(address.checked_sub(1)?)?)
    }

    /// The positions of all of it, if the client marked any.
    #[must_use]
    pub fn positions(&self) -> Option<&Positions> {
        self.positions.as_ref()
    }

    /// Which template was emitted where, if the assembler was told to keep it.
    #[must_use]
    pub fn listing(&self) -> Option<&Listing> {
        self.listing.as_deref()
    }
}
