//! gdb's interface for code that is in no file.
//!
//! **Problem.** A debugger stops in code that it knows nothing of: it has no name, no line, and its caller cannot be
//! found.
//!
//! **Idea.** gdb and lldb look for two symbols of a process: a list of object files in memory, and a function that is
//! called after each change of the list, where they stop it and read (gdb manual, "JIT Compilation Interface"). For
//! each piece of code there is a small ELF file with its symbol, the unwind record of the frame convention and,
//! where it has positions, lines.
//!
//! **Invariants.** A file is in the list exactly as long as its code can run.
//!
//! **Cost.** 5 us and a file of one to two kilobytes for each piece of code; to enter or leave the list is two
//! pointers. Under a debugger each change stops the process, half a millisecond for a publication and its end, and a
//! debugger that attaches, or looks for a symbol, goes through all files. Meant for thousands of functions, not for
//! millions. `cargo bench -p jit-benches --bench memory` prints what each observer takes.

mod interface;
mod object_file;
#[cfg(test)]
mod tests;

use super::SourceFile;
use super::symbols::name;
use crate::frame::region_record;
use crate::memory::{Event, Observer};
use crate::stitch::About;
use interface::Listed;
use object_file::{ObjectFile, Text};
use std::collections::HashMap;

/// Tells gdb of code. Attach it with [`crate::memory::CodeHeap::observe`].
///
/// Code is taken to keep the frame convention ([`crate::frame`]), unless it is described otherwise
/// ([`Event::Described`]) or the observer is made for code that has no frames ([`Gdb::without_frames`]).
#[derive(Debug)]
pub struct Gdb {
    source: SourceFile,
    frames: bool,
    /// By address.
    files: HashMap<usize, (Listed, Text)>,
}

impl Default for Gdb {
    fn default() -> Gdb {
        Gdb::new()
    }
}

impl Gdb {
    /// For code that keeps the frame convention.
    #[must_use]
    pub fn new() -> Gdb {
        Gdb { source: SourceFile::default(), frames: true, files: HashMap::new() }
    }

    /// The same, with positions of this source.
    #[must_use]
    pub fn with_source(self, source: SourceFile) -> Gdb {
        Gdb { source, ..self }
    }

    /// For code with frames of its own making, or none: a debugger guesses how to find callers.
    #[must_use]
    pub fn without_frames(self) -> Gdb {
        Gdb { frames: false, ..self }
    }

    fn list(&mut self, text: Text, record: Option<&[u8]>) {
        let file = ObjectFile { text: &text, record, source: &self.source }.write();
        // What was known of this address goes first.
        self.files.remove(&text.address);
        self.files.insert(text.address, (Listed::new(file), text));
    }
}

impl Observer for Gdb {
    fn event(&mut self, event: &Event<'_>) {
        match *event {
            Event::Published { address, bytes, .. } if !bytes.is_empty() => {
                let about = About::of(event);
                let positions = about.and_then(|about| about.positions.as_ref());
                let lines =
                    positions.map_or(vec![], |positions| self.source.lines(positions, 0..bytes.len()));
                let text = Text { name: name(about, address), address, len: bytes.len(), lines };
                let record = if self.frames { region_record(address, bytes.len()).ok() } else { None };
                self.list(text, record.as_deref());
            }
            Event::Described { address, record } => {
                if let Some((_, text)) = self.files.remove(&address) {
                    self.list(text, Some(record));
                }
            }
            Event::Freed { address, .. } => drop(self.files.remove(&address)),
            _ => {}
        }
    }
}
