//! What positions mean to tools that show files and lines.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))] // for tools that are elsewhere

use crate::stitch::Positions;
use core::ops::Range;

/// The file that positions are lines of.
///
/// Tools count lines from 1. Where positions are lines, the default is right; where they count instructions from
/// 0, a text that has one a line (a listing of the bytecode) begins at line 1: `first_line(1)`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceFile {
    file: String,
    first_line: u32,
}

impl Default for SourceFile {
    /// No file in particular.
    fn default() -> SourceFile {
        SourceFile::new("jit")
    }
}

impl SourceFile {
    /// This file, in which position n is line n.
    #[must_use]
    pub fn new(file: &str) -> SourceFile {
        SourceFile { file: file.replace('\0', " "), first_line: 0 }
    }

    /// The same, in which position 0 is this line.
    #[must_use]
    pub fn first_line(self, line: u32) -> SourceFile {
        SourceFile { first_line: line, ..self }
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Where in a part of the code each line begins: the first entry is where the part does. None if there is no line.
    pub(super) fn lines(&self, positions: &Positions, part: Range<usize>) -> Vec<(usize, Option<u32>)> {
        let mut lines = vec![(part.start, None)];
        for (at, position) in positions.iter() {
            let at = (at.0 as usize).max(part.start);
            if at >= part.end {
                break;
            }
            let line = position.map(|position| position.0.saturating_add(self.first_line));
            match lines.last_mut() {
                Some((last, known)) if *last == at => *known = line,
                _ => lines.push((at, line)),
            }
        }
        lines.dedup_by_key(|(_, line)| *line);
        if lines.iter().all(|(_, line)| line.is_none()) { vec![] } else { lines }
    }
}
