//! What is known of the kinds of locals.
//!
//! Two sources. *Stable* kinds hold in the whole function: a local that is no parameter starts as the
//! integer 0, and if everything ever assigned to it is the result of an operator with integer results, it
//! is an integer whenever it is read. *Facts* hold from a check or an assignment to the next join: the tag
//! in the slot is then known, needs no check when the local is read and no store when it is written again.

use crate::op::Op;
use crate::value::Kind;
use crate::verify::Verified;

/// Kinds of locals at the current position.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    stable: Vec<Option<Kind>>,
    /// While `stable` is made: which local is assigned to which, and those that have just proved unstable.
    copies: Vec<(u16, u16)>,
    lost: Vec<u16>,
    /// The kind, and the generation in which it was learnt: forgetting all is one increment.
    facts: Vec<(u32, Kind)>,
    generation: u32,
}

impl Kinds {
    /// Start a function.
    pub(super) fn reset(&mut self, f: &Verified) {
        self.stable.clear();
        self.stable.resize(f.locals(), Some(Kind::Int));
        self.stable[..f.params()].fill(None);
        self.facts.clear();
        self.facts.resize(f.locals(), (0, Kind::Int));
        self.generation = 1;
        self.weaken(f);
    }

    /// Take from the stable locals those to which something else may be assigned. A copy is as stable as
    /// the local it is made of, so what one local loses its copies lose.
    fn weaken(&mut self, f: &Verified) {
        self.copies.clear();
        self.lost.clear();
        for (pc, op) in (0..).zip(f.code()) {
            let (Op::Set(local) | Op::Tee(local)) = *op else { continue };
            if f.depth(pc).is_none() {
                continue;
            }
            match assigned(f, pc) {
                Assigned::Integer => {}
                Assigned::CopyOf(from) => self.copies.push((from, local)),
                Assigned::Anything => self.lose(local),
            }
        }
        if self.copies.is_empty() {
            return;
        }
        self.copies.sort_unstable();
        self.lost.extend((0..).take(f.params()));
        while let Some(from) = self.lost.pop() {
            let mut next = self.copies.partition_point(|&(other, _)| other < from);
            while let Some(&(_, to)) = self.copies.get(next).filter(|&&(other, _)| other == from) {
                self.lose(to);
                next += 1;
            }
        }
    }

    fn lose(&mut self, local: u16) {
        if self.stable[usize::from(local)].take().is_some() {
            self.lost.push(local);
        }
    }

    /// A join: only what is stable is known.
    pub(super) fn forget(&mut self) {
        self.generation += 1;
    }

    /// The kind of the value in this local's slot, if it is known.
    pub(super) fn of(&self, local: u16) -> Option<Kind> {
        let at = usize::from(local);
        self.stable[at].or_else(|| {
            let (generation, kind) = self.facts[at];
            (generation == self.generation).then_some(kind)
        })
    }

    /// The slot now holds a value of this kind, or one of which nothing is known.
    pub(super) fn learn(&mut self, local: u16, kind: Option<Kind>) {
        self.facts[usize::from(local)] = match kind {
            Some(kind) => (self.generation, kind),
            None => (0, Kind::Int),
        };
    }
}

/// What is assigned to a local.
enum Assigned {
    Integer,
    CopyOf(u16),
    Anything,
}

/// The value on top before `pc`, as the instruction in front of it tells.
fn assigned(f: &Verified, pc: u32) -> Assigned {
    let before = if f.is_jump_target(pc) { None } else { pc.checked_sub(1) };
    let kind = match before.map(|pc| f.code()[pc as usize]) {
        Some(Op::Get(local) | Op::Tee(local)) => return Assigned::CopyOf(local),
        Some(Op::Constant(id)) => Some(f.constants()[id.0 as usize].kind()),
        Some(op) => result_kind(op),
        None => None,
    };
    if kind == Some(Kind::Int) { Assigned::Integer } else { Assigned::Anything }
}

/// The kind of what an operator pushes, where that does not depend on its operands.
pub(super) fn result_kind(op: Op) -> Option<Kind> {
    match op {
        Op::Int(_) | Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Rem | Op::Udiv | Op::Urem | Op::Neg => {
            Some(Kind::Int)
        }
        Op::Band | Op::Bor | Op::Bxor | Op::Bnot | Op::Shl | Op::Shr | Op::Sar => Some(Kind::Int),
        Op::Bool(_) | Op::Eq | Op::Ne | Op::Lt | Op::Le | Op::Gt | Op::Ge => Some(Kind::Bool),
        Op::Ult | Op::Ule | Op::Ugt | Op::Uge | Op::Not => Some(Kind::Bool),
        Op::Constant(_) | Op::Get(_) | Op::Set(_) | Op::Tee(_) | Op::Pop | Op::Dup | Op::Swap => None,
        Op::Jump(_) | Op::JumpIf(_) | Op::JumpIfNot(_) | Op::Call(_) | Op::Ret => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{Function, Module};

    /// Local 0 is a parameter and 1 to 6 are not; 1 is a copy of 2, 2 of 3, and so on to 4.
    #[test]
    fn a_copy_is_as_stable_as_what_it_is_made_of() {
        let chain = |end: Op| {
            let copies = (1..4).flat_map(|n| [Op::Get(n + 1), Op::Set(n)]);
            let rest = [end, Op::Set(4), Op::Get(0), Op::Tee(5), Op::Set(6), Op::Get(1), Op::Ret];
            let code = copies.chain(rest).collect();
            let f = Function { name: "f".into(), params: 1, locals: 7, code, ..Function::default() };
            let program = Module { functions: vec![f] }.verify().expect("the chain keeps the rules");
            let mut kinds = Kinds::default();
            kinds.reset(program.functions().next().expect("it has one function").1);
            (0..7).map(|n| kinds.of(n).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(chain(Op::Int(1)), [false, true, true, true, true, false, false]);
        assert_eq!(chain(Op::Get(2)), [false, true, true, true, true, false, false]);
        assert_eq!(chain(Op::Bool(true)), [false; 7]);
        assert_eq!(chain(Op::Get(0)), [false; 7]);
    }
}
