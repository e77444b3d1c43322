//! The builder: modules out of method calls, with labels.
//!
//! Whoever translates a language wants to name a jump's target before it knows its position, and a
//! function before it has its code. So functions are declared first and defined later, and a jump goes
//! to a [`Label`] that is placed before or after. One method an instruction, with the instruction's
//! name, comes from the table of the bytecode.
//!
//! Invariants: what comes out is a plain [`Module`]; the builder only sees to labels and names, and
//! everything else is the verifier's to judge. Mistakes are collected and reported by
//! [`ModuleBuilder::finish`], all at once.
//!
//! Cost: linear in the code; labels are resolved in one pass at the end.
//!
//! ```
//! use jit_vm::{FunctionBuilder, Interpreter, ModuleBuilder, Value};
//!
//! let mut module = ModuleBuilder::new();
//! let factorial = module.declare("factorial", 1);
//! let mut f = FunctionBuilder::new(1);
//! let more = f.label();
//! f.get(0).int(0).gt().jump_if(more);
//! f.int(1).ret();
//! f.place(more);
//! f.get(0).get(0).int(1).sub().call(factorial).mul().ret();
//! module.define(factorial, f);
//! let program = module.finish()?.verify()?;
//! assert_eq!(Interpreter::new(100).run(&program, factorial, &[Value::int(5)])?, Value::int(120));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::module::{Function, MAX_LOCALS, Module};
use crate::op::{ConstId, FuncId, Op, Target, for_each_op};
use crate::value::Value;
use core::fmt;
use std::collections::HashMap;

/// A place in a function that jumps go to. It belongs to the [`FunctionBuilder`] that made it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Label(u32);

/// Builds one function.
#[derive(Clone, Debug, Default)]
pub struct FunctionBuilder {
    function: Function,
    /// Where each label was placed.
    labels: Vec<Option<u32>>,
    constants: HashMap<Value, ConstId>,
    line: Option<u32>,
    mistakes: Vec<String>,
}

/// The type of what a method of the builder takes for an operand.
macro_rules! given {
    (ConstId) => {
        Value
    };
    (Target) => {
        Label
    };
    ($itself:ident) => {
        $itself
    };
}

/// Turns what a method takes into the operand of the instruction.
trait Lower: Sized {
    type Given;
    fn lower(given: Self::Given, builder: &mut FunctionBuilder) -> Self;
}

macro_rules! lowered_as_they_are {
    ($($ty:ty),*) => {$(
        impl Lower for $ty {
            type Given = $ty;
            fn lower(given: $ty, _: &mut FunctionBuilder) -> $ty { given }
        }
    )*};
}
lowered_as_they_are!(i32, bool, u16, FuncId);

/// A constant is given by its value.
impl Lower for ConstId {
    type Given = Value;
    fn lower(value: Value, builder: &mut FunctionBuilder) -> ConstId {
        let pool = &mut builder.function.constants;
        *builder.constants.entry(value).or_insert_with(|| {
            pool.push(value);
            ConstId(pool.len() as u32 - 1)
        })
    }
}

/// A jump keeps the number of its label until the function is finished.
impl Lower for Target {
    type Given = Label;
    fn lower(label: Label, _: &mut FunctionBuilder) -> Target {
        Target(label.0)
    }
}

macro_rules! define_methods {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident $name:ident $(($operand:ident: $ty:ident))? [$pops:expr => $pushes:expr]
        $flow:ident {$($throws:ident)*}
    )*) => {
        /// One method an instruction.
        #[allow(clippy::should_implement_trait)] // `add` and the others are the bytecode's names
        impl FunctionBuilder {
            $(
                $(#[doc = $doc])+
                pub fn $name(&mut self $(, $operand: given!($ty))?) -> &mut FunctionBuilder {
                    $(let $operand = <$ty as Lower>::lower($operand, self);)?
                    self.op(Op::$variant $(($operand))?)
                }
            )*
        }
    };
}
for_each_op!(define_methods);

impl FunctionBuilder {
    /// A function with `params` parameters, which are its first locals, and no instructions yet.
    #[must_use]
    pub fn new(params: u16) -> FunctionBuilder {
        let function = Function { params, locals: params, ..Function::default() };
        FunctionBuilder { function, ..FunctionBuilder::default() }
    }

    /// One more local, which starts as the integer 0.
    pub fn local(&mut self) -> u16 {
        let local = self.function.locals;
        if local < MAX_LOCALS {
            self.function.locals += 1;
        } else {
            self.mistakes.push(format!("more than {MAX_LOCALS} locals; keep values on the stack"));
        }
        local
    }

