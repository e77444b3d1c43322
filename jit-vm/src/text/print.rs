//! From modules to text.

use super::is_word;
use crate::module::{Function, Module};
use crate::op::{FuncId, Op, Operand};
use crate::verify::Program;
use core::fmt;

/// A name as it stands in the text: quoted unless it is a plain word.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_word(self.0) { f.write_str(self.0) } else { write!(f, "\"{}\"", self.0.escape_default()) }
    }
}

/// An instruction of `function`, without labels: a jump goes to `@N`.
fn instruction<'a>(
    f: &mut fmt::Formatter<'_>,
    op: Op,
    function: &Function,
    name_of: impl Fn(FuncId) -> Option<&'a str>,
) -> fmt::Result {
    f.write_str(op.info().name)?;
    match op.operand() {
        None => Ok(()),
        Some(Operand::Int(value)) => write!(f, " {value}"),
        Some(Operand::Bool(value)) => write!(f, " {value}"),
        Some(Operand::Local(local)) => write!(f, " {local}"),
        Some(Operand::Target(target)) => write!(f, " @{}", target.0),
        Some(Operand::Constant(id)) => match function.constants.get(id.0 as usize) {
            Some(value) => write!(f, " {value}"),
            None => write!(f, " #{}", id.0),
        },
        Some(Operand::Function(id)) => match name_of(id) {
            Some(name) => write!(f, " {}", Name(name)),
            None => write!(f, " #{}", id.0),
        },
    }
}

/// The text form, which [`parse`](super::parse) reads.
impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first_of_name = self.first_of_each_name();
        for (i, function) in self.functions.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            // The parser finds a function again by a name only if it is the first that has it.
            print_function(f, function, |id| {
                let name = self.functions.get(id.index())?.name.as_str();
                (first_of_name.get(name) == Some(&id.0)).then_some(name)
            })?;
        }
        Ok(())
    }
}

fn print_function<'a>(
    f: &mut fmt::Formatter<'_>,
    function: &Function,
    name_of: impl Fn(FuncId) -> Option<&'a str>,
) -> fmt::Result {
    let Function { name, params, locals, code, lines, .. } = function;
    write!(f, "func {}({params})", Name(name))?;
    if locals != params {
        write!(f, " locals {locals}")?;
    }
    f.write_str(" {\n")?;
    // The label of a target is its place in their order. A target beyond the end has none.
    let targets = code.iter().filter_map(|op| op.target()).filter(|&t| t as usize <= code.len());
    let mut targets: Vec<u32> = targets.collect();
    targets.sort_unstable();
    targets.dedup();
    let label_of = |pc: u32| targets.binary_search(&pc).ok();
    let mut last_line = None;
    for pc in 0..=code.len() as u32 {
        if let Some(label) = label_of(pc) {
            writeln!(f, "L{label}:")?;
        }
        let Some(&op) = code.get(pc as usize) else { break };
        let line = lines.get(pc as usize).copied();
        if let Some(line) = line.filter(|_| line != last_line) {
            writeln!(f, "    .line {line}")?;
        }
        last_line = line;
        f.write_str("    ")?;
        match op.target().and_then(label_of) {
            Some(label) => write!(f, "{} L{label}", op.info().name)?,
            None => instruction(f, op, function, &name_of)?,
        }
        f.write_str("\n")?;
    }
    f.write_str("}\n")
}

impl Program {
    /// Instruction `pc` of a function as text, for listings: `call fib`, or `jump @12`.
    ///
    /// # Panics
    /// If there is no such instruction.
    #[must_use]
    pub fn instruction(&self, function: FuncId, pc: u32) -> impl fmt::Display {
        struct Instruction<'a>(&'a Program, FuncId, Op);
        impl fmt::Display for Instruction<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Instruction(program, function, op) = *self;
                instruction(f, op, program.function(function).as_written(), |id| {
                    Some(program.function(id).name())
                })
            }
        }
        Instruction(self, function, self.function(function).code()[pc as usize])
    }
}
