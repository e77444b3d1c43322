//! Being told what happens to the code of a heap.

use core::any::Any;

/// What happened to code of a heap, or what its owner says of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Code can run from now on.
    Published {
        /// Where its first byte is.
        address: usize,
        /// All of it.
        bytes: &'a [u8],
        /// What its publisher says of it. An assembler gives a [`crate::stitch::About`].
        about: &'a dyn Any,
    },
    /// The unwind record of published code that does not keep the frame convention of its heap.
    Described {
        /// Where the first byte of the code is.
        address: usize,
        /// A list of records as in `.eh_frame`, with its end mark (LSB 5.0, 10.6).
        record: &'a [u8],
    },
    /// Bytes of published code were replaced.
    Patched {
        /// Where the first of them is.
        address: usize,
        /// What is there now.
        bytes: &'a [u8],
    },
    /// Nobody runs the code any more; the next thing that happens to it is poison.
    Freed {
        /// Where its first byte is.
        address: usize,
        /// Its length in bytes.
        len: usize,
    },
    /// Something in the life of code that a heap cannot see: entered in a tier, replaced, invalidated.
    Noted {
        /// Where the first byte of the code is.
        address: usize,
        /// What, in the words of whoever knows.
        note: &'static str,
    },
}

/// Whoever is told by [`super::CodeHeap::observe`]. Also a closure that takes a `&Event`.
///
/// It is told while the heap is locked, so events come in the order in which they happen. It must not use that heap,
/// nor any other that tells it, nor drop code of them, nor wait for somebody who does: it would wait for ever. If it
/// panics, so does what it was told of: code that was to be published is freed,
/// code that was to be freed is.
pub trait Observer: Send {
    /// Something happened.
    fn event(&mut self, event: &Event<'_>);
}

impl<F: FnMut(&Event<'_>) + Send> Observer for F {
    fn event(&mut self, event: &Event<'_>) {
        self(event);
    }
}