    /// A label that has no place yet.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() as u32 - 1)
    }

    /// Places `label` before the instruction that comes next.
    pub fn place(&mut self, label: Label) -> &mut FunctionBuilder {
        let here = self.position();
        match self.labels.get_mut(label.0 as usize) {
            Some(place @ None) => *place = Some(here),
            Some(Some(first)) => {
                let mistake = format!("label {} is placed at {first} and at {here}; use two labels", label.0);
                self.mistakes.push(mistake);
            }
            None => {
                self.mistakes.push(format!("label {} is of another function; make it with `label`", label.0))
            }
        }
        self
    }

    /// The position of the instruction that comes next.
    #[must_use]
    pub fn position(&self) -> u32 {
        self.function.code.len() as u32
    }

    /// Pushes an integer of any size, from the constant pool if `int` has no room for it.
    pub fn integer(&mut self, value: i64) -> &mut FunctionBuilder {
        match i32::try_from(value) {
            Ok(small) => self.int(small),
            Err(_) => self.constant(Value::int(value)),
        }
    }

    /// The source line of the instructions that follow. Those before the first call belong to line 0.
    pub fn line(&mut self, line: u32) -> &mut FunctionBuilder {
        self.line = Some(line);
        self
    }

    /// An instruction that was chosen at run time: `f.op(Op::Add)` is `f.add()`. The target of a jump is
    /// the number of a label here, so use the jump's own method.
    pub fn op(&mut self, op: Op) -> &mut FunctionBuilder {
        if let Some(line) = self.line {
            // Instructions from before there were lines.
            self.function.lines.resize(self.function.code.len(), 0);
            self.function.lines.push(line);
        }
        self.function.code.push(op);
        self
    }

    /// The function, its jumps resolved, and what is wrong with its labels.
    fn finish(mut self) -> (Function, Vec<String>) {
        for (op, pc) in self.function.code.iter_mut().zip(0..) {
            let (Op::Jump(target) | Op::JumpIf(target) | Op::JumpIfNot(target)) = op else { continue };
            match self.labels.get(target.0 as usize) {
                Some(Some(place)) => *target = Target(*place),
                Some(None) => self.mistakes.push(format!("label {}, used at {pc}, has no place", target.0)),
                None => {
                    self.mistakes.push(format!("label {}, used at {pc}, is of another function", target.0))
                }
            }
        }
        (self.function, self.mistakes)
    }
}

/// Builds a module.
#[derive(Clone, Debug, Default)]
pub struct ModuleBuilder {
    /// The name and parameters of each function, and its code once it is defined.
    functions: Vec<(String, u16, Option<FunctionBuilder>)>,
    mistakes: Vec<String>,
}

impl ModuleBuilder {
    /// A module without functions.
    #[must_use]
    pub fn new() -> ModuleBuilder {
        ModuleBuilder::default()
    }

    /// A function of which the name and the number of parameters are known, so that it can be called.
    pub fn declare(&mut self, name: &str, params: u16) -> FuncId {
        self.functions.push((name.to_owned(), params, None));
        FuncId(self.functions.len() as u32 - 1)
    }

    /// The code of a declared function.
    pub fn define(&mut self, id: FuncId, code: FunctionBuilder) {
        let Some((name, params, place)) = self.functions.get_mut(id.index()) else {
            self.mistakes.push(format!("function {} is not of this module; make it with `declare`", id.0));
            return;
        };
        if *params != code.function.params {
            let built = code.function.params;
            self.mistakes
                .push(format!("`{name}` is declared with {params} parameters and built with {built}"));
        }
        if place.replace(code).is_some() {
            self.mistakes.push(format!("`{name}` is defined twice"));
        }
    }

    /// Declares and defines at once, for functions that nobody calls before they are there.
    pub fn function(&mut self, name: &str, code: FunctionBuilder) -> FuncId {
        let id = self.declare(name, code.function.params);
        self.define(id, code);
        id
    }

    /// The module, to be verified.
    ///
    /// # Errors
    /// Every label and every function that is used and missing, or there twice.
    pub fn finish(mut self) -> Result<Module, BuildErrors> {
        let mut functions = vec![];
        for (name, _, code) in self.functions {
            let Some(code) = code else {
                self.mistakes.push(format!("`{name}` is declared and not defined"));
                continue;
            };
            let (mut function, mistakes) = code.finish();
            self.mistakes.extend(mistakes.into_iter().map(|mistake| format!("`{name}`: {mistake}")));
            function.name = name;
            functions.push(function);
        }
        if self.mistakes.is_empty() { Ok(Module { functions }) } else { Err(BuildErrors(self.mistakes)) }
    }
}

/// What a builder was told that cannot be, one sentence each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BuildErrors(pub Vec<String>);

/// One mistake a line.
impl fmt::Display for BuildErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|mistake| writeln!(f, "{mistake}"))
    }
}

impl core::error::Error for BuildErrors {}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn constants_and_lines_are_kept_once() {
        let mut f = FunctionBuilder::new(0);
        f.integer(1 << 40).line(3).integer(1 << 40).add().line(4);
        f.constant(Value::int(1)).constant(Value::bool(true)).integer(1).ret();
        let (function, mistakes) = f.finish();
        assert_eq!(mistakes, Vec::<String>::new());
        assert_eq!(function.constants, [Value::int(1 << 40), Value::int(1), Value::bool(true)]);
        assert_eq!(function.lines, [0, 3, 3, 4, 4, 4, 4]);
    }

    #[test]
    fn mistakes_come_all_at_once() {
        let mut module = ModuleBuilder::new();
        let f = module.declare("f", 2);
        module.declare("g", 0);
        module.define(f, FunctionBuilder::new(1));
        module.define(f, FunctionBuilder::new(2));
        module.define(FuncId(9), FunctionBuilder::new(0));
        module.define(f, {
            let mut code = FunctionBuilder::new(2);
            let (twice, never) = (code.label(), code.label());
            code.place(twice).jump(never).place(twice).jump(twice).place(Label(7)).jump(Label(8));
            code
        });
        expect![[r#"
            `f` is declared with 2 parameters and built with 1
            `f` is defined twice
            function 9 is not of this module; make it with `declare`
            `f` is defined twice
            `f`: label 0 is placed at 0 and at 1; use two labels
            `f`: label 7 is of another function; make it with `label`
            `f`: label 1, used at 0, has no place
            `f`: label 8, used at 2, is of another function
            `g` is declared and not defined
        "#]]
        .assert_eq(&module.finish().unwrap_err().to_string());
    }
}
