//! Modules: functions as somebody wrote them, not yet to be trusted.
//!
//! The builder, the text form and any front end produce this plain data; nothing in it is checked
//! except that it is made of instructions. [`Module::verify`](Module::verify) turns it into a
//! [`Program`](crate::Program), and only a program runs.

use crate::op::Op;
use crate::value::Value;
use std::collections::HashMap;

/// Most functions in a module.
pub const MAX_FUNCTIONS: usize = 1 << 20;
/// Most locals in a function, parameters included. The numbers of locals have sixteen bits.
pub const MAX_LOCALS: u16 = u16::MAX;
/// Most instructions in a function.
pub const MAX_CODE: usize = 1 << 24;
/// Deepest operand stack of a function. With [`MAX_LOCALS`] it keeps the offset of a slot within 32 bits.
pub const MAX_STACK: u32 = 65_535;

/// One function of a module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Function {
    /// Its name, unique in the module.
    pub name: String,
    /// How many arguments it takes. They are its first locals.
    pub params: u16,
    /// How many locals it has, parameters included. Those that are no parameters start as the integer 0.
    pub locals: u16,
    /// Its instructions.
    pub code: Vec<Op>,
    /// The pool that `constant` reads.
    pub constants: Vec<Value>,
    /// The source line of each instruction; or empty, if there are none.
    pub lines: Vec<u32>,
}

/// Functions that may call each other. The number of a function is its index.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Module {
    /// The functions.
    pub functions: Vec<Function>,
}

impl Module {
    /// The names, each with the number of the first function that has it.
    #[must_use]
    pub fn first_of_each_name(&self) -> HashMap<&str, u32> {
        let mut first = HashMap::new();
        for (function, number) in self.functions.iter().zip(0..) {
            first.entry(function.name.as_str()).or_insert(number);
        }
        first
    }
}
