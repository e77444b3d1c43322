//! Comparisons, truth, and the jumps that depend on them.
//!
//! A comparison that is only made for the jump behind it becomes `cmp; jcc`; one whose value is used
//! becomes `cmp; setcc`. Everything that must be in memory at the jump goes there before the `cmp`, so
//! nothing stands between the two.

use super::arithmetic::Operand;
use super::compiler::Walk;
use super::emit::payload_at;
use super::templates as t;
use crate::op::Op;
use crate::value::{Kind, Value};
use jit_runtime::Gpr;
use jit_runtime::registers::{Entry, Payload, Slot};
use jit_runtime::stitch::{Assembler, Label, SourcePosition};

/// A condition of the machine, after a `cmp` of two integers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    E,
    Ne,
    L,
    Le,
    G,
    Ge,
    B,
    Be,
    A,
    Ae,
}

impl Condition {
    fn of(op: Op) -> Condition {
        match op {
            Op::Eq => Condition::E,
            Op::Ne => Condition::Ne,
            Op::Lt => Condition::L,
            Op::Le => Condition::Le,
            Op::Gt => Condition::G,
            Op::Ge => Condition::Ge,
            Op::Ult => Condition::B,
            Op::Ule => Condition::Be,
            Op::Ugt => Condition::A,
            Op::Uge => Condition::Ae,
            other => unreachable!("{other:?} is no comparison"),
        }
    }

    /// What holds when this does not.
    fn negated(self) -> Condition {
        use Condition::{A, Ae, B, Be, E, G, Ge, L, Le, Ne};
        match self {
            E => Ne,
            Ne => E,
            L => Ge,
            Ge => L,
            G => Le,
            Le => G,
            B => Ae,
            Ae => B,
            A => Be,
            Be => A,
        }
    }

    /// What holds of the operands the other way round.
    fn swapped(self) -> Condition {
        use Condition::{A, Ae, B, Be, G, Ge, L, Le};
        match self {
            L => G,
            G => L,
            Le => Ge,
            Ge => Le,
            B => A,
            A => B,
            Be => Ae,
            Ae => Be,
            same => same,
        }
    }

    fn jump(self, asm: &mut Assembler, to: Label) {
        match self {
            Condition::E => t::je(asm, to),
            Condition::Ne => t::jne(asm, to),
            Condition::L => t::jl(asm, to),
            Condition::Le => t::jle(asm, to),
            Condition::G => t::jg(asm, to),
            Condition::Ge => t::jge(asm, to),
            Condition::B => t::jb(asm, to),
            Condition::Be => t::jbe(asm, to),
            Condition::A => t::ja(asm, to),
            Condition::Ae => t::jae(asm, to),
        }
    }

    fn set(self, asm: &mut Assembler, r: Gpr) {
        match self {
            Condition::E => t::sete(asm, r),
            Condition::Ne => t::setne(asm, r),
            Condition::L => t::setl(asm, r),
            Condition::Le => t::setle(asm, r),
            Condition::G => t::setg(asm, r),
            Condition::Ge => t::setge(asm, r),
            Condition::B => t::setb(asm, r),
            Condition::Be => t::setbe(asm, r),
            Condition::A => t::seta(asm, r),
            Condition::Ae => t::setae(asm, r),
        }
    }
}

/// What becomes of a condition.
#[derive(Clone, Copy)]
enum Use {
    /// A boolean on the stack.
    Value,
    /// A jump to this position if the condition is as `when` says.
    Jump { to: u32, when: bool },
}

