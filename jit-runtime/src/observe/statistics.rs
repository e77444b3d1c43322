//! Counting what happens to code.
//!
//! What a heap has at a moment it counts itself ([`crate::memory::CodeHeap::stats`]); this counts what has passed
//! through it, and is paid for where it is attached.

use crate::memory::{Event, Observer};
use core::fmt;
use std::collections::BTreeMap;

/// How often something happened, and to how many bytes of code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// How often.
    pub times: u64,
    /// Bytes in all.
    pub bytes: u64,
}

impl Count {
    fn add(&mut self, bytes: usize) {
        self.times += 1;
        self.bytes += bytes as u64;
    }
}

/// What has happened to the code of a heap. Attach it with [`crate::memory::CodeHeap::observe`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Publications.
    pub published: Count,
    /// Patches, and the bytes that they replaced.
    pub patched: Count,
    /// Code that was freed.
    pub freed: Count,
    /// The most bytes of code that there were at once.
    pub most: u64,
    /// What the owner of the code noted ([`crate::memory::CodeHeap::note`]), and how often.
    pub notes: BTreeMap<&'static str, u64>,
}

impl Observer for Statistics {
    fn event(&mut self, event: &Event<'_>) {
        match *event {
            Event::Published { bytes, .. } => {
                self.published.add(bytes.len());
                // What was published before it was watched may be freed.
                self.most = self.most.max(self.published.bytes.saturating_sub(self.freed.bytes));
            }
            Event::Patched { bytes, .. } => self.patched.add(bytes.len()),
            Event::Freed { len, .. } => self.freed.add(len),
            Event::Noted { note, .. } => *self.notes.entry(note).or_default() += 1,
            Event::Described { .. } => {}
        }
    }
}

/// `published 3 (120 bytes), patched 0 (0 bytes), freed 1 (40 bytes), at most 120 bytes; replaced 2`.
impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in [("published", self.published), ("patched", self.patched), ("freed", self.freed)]
        {
            write!(f, "{what} {} ({} bytes), ", count.times, count.bytes)?;
        }
        write!(f, "at most {} bytes", self.most)?;
        for (n, (note, times)) in self.notes.iter().enumerate() {
            write!(f, "{} {note} {times}", if n == 0 { ';' } else { ',' })?;
        }
        Ok(())
    }
}
