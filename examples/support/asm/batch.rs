//! A line in, a line out.
//!
//! The answer has the id of the question, in the order of the questions. Whatever is wrong with a line is told in
//! its answer, and the next one is read.

use super::{Assembled, Remark, assemble};
use std::borrow::Cow;
use std::io::{self, BufRead, Write};

/// What is quoted of a message at most, in characters: a token may be as long as the line.
const LONGEST_MESSAGE: usize = 300;

/// Answer every line of `input`.
///
/// # Errors
/// If `input` cannot be read or `out` cannot be written.
pub fn run(mut input: impl BufRead, out: &mut impl Write) -> io::Result<()> {
    let (mut line, mut answer) = (vec![], vec![]);
    while input.read_until(b'\n', &mut line)? > 0 {
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        answer_to(&line, &mut answer);
        out.write_all(&answer)?;
        line.clear();
        answer.clear();
    }
    out.flush()
}

/// Append the answer to one line to `out`, line end included. The id is whatever stands before the tab, and
/// stays as it is.
pub fn answer_to(line: &[u8], out: &mut Vec<u8>) {
    let tab = line.iter().position(|byte| *byte == b'\t');
    let (id, instructions) = line.split_at(tab.unwrap_or(line.len()));
    out.extend_from_slice(id);
    out.push(b'\t');
    match bytes_of(instructions.get(1..)) {
        Ok(assembled) => out.extend(assembled.laid_out.whole.bytes.iter().flat_map(|&byte| hex(byte))),
        Err(message) => {
            out.extend_from_slice(b"error: ");
            out.extend_from_slice(one_line(&message).as_bytes());
        }
    }
    out.push(b'\n');
}

/// Two digits.
fn hex(byte: u8) -> [u8; 2] {
    let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
    [digit(byte >> 4), digit(byte & 15)]
}

/// The template of a line, if nothing of it is left to emission.
fn bytes_of(instructions: Option<&[u8]>) -> Result<Assembled, String> {
    let instructions = instructions.ok_or("a line is an id, a tab and instructions; this one has no tab")?;
    let text = std::str::from_utf8(instructions).map_err(|_| "the instructions are not UTF-8")?;
    let assembled = assemble(&with_line_ends(text)).map_err(|mistakes| first_of(&mistakes))?;
    let whole = &assembled.laid_out.whole;
    let holes = whole.holes.iter().map(|placed| &placed.hole);
    if let Some(hole) = holes.chain(whole.constants.iter().map(|placed| &placed.hole)).next() {
        return Err(format!(
            "the hole `{hole}` is filled when Rust compiles or the code is emitted: write a value"
        ));
    }
    Ok(assembled)
}

/// The text with a line end and `;` for every `\n`, so that a comment ends there too. The character `'\n'` is an
/// operand and stays.
fn with_line_ends(text: &str) -> Cow<'_, str> {
    if !text.contains("\\n") {
        return Cow::Borrowed(text);
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\n") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        whole.push_str(before);
        whole.push_str(if before.ends_with('\'') && after.starts_with('\'') { "\\n" } else { "\n;" });
        rest = after;
    }
    Cow::Owned(whole + rest)
}

fn first_of(mistakes: &[Remark]) -> String {
    let Some(first) = mistakes.first() else { return "refused without a reason".to_owned() };
    let help = first.help.as_ref().map_or(String::new(), |help| format!("; help: {help}"));
    match mistakes.len() - 1 {
        0 => format!("{}{help}", first.message),
        more => format!("{}{help} (and {more} more)", first.message),
    }
}

/// The message without line ends and other control characters, and not endless.
fn one_line(message: &str) -> Cow<'_, str> {
    let long = message.len() > LONGEST_MESSAGE;
    if !long && !message.contains(char::is_control) {
        return Cow::Borrowed(message);
    }
    let characters = message.chars().take(LONGEST_MESSAGE);
    let clean: String = characters.map(|c| if c.is_control() { ' ' } else { c }).collect();
    Cow::Owned(if long { clean + ".." } else { clean })
}
