//! The verifier: from a module that anybody wrote to a program that may run.
//!
//! The interpreter and native code look nothing up twice: they take the depth of the operand stack, the
//! range of every operand and the target of every jump for granted. So all of it is proved once, before
//! anything runs. The proof is one walk over the reachable instructions: each is reached with one depth
//! of the operand stack, whichever way control came.
//!
//! An accepted program keeps these promises, on which native code relies:
//! 1. every operand is in range: locals, constants, functions, and jumps;
//! 2. at each reachable position the operand stack has one known depth, never below 0 and never above
//!    [`Verified::max_stack`];
//! 3. control never runs past the end of a function;
//! 4. a frame has at least one local, so the frame of a callee stands at least one slot above its
//!    caller's, and no recursion goes on for ever without growing the stack.
//!
//! Kinds are not part of it: they are checked when an operator runs.
//!
//! Cost: linear in the code; eight bytes an instruction of lasting facts.

use crate::module::{Function, MAX_CODE, MAX_FUNCTIONS, MAX_STACK, Module};
use crate::op::{Flow, FuncId, Op, Operand};
use crate::value::Value;
use core::fmt;
use std::collections::HashMap;

/// A verified module. Immutable and shareable between threads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    functions: Box<[Verified]>,
    by_name: HashMap<String, FuncId>,
}

impl Program {
    /// A function by its number.
    ///
    /// # Panics
    /// If the number is not one of this program's functions. Those in its own code always are.
    #[must_use]
    #[inline]
    pub fn function(&self, id: FuncId) -> &Verified {
        &self.functions[id.index()]
    }

    /// The number of the function with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<FuncId> {
        self.by_name.get(name).copied()
    }

    /// All functions, in the order of their numbers.
    pub fn functions(&self) -> impl ExactSizeIterator<Item = (FuncId, &Verified)> {
        self.functions.iter().enumerate().map(|(i, f)| (FuncId(i as u32), f))
    }

    /// The module it was verified from, but for the unused local that promise 4 adds.
    #[must_use]
    pub fn to_module(&self) -> Module {
        Module { functions: self.functions.iter().map(|f| f.function.clone()).collect() }
    }
}

/// A verified function and what was found out about it.
///
/// A frame of it is [`frame_size`](Verified::frame_size) slots of the VM's stack: the locals, and above
/// them the operand stack. Operand `k`, counted from the bottom, is slot `locals + k`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    function: Function,
    points: Box<[Point]>,
    max_stack: u32,
}

/// What is known of one position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Point {
    /// Depth of the operand stack before the instruction; `u32::MAX` if nothing reaches it.
    depth: u32,
    jump_target: bool,
    loop_header: bool,
}

impl Point {
    const UNREACHED: Point = Point { depth: u32::MAX, jump_target: false, loop_header: false };
}

impl Verified {
    /// The function it was verified from, but for the unused local that promise 4 adds.
    #[must_use]
    pub fn as_written(&self) -> &Function {
        &self.function
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.function.name
    }

    /// How many arguments it takes.
    #[must_use]
    #[inline]
    pub fn params(&self) -> usize {
        self.function.params.into()
    }

    /// Slots of locals in a frame: parameters and others, and at least one.
    #[must_use]
    #[inline]
    pub fn locals(&self) -> usize {
        self.function.locals.into()
    }

    /// The instructions.
    #[must_use]
    #[inline]
    pub fn code(&self) -> &[Op] {
        &self.function.code
    }

    /// The constant pool.
    #[must_use]
    #[inline]
    pub fn constants(&self) -> &[Value] {
        &self.function.constants
    }

    /// The greatest depth of the operand stack.
    #[must_use]
    pub fn max_stack(&self) -> usize {
        self.max_stack as usize
    }

    /// Slots of a frame: locals and the deepest operand stack.
    #[must_use]
    #[inline]
    pub fn frame_size(&self) -> usize {
        self.locals() + self.max_stack as usize
    }

    /// The depth of the operand stack before instruction `pc`; `None` if nothing reaches it.
    ///
    /// # Panics
    /// If the function has no instruction `pc`.
    #[must_use]
    #[inline]
    pub fn depth(&self, pc: u32) -> Option<usize> {
        let depth = self.points[pc as usize].depth;
        (depth != u32::MAX).then_some(depth as usize)
    }

