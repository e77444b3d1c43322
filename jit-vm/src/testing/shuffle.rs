//! Random verified programs that mostly move values: what a compiler that tracks places must survive.
//!
//! [`generate`](super::generate()) writes well-typed code, in which a local keeps its kind and a stack is
//! as deep as an expression. This one does what no front end would: a local is written with a value of any
//! kind at any moment, in loops over many of them; stacks are deep, and are exchanged, copied and dropped
//! across joins; an operand of a division or a shift is wherever the last one left it.
//!
//! The generator follows the kinds along every path, and at a join knows only what both ways agree on.
//! An operator on integers is applied to what is known to be one, and once in many times to anything;
//! what is for any kind (equality, `not`, branches, moves, calls) takes anything.
//!
//! Every program ends: a function calls only those behind it, and a loop counts down a local of its own.

use super::expression::interesting;
use super::script::{Case, Script};
use crate::build::{FunctionBuilder, ModuleBuilder};
use crate::op::{FuncId, Op};
use crate::value::Kind;
use arbitrary::{Result, Unstructured};

const FUNCTIONS: usize = 3;
const PIECES: u32 = 90;
/// How deep a stack grows on purpose.
const DEEP: usize = 12;
const LEVELS: u32 = 3;
const TURNS: i32 = 4;
const CALLS: u32 = 3;

/// A random program, and calls of its functions whose outcomes are not known.
///
/// # Errors
/// Those of the source of bytes. An exhausted one gives small programs.
///
/// # Panics
/// If the verifier refuses the program, which is a mistake of the one or the other.
pub fn shuffle(u: &mut Unstructured<'_>) -> Result<Script> {
    let mut module = ModuleBuilder::new();
    let mut all = vec![];
    for n in 0..u.int_in_range(1..=FUNCTIONS)? {
        let params = u.int_in_range(0..=3)?;
        all.push((module.declare(&format!("s{n}"), params), params));
    }
    for n in 0..all.len() {
        module.define(all[n].0, function(u, all[n].1, &all[n + 1..])?);
    }
    let module = module.finish().expect("every label is placed and every function defined");
    let program = module.clone().verify().unwrap_or_else(|errors| panic!("{errors}\n{module}"));
    let mut cases = vec![];
    for &(function, params) in &all {
        for _ in 0..2 {
            let arguments = (0..params).map(|_| interesting(u)).collect::<Result<_>>()?;
            cases.push(Case { function, arguments, expected: String::new() });
        }
    }
    Ok(Script { module, program, cases })
}

fn function(u: &mut Unstructured<'_>, params: u16, callees: &[(FuncId, u16)]) -> Result<FunctionBuilder> {
    let mut f = FunctionBuilder::new(params);
    let mut known = Known { stack: vec![], locals: vec![None; params.into()] };
    for _ in 0..u.int_in_range(1..=7)? {
        f.local();
        known.locals.push(Some(Kind::Int));
    }
    let mut s = Shuffler { u, f, callees, known, loops: 0, pieces: PIECES, calls: CALLS };
    s.pieces(LEVELS)?;
    s.settle(1)?;
    s.f.ret();
    Ok(s.f)
}

/// The kinds of operands and locals, where they are the same whichever way control came.
#[derive(Clone)]
struct Known {
    stack: Vec<Option<Kind>>,
    locals: Vec<Option<Kind>>,
}

impl Known {
    fn forget(&mut self) {
        self.stack.fill(None);
        self.locals.fill(None);
    }

    fn agree(&mut self, other: &Known) {
        let both = |one: &mut [Option<Kind>], other: &[Option<Kind>]| {
            one.iter_mut().zip(other).filter(|(a, b)| a != b).for_each(|(a, _)| *a = None);
        };
        both(&mut self.stack, &other.stack);
        both(&mut self.locals, &other.locals);
    }
}

struct Shuffler<'a, 'b, 's> {
    u: &'a mut Unstructured<'b>,
    f: FunctionBuilder,
    callees: &'s [(FuncId, u16)],
    known: Known,
    loops: u32,
    /// Pieces of code still to spend.
    pieces: u32,
    /// Calls still to spend.
    calls: u32,
}

