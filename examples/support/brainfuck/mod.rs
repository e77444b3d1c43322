//! The example `brainfuck`: its command line, and one run of a program.

pub(crate) mod compile;
pub(crate) mod console;
pub(crate) mod interpret;
pub(crate) mod program;

use compile::{Compiled, Refused};
use console::{Live, Replay, Stop};
use interpret::Interpreter;
use jit_runtime::observe::disassemble;
use program::Operations;
use std::error::Error;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const USAGE: &str = "\
usage: brainfuck [--tape N] [--asm] FILE

  FILE      the program; it reads standard input (0 at its end) and writes standard output
  --tape N  how many cells there are, each a byte; 30000 if it is left out
  --asm     print the native code on standard error

Times of the compiled program and of the interpreter are told on standard error.
";

/// A cell is found by 32 bits.
const LONGEST_TAPE: usize = i32::MAX as usize;

struct Arguments {
    file: PathBuf,
    tape: usize,
    asm: bool,
}

impl Arguments {
    /// `None` if help is asked for.
    fn read(given: &[OsString]) -> Result<Option<Arguments>, String> {
        let (mut file, mut tape, mut asm) = (None, 30_000, false);
        let mut given = given.iter();
        while let Some(argument) = given.next() {
            match argument.to_str() {
                Some("--help" | "-h") => return Ok(None),
                Some("--asm") => asm = true,
                Some("--tape") => {
                    let number = given.next().ok_or("`--tape` wants a number of cells behind it")?;
                    tape = number
                        .to_str()
                        .and_then(|n| n.parse().ok())
                        .filter(|n| (1..=LONGEST_TAPE).contains(n))
                        .ok_or_else(|| {
                            format!(
                                "`--tape {}`: a number from 1 to {} is wanted",
                                number.display(),
                                LONGEST_TAPE
                            )
                        })?;
                }
                Some(other) if other.starts_with('-') => {
                    return Err(format!("`{other}` is no option; try `--help`"));
                }
                _ => {
                    if let Some(first) = file.replace(PathBuf::from(argument)) {
                        let (first, second) = (first.display(), argument.display());
                        return Err(format!("two files, {first} and {second}; give one"));
                    }
                }
            }
        }
        let file = file.ok_or("no FILE was given; try `--help`")?;
        Ok(Some(Arguments { file, tape, asm }))
    }
}

/// Do what the command line asks for.
pub(crate) fn run(
    arguments: &[OsString],
    input: impl Read,
    mut output: impl Write,
    errors: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let Some(arguments) = Arguments::read(arguments)? else {
        return Ok(output.write_all(USAGE.as_bytes())?);
    };
    let name = arguments.file.display();
    let source = std::fs::read(&arguments.file).map_err(|e| format!("{name}: {e}"))?;
    let place = |at| place(&source, at);
    let tape = Vec::<u8>::new().try_reserve_exact(arguments.tape);
    tape.map_err(|_| format!("there is no memory for {} cells; give a smaller `--tape`", arguments.tape))?;

    let start = Instant::now();
    let compiled = Compiled::new(&source, arguments.tape).map_err(|refused| match &refused {
        Refused::Unbalanced(unbalanced) => format!("{name}:{}: {refused}", place(unbalanced.at)),
        _ => format!("{name}: {refused}"),
    })?;
    let compile_time = start.elapsed();
    if arguments.asm {
        disassemble(&compiled.code).iter().try_for_each(|line| writeln!(errors, "{line}"))?;
    }

    let start = Instant::now();
    let (mut live, ended) = compiled.run(Live::new(input, output));
    let native = start.elapsed().saturating_sub(live.waited);
    // What the program wrote before it failed is seen before the failure.
    let flushed = live.flush();
    match ended {
        Ok(()) => flushed?,
        Err(Stop::Console(error)) => return Err(error.into()),
        Err(stop @ Stop::Outside { at, .. }) => return Err(format!("{name}:{}: {stop}", place(at)).into()),
    }
    writeln!(
        errors,
        "compiled     {} operations, {} bytes of code, in {compile_time:.1?}\nran          {native:.3?}",
        compiled.operations,
        compiled.code.len()
    )?;
    compare(&source, arguments.tape, &live, native, errors)
}

/// Interpret the program with the input that it has read, and tell how long that takes.
fn compare<I: Read, O: Write>(
    source: &[u8],
    tape: usize,
    live: &Live<I, O>,
    native: Duration,
    errors: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let interpreter = Interpreter::new(Operations::of(source).collect::<Result<_, _>>()?);
    let mut replay = Replay::of(&live.read);
    let start = Instant::now();
    let ended = interpreter.run(tape, &mut replay, native * 20 + Duration::from_secs(1))?;
    let interpreted = start.elapsed();
    write!(errors, "interpreted  {interpreted:.3?}")?;
    if ended.is_break() {
        return Ok(writeln!(errors, ", and stopped before its end")?);
    }
    if replay.written != live.written {
        return Err("the interpreter wrote something else".into());
    }
    let times = interpreted.as_secs_f64() / native.as_secs_f64().max(1e-9);
    Ok(writeln!(errors, ", {times:.1} times as long, with the same output")?)
}

/// Line and column of a place in the source, counted from 1, as editors count.
fn place(source: &[u8], at: usize) -> String {
    let before = &source[..at];
    let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
    let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |n| n + 1);
    format!("{line}:{}", 1 + String::from_utf8_lossy(&before[start..]).chars().count())
}
