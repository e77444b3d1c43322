//! What was emitted where: templates and the client's marks, kept when somebody wants to read the code.

use super::label::{CodePtr, Position};
use jit_asm::Template;

/// A number that a client puts into the listing, such as the position of a bytecode.
pub type Mark = u32;

/// One thing worth telling about a place in the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// A template starts here.
    Template(&'static Template),
    /// The client put a mark here.
    Mark(Mark),
}

/// The notes of one assembler, by place. Notes at one place are in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    notes: Vec<(CodePtr, Note)>,
}

impl Listing {
    pub(super) fn settle(notes: &[(Position, Note)], cold_at: u32) -> Listing {
        let mut notes: Vec<_> = notes.iter().map(|&(at, note)| (at.settle(cold_at), note)).collect();
        notes.sort_by_key(|&(at, _)| at);
        Listing { notes }
    }

    /// All notes, by place.
    #[must_use]
    pub fn notes(&self) -> &[(CodePtr, Note)] {
        &self.notes
    }
}