impl Shuffler<'_, '_, '_> {
    /// True once in `n` times, and never when the bytes are exhausted.
    fn once_in(&mut self, n: u32) -> Result<bool> {
        Ok(self.u.int_in_range(1..=n)? == n)
    }

    fn depth(&self) -> usize {
        self.known.stack.len()
    }

    fn pieces(&mut self, levels: u32) -> Result<()> {
        for _ in 0..self.u.int_in_range(2..=14)? {
            if self.pieces == 0 {
                break;
            }
            self.pieces -= 1;
            match self.u.int_in_range(0..=19)? {
                0..=3 => self.leaf()?,
                4 => self.deepen()?,
                5..=7 => self.assign()?,
                8..=10 => self.move_operands()?,
                11..=13 => self.arithmetic()?,
                14 => self.compare()?,
                15 => self.unary()?,
                16 if levels > 0 => self.branch(levels - 1)?,
                17 if levels > 0 => self.repeat(levels - 1)?,
                18 => self.call()?,
                _ => self.leaf()?,
            }
        }
        Ok(())
    }

    /// Pushes a local or a constant.
    fn leaf(&mut self) -> Result<()> {
        let kind = if self.once_in(4)? {
            let value = interesting(self.u)?;
            match (value.as_int(), value.as_bool()) {
                (Some(value), _) => drop(self.f.integer(value)),
                (_, Some(value)) if self.u.arbitrary()? => drop(self.f.bool(value)),
                _ => drop(self.f.constant(value)),
            }
            Some(value.kind())
        } else {
            let local = self.u.choose_index(self.known.locals.len())?;
            self.f.get(local as u16);
            self.known.locals[local]
        };
        self.known.stack.push(kind);
        Ok(())
    }

    /// Pushes a few, so that there are more than registers.
    fn deepen(&mut self) -> Result<()> {
        let more = self.u.int_in_range(2..=6)?;
        self.have((self.depth() + more).min(DEEP))
    }

    /// Pushes until `n` operands are there.
    fn have(&mut self, n: usize) -> Result<()> {
        while self.depth() < n {
            self.leaf()?;
        }
        Ok(())
    }

    /// Drops or pushes until there are `n` operands.
    fn settle(&mut self, n: usize) -> Result<()> {
        while self.depth() > n {
            self.f.pop();
            self.known.stack.pop();
        }
        self.have(n)
    }

    fn assign(&mut self) -> Result<()> {
        self.have(1)?;
        let local = self.u.choose_index(self.known.locals.len())?;
        self.known.locals[local] = self.known.stack.last().copied().flatten();
        if self.u.arbitrary()? {
            self.f.tee(local as u16);
        } else {
            self.f.set(local as u16);
            self.known.stack.pop();
        }
        Ok(())
    }

    fn move_operands(&mut self) -> Result<()> {
        self.have(2)?;
        let top = self.depth() - 1;
        match self.u.int_in_range(0..=3)? {
            0 => {
                self.f.pop();
                self.known.stack.pop();
            }
            1 if self.depth() < DEEP => {
                self.f.dup();
                self.known.stack.push(self.known.stack[top]);
            }
            _ => {
                self.f.swap();
                self.known.stack.swap(top, top - 1);
            }
        }
        Ok(())
    }

    /// The top becomes an integer that may take part in arithmetic: it nearly always is one for certain.
    fn integer_on_top(&mut self) -> Result<()> {
        self.have(1)?;
        if self.known.stack.last() != Some(&Some(Kind::Int)) && !self.once_in(60)? {
            self.f.pop().integer(interesting(self.u)?.as_int().unwrap_or(-3));
            *self.known.stack.last_mut().expect("there is one") = Some(Kind::Int);
        }
        Ok(())
    }

    fn swap(&mut self) {
        let top = self.depth() - 1;
        self.f.swap();
        self.known.stack.swap(top, top - 1);
    }

    fn arithmetic(&mut self) -> Result<()> {
        const OPS: &[Op] = &[
            Op::Add,
            Op::Sub,
            Op::Mul,
            Op::Div,
            Op::Rem,
            Op::Udiv,
            Op::Urem,
            Op::Shl,
            Op::Shr,
            Op::Sar,
            Op::Band,
            Op::Bxor,
            Op::Lt,
            Op::Ge,
            Op::Ult,
            Op::Ugt,
        ];
        self.have(2)?;
        self.integer_on_top()?;
        if self.known.stack[self.depth() - 2] != Some(Kind::Int) {
            self.swap();
            self.integer_on_top()?;
        }
        let op = *self.u.choose(OPS)?;
        if matches!(op, Op::Div | Op::Rem | Op::Udiv | Op::Urem) && !self.once_in(100)? {
            self.f.int(1).bor();
        }
        self.f.op(op);
        self.known.stack.pop();
        let compares = matches!(op, Op::Lt | Op::Ge | Op::Ult | Op::Ugt);
        let result = if compares { Kind::Bool } else { Kind::Int };
        *self.known.stack.last_mut().expect("two were there") = Some(result);
        Ok(())
    }

    fn compare(&mut self) -> Result<()> {
        self.have(2)?;
        self.f.op(*self.u.choose(&[Op::Eq, Op::Ne])?);
        self.known.stack.pop();
        *self.known.stack.last_mut().expect("two were there") = Some(Kind::Bool);
        Ok(())
    }

    fn unary(&mut self) -> Result<()> {
        let not = self.u.arbitrary()?;
        if not {
            self.have(1)?;
            self.f.not();
        } else {
            self.integer_on_top()?;
            self.f.op(*self.u.choose(&[Op::Neg, Op::Bnot])?);
        }
        let kind = if not { Kind::Bool } else { Kind::Int };
        *self.known.stack.last_mut().expect("one was there") = Some(kind);
        Ok(())
    }

    /// Two ways that meet again, with the same number of operands. One of them may be empty or return.
    fn branch(&mut self, levels: u32) -> Result<()> {
        self.have(1)?;
        let (other, end) = (self.f.label(), self.f.label());
        let when = self.u.arbitrary()?;
        if when {
            self.f.jump_if(other)
        } else {
            self.f.jump_if_not(other)
        };
        self.known.stack.pop();
        let before = self.known.clone();
        self.pieces(levels)?;
        let depth = self.depth();
        let returns = self.once_in(6)?;
        if returns {
            self.have(1)?;
            self.f.ret();
        } else {
            self.f.jump(end);
        }
        self.f.place(other);
        let one = std::mem::replace(&mut self.known, before);
        self.pieces(levels)?;
        if !returns {
            self.settle(depth)?;
            self.known.agree(&one);
        }
        self.f.place(end);
        Ok(())
    }

    /// A loop that may change everything but how many operands there are.
    fn repeat(&mut self, levels: u32) -> Result<()> {
        let turns = self.u.int_in_range(1..=TURNS)?;
        let counter = self.f.local();
        let top = self.f.label();
        self.f.int(turns).set(counter).place(top);
        self.known.forget();
        let depth = self.depth();
        self.loops += 1;
        self.pieces(levels)?;
        self.loops -= 1;
        self.settle(depth)?;
        self.f.get(counter).int(1).sub().tee(counter).int(0);
        if self.u.arbitrary()? {
            self.f.gt().jump_if(top);
        } else {
            self.f.le().jump_if_not(top);
        }
        Ok(())
    }

    fn call(&mut self) -> Result<()> {
        if self.callees.is_empty() || self.calls == 0 || self.loops > 1 {
            return self.leaf();
        }
        self.calls -= 1;
        let &(callee, params) = self.u.choose(self.callees)?;
        self.have(params.into())?;
        self.f.call(callee);
        self.known.stack.truncate(self.depth() - usize::from(params));
        self.known.stack.push(None);
        Ok(())
    }
}
