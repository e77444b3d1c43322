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
        while self.weaken(f) {}
    }

    /// Take from the stable locals those to which something else may be assigned, given that the others
    /// are stable. Whether any was found.
    fn weaken(&mut self, f: &Verified) -> bool {
        let mut found = false;
        for (pc, op) in (0..).zip(f.code()) {
            let (Op::Set(local) | Op::Tee(local)) = *op else { continue };
            let local = usize::from(local);
            if self.stable[local].is_some()
                && f.depth(pc).is_some()
                && self.assigned(f, pc) != Some(Kind::Int)
            {
                self.stable[local] = None;
                found = true;
            }
        }
        found
    }

    /// The kind of the value on top before `pc`, as the instruction in front of it tells.
    fn assigned(&self, f: &Verified, pc: u32) -> Option<Kind> {
        if f.is_jump_target(pc) {
            return None;
        }
        match *f.code().get(pc.checked_sub(1)? as usize)? {
            Op::Get(local) | Op::Tee(local) => self.stable[usize::from(local)],
            Op::Constant(id) => Some(f.constants()[id.0 as usize].kind()),
            op => result_kind(op),
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
