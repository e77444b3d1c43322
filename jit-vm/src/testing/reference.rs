//! A slow interpreter that is obviously right: the dumb checker of the fast one and of the verifier.
//!
//! It shares no code with either: a frame is two vectors that grow and shrink, a call is a call, operators
//! are those of [`Expr`](super::Expr). At every instruction it holds what the verifier claims about the
//! position against the vectors it really has.

use super::expression::{binary, unary};
use crate::error::{ErrorKind, VmError};
use crate::op::{Flow, FuncId, Op};
use crate::value::Value;
use crate::verify::Program;

/// Runs `function` on a stack of `slots` values for at most `*fuel` instructions, and takes those it ran
/// off. `None` if they did not do.
///
/// # Panics
/// If a claim of the verifier does not hold.
pub fn reference(
    program: &Program,
    function: FuncId,
    arguments: &[Value],
    slots: usize,
    fuel: &mut u64,
) -> Option<Result<Value, VmError>> {
    let mut run = Run { program, slots, fuel };
    run.call(function, arguments, 0).map(|outcome| outcome.map_err(|e| *e))
}

struct Run<'a> {
    program: &'a Program,
    slots: usize,
    fuel: &'a mut u64,
}

impl Run<'_> {
    /// The outcome of a call, whose frame begins at slot `base`.
    fn call(&mut self, id: FuncId, arguments: &[Value], base: usize) -> Option<Result<Value, Box<VmError>>> {
        let f = self.program.function(id);
        let error = |kind, pc| Some(Err(Box::new(VmError::at(self.program, kind, id, pc))));
        if base + f.locals() + f.max_stack() > self.slots {
            return error(ErrorKind::StackOverflow, 0);
        }
        let mut locals = arguments.to_vec();
        locals.resize(f.locals(), Value::int(0));
        let mut operands: Vec<Value> = vec![];
        let pop = |operands: &mut Vec<Value>| operands.pop().expect("the verifier promised an operand");
        let mut pc = 0;
        loop {
            *self.fuel = self.fuel.checked_sub(1)?;
            assert_eq!(f.depth(pc), Some(operands.len()), "depth at {pc} of `{}`", f.name());
            assert!(operands.len() <= f.max_stack(), "depth at {pc} of `{}`", f.name());
            let op = f.code()[pc as usize];
            let mut next = pc + 1;
            match op {
                Op::Int(value) => operands.push(Value::int(value.into())),
                Op::Constant(id) => operands.push(f.constants()[id.0 as usize]),
                Op::Bool(value) => operands.push(Value::bool(value)),
                Op::Get(local) => operands.push(locals[usize::from(local)]),
                Op::Set(local) => locals[usize::from(local)] = pop(&mut operands),
                Op::Tee(local) => {
                    let value = pop(&mut operands);
                    locals[usize::from(local)] = value;
                    operands.push(value);
                }
                Op::Pop => drop(pop(&mut operands)),
                Op::Dup => {
                    let value = pop(&mut operands);
                    operands.extend([value, value]);
                }
                Op::Swap => {
                    let (top, below) = (pop(&mut operands), pop(&mut operands));
                    operands.extend([top, below]);
                }
                Op::Jump(target) => next = target.0,
                Op::JumpIf(target) if pop(&mut operands) != Value::bool(false) => next = target.0,
                Op::JumpIfNot(target) if pop(&mut operands) == Value::bool(false) => next = target.0,
                Op::JumpIf(_) | Op::JumpIfNot(_) => {}
                Op::Call(callee) => {
                    let below = operands.len() - self.program.function(callee).params();
                    let arguments = operands.split_off(below);
                    match self.call(callee, &arguments, base + f.locals() + below)? {
                        Ok(result) => operands.push(result),
                        Err(error) => return Some(Err(error)),
                    }
                }
                Op::Ret => return Some(Ok(pop(&mut operands))),
                _ => {
                    let right = pop(&mut operands);
                    let result = match op.info().pops {
                        Some(2) => binary(op, pop(&mut operands), right),
                        _ => unary(op, right),
                    };
                    match result {
                        Ok(value) => operands.push(value),
                        Err(kind) => return error(kind, pc),
                    }
                }
            }
            if next != pc + 1 || op.info().flow == Flow::Jump {
                assert!(f.is_jump_target(next), "a jump from {pc} to {next} of `{}`", f.name());
                assert!(next > pc || f.is_loop_header(next), "a jump from {pc} to {next} of `{}`", f.name());
            }
            pc = next;
        }
    }
}
