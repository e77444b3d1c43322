//! The lints: idioms that must be quiet, mistakes that must be found, and a checker that walks every way.
//!
//! The text files hold templates between blank lines, comments behind `#`. Behind a mistake stands, indented,
//! what is said about it; `UPDATE_EXPECT=1` writes that.

mod page;
mod ways;

use expect_test::{Expect, expect, expect_file};
use jit_asm::syntax::{Error, Warning, lay_out, parse};
use std::fmt::Write as _;

/// What is said about a template.
fn warnings(template: &str) -> Result<Vec<(Warning, String)>, Vec<Error>> {
    let laid_out = lay_out(&parse(template.parse().expect("tokens"))?)?;
    let line = |warning: &Warning| laid_out.whole.lines[warning.insn].1.clone();
    Ok(laid_out.warnings.iter().map(|warning| (warning.clone(), line(warning))).collect())
}

/// A template and the comment above it.
struct Block {
    comment: String,
    template: String,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = vec![];
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let lines = |wanted: fn(&str) -> bool| -> String {
            block.lines().filter(|line| wanted(line)).fold(String::new(), |all, line| all + line + "\n")
        };
        let comment = lines(|line| line.starts_with("# "));
        let template = lines(|line| !line.starts_with("# ") && !line.starts_with(' ') && !line.is_empty());
        blocks.push(Block { comment, template });
    }
    blocks
}

#[test]
fn idioms_are_quiet() {
    let all = blocks(include_str!("quiet.txt"));
    let mut loud = String::new();
    let templates = all.iter().filter(|block| !block.template.is_empty());
    let mut count = 0;
    for Block { comment, template } in templates {
        count += 1;
        match warnings(template) {
            Ok(found) if found.is_empty() => {}
            other => writeln!(loud, "{comment}{template}    {other:?}").expect("a string"),
        }
    }
    assert!(loud.is_empty(), "{loud}");
    assert!(count > 90, "{count} idioms are left");
}

#[test]
fn mistakes_are_found() {
    let mut text = String::new();
    for Block { comment, template } in blocks(include_str!("mistakes.txt")) {
        text += &(comment + &template);
        if !template.is_empty() {
            let found = warnings(&template).unwrap_or_else(|errors| panic!("{template}: {errors:?}"));
            assert!(!found.is_empty(), "nothing is said about {template}");
            for (warning, line) in found {
                let Warning { lint, message, help, .. } = warning;
                writeln!(text, "    {lint} at `{line}`\n      {message}\n      help: {help}")
                    .expect("a string");
            }
        }
        text.push('\n');
    }
    expect_file!["mistakes.txt"].assert_eq(&(text.trim_end().to_owned() + "\n"));
}

fn check(template: &str, expected: Expect) {
    let text = match warnings(template) {
        Ok(found) => found.iter().map(|(w, line)| format!("{} at `{line}`\n", w.lint)).collect(),
        Err(errors) => errors.iter().fold(String::new(), |all, error| format!("{all}{error}\n")),
    };
    expected.assert_eq(&text);
}

#[test]
fn what_is_allowed_is_not_said() {
    let dead = "cmp rax, rbx; cmp rax, rcx; cmp rax, rdx; jz {l}";
    check(
        dead,
        expect![[r#"
            dead_flags at `cmp rax, rbx`
            dead_flags at `cmp rax, rcx`
        "#]],
    );
    check(&format!("#![allow(dead_flags)] {dead}"), expect![""]);
    check(
        &format!("#[allow(x64::dead_flags)] {dead}"),
        expect![[r#"
            dead_flags at `cmp rax, rcx`
        "#]],
    );
    check(
        "a: cmp rax, rbx; #[allow(wrong_dividend)] #[allow(misaligned_call, dead_flags,)] b: cmp rax, rcx; cmp rax, rdx; jz a; jnz b",
        expect![[r#"
            dead_flags at `a: cmp rax, rbx`
        "#]],
    );
    check("#![allow(wrong_dividend)] #[allow(dead_flags)] cmp rax, rbx; cmp rax, rcx", expect![""]);
}

#[test]
fn attributes_that_are_none() {
    let mut text = String::new();
    for template in [
        "#![functoin] ret",
        "#[function] ret",
        "ret; #![function]",
        "#[allow(dead_flags)] #![function] ret",
        "#![inputs] ret",
        "#![inputs(rxd, rdx rax)] ret",
        "#![inputs(rxd, EDX, xmm3)] ret",
        "#![inputs(everything)] ret",
        "#![function(sysv)] ret",
        "#[allow(dead_flag)] ret",
        "#[allow(flags)] ret",
        "#[allow(unused)] ret; #[allow()] ret; #[allow] ret",
        "#[allow(dead_flags)]; ret",
        "#[allow(dead_flags)]",
        "#[deny(dead_flags)] ret; /// comment\n ret",
        "#[]ret; # ret; a: #[allow(dead_flags)] ret",
        "jmp {const f: variadic}",
        "mov rax, {f: variadic}; jz {f: variadic}",
        "lea rax, [{f: variadic}]",
    ] {
        let errors = warnings(template).expect_err(template);
        let errors: String = errors.iter().map(|error| format!("    {error}\n")).collect();
        text += &format!("{template}\n{}", errors.replace("\nhelp", "\n    help"));
    }
    expect_file!["attributes.txt"].assert_eq(&text);
}
