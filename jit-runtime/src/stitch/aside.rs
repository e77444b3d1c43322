//! What emission seldom touches: the section that rests, and what is left for sealing to settle.
//!
//! It stands behind one pointer, because an assembler is moved for every function, from one state of the code to the
//! next and back. With these lists in it, that took as long as publishing a short function.

use super::constant::ConstantUse;
use super::error::StitchError;
use super::label::{CodePtr, Function, Label, Position};
use super::life::Life;
use super::patch::PatchPoint;
use super::positions::Marks;
use super::section::Buffer;
use crate::memory::Keep;
use jit_asm::Template;
use std::panic::AssertUnwindSafe;

/// A field that is aimed at a label when the code is sealed, because a chain has no room for its tail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) field: Position,
    /// Bytes of the instruction behind the field: the field belongs to a rip-relative operand before an immediate.
    pub(super) tail: u32,
    pub(super) to: Label,
}

/// A field that reaches out of the code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relocation {
    pub(super) field: Position,
    pub(super) tail: u32,
    pub(super) to: Function,
    /// Which patch point the field is, if it is one.
    pub(super) patch_point: Option<PatchPoint>,
}

/// The rest of an assembler. Lists are in the order of emission.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// The section that is not being written.
    pub(super) resting: Buffer,
    pub(super) waiting: Vec<Waiting>,
    pub(super) relocations: Vec<Relocation>,
    pub(super) constants: Vec<ConstantUse>,
    /// Data among the code: where, and how many bytes.
    pub(super) data: Vec<(Position, u32)>,
    /// The fields that can be patched when the code is published.
    pub(super) patchable: Vec<Position>,
    /// Which templates went where, if that is kept.
    pub(super) notes: Vec<(Position, &'static Template)>,
    /// Positions of the client's program; there from the first mark on.
    pub(super) marks: Option<Marks>,
    pub(super) name: String,
    pub(super) kept: Vec<AssertUnwindSafe<Keep>>,
    pub(super) error: Option<StitchError>,
    /// Where functions begin that have not ended.
    pub(super) unfinished: Vec<CodePtr>,
    /// Which life this is, once somebody has asked.
    pub(super) life: Option<Life>,
}

impl Aside {
    /// Forget everything, and keep the memory.
    pub(super) fn clear(&mut self) {
        self.resting.clear();
        self.clear_lists();
        self.name.clear();
        self.kept.clear();
        self.error = None;
        self.unfinished.clear();
        self.life = None;
    }

    /// Forget what was emitted, but neither that labels are nor what went wrong.
    pub(super) fn start_over(&mut self) {
        self.resting.start_over();
        self.clear_lists();
    }

    fn clear_lists(&mut self) {
        self.waiting.clear();
        self.relocations.clear();
        self.constants.clear();
        self.data.clear();
        self.patchable.clear();
        self.notes.clear();
        if let Some(marks) = &mut self.marks {
            marks.clear();
        }
    }
}
