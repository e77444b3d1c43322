//! Functions of an assembler that others make: which are not finished, and which of its lives they belong to.
//!
//! An assembler that was cleared, or came back from its code, begins another life: what was made in the one before is
//! not in the code of this one, although an offset or a label may fit it. Only what asks for its life pays for one.

use super::assembler::Assembler;
use super::code::Code;
use super::error::StitchError;
use super::label::CodePtr;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

/// One life of one assembler: no other has the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Life(NonZeroU64);

impl Life {
    fn new() -> Life {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Life(NonZeroU64::new(number).expect("no process counts to 2^64"))
    }
}

impl Assembler {
    /// The life that it is in.
    pub(crate) fn life(&mut self) -> Life {
        *self.aside.life.get_or_insert_with(Life::new)
    }

    /// A function begins at `at`. Until it ends there is nothing to seal, whatever becomes of who makes it: it may be
    /// dropped, by a panic too, or forgotten.
    pub(crate) fn begin_function(&mut self, at: CodePtr) -> Life {
        self.aside.unfinished.push(at);
        self.life()
    }

    /// The function that began at `at` is complete, or must not run.
    pub(crate) fn end_function(&mut self, at: CodePtr, wrong: Option<String>) {
        self.aside.unfinished.retain(|&open| open != at);
        if let Some(why) = wrong {
            self.fail(StitchError::Refused { at, why });
        }
    }
}

impl Code {
    /// Whether it is what an assembler made in that life.
    pub(crate) fn is_of(&self, life: Life) -> bool {
        self.life == Some(life)
    }
}
