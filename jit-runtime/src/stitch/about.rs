//! What an assembler tells the observers of a heap.

use super::label::CodePtr;
use super::listing::Listing;
use super::positions::Positions;
use crate::memory::Event;
use std::ops::Range;
use std::sync::Arc;

/// What the publisher of code knows of it.
#[derive(Clone, Debug)]
pub struct About {
    /// What it was called ([`super::Assembler::set_name`]), or the empty string.
    pub name: String,
    /// How many of its bytes are instructions; constants follow.
    pub code_len: usize,
    /// Its positions, if it was marked.
    pub positions: Option<Positions>,
    /// Its templates, if a listing was kept.
    pub listing: Option<Arc<Listing>>,
}

impl About {
    /// What an event of publication carries, if an assembler made the code.
    #[must_use]
    pub fn of<'a>(event: &Event<'a>) -> Option<&'a About> {
        match event {
            Event::Published { about, .. } => about.downcast_ref(),
            _ => None,
        }
    }

    /// The code cut into runs of one template each, in order and without gaps: where, and the name of the template,
    /// or the empty string where there is none. One run without a listing.
    pub fn runs(&self) -> Vec<(Range<usize>, &'static str)> {
        let mut runs: Vec<(Range<usize>, &str)> = vec![];
        let mut push = |range: Range<usize>, name| match runs.last_mut() {
            _ if range.is_empty() => {}
            Some((last, known)) if *known == name => last.end = range.end,
            _ => runs.push((range, name)),
        };
        let templates = self.listing.as_ref().map_or(&[][..], |listing| listing.templates());
        let mut end = 0;
        for (n, &(CodePtr(at), template)) in templates.iter().enumerate() {
            let at = at as usize;
            let next = templates.get(n + 1).map_or(self.code_len, |&(next, _)| next.0 as usize);
            push(end..at, "");
            // A template with locations may have become shorter than its bytes.
            end = next.min(at + template.bytes.len());
            push(at..end, template.name);
        }
        push(end..self.code_len, "");
        runs
    }
}
