//! The beginning and the end of a body.

use crate::stitch::{Assembler, CodePtr, Section};
use crate::templates;

templates! {
    /// The beginning of a body without slots.
    fn begin() = x64!< push rbp; mov rbp, rsp >;

    /// The beginning of a body with slots.
    fn begin_sized(size: i32) = x64!< push rbp; mov rbp, rsp; sub rsp, {size} >;

    /// The end of a body.
    fn end() = x64!< leave; ret >;
}

/// Begin a body that has no slots. The body stands first in its code, so it is 16-aligned.
pub fn enter_frame(asm: &mut Assembler) {
    begin(asm);
}

/// Begin a body whose slots are counted while it is compiled: the size of the frame is set afterwards.
#[must_use = "the size of the frame is 0 until it is set"]
pub fn enter_frame_sized(asm: &mut Assembler) -> FrameSize {
    begin_sized(asm, 0);
    FrameSize { section: asm.section(), field: CodePtr(asm.offset().0 - 4) }
}

/// End a body: return to the caller.
pub fn leave_frame(asm: &mut Assembler) {
    end(asm);
}

/// A frame whose size is not known yet.
#[derive(Debug)]
pub struct FrameSize {
    section: Section,
    /// The immediate of `sub rsp`, the last four bytes of the beginning.
    field: CodePtr,
}

impl FrameSize {
    /// Have room for `slots` words of eight bytes, at \[rbp - 8\] and below. The frame is rounded up to 16
    /// bytes, so that rsp stays aligned at calls (System V AMD64 ABI, 3.2.2).
    ///
    /// The pages of a large frame are not touched here: what keeps it on the stack is the reserve of the bound that
    /// prologues compare with ([`NativeStack::limit`](crate::transition::NativeStack::limit)).
    pub fn set(self, asm: &mut Assembler, slots: u16) {
        asm.patch_in(self.section, self.field, &((i32::from(slots) * 8 + 15) & !15).to_le_bytes());
    }
}
