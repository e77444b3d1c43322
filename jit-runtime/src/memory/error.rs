//! What can go wrong with code memory.

use core::fmt;

/// A request about code memory that could not be met. Every block stays as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MemoryError {
    /// This target cannot run what the templates encode.
    Unsupported {
        /// What was asked for and what there would have to be.
        wanted: &'static str,
    },
    /// The host refused a system call.
    Host {
        /// The call, in the manual's name.
        call: &'static str,
        /// What it was to do.
        to: &'static str,
        /// Bytes it was about.
        len: usize,
        /// The host's error number.
        errno: i32,
    },
    /// More bytes in one piece than a rel32 displacement can cross.
    TooLarge {
        /// Bytes asked for.
        len: usize,
        /// The most there can be.
        most: usize,
    },
    /// Code that is longer than the space it was to be published in.
    DoesNotFit {
        /// Bytes of code.
        code: usize,
        /// Bytes of the space.
        space: usize,
    },
    /// A patch that is not inside its block.
    OutsideBlock {
        /// Offset of the patch.
        offset: usize,
        /// Bytes of the patch.
        patch: usize,
        /// Bytes of the block.
        block: usize,
    },
    /// A space that was placed in another heap than it was to be published in.
    OtherHeap,
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            MemoryError::Unsupported { wanted } => write!(f, "code memory: this target has no {wanted}"),
            MemoryError::Host { call, to, len, errno } => {
                let reason = std::io::Error::from_raw_os_error(errno);
                write!(f, "code memory: {call}, to {to} ({len} bytes), was refused: {reason}")?;
                match remedy(call, errno) {
                    Some(remedy) => write!(f, "; {remedy}"),
                    None => Ok(()),
                }
            }
            MemoryError::TooLarge { len, most } => {
                write!(f, "code memory: {len} bytes in one piece; rel32 reaches over {most}: split the code")
            }
            MemoryError::DoesNotFit { code, space } => {
                write!(f, "code memory: {code} bytes of code for a space of {space}; place a larger one")
            }
            MemoryError::OutsideBlock { offset, patch, block } => write!(
                f,
                "code memory: a patch of {patch} bytes at offset {offset} leaves its block, which has {block}"
            ),
            MemoryError::OtherHeap => {
                f.write_str("code memory: the space is of another heap; publish it where it was placed")
            }
        }
    }
}

/// What would help against a refusal, where that is known.
fn remedy(call: &str, errno: i32) -> Option<&'static str> {
    match (call, errno) {
        ("memfd_create" | "mmap" | "mprotect", libc::EACCES | libc::EPERM) => Some(
            "a policy of the host forbids it (SELinux execmem, vm.memfd_noexec, a seccomp filter): \
             `CodeHeap::probe` takes the strategy that is allowed, if one is",
        ),
        (_, libc::ENOMEM) => Some("the process is at its limit of memory or of mappings: drop blocks"),
        (_, libc::EMFILE | libc::ENFILE) => {
            Some("no file descriptor is free: close some, or use `Strategy::ProtectFlip`, which needs none")
        }
        _ => None,
    }
}

impl std::error::Error for MemoryError {}
