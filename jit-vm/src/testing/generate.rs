//! Random verified programs that end.
//!
//! A generator of raw instructions would hardly ever pass the verifier, and one of well-typed trees would
//! never meet what makes compilers fail: operands left on the stack across a loop, joins with values on
//! them, code that nothing reaches. So this one emits instructions with the depth of the stack and a guess
//! of the kinds in hand: each piece of code is an expression, which pushes one value, or a statement,
//! which leaves the stack as it was, and both may stand at any depth.
//!
//! Every program ends. Local 0 of each function is its fuel: a function without fuel returns at once, and a
//! call passes on less than the caller has. One call a function, outside loops, passes one less, which
//! makes deep recursion; the others, few and never in nested loops, pass a quarter, which keeps the whole small. A loop counts down a local
//! of its own. Nothing else writes these locals.
//!
//! Kinds are guessed right nearly always: one operand in some five hundred is of the other kind, so
//! that most calls end with a value and some with an error, in every place an error can come from.

use super::expression::{Expr, interesting};
use super::script::{Case, Script};
use crate::build::{FunctionBuilder, Label, ModuleBuilder};
use crate::op::{FuncId, Op};
use crate::value::{Kind, Value};
use arbitrary::{Result, Unstructured};

/// Most functions of a program, and most pieces of code of one.
const FUNCTIONS: usize = 4;
const PIECES: u32 = 60;
/// Most calls that stand in one function.
const CALLS: u32 = 3;
/// Most fuel of an outermost call, and most turns of a loop.
const FUEL: i64 = 31;
const TURNS: i32 = 4;
/// Deepest nesting of expressions, and of statements.
const EXPRESSION_DEPTH: u32 = 9;
const STATEMENT_DEPTH: u32 = 3;

/// A random program, and calls of its functions whose outcomes are not known.
///
/// # Errors
/// Those of the source of bytes. An exhausted one gives small programs.
///
/// # Panics
/// If the verifier refuses the program, which is a mistake of the one or the other.
pub fn generate(u: &mut Unstructured<'_>) -> Result<Script> {
    let mut module = ModuleBuilder::new();
    let mut signatures = vec![];
    for i in 0..u.int_in_range(1..=FUNCTIONS)? {
        let mut params = vec![];
        for _ in 0..u.int_in_range(0..=3)? {
            params.push(kind(u)?);
        }
        let id = module.declare(&format!("f{i}"), params.len() as u16 + 1);
        signatures.push(Signature { id, params, result: kind(u)? });
    }
    for signature in &signatures {
        module.define(signature.id, function(u, &signatures, signature)?);
    }
    let module = module.finish().expect("every label is placed and every function defined");
    let program = module.clone().verify().unwrap_or_else(|errors| panic!("{errors}\n{module}"));
    let mut cases = vec![];
    for signature in &signatures {
        for _ in 0..2 {
            let mut arguments = vec![Value::int(u.int_in_range(0..=FUEL)?)];
            for &param in &signature.params {
                arguments.push(argument(u, param)?);
            }
            cases.push(Case { function: signature.id, arguments, expected: String::new() });
        }
    }
    Ok(Script { module, program, cases })
}

/// What is known of a function before it has code. `params` are those after the fuel.
struct Signature {
    id: FuncId,
    params: Vec<Kind>,
    result: Kind,
}

fn kind(u: &mut Unstructured<'_>) -> Result<Kind> {
    Ok(if once_in(u, 4)? { Kind::Bool } else { Kind::Int })
}

/// True once in `n` times, and never when the bytes are exhausted (as `Unstructured::ratio` would be).
fn once_in(u: &mut Unstructured<'_>, n: u32) -> Result<bool> {
    Ok(u.int_in_range(1..=n)? == n)
}

