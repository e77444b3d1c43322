//! `docs/lints.md` is written by `UPDATE_EXPECT=1` from what the lints say about themselves.

use super::warnings;
use expect_test::expect_file;
use jit_asm::x64::lint::{About, Lint};
use std::fmt::Write as _;

const HEAD: &str = "\
# The lints

What assembles and is certain to go wrong is a warning of rustc, under the instruction. A macro has no lints of its
own to raise, so it comes as a use of something deprecated whose name is that of the lint:

```text
warning: use of deprecated macro `x64::dead_flags`: nothing reads the flags of `cmp rax, rcx`: `add rdx, 1` overwrites them first
```

Good code is never complained about; what is not known is taken to be right. In what a template calls, in what runs
before and behind it and in a register chosen at emission everything may happen.

## Allowing

| written | allows |
|---|---|
| `#[allow(dead_flags)] cmp rax, rcx;` | one lint at one instruction |
| `#![allow(dead_flags)]` at the start of the template | one lint in the template |
| `#[allow(deprecated)]` on the Rust item or statement around the macro | all of them, as `#![deny(deprecated)]` makes errors of them |

An `allow` that is not needed is quiet, as Rust's is; one that names no lint is an error.

## Declaring

| written at the start of a template | says |
|---|---|
| `#![function]` | it is a whole function of the System V ABI: it is called, returns with `ret`, and calls such functions |
| `#![inputs(rdx)]` | these registers are set before it; an alias stands for its register, behind its `let` |
| `call {printf: variadic}` | the callee is variadic: al counts its vector arguments |

This page is printed from `jit-asm/src/x64/lint/code.rs`.
";

#[test]
fn the_page_is_up_to_date() {
    let mut text = HEAD.to_owned();
    for lint in Lint::ALL {
        let About { summary, danger, quiet, wrong, right } = lint.about();
        write!(text, "\n## {lint}\n\n{}.\n\n", capital(summary)).expect("a string");
        write!(text, "**At run time.** {danger}\n\n**Quiet.** {quiet}\n\n").expect("a string");
        for (title, templates) in [("Wrong", wrong), ("Right", right)] {
            write!(text, "{title}:\n\n```text\n{}\n```\n\n", templates.join("\n")).expect("a string");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    expect_file!["../../../docs/lints.md"].assert_eq(&text);
}

fn capital(text: &str) -> String {
    text[..1].to_uppercase() + &text[1..]
}

#[test]
fn the_examples_are_what_they_say() {
    for lint in Lint::ALL {
        for wrong in lint.about().wrong {
            let found = warnings(wrong).expect("a template");
            assert!(!found.is_empty(), "{wrong}");
            assert!(found.iter().all(|(warning, _)| warning.lint == lint), "{wrong}: {found:?}");
        }
        for right in lint.about().right {
            assert!(warnings(right).expect("a template").is_empty(), "{right}");
        }
        assert_eq!(Lint::named(lint.name()), Some(lint));
    }
}
