//! What can be wrong with a C function that is being made.

use core::fmt;
use jit_asm::Gpr;

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
            CFunctionError::StackMoved { by } => write!(
                f,
                "rsp is {by} bytes from where the body began, at a call or at the end; pop what was pushed before, or \
                 keep it in a `local`"
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