/// A value of this kind; once in many times of any.
fn argument(u: &mut Unstructured<'_>, kind: Kind) -> Result<Value> {
    Ok(match (once_in(u, 32)?, kind) {
        (true, _) => interesting(u)?,
        (_, Kind::Bool) => Value::bool(u.arbitrary()?),
        (_, Kind::Int) => Value::int(interesting(u)?.as_int().unwrap_or(7)),
    })
}

fn function(u: &mut Unstructured<'_>, all: &[Signature], own: &Signature) -> Result<FunctionBuilder> {
    let mut f = FunctionBuilder::new(own.params.len() as u16 + 1);
    let mut locals: Vec<(u16, Kind)> = (1..).zip(own.params.iter().copied()).collect();
    // A few locals, and sometimes more than a byte can number. One may hold a boolean.
    let count = if once_in(u, 16)? { 300 } else { u.int_in_range(0..=4)? };
    for _ in 0..count {
        locals.push((f.local(), Kind::Int));
    }
    if once_in(u, 3)? {
        let local = f.local();
        f.bool(u.arbitrary()?).set(local);
        locals.push((local, Kind::Bool));
    }
    let mut g = Generator {
        u,
        f,
        all,
        result: own.result,
        locals,
        depth: 0,
        loops: vec![],
        pieces: PIECES,
        calls: CALLS,
        may_recurse: true,
    };
    let fuelled = g.f.label();
    g.f.get(0).int(0).gt().jump_if(fuelled);
    g.literal(own.result)?;
    g.f.ret().place(fuelled);
    g.statements(STATEMENT_DEPTH)?;
    g.expression(own.result, EXPRESSION_DEPTH)?;
    g.f.ret();
    Ok(g.f)
}

/// The code of one function while it grows.
struct Generator<'a, 'b, 's> {
    u: &'a mut Unstructured<'b>,
    f: FunctionBuilder,
    all: &'s [Signature],
    result: Kind,
    /// Locals that code may use, and the kind they mostly hold.
    locals: Vec<(u16, Kind)>,
    /// Operands on the stack.
    depth: u32,
    /// The ends of the loops around this place, and the depth at each.
    loops: Vec<(Label, u32)>,
    /// Pieces of code still to spend; when there are none, all that follows is leaves.
    pieces: u32,
    /// Calls still to spend.
    calls: u32,
    /// Whether the one call that passes nearly all fuel is still to come.
    may_recurse: bool,
}

