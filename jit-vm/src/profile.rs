//! What the interpreter has seen of a function: the food of speculation.
//!
//! A compiler that speculates wants to know which kinds an operand has had so far, and which loops are
//! hot. The interpreter notes both as it goes: two bytes an instruction for the kinds, a counter for
//! each jump that goes back.
//!
//! Cost: a test, two loads and a store for each operator while profiling is on; nothing while it is off.

use crate::op::Op;
use crate::value::{KindSet, Value};
use crate::verify::Verified;

/// The kinds seen at one operator.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Seen {
    /// Of the left operand, or of the only one.
    pub lhs: KindSet,
    /// Of the right operand.
    pub rhs: KindSet,
}

/// What has been seen of one function.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Profile {
    seen: Box<[Seen]>,
    back_edges: Box<[u32]>,
}

impl Profile {
    /// The empty profile of a function.
    #[must_use]
    pub fn new(function: &Verified) -> Profile {
        let length = function.code().len();
        let has_loops = function.code().iter().zip(0..).any(|(op, pc)| op.target().is_some_and(|t| t <= pc));
        Profile {
            seen: vec![Seen::default(); length].into(),
            back_edges: vec![0; if has_loops { length } else { 0 }].into(),
        }
    }

    /// The kinds seen by the operator at `pc`; none for other instructions.
    #[must_use]
    pub fn seen(&self, pc: u32) -> Seen {
        self.seen.get(pc as usize).copied().unwrap_or_default()
    }

    /// How often the jump at `pc` has gone back.
    #[must_use]
    pub fn back_edges(&self, pc: u32) -> u32 {
        self.back_edges.get(pc as usize).copied().unwrap_or(0)
    }

    /// Notes the operands of a binary operator.
    #[inline]
    pub fn note_binary(&mut self, pc: u32, lhs: Value, rhs: Value) {
        if let Some(seen) = self.seen.get_mut(pc as usize) {
            seen.lhs = seen.lhs.union(KindSet::of(lhs.kind()));
            seen.rhs = seen.rhs.union(KindSet::of(rhs.kind()));
        }
    }

    /// Notes the operand of a unary operator or of a conditional jump.
    #[inline]
    pub fn note_unary(&mut self, pc: u32, operand: Value) {
        if let Some(seen) = self.seen.get_mut(pc as usize) {
            seen.lhs = seen.lhs.union(KindSet::of(operand.kind()));
        }
    }

    /// Notes that a jump was taken from `pc` to `target`.
    #[inline]
    pub fn note_jump(&mut self, pc: u32, target: u32) {
        if target <= pc
            && let Some(count) = self.back_edges.get_mut(pc as usize)
        {
            *count = count.saturating_add(1);
        }
    }

    /// The profile as text: a line for each instruction of `code` at which something was seen.
    #[must_use]
    pub fn listing(&self, code: &[Op]) -> String {
        let mut text = String::new();
        for (op, pc) in code.iter().zip(0..) {
            let (seen, back) = (self.seen(pc), self.back_edges(pc));
            if seen != Seen::default() || back != 0 {
                text += &format!("{pc:<4} {:12} {:?} {:?}", op.info().name, seen.lhs, seen.rhs);
                text += &if back == 0 { "\n".to_owned() } else { format!(" went back {back} times\n") };
            }
        }
        text
    }
}
