//! Errors of running programs, the same in every tier.
//!
//! An error is a value that says what went wrong and where: the function, the position of the
//! instruction, and the source line if the function has lines. The interpreter defines which error a
//! program ends with; a compiler that takes a slow path asks [`crate::semantics`] for it, so both can
//! only say the same.

use crate::op::{FuncId, Op};
use crate::value::Kind;
use crate::verify::Program;
use core::fmt;

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// An operator met a value of a kind it is not defined for.
    TypeMismatch {
        /// The operator.
        op: Op,
        /// What it met.
        operands: Operands,
    },
    /// A quotient or remainder by zero.
    DivisionByZero {
        /// The operator.
        op: Op,
    },
    /// No room on the stack for the frame of the function that was called; its position is 0 in that
    /// function.
    StackOverflow,
    /// A function was called from outside with more or fewer arguments than it has parameters.
    ArgumentCount {
        /// Parameters of the function.
        wanted: usize,
        /// Arguments given.
        got: usize,
    },
}

/// The kinds of the operands that an operator met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operands {
    /// Of a unary operator.
    One(Kind),
    /// Of a binary operator, left and right.
    Two(Kind, Kind),
}

/// The sentence without the position: `add wants two integers, got bool and int`.
impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::TypeMismatch { op, operands: Operands::One(got) } => {
                write!(f, "{} wants an integer, got {got}", op.info().name)
            }
            ErrorKind::TypeMismatch { op, operands: Operands::Two(lhs, rhs) } => {
                write!(f, "{} wants two integers, got {lhs} and {rhs}", op.info().name)
            }
            ErrorKind::DivisionByZero { op } => write!(f, "{} by zero", op.info().name),
            ErrorKind::StackOverflow => f.write_str("stack overflow"),
            ErrorKind::ArgumentCount { wanted, got } => {
                write!(f, "wrong number of arguments: it takes {wanted}, got {got}")
            }
        }
    }
}

/// An error of a running program and its position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VmError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// The function that was running.
    pub function: FuncId,
    /// Its name.
    pub name: String,
    /// The position of the instruction, an index of instructions.
    pub pc: u32,
    /// The source line of the instruction, if the function has lines.
    pub line: Option<u32>,
}

impl VmError {
    /// The error `kind` at instruction `pc` of `function`.
    #[must_use]
    #[cold]
    pub fn at(program: &Program, kind: ErrorKind, function: FuncId, pc: u32) -> VmError {
        let f = program.function(function);
        VmError { kind, function, name: f.name().to_owned(), pc, line: f.line(pc) }
    }
}

/// ``add wants two integers, got bool and int, in `fib` at 7``, and ` (line 3)` if there are lines.
impl fmt::Display for VmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, in `{}` at {}", self.kind, self.name, self.pc)?;
        self.line.map_or(Ok(()), |line| write!(f, " (line {line})"))
    }
}

impl core::error::Error for VmError {}
