//! What can be wrong with code before it runs.

use super::constant::Constant;
use super::label::{CodePtr, Label};
use crate::memory::MemoryError;
use jit_asm::{Features, Template};
use std::fmt;

/// Why code was not sealed or not published.
#[derive(Debug)]
#[non_exhaustive]
pub enum StitchError {
    /// A jump names a label that was never bound.
    UnboundLabel {
        /// Which.
        label: Label,
        /// The field of one of the jumps, counted from the start of its section.
        used_at: CodePtr,
    },
    /// A label was bound a second time.
    BoundTwice {
        /// Which.
        label: Label,
    },
    /// A label of another assembler, which has more of them.
    UnknownLabel {
        /// Which.
        label: Label,
    },
    /// A section grew beyond 1 GiB, the reach of its labels, or the code with its constants beyond 2 GiB.
    TooLong,
    /// Code was to be aligned to what its place does not keep.
    Alignment {
        /// To a multiple of this.
        to: u32,
    },
    /// A patch outside the code.
    PatchOutside {
        /// Where it was to go.
        at: CodePtr,
        /// How long it was.
        len: usize,
    },
    /// A template needs what the processor, or the set that the assembler was given, has not got.
    Beyond {
        /// Its name, or its instructions if it has none.
        template: String,
        /// What it needs besides.
        missing: Features,
    },
    /// An instruction reads more of a constant than there is, or less.
    ConstantWidth {
        /// The field of the instruction, counted from the start of its section.
        used_at: CodePtr,
        /// How many bytes it reads.
        reads: u32,
        /// What was to be read.
        constant: Constant,
    },
    /// A [`CFunction`](crate::abi::CFunction) was begun and not finished.
    Unfinished {
        /// Where it begins, counted from the start of its section.
        at: CodePtr,
    },
    /// A [`CFunction`](crate::abi::CFunction) was finished with an error.
    Refused {
        /// Where it begins, counted from the start of its section.
        at: CodePtr,
        /// What was wrong with it, and what to do.
        why: String,
    },
    /// The memory for the code was not to be had.
    Memory(MemoryError),
}

impl StitchError {
    pub(super) fn beyond(template: &'static Template, missing: Features) -> StitchError {
        let instructions = || template.lines.iter().map(|line| line.text).collect::<Vec<_>>().join("; ");
        let named = (!template.name.is_empty()).then(|| template.name.to_owned());
        StitchError::Beyond { template: named.unwrap_or_else(instructions), missing }
    }
}

impl fmt::Display for StitchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StitchError::UnboundLabel { label, used_at } => write!(
                f,
                "label {} is used at {used_at} and bound nowhere; call `bind` before sealing",
                label.0
            ),
            StitchError::BoundTwice { label } => {
                write!(f, "label {} is bound twice; make a new label for the second place", label.0)
            }
            StitchError::UnknownLabel { label } => {
                write!(f, "label {} was made by another assembler, or before this one was cleared", label.0)
            }
            StitchError::TooLong => f.write_str(
                "a section of the code is longer than 1 GiB, or all of it than 2 GiB; compile it in parts",
            ),
            StitchError::Alignment { to } => {
                write!(f, "code cannot be aligned to {to}: only to 1, 2, 4, 8 and 16")
            }
            StitchError::PatchOutside { at, len } => {
                write!(f, "a patch of {len} bytes at {at} lies outside what has been emitted")
            }
            StitchError::Beyond { template, missing } => write!(
                f,
                "the template `{template}` needs {missing}, which is not among the assembler's features: ask \
                 `detected_features` and emit another template where it is missing"
            ),
            StitchError::ConstantWidth { used_at, reads, constant } => write!(
                f,
                "the instruction with its field at {used_at} reads {reads} bytes of a constant of {}; {}",
                constant.bytes().len(),
                match reads {
                    ..=4 => "`Constant::u32` and `f32` make one of four",
                    8 => "`Constant::u64` and `f64` make one of eight",
                    16 => "`Constant::u128` and `bytes16` make one of sixteen",
                    _ => "there are none of more than sixteen: broadcast it, or load its address by `lea`",
                }
            ),
            StitchError::Unfinished { at } => write!(
                f,
                "the function that begins at {at} was not finished; call `finish`, or `clear` the assembler to give it up"
            ),
            StitchError::Refused { at, why } => {
                write!(f, "the function that begins at {at} must not run: {why}")
            }
            StitchError::Memory(e) => write!(f, "no memory for the code: {e}"),
        }
    }
}

impl std::error::Error for StitchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StitchError::Memory(e) => Some(e),
            _ => None,
        }
    }
}

impl From<MemoryError> for StitchError {
    fn from(e: MemoryError) -> StitchError {
        StitchError::Memory(e)
    }
}