impl Walk<'_> {
    /// A comparison, with the jump behind it if that is all it is for.
    pub(super) fn comparison(&mut self, op: Op) -> bool {
        let equality = matches!(op, Op::Eq | Op::Ne);
        if !equality {
            self.guard_integers(2);
        } else if !self.one_kind() {
            return self.equality_of_any(op);
        }
        if let Some(value) = self.folded(op) {
            self.replace_two(value);
            return true;
        }
        let usage = self.usage();
        let condition = Condition::of(op);
        let (rhs, lhs) = (self.out.cache.pop(), self.out.cache.pop());
        let (condition, lhs, rhs) = match lhs.payload {
            Payload::Const(_) => (condition.swapped(), rhs, lhs),
            _ => (condition, lhs, rhs),
        };
        let (right, rhs) = self.operand(rhs);
        let (left, lhs) = self.operand(lhs);
        let (left, lhs) = match (left, right) {
            (Operand::Mem(_), Operand::Mem(_)) | (Operand::Imm(_), _) => {
                let r = self.in_register(lhs);
                (Operand::Reg(r), Entry::in_reg(r, Kind::Int))
            }
            _ => (left, lhs),
        };
        self.conclude(usage, condition, &[lhs, rhs], |asm| compare(asm, left, right))
    }

    /// Whether both operands are of one kind, known or (in speculative code) guarded, so that comparing
    /// payloads is enough.
    fn one_kind(&mut self) -> bool {
        let (lhs, rhs) = (self.out.cache.peek(1).kind(), self.out.cache.peek(0).kind());
        if let (Some(lhs), Some(rhs)) = (lhs, rhs) {
            return lhs == rhs;
        }
        let Some(seen) = self.profile().map(|p| p.seen(self.pc)) else { return false };
        let (Some(l), Some(r)) = (seen.lhs.only(), seen.rhs.only()) else { return false };
        if l != r || lhs.is_some_and(|k| k != l) || rhs.is_some_and(|k| k != r) {
            return false;
        }
        let exit = self.exit();
        self.guard_kind(0, r, exit);
        self.guard_kind(1, l, exit);
        true
    }

    /// Equality of values whose kinds are only known when the code runs.
    fn equality_of_any(&mut self, op: Op) -> bool {
        let usage = self.usage();
        let out = &mut *self.out;
        let [l, l_tag] = out.cache.load_both(&mut out.emit, 1, kind_constant);
        let [r, r_tag] = out.cache.load_both(&mut out.emit, 0, kind_constant);
        let (rhs, lhs) = (out.cache.pop(), out.cache.pop());
        self.conclude(usage, Condition::of(op), &[lhs, rhs], |asm| t::difference(asm, l_tag, l, r_tag, r))
    }

    /// Logical not: whether the value is `false`.
    pub(super) fn not(&mut self) {
        let known = self.known_truth_kind();
        let value = self.out.cache.pop();
        match (known, value.payload) {
            (_, Payload::Const(constant)) => self.constant(Value::bool(!constant.is_true())),
            (Some(Kind::Bool), _) => {
                let r = self.in_register(value);
                t::flip(self.asm(), r);
                self.push(Entry::in_reg(r, Kind::Bool));
            }
            (Some(Kind::Int), _) => {
                self.out.cache.release_entry(&value);
                self.constant(Value::bool(false));
            }
            (None, _) => {
                self.push(value);
                let out = &mut *self.out;
                let [payload, tag] = out.cache.load_both(&mut out.emit, 0, kind_constant);
                let value = out.cache.pop();
                self.conclude(Use::Value, Condition::E, &[value], |asm| t::is_false(asm, tag, payload));
            }
        }
    }

    /// A conditional jump on whatever is on top: taken if its truth is `when`.
    pub(super) fn branch_on_value(&mut self, to: u32, when: bool) -> bool {
        let usage = Use::Jump { to, when: !when };
        let known = self.known_truth_kind();
        let value = self.out.cache.pop();
        match (known, value.payload) {
            (_, Payload::Const(constant)) => self.jump_if_known(to, constant.is_true() == when),
            (Some(Kind::Int), _) => {
                self.out.cache.release_entry(&value);
                self.jump_if_known(to, when)
            }
            (Some(Kind::Bool), Payload::Slot(slot)) if self.out_mirror(slot).is_none() => {
                self.conclude(usage, Condition::E, &[value], |asm| t::cmp_mi(asm, payload_at(slot), 0))
            }
            (Some(Kind::Bool), _) => {
                let r = self.in_register(value);
                self.conclude(usage, Condition::E, &[Entry::in_reg(r, Kind::Bool)], |asm| t::test_rr(asm, r))
            }
            (None, _) => {
                self.push(value);
                let out = &mut *self.out;
                let [payload, tag] = out.cache.load_both(&mut out.emit, 0, kind_constant);
                let value = out.cache.pop();
                self.conclude(usage, Condition::E, &[value], |asm| t::is_false(asm, tag, payload))
            }
        }
    }

    /// The kind of the top, known or (in speculative code, where it has always been a boolean) guarded.
    fn known_truth_kind(&mut self) -> Option<Kind> {
        if self.out.cache.peek(0).kind().is_none()
            && self.profile().is_some_and(|p| p.seen(self.pc).lhs.only() == Some(Kind::Bool))
        {
            let exit = self.exit();
            self.guard_kind(0, Kind::Bool, exit);
        }
        self.out.cache.peek(0).kind()
    }

    /// A jump whose condition was known when the code was compiled.
    fn jump_if_known(&mut self, to: u32, taken: bool) -> bool {
        self.flush();
        if taken {
            let label = self.label_at(to);
            t::jmp(self.asm(), label);
        }
        !taken
    }

    /// What the comparison at the current position is for. If only for the jump behind it, that jump is
    /// translated with it.
    fn usage(&mut self) -> Use {
        let next = self.pc + 1;
        if self.f.is_jump_target(next) {
            return Use::Value;
        }
        let usage = match self.f.code()[next as usize] {
            Op::JumpIf(target) => Use::Jump { to: target.0, when: true },
            Op::JumpIfNot(target) => Use::Jump { to: target.0, when: false },
            _ => return Use::Value,
        };
        self.pc = next;
        self.asm().mark(SourcePosition(next));
        usage
    }

    /// Emit `test`, which sets the flags, and use `condition`. The registers of `operands`, which are
    /// popped, are free afterwards.
    fn conclude(
        &mut self,
        usage: Use,
        condition: Condition,
        operands: &[Entry<Kind, Value>],
        test: impl FnOnce(&mut Assembler),
    ) -> bool {
        match usage {
            Use::Jump { to, when } => {
                // Before the test: a flush may change flags.
                self.flush();
                let label = self.label_at(to);
                test(self.asm());
                let condition = if when { condition } else { condition.negated() };
                condition.jump(self.asm(), label);
                operands.iter().for_each(|entry| self.out.cache.release_entry(entry));
            }
            Use::Value => {
                let r = self.take();
                test(self.asm());
                condition.set(self.asm(), r);
                operands.iter().for_each(|entry| self.out.cache.release_entry(entry));
                self.push(Entry::in_reg(r, Kind::Bool));
            }
        }
        true
    }

    /// The register that mirrors the payload of a slot.
    pub(super) fn out_mirror(&self, slot: Slot) -> Option<Gpr> {
        self.out.emit.mirror(slot)
    }
}

/// The constant whose payload is the tag of `kind`.
fn kind_constant(kind: Kind) -> Value {
    Value::int(kind.tag() as i64)
}

fn compare(asm: &mut Assembler, left: Operand, right: Operand) {
    match (left, right) {
        (Operand::Reg(l), Operand::Reg(r)) => t::cmp_rr(asm, l, r),
        (Operand::Reg(l), Operand::Imm(r)) => t::cmp_ri(asm, l, r),
        (Operand::Reg(l), Operand::Mem(r)) => t::cmp_rm(asm, l, r),
        (Operand::Mem(l), Operand::Imm(r)) => t::cmp_mi(asm, l, r),
        (Operand::Mem(l), Operand::Reg(r)) => t::cmp_mr(asm, l, r),
        (left, right) => unreachable!("no compare takes {left:?} and {right:?}"),
    }
}
