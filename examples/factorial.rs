//! Factorials by recursion, in every tier: a result, one that wraps, and a chain of ten thousand calls.
//!
//! ```text
//! cargo run --release --example factorial -- 20
//! cargo run --release --example factorial -- --asm
//! ```

mod support;

use jit_vm::Value;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use support::{Arguments, finish, load, print_code, run, tiers};

const SOURCE: &str = include_str!("../jit-vm/programs/factorial.txt");

/// How deep the longest chain of calls is.
const CHAIN: i64 = 10_000;

fn main() -> ExitCode {
    finish(show())
}

fn show() -> Result<(), Box<dyn Error>> {
    let Some(Arguments { number, asm }) = Arguments::read("factorial", 20)? else { return Ok(()) };
    let (program, factorial) = load(SOURCE, "factorial")?;
    let mut out = io::stdout();
    let mut interpreter: Option<([Value; 3], f64)> = None;
    for (name, options) in tiers() {
        let numbers = [number, 100, CHAIN];
        let mut values = [Value::ZERO; 3];
        let mut chain = 0.0;
        for (value, n) in values.iter_mut().zip(numbers) {
            let (result, time) = run(&program, options, factorial, n, 100)?;
            (*value, chain) = (result, time.as_secs_f64());
        }
        if interpreter.is_none() {
            for (n, value) in numbers.iter().zip(values) {
                writeln!(out, "factorial({n}) = {value}")?;
            }
            writeln!(out, "\n{:26} {:>20} {:>8}", "tier", "10,000 calls deep", "ratio")?;
        }
        let (expected, base) = *interpreter.get_or_insert((values, chain));
        if values != expected {
            return Err(format!("{name} gives {values:?}, and the interpreter {expected:?}").into());
        }
        writeln!(out, "{name:26} {:>17.1} us {:>7.1}x", chain * 1e6, base / chain)?;
    }
    if asm {
        print_code(&program, factorial)?;
    }
    Ok(())
}
