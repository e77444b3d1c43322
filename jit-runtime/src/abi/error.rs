//! What can be wrong with a C function that is being made.

use crate::stitch::{CodePtr, Label};
use core::fmt;
use jit_asm::{Gpr, Template};

/// Why a C function was not finished.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CFunctionError {
    /// It was begun in the cold section, whose place is not known before sealing.
    BeginsCold,
    /// A template writes rbp, which holds the frame.
    WritesRbp {
        /// Its first instruction.
        template: &'static str,
    },
    /// A template moves rsp by an amount that its bytes do not tell, or returns by itself.
    MovesRsp {
        /// Its first instruction.
        template: &'static str,
    },
    /// At a call, or at the end of the function, rsp is not where it was at the beginning of the body.
    StackMoved {
        /// By how many bytes; what was pushed is negative.
        by: i32,
        /// The place of the call or of the end, counted from the start of its section.
        at: CodePtr,
    },
    /// A template calls with rsp not aligned to 16, or not known (System V AMD64 ABI, 3.2.2).
    MisalignedCall {
        /// Its first instruction.
        template: &'static str,
    },
    /// A template brings rsp above where the body began: to the arguments of calls, to locals and saved registers.
    AboveBody {
        /// Its first instruction.
        template: &'static str,
        /// By how many bytes.
        by: i32,
    },
    /// A label is reached with rsp in different places.
    WaysDiffer {
        /// The place of the label, or of the jump back to it, counted from the start of its section.
        at: CodePtr,
        /// How far rsp has moved on one way; what was pushed is negative.
        one: i32,
        /// And on another.
        other: i32,
    },
    /// A template calls a label of the body, which can return to nobody: its frame is this function's.
    CallsLabel {
        /// Which.
        label: Label,
    },
    /// A template has the instruction `push rbp`, by which unwinders know the beginning of a function.
    PushesRbp {
        /// Its first instruction.
        template: &'static str,
    },
    /// An argument or a result is in a register that moves need themselves.
    InScratch {
        /// The register.
        register: Gpr,
    },
    /// A callee is the entry of a function that is not in this code: of another assembler, or of this one before it was
    /// cleared.
    OtherAssembler,
    /// A value was to be moved into a constant.
    IntoConstant,
    /// Locals and arguments of calls take more room than a frame has.
    TooLarge {
        /// Bytes of the frame.
        bytes: u64,
    },
}

impl fmt::Display for CFunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("C function: ")?;
        match self {
            CFunctionError::BeginsCold => f.write_str(
                "it begins in the cold section; begin it in the hot one and put its rare parts into `cold`",
            ),
            CFunctionError::WritesRbp { template } => write!(
                f,
                "the template that begins with `{template}` writes rbp, which holds the frame; use another register"
            ),
            CFunctionError::MovesRsp { template } => write!(
                f,
                "the template that begins with `{template}` moves rsp in a way that is not known, or returns; take room \
                 from `area`, return by `ret`"
            ),
            CFunctionError::StackMoved { by, at } => write!(
                f,
                "rsp is {by} bytes from where the body began, at a call or at the end, which is at {at}; pop what was \
                 pushed before, or keep it in a `local`"
            ),
            CFunctionError::MisalignedCall { template } => write!(
                f,
                "the template that begins with `{template}` calls with a stack that is not aligned to 16 bytes; push \
                 and pop by twos around calls, or keep things in a `local`"
            ),
            CFunctionError::AboveBody { template, by } => write!(
                f,
                "the template that begins with `{template}` brings rsp {by} bytes above where the body began, where \
                 locals and saved registers are; pop what the body has pushed, and no more"
            ),
            CFunctionError::WaysDiffer { at, one, other } => write!(
                f,
                "at {at} a label is reached with rsp moved by {one} on one way and by {other} on another; push and pop \
                 the same on every way to it"
            ),
            CFunctionError::CallsLabel { label } => write!(
                f,
                "a template calls {label:?}, which is in the body and cannot return; jump to it, or make it a function \
                 of its own and `call` its entry"
            ),
            CFunctionError::PushesRbp { template } => write!(
                f,
                "the template that begins with `{template}` has `push rbp`, which unwinders take for the beginning of \
                 a function; write `mov rax, rbp; push rax`, or keep it in a `local`"
            ),
            CFunctionError::InScratch { register } => write!(
                f,
                "a value to be moved is in {register}, or at an address in it, which moves use themselves; choose \
                 another register"
            ),
            CFunctionError::OtherAssembler => f.write_str(
                "it calls a function of another assembler, or of this one before it was cleared, by its `CEntry`; \
                 publish that and call its `EntryPoint`",
            ),
            CFunctionError::IntoConstant => {
                f.write_str("a constant is no place for a value; use a register or a local")
            }
            CFunctionError::TooLarge { bytes } => write!(
                f,
                "its frame has {bytes} bytes, and may have {}; keep large data elsewhere",
                crate::frame::LARGEST_FRAME
            ),
        }
    }
}

impl std::error::Error for CFunctionError {}

/// What a template is called in errors: its first instruction.
pub(super) fn first_line(template: &'static Template) -> &'static str {
    template.lines.first().map_or(template.name, |line| line.text)
}
