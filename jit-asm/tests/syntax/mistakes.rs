//! Templates, one a line, each with what is said about it in `mistakes.txt`: errors under the tokens at fault, or the
//! bytes of one that is right. `UPDATE_EXPECT=1` rewrites the answers.

use expect_test::expect_file;
use jit_asm::syntax::{Error, lay_out, parse};
use std::fmt::Write as _;

pub(crate) const MISTAKES: &str = include_str!("mistakes.txt");

/// Whether a line is part of an answer, which may be under the first token of its template.
fn is_answer(line: &str) -> bool {
    line.starts_with([' ', '^']) || line.starts_with("help:")
}

/// What is said about one template.
fn answer(input: &str) -> String {
    let mut text = String::new();
    let stmts = match input.parse() {
        Ok(tokens) => parse(tokens),
        Err(error) => return format!("    no tokens of Rust: {error}\n"),
    };
    match stmts.and_then(|stmts| lay_out(&stmts)) {
        Ok(laid_out) => {
            let bytes: Vec<String> = laid_out.whole.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let _ = writeln!(text, "    is right: {}", bytes.join(" "));
        }
        Err(errors) => errors.iter().for_each(|error| text += &under(error)),
    }
    text
}

/// The message under the tokens that it is about.
fn under(error: &Error) -> String {
    let (start, end) = (error.extent.start.start().column, error.extent.end.end().column);
    let mut text =
        format!("{:start$}{} {}\n", "", "^".repeat(end.saturating_sub(start).max(1)), error.message);
    if let Some(help) = &error.help {
        let _ = writeln!(text, "{:start$}help: {help}", "");
    }
    text
}

#[test]
fn mistakes_are_told_under_their_operands() {
    let mut text = String::new();
    let mut templates = 0;
    for line in MISTAKES.lines() {
        match line {
            "" => text += "\n",
            line if line.starts_with("# ") => text += &format!("{line}\n"),
            line if is_answer(line) => {}
            input => {
                text += &format!("{input}\n{}", answer(input));
                templates += 1;
            }
        }
    }
    expect_file!["mistakes.txt"].assert_eq(&text);
    assert!(templates > 150, "the list is there");
}
