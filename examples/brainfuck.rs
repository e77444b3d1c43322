//! The language of eight characters, compiled by templates on `jit-runtime` alone.
//!
//! ```text
//! cargo run --release --example brainfuck -- FILE
//! ```
//!
//! The program reads standard input, 0 at its end, and writes standard output. How long it took, and how long the
//! interpreter takes, is told on standard error.

#[path = "support/brainfuck/mod.rs"]
mod brainfuck;
#[path = "support/exit.rs"]
mod exit;

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    exit::finish(brainfuck::run(&arguments, io::stdin().lock(), io::stdout().lock(), &mut io::stderr()))
}