    /// Whether some reachable jump goes to `pc`.
    ///
    /// # Panics
    /// If the function has no instruction `pc`.
    #[must_use]
    pub fn is_jump_target(&self, pc: u32) -> bool {
        self.points[pc as usize].jump_target
    }

    /// Whether some reachable jump goes back to `pc`, from there or from a later position.
    ///
    /// # Panics
    /// If the function has no instruction `pc`.
    #[must_use]
    pub fn is_loop_header(&self, pc: u32) -> bool {
        self.points[pc as usize].loop_header
    }

    /// The source line of instruction `pc`, if the function has lines.
    #[must_use]
    pub fn line(&self, pc: u32) -> Option<u32> {
        self.function.lines.get(pc as usize).copied()
    }
}

/// One thing the verifier does not accept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyError {
    /// The name of the function, or `#` and its number if it has none; empty if the error is of the module.
    pub function: String,
    /// The position, if it is an instruction that is at fault.
    pub pc: Option<u32>,
    /// What is wrong, and what would do.
    pub message: String,
}

/// ``fib at 3: `add` needs 2 operands, and 1 is there; ...``
impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.function.as_str(), self.pc) {
            ("", _) => write!(f, "module: {}", self.message),
            (name, None) => write!(f, "`{name}`: {}", self.message),
            (name, Some(pc)) => write!(f, "`{name}` at {pc}: {}", self.message),
        }
    }
}

impl core::error::Error for VerifyError {}

/// Everything the verifier does not accept, in the order of functions and, within one, of positions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyErrors(pub Vec<VerifyError>);

/// One error a line.
impl fmt::Display for VerifyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|error| writeln!(f, "{error}"))
    }
}

impl core::error::Error for VerifyErrors {}

impl Module {
    /// Proves the promises of [the verifier](crate::verify).
    ///
    /// # Errors
    /// Every one that was found, not only the first. Within one function, what follows from an error
    /// already reported is not reported again.
    pub fn verify(self) -> Result<Program, VerifyErrors> {
        let mut errors = vec![];
        let by_name = names(&self, &mut errors);
        let mut facts = Vec::with_capacity(self.functions.len());
        for number in 0..self.functions.len() {
            let mut check = Check::new(&self, number);
            check.whole();
            errors.append(&mut check.errors);
            facts.push((check.points, check.max_stack));
        }
        if !errors.is_empty() {
            return Err(VerifyErrors(errors));
        }
        let verified = |(mut function, (points, max_stack)): (Function, (Vec<Point>, u32))| {
            function.locals = function.locals.max(1);
            Verified { function, points: points.into(), max_stack }
        };
        Ok(Program { functions: self.functions.into_iter().zip(facts).map(verified).collect(), by_name })
    }
}

/// The functions by name.
fn names(module: &Module, errors: &mut Vec<VerifyError>) -> HashMap<String, FuncId> {
    let mut error = |function: &str, message: String| {
        errors.push(VerifyError { function: function.to_owned(), pc: None, message });
    };
    let count = module.functions.len();
    if count > MAX_FUNCTIONS {
        error("", format!("{count} functions; the limit is {MAX_FUNCTIONS}, so split the module"));
    }
    let mut by_name = HashMap::new();
    for (i, function) in module.functions.iter().enumerate() {
        if function.name.is_empty() {
            error("", format!("function {i} has no name; give it one"));
        }
        if let Some(FuncId(first)) = by_name.insert(function.name.clone(), FuncId(i as u32)) {
            let message = format!("functions {first} and {i} have the same name; rename one of them");
            error(&function.name, message);
        }
    }
    by_name
}

/// The check of one function.
struct Check<'a> {
    module: &'a Module,
    number: usize,
    function: &'a Function,
    points: Vec<Point>,
    max_stack: u32,
    errors: Vec<VerifyError>,
}

