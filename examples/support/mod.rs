//! What the examples share: their command line, the tiers they compare and the table they print.

mod exit;

pub(crate) use exit::finish;
use jit_vm::{FuncId, Options, Program, Value, Vm, text};
use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the command line asks for.
pub(crate) struct Arguments {
    /// The number to compute with.
    pub(crate) number: i64,
    /// Whether to print the native code.
    pub(crate) asm: bool,
}

impl Arguments {
    /// Read the command line; `None` if it asked for help, which has then been printed.
    pub(crate) fn read(name: &str, default: i64) -> Result<Option<Arguments>, String> {
        let (mut given, mut asm) = (None, false);
        for argument in std::env::args_os().skip(1) {
            match &*argument.to_string_lossy() {
                "--asm" => asm = true,
                "--help" | "-h" => {
                    println!("usage: {name} [N] [--asm]\n");
                    println!("  N      an integer; {default} if it is left out");
                    println!("  --asm  print the native code beside the bytecode");
                    return Ok(None);
                }
                number => {
                    let wrong =
                        |e| format!("`{number}` is neither an integer ({e}) nor `--asm`; try `--help`");
                    if let Some(first) = given.replace(number.parse().map_err(wrong)?) {
                        return Err(format!("two numbers, {first} and {number}; give one"));
                    }
                }
            }
        }
        Ok(Some(Arguments { number: given.unwrap_or(default), asm }))
    }
}

/// A verified program and the function of it that the example is about.
pub(crate) fn load(source: &str, name: &str) -> Result<(Arc<Program>, FuncId), Box<dyn Error>> {
    let program = text::parse(source)?.verify()?;
    let function = program.find(name).ok_or("the source defines the function")?;
    Ok((Arc::new(program), function))
}

/// The tiers that are compared, each with its name; the interpreter first.
pub(crate) fn tiers() -> [(&'static str, Options); 3] {
    [
        ("interpreted", Options::interpreted()),
        ("compiled", Options::compiled()),
        ("tier-up after 1000 calls", Options::default()),
    ]
}

/// The result of `runs` calls in this tier, the same each time, and the shortest time of a call.
pub(crate) fn run(
    program: &Arc<Program>,
    options: Options,
    function: FuncId,
    argument: i64,
    runs: u32,
) -> Result<(Value, Duration), Box<dyn Error>> {
    let mut vm = Vm::new(Arc::clone(program), options)?;
    let mut best: Option<(Value, Duration)> = None;
    for _ in 0..runs {
        let start = Instant::now();
        let value = vm.call(function, &[Value::int(argument)])?;
        let time = start.elapsed();
        if best.is_some_and(|(other, _)| other != value) {
            return Err(format!("two calls gave different results: {value} is one of them").into());
        }
        best = Some((value, best.map_or(time, |(_, other)| other.min(time))));
    }
    best.ok_or_else(|| "no runs were asked for".into())
}

/// Print the native code of `function`, compiled without speculation.
pub(crate) fn print_code(program: &Arc<Program>, function: FuncId) -> Result<(), Box<dyn Error>> {
    let vm = Vm::new(Arc::clone(program), Options { listing: true, ..Options::compiled() })?;
    write!(io::stdout(), "\n{}", vm.listing(function).ok_or("a compiled function has a listing")?)?;
    Ok(())
}
