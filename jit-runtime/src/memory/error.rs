//! What can go wrong with code memory.

use super::policy::Policy;
use core::fmt;

/// A request about code memory that could not be met. Every block stays as it was: see [`Strategy::ProtectFlip`] for the
/// one exception.
///
/// [`Strategy::ProtectFlip`]: super::Strategy::ProtectFlip
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
        /// What forbids it, as far as that could be found out.
        policy: Option<Policy>,
    },
    /// The heap is at the limit that it was given.
    Full {
        /// Bytes that may be accessible ([`super::HeapOptions::limit`]).
        limit: usize,
        /// Bytes that are.
        mapped: usize,
        /// Bytes of the space that was asked for.
        len: usize,
    },
    /// This is a child of fork, and the code memory is its parent's.
    Forked,
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
    /// A space that was placed in another heap than it was to be published in.
    OtherHeap,
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            MemoryError::Unsupported { wanted } => write!(f, "code memory: this target has no {wanted}"),
            MemoryError::Host { call, to, len, errno, policy } => {
                let reason = std::io::Error::from_raw_os_error(errno);
                write!(f, "code memory: {call}, to {to} ({len} bytes), was refused: {reason}")?;
                match (policy, remedy(call, errno)) {
                    (Some(policy), _) => write!(f, "; {policy}: {}", policy.remedy()),
                    (None, Some(remedy)) => write!(f, "; {remedy}"),
                    (None, None) => Ok(()),
                }
            }
            MemoryError::Full { limit, mapped, len } => write!(
                f,
                "code memory: no room for {len} bytes: {mapped} are in use or in pieces, and the heap's limit is \
                 {limit}; drop code, or raise `HeapOptions::limit`"
            ),
            MemoryError::Forked => f.write_str(
                "code memory: this process is a child of fork, and the code is its parent's; make a heap here, \
                 or use `Strategy::ProtectFlip`, of which a child has a copy",
            ),
            MemoryError::TooLarge { len, most } => {
                write!(f, "code memory: {len} bytes in one piece; rel32 reaches over {most}: split the code")
            }
            MemoryError::DoesNotFit { code, space } => {
                write!(f, "code memory: {code} bytes of code for a space of {space}; place a larger one")
            }
            MemoryError::OtherHeap => {
                f.write_str("code memory: the space is of another heap; publish it where it was placed")
            }
        }
    }
}

/// What would help against a refusal for which no policy was found.
fn remedy(call: &str, errno: i32) -> Option<&'static str> {
    match (call, errno) {
        ("memfd_create" | "mmap" | "mprotect", libc::EACCES | libc::EPERM) => Some(
            "a policy of the host forbids it (a security module; a sandbox): `CodeHeap::probe` takes the \
             strategy that is allowed, if one is",
        ),
        (_, libc::ENOMEM) | ("madvise", libc::EFAULT) => {
            Some("there is no memory, or the process is at its limit: drop code")
        }
        (_, libc::EMFILE | libc::ENFILE) => {
            Some("no file descriptor is free: close some, or use `Strategy::ProtectFlip`, which needs none")
        }
        _ => None,
    }
}

impl std::error::Error for MemoryError {}
