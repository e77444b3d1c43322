//! Which template was emitted where, kept when somebody wants to read the code.

use super::label::{CodePtr, Position};
use jit_asm::Template;

/// The templates of one assembler, by place. Those of one place are in the order in which they were emitted.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    templates: Vec<(CodePtr, &'static Template)>,
}

impl Listing {
    pub(super) fn settle(notes: &[(Position, &'static Template)], cold_at: u32) -> Listing {
        let mut templates: Vec<_> =
            notes.iter().map(|&(at, template)| (at.settle(cold_at), template)).collect();
        templates.sort_by_key(|&(at, _)| at);
        Listing { templates }
    }

    /// All templates, by place.
    #[must_use]
    pub fn templates(&self) -> &[(CodePtr, &'static Template)] {
        &self.templates
    }
}
