//! A program in its text form, with calls and what must come out of them.

use crate::error::VmError;
use crate::module::Module;
use crate::op::FuncId;
use crate::value::Value;
use crate::verify::Program;
use core::fmt;

/// A program and calls of its functions.
///
/// As a file it is the [text form](crate::text) with comments that begin `; expect:`. Each is a call and
/// what [`outcome`] makes of it:
///
/// ```text
/// ; expect: half(7) = 3
/// ; expect: half(true) ! div wants two integers, got bool and int, in `half` at 2
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// The program as it was written.
    pub module: Module,
    /// The same, verified.
    pub program: Program,
    /// The calls, in the order of the file.
    pub cases: Vec<Case>,
}

/// One call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// What is called.
    pub function: FuncId,
    /// With what.
    pub arguments: Vec<Value>,
    /// What must come out of it, as [`outcome`] says it; empty if that is not known.
    pub expected: String,
}

/// How a call ended, on one line: `= 42`, or `!` and the error.
#[must_use]
pub fn outcome(result: &Result<Value, VmError>) -> String {
    match result {
        Ok(value) => format!("= {value}"),
        Err(error) => format!("! {error}"),
    }
}

/// What is wrong with a script: where it stands in the file, and what would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScriptError(pub String);

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for ScriptError {}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// What the parser or the verifier says, or the first `; expect:` that is no call.
    pub fn parse(text: &str) -> Result<Script, ScriptError> {
        let module = crate::text::parse(text).map_err(|e| ScriptError(e.to_string()))?;
        let program = module.clone().verify().map_err(|e| ScriptError(e.to_string()))?;
        let mut cases = vec![];
        for (i, line) in text.lines().enumerate() {
            if let Some(call) = line.trim().strip_prefix("; expect:") {
                let case = case(&program, call.trim());
                cases.push(case.map_err(|message| ScriptError(format!("{}: {message}", i + 1)))?);
            }
        }
        Ok(Script { module, program, cases })
    }

    /// A case as the file says it, but for the outcome: `fib(10)`.
    #[must_use]
    pub fn call(&self, case: &Case) -> String {
        let arguments: Vec<String> = case.arguments.iter().map(Value::to_string).collect();
        format!("{}({})", self.program.function(case.function).name(), arguments.join(", "))
    }
}

fn case(program: &Program, text: &str) -> Result<Case, String> {
    const EXAMPLE: &str = "write `; expect: NAME(ARGUMENT, ..) = VALUE` or `.. ! ERROR`";
    let (name, rest) = text.split_once('(').ok_or(EXAMPLE)?;
    let (arguments, expected) = rest.split_once(')').ok_or(EXAMPLE)?;
    let function = program.find(name).ok_or_else(|| format!("there is no function `{name}`"))?;
    let arguments = arguments.split(',').map(str::trim).filter(|word| !word.is_empty()).map(value);
    Ok(Case {
        function,
        arguments: arguments.collect::<Result<_, _>>()?,
        expected: expected.trim().to_owned(),
    })
}

/// An integer, with `MIN` and `MAX` for the two at the ends, or a boolean.
pub(super) fn value(word: &str) -> Result<Value, String> {
    match word {
        "true" => Ok(Value::bool(true)),
        "false" => Ok(Value::bool(false)),
        "MIN" => Ok(Value::int(i64::MIN)),
        "MAX" => Ok(Value::int(i64::MAX)),
        _ => word.parse().map(Value::int).map_err(|_| format!("`{word}` is no integer and no boolean")),
    }
}

/// The file, in which all calls stand at the end.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.module)?;
        self.cases.iter().try_for_each(|case| {
            let line = format!("; expect: {} {}", self.call(case), case.expected);
            writeln!(f, "{}", line.trim_end())
        })
    }
}
