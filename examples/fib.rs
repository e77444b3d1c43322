//! Fibonacci numbers by plain recursion, in every tier.
//!
//! ```text
//! cargo run --release --example fib -- 35
//! cargo run --release --example fib -- 20 --asm
//! ```

mod support;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use support::{Arguments, finish, load, print_code, run, tiers};

const SOURCE: &str = include_str!("../jit-vm/programs/fib.txt");

/// The interpreter, which goes first, takes some twenty seconds for it.
const MOST: i64 = 42;

fn main() -> ExitCode {
    finish(show())
}

fn show() -> Result<(), Box<dyn Error>> {
    let Some(Arguments { number, asm }) = Arguments::read("fib", 30)? else { return Ok(()) };
    if number > MOST {
        return Err(
            format!("fib({number}) by recursion would take minutes and more; give {MOST} at most").into()
        );
    }
    let (program, fib) = load(SOURCE, "fib")?;
    let mut out = io::stdout();
    let mut interpreter = None;
    for (name, options) in tiers() {
        let (value, time) = run(&program, options, fib, number, 1)?;
        if interpreter.is_none() {
            writeln!(out, "fib({number}) = {value}\n")?;
            writeln!(out, "{:26} {:>12} {:>8}", "tier", "time", "ratio")?;
        }
        let (expected, base) = *interpreter.get_or_insert((value, time));
        if value != expected {
            return Err(format!("{name} gives {value}, and the interpreter {expected}").into());
        }
        let ratio = base.as_secs_f64() / time.as_secs_f64();
        writeln!(out, "{name:26} {:>9.3} ms {ratio:>7.1}x", time.as_secs_f64() * 1e3)?;
    }
    if asm {
        print_code(&program, fib)?;
    }
    Ok(())
}