impl<'a> Check<'a> {
    fn new(module: &'a Module, number: usize) -> Check<'a> {
        let function = &module.functions[number];
        Check { module, number, function, points: vec![], max_stack: 0, errors: vec![] }
    }

    fn error(&mut self, pc: impl Into<Option<u32>>, message: String) {
        let function = match self.function.name.as_str() {
            "" => format!("#{}", self.number),
            name => name.to_owned(),
        };
        self.errors.push(VerifyError { function, pc: pc.into(), message });
    }

    fn whole(&mut self) {
        let Function { params, locals, code, lines, .. } = self.function;
        let length = code.len();
        if params > locals {
            self.error(
                None,
                format!("{params} parameters in {locals} locals; declare at least {params} locals"),
            );
        }
        if !lines.is_empty() && lines.len() != length {
            self.error(
                None,
                format!("{} lines for {length} instructions; give one for each, or none", lines.len()),
            );
        }
        if length == 0 {
            self.error(None, "no instructions; the least is `int 0`, `ret`".to_owned());
        } else if length > MAX_CODE {
            self.error(
                None,
                format!("{length} instructions; the limit is {MAX_CODE}, so split the function"),
            );
        } else {
            self.points = vec![Point::UNREACHED; length];
            for pc in 0..length as u32 {
                self.operand(pc);
            }
            self.depths();
            self.errors.sort_by_key(|e| e.pc);
        }
    }

    /// Promise 1 at `pc`, whether reachable or not.
    fn operand(&mut self, pc: u32) {
        let op = self.function.code[pc as usize];
        let name = op.info().name;
        let out_of = |what: &str, number: u32, count: usize| {
            let have = match count {
                0 => format!("there is no {what}"),
                1 => format!("the only {what} is 0"),
                n => format!("the last {what} is {}", n - 1),
            };
            format!("`{name} {number}`: {have}")
        };
        let Function { locals, constants, code, .. } = self.function;
        let message = match op.operand() {
            Some(Operand::Local(local)) if local >= *locals => {
                out_of("local", local.into(), (*locals).into())
            }
            Some(Operand::Constant(id)) if id.0 as usize >= constants.len() => {
                out_of("constant", id.0, constants.len())
            }
            Some(Operand::Function(id)) if id.index() >= self.module.functions.len() => {
                out_of("function", id.0, self.module.functions.len())
            }
            Some(Operand::Target(target)) if target.0 as usize >= code.len() => {
                out_of("instruction", target.0, code.len())
            }
            _ => return,
        };
        self.error(pc, message);
    }

    /// Promises 2 and 3: follows control from the entry with the depth it has.
    fn depths(&mut self) {
        self.points[0].depth = 0;
        let mut reached = vec![0];
        while let Some(pc) = reached.pop() {
            let op = self.function.code[pc as usize];
            let Some(depth) = self.depth_after(pc, op) else { continue };
            if let Some(target) = op.target() {
                self.flow_to(pc, target, depth, &mut reached);
                if let Some(point) = self.points.get_mut(target as usize) {
                    point.jump_target = true;
                    point.loop_header |= target <= pc;
                }
            }
            if matches!(op.info().flow, Flow::Next | Flow::Branch) {
                if pc as usize + 1 == self.function.code.len() {
                    self.error(pc, "control runs past the end; end with `ret` or `jump`".to_owned());
                } else {
                    self.flow_to(pc, pc + 1, depth, &mut reached);
                }
            }
        }
    }

    /// The depth after `op` at `pc`, or nothing after an error.
    fn depth_after(&mut self, pc: u32, op: Op) -> Option<u32> {
        let info = op.info();
        let pops = match op {
            // A callee out of range has been reported.
            Op::Call(callee) => self.module.functions.get(callee.index())?.params.into(),
            _ => u32::from(info.pops.unwrap_or(0)),
        };
        let depth = self.points[pc as usize].depth;
        let Some(rest) = depth.checked_sub(pops) else {
            let message =
                format!("`{}` takes {pops} from a stack of {depth}; push {} more", info.name, pops - depth);
            self.error(pc, message);
            return None;
        };
        let after = rest + u32::from(info.pushes);
        if after > MAX_STACK {
            self.error(pc, format!("the operand stack is deeper than {MAX_STACK}; keep values in locals"));
            return None;
        }
        self.max_stack = self.max_stack.max(after);
        Some(after)
    }

    /// Control gets from `from` to `to` with `depth` operands.
    fn flow_to(&mut self, from: u32, to: u32, depth: u32, reached: &mut Vec<u32>) {
        // A target out of range has been reported.
        let Some(point) = self.points.get_mut(to as usize) else { return };
        if point.depth == u32::MAX {
            point.depth = depth;
            reached.push(to);
        } else if point.depth != depth {
            let other = point.depth;
            self.error(
                to,
                format!(
                    "reached with {depth} operands from {from} and with {other} another way; make them equal"
                ),
            );
        }
    }
}
