//! The syntax of templates as a command.
//!
//! **Problem.** Who wants to know what a template becomes should not have to write a macro call and a program
//! around it; and whoever generates templates wants many of them assembled at once.
//!
//! **Idea.** `jit_asm::syntax` runs outside a compiler: the text is lexed by proc-macro2 and goes through the
//! macro's own two stages. Around them stand three faces: one template with everything that is known about it
//! (`report`), the same compared with other people's decoders (`verify`), a line for each of many (`batch`).
//!
//! **Invariants.** No second grammar. No input makes it panic: text is limited in length and in the depth of its
//! brackets before anything looks at it. Exit status 0 is success, 1 a mistake in the input, 2 one in the flags.
//!
//! **Cost.** Places in the text need proc-macro2's `span-locations`, which keeps a copy of every text it has
//! lexed; [`assemble`] forgets them before it returns, so memory does not grow with the number of templates.

// The example and the tests use different parts.
#![allow(dead_code, unreachable_pub)]

pub mod batch;
pub mod report;
pub mod verify;

use jit_asm::syntax::{self, Extent, LaidOut, Stmt};
use proc_macro2::{LexError, TokenStream};
use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::ops::Range;

/// Longer text is refused: what it becomes would not be a template, which has at most 65535 bytes.
const LONGEST: usize = 1 << 16;
/// Deeper brackets are refused. An operand needs three; expressions in holes a few more.
const DEEPEST: usize = 64;

const USAGE: &str = "\
usage: asm [--verify] INSTRUCTIONS
       asm --batch < LINES

  INSTRUCTIONS  a template: instructions with `;` between them
  --verify      compare the bytes with iced-x86, and with objdump where it is installed
  --batch       read lines `id<TAB>instructions`, with `;` or `\\n` between the instructions, and write
                lines `id<TAB>hex` or `id<TAB>error: message`
  --help        print this
";

/// Something to say about a place in the text.
#[derive(Clone, Debug)]
pub struct Remark {
    /// Its bytes.
    pub place: Range<usize>,
    /// In one sentence without a full stop.
    pub message: String,
    /// What would do.
    pub help: Option<String>,
}

/// A template, its statements, and what is questionable in it.
pub struct Assembled {
    /// As they were read.
    pub stmts: Vec<Stmt>,
    /// Bytes, holes, lines, effects.
    pub laid_out: LaidOut,
    /// What the lints found.
    pub warnings: Vec<Remark>,
}

/// Run the command.
///
/// # Errors
/// If `input` cannot be read or `out` cannot be written.
pub fn run(
    arguments: &[OsString],
    input: impl BufRead,
    out: &mut impl Write,
    errors: &mut impl Write,
) -> io::Result<u8> {
    let (mut verify, mut batch, mut help, mut flags_end) = (false, false, false, false);
    let mut template = None;
    for argument in arguments {
        let wrong = match argument.to_str() {
            Some("--") if !flags_end => {
                flags_end = true;
                continue;
            }
            Some("--verify") if !flags_end => {
                verify = true;
                continue;
            }
            Some("--batch") if !flags_end => {
                batch = true;
                continue;
            }
            Some("--help" | "-h") if !flags_end => {
                help = true;
                continue;
            }
            Some(flag) if !flags_end && flag.starts_with('-') => format!("there is no flag `{flag}`"),
            Some(text) if template.is_none() => {
                template = Some(text);
                continue;
            }
            Some(_) => "the instructions are one argument: put them in quotes".to_owned(),
            None => "the instructions are not UTF-8".to_owned(),
        };
        writeln!(errors, "error: {wrong}; try `--help`")?;
        return Ok(2);
    }
    match (help, batch, template) {
        (true, ..) => write!(out, "{USAGE}").map(|()| 0),
        (_, true, None) if !verify => batch::run(input, out).map(|()| 0),
        (_, true, _) => {
            writeln!(
                errors,
                "error: `--batch` takes lines of the standard input and nothing else; try `--help`"
            )?;
            Ok(2)
        }
        (.., Some(text)) => one(text, verify, out, errors),
        (.., None) => {
            write!(errors, "error: no instructions are given\n\n{USAGE}")?;
            Ok(2)
        }
    }
}

/// One template, with everything that is known about it.
fn one(text: &str, verify: bool, out: &mut impl Write, errors: &mut impl Write) -> io::Result<u8> {
    match assemble(text) {
        Err(mistakes) => {
            for mistake in &mistakes {
                report::remark(errors, "error", text, mistake)?;
            }
            Ok(1)
        }
        Ok(assembled) if assembled.stmts.is_empty() => {
            writeln!(errors, "error: there is no instruction in it; try `--help`")?;
            Ok(1)
        }
        Ok(assembled) => {
            report::template(out, text, &assembled)?;
            let agrees = !verify || verify::verify(&assembled, out)?;
            Ok(u8::from(!agrees))
        }
    }
}

/// The template that is written in `text`.
///
/// # Errors
/// All mistakes of the stage that found some.
pub fn assemble(text: &str) -> Result<Assembled, Vec<Remark>> {
    let assembled = within_limits(text).and_then(|()| stages(text));
    // No span is left that anybody will ask for its place.
    proc_macro2::extra::invalidate_current_thread_spans();
    assembled
}

fn stages(text: &str) -> Result<Assembled, Vec<Remark>> {
    let tokens: TokenStream = text.parse().map_err(|error| vec![no_tokens(text, &error)])?;
    let placed = |errors: Vec<syntax::Error>| {
        let remark = |e: syntax::Error| Remark { place: place(e.extent), message: e.message, help: e.help };
        errors.into_iter().map(remark).collect::<Vec<_>>()
    };
    let stmts = syntax::parse(tokens).map_err(placed)?;
    let laid_out = syntax::lay_out(&stmts).map_err(placed)?;
    let remark = |w: &syntax::Warning| Remark {
        place: place(w.extent),
        message: format!("{} ({})", w.message, w.lint),
        help: Some(w.help.clone()),
    };
    let warnings = laid_out.warnings.iter().map(remark).collect();
    Ok(Assembled { stmts, laid_out, warnings })
}

fn place(extent: Extent) -> Range<usize> {
    let (start, end) = (extent.start.byte_range(), extent.end.byte_range());
    start.start..end.end.max(start.end)
}

/// Whether the text is short and flat enough to be read. Brackets in strings and comments count too: what
/// recurses over tokens is kept shallow, and nobody writes 64 of them.
fn within_limits(text: &str) -> Result<(), Vec<Remark>> {
    let refuse = |place, message| Err(vec![Remark { place, message, help: None }]);
    if text.len() > LONGEST {
        return refuse(
            0..0,
            format!("a template is at most {LONGEST} bytes of text, and this is {}", text.len()),
        );
    }
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return refuse(at..at + 1, format!("brackets are nested more than {DEEPEST} deep"));
        }
    }
    Ok(())
}

fn no_tokens(text: &str, error: &LexError) -> Remark {
    let start = error.span().byte_range().start;
    let first = text.get(start..).and_then(|rest| rest.chars().next());
    let end = start + first.map_or(0, char::len_utf8);
    let message = match first {
        Some(c @ ('(' | ')' | '[' | ']' | '{' | '}')) => format!("the bracket `{c}` has no partner"),
        Some(c) => format!("no token of Rust begins with `{}` here", c.escape_debug()),
        None => "the text ends too early".to_owned(),
    };
    Remark { place: start..end, message, help: None }
}