impl Generator<'_, '_, '_> {
    fn spend(&mut self) -> bool {
        self.pieces = self.pieces.saturating_sub(1);
        self.pieces > 0
    }

    fn literal(&mut self, kind: Kind) -> Result<()> {
        match kind {
            Kind::Bool => drop(self.f.bool(self.u.arbitrary()?)),
            Kind::Int => match interesting(self.u)?.as_int() {
                Some(value) => drop(self.f.integer(value)),
                None => drop(self.f.constant(Value::int(self.u.arbitrary()?))),
            },
        }
        self.depth += 1;
        Ok(())
    }

    fn local_of(&mut self, kind: Kind) -> Result<Option<u16>> {
        let fitting: Vec<u16> =
            self.locals.iter().filter(|(_, k)| *k == kind).map(|(local, _)| *local).collect();
        Ok(if fitting.is_empty() { None } else { Some(*self.u.choose(&fitting)?) })
    }

    fn leaf(&mut self, kind: Kind) -> Result<()> {
        match self.local_of(kind)? {
            Some(local) if !once_in(self.u, 4)? => {
                self.f.get(local);
                self.depth += 1;
                Ok(())
            }
            _ => self.literal(kind),
        }
    }

    /// Code that pushes one value, nearly always of the kind that is wanted.
    fn expression(&mut self, wanted: Kind, levels: u32) -> Result<()> {
        let kind = if once_in(self.u, 500)? { other(wanted) } else { wanted };
        if levels == 0 || !self.spend() {
            return self.leaf(kind);
        }
        let levels = levels - 1;
        match self.u.int_in_range(0..=11)? {
            0 => self.leaf(kind),
            1 => self.unary(kind, levels),
            2 => self.choice(kind, levels),
            3 => self.call(kind, levels),
            4 => self.tee(kind, levels),
            5 => self.shuffled(kind, levels),
            6 if once_in(self.u, 3)? => {
                self.statement(levels.min(STATEMENT_DEPTH))?;
                self.expression(kind, levels)
            }
            _ => self.binary(kind, levels),
        }
    }

    fn unary(&mut self, kind: Kind, levels: u32) -> Result<()> {
        let op = match kind {
            Kind::Bool => Op::Not,
            Kind::Int => *self.u.choose(&[Op::Neg, Op::Bnot])?,
        };
        self.expression(kind, levels)?;
        self.f.op(op);
        Ok(())
    }

    /// An operator with a result of this kind.
    fn operator(&mut self, kind: Kind) -> Result<Op> {
        let compares = |op: &Op| {
            use Op::{Eq, Ge, Gt, Le, Lt, Ne, Uge, Ugt, Ule, Ult};
            matches!(op, Eq | Ne | Lt | Le | Gt | Ge | Ult | Ule | Ugt | Uge)
        };
        let fitting: Vec<Op> =
            Expr::BINARY.iter().copied().filter(|op| compares(op) == (kind == Kind::Bool)).collect();
        Ok(*self.u.choose(&fitting)?)
    }

    fn binary(&mut self, kind: Kind, levels: u32) -> Result<()> {
        let op = self.operator(kind)?;
        let operands = match op {
            Op::Eq | Op::Ne => self::kind(self.u)?,
            _ => Kind::Int,
        };
        self.expression(operands, levels)?;
        self.expression(operands, levels)?;
        if matches!(op, Op::Div | Op::Rem | Op::Udiv | Op::Urem) && !once_in(self.u, 100)? {
            self.f.int(1).bor();
        }
        self.f.op(op);
        self.depth -= 1;
        Ok(())
    }

    /// A branch with a value on either way.
    fn choice(&mut self, kind: Kind, levels: u32) -> Result<()> {
        let (other, end) = (self.f.label(), self.f.label());
        self.condition(other, levels)?;
        self.expression(kind, levels)?;
        self.depth -= 1;
        self.f.jump(end).place(other);
        self.expression(kind, levels)?;
        self.f.place(end);
        Ok(())
    }

    /// A conditional jump, of either sense, also on an integer, which is true.
    fn condition(&mut self, target: Label, levels: u32) -> Result<()> {
        self.expression(Kind::Bool, levels)?;
        if self.u.arbitrary()? {
            self.f.jump_if(target);
        } else {
            self.f.jump_if_not(target);
        }
        self.depth -= 1;
        Ok(())
    }

    fn call(&mut self, kind: Kind, levels: u32) -> Result<()> {
        let all = self.all;
        let fitting: Vec<&Signature> = all.iter().filter(|s| s.result == kind).collect();
        if fitting.is_empty() || self.calls == 0 || self.loops.len() > 1 {
            return self.leaf(kind);
        }
        self.calls -= 1;
        let callee = *self.u.choose(&fitting)?;
        if self.may_recurse && self.loops.is_empty() && once_in(self.u, 2)? {
            self.may_recurse = false;
            self.f.get(0).int(1).sub();
        } else {
            self.f.get(0).int(2).shr();
        }
        self.depth += 1;
        for &param in &callee.params {
            self.expression(param, levels.min(3))?;
        }
        self.f.call(callee.id);
        self.depth -= callee.params.len() as u32;
        Ok(())
    }

    fn tee(&mut self, kind: Kind, levels: u32) -> Result<()> {
        self.expression(kind, levels)?;
        if let Some(local) = self.local_of(kind)? {
            self.f.tee(local);
        }
        Ok(())
    }

    /// The instructions that only move operands.
    fn shuffled(&mut self, kind: Kind, levels: u32) -> Result<()> {
        match self.u.int_in_range(0..=2)? {
            0 => {
                let op = self.operator(kind)?;
                self.expression(Kind::Int, levels)?;
                // The divisor is not zero, since the operand is odd.
                self.f.int(1).bor().dup().op(op);
            }
            1 => {
                let op = self.operator(kind)?;
                self.expression(Kind::Int, levels)?;
                self.expression(Kind::Int, levels)?;
                self.f.int(1).bor().swap().int(1).bor().op(op);
                self.depth -= 1;
            }
            _ => {
                self.expression(kind, levels)?;
                self.expression(Kind::Int, levels)?;
                self.f.pop();
                self.depth -= 1;
            }
        }
        Ok(())
    }

    fn statements(&mut self, levels: u32) -> Result<()> {
        for _ in 0..self.u.int_in_range(0..=4)? {
            self.statement(levels)?;
        }
        Ok(())
    }

    /// Code that leaves the stack as it was.
    fn statement(&mut self, levels: u32) -> Result<()> {
        if levels == 0 || !self.spend() {
            return self.assignment();
        }
        let levels = levels - 1;
        match self.u.int_in_range(0..=8)? {
            0..=2 => self.assignment(),
            3 => self.branch(levels),
            4 | 5 => self.repeat(levels),
            6 => self.leave_loop(),
            7 => self.early_return(),
            _ => self.unreachable(),
        }
    }

    fn assignment(&mut self) -> Result<()> {
        if self.locals.is_empty() {
            return Ok(());
        }
        let at = self.u.choose_index(self.locals.len())?;
        let (local, held) = self.locals[at];
        self.expression(held, EXPRESSION_DEPTH / 2)?;
        self.f.set(local);
        self.depth -= 1;
        Ok(())
    }

    fn branch(&mut self, levels: u32) -> Result<()> {
        let (other, end) = (self.f.label(), self.f.label());
        self.condition(other, 2)?;
        self.statements(levels)?;
        self.f.jump(end).place(other);
        self.statements(levels)?;
        self.f.place(end);
        Ok(())
    }

    fn repeat(&mut self, levels: u32) -> Result<()> {
        let turns = self.u.int_in_range(1..=TURNS)?;
        let counter = self.f.local();
        let (top, end) = (self.f.label(), self.f.label());
        self.f.int(turns).set(counter).place(top);
        self.loops.push((end, self.depth));
        self.statements(levels)?;
        self.f.get(counter).int(1).sub().tee(counter).int(0).gt().jump_if(top).place(end);
        self.loops.pop();
        Ok(())
    }

    /// A jump out of the innermost loop, which is allowed where the stack is as deep as at its end.
    fn leave_loop(&mut self) -> Result<()> {
        match self.loops.last() {
            Some(&(end, depth)) if depth == self.depth => self.condition(end, 2),
            _ => self.assignment(),
        }
    }

    fn early_return(&mut self) -> Result<()> {
        let on = self.f.label();
        self.condition(on, 2)?;
        self.expression(self.result, 3)?;
        self.f.ret().place(on);
        self.depth -= 1;
        Ok(())
    }

    /// Instructions that nothing reaches, which need not even agree about the stack.
    fn unreachable(&mut self) -> Result<()> {
        let (over, inside) = (self.f.label(), self.f.label());
        self.f.jump(over).place(inside);
        for _ in 0..self.u.int_in_range(0..=3)? {
            match self.u.int_in_range(0..=4)? {
                0 => self.f.add(),
                1 => self.f.pop(),
                2 => self.f.get(0),
                3 => self.f.jump_if(inside),
                _ => self.f.ret(),
            };
        }
        self.f.place(over);
        Ok(())
    }
}

fn other(kind: Kind) -> Kind {
    match kind {
        Kind::Int => Kind::Bool,
        Kind::Bool => Kind::Int,
    }
}
