//! Operators with integer results.
//!
//! Each first guards the kinds of its operands, with an exit that has the state from before it. Only then
//! are operands popped and registers changed. A division guards its divisor too, and its exit must be
//! made when the divisor is already in its register but still on the stack.

use super::compiler::Walk;
use super::emit::payload_at;
use super::templates as t;
use crate::op::Op;
use crate::semantics;
use crate::value::{Kind, Value};
use jit_runtime::Gpr;
use jit_runtime::registers::{Emit, Entry, Payload};

/// An operand as an instruction can take it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand {
    Reg(Gpr),
    Imm(i32),
    /// At this offset from rbx.
    Mem(i32),
}

impl Walk<'_> {
    /// A popped value as an operand. A constant that is no imm32 goes to a register, which belongs to the
    /// entry that is returned.
    pub(super) fn operand(&mut self, entry: Entry<Kind, Value>) -> (Operand, Entry<Kind, Value>) {
        match entry.payload {
            Payload::Reg(r) => (Operand::Reg(r), entry),
            Payload::Slot(slot) => match self.out_mirror(slot) {
                Some(r) => (Operand::Reg(r), entry),
                None => (Operand::Mem(payload_at(slot)), entry),
            },
            Payload::Const(value) => match i32::try_from(value.payload() as i64) {
                Ok(narrow) => (Operand::Imm(narrow), entry),
                Err(_) => {
                    let r = self.in_register(entry);
                    (Operand::Reg(r), Entry { payload: Payload::Reg(r), ..entry })
                }
            },
        }
    }

    /// The constant that a binary operator gives, if both operands are constants and it does not throw.
    pub(super) fn folded(&self, op: Op) -> Option<Value> {
        let (Payload::Const(lhs), Payload::Const(rhs)) =
            (self.out.cache.peek(1).payload, self.out.cache.peek(0).payload)
        else {
            return None;
        };
        semantics::binary(op, lhs, rhs).ok()
    }

    /// Replace both operands by a constant.
    pub(super) fn replace_two(&mut self, value: Value) {
        self.out.cache.discard();
        self.out.cache.discard();
        self.constant(value);
    }

    pub(super) fn arithmetic(&mut self, op: Op) {
        self.guard_integers(2);
        if let Some(value) = self.folded(op) {
            return self.replace_two(value);
        }
        let (mut rhs, mut lhs) = (self.out.cache.pop(), self.out.cache.pop());
        // The operand that is changed has to be in a register: take the one that is, if the order is free.
        if op != Op::Sub
            && !matches!(lhs.payload, Payload::Reg(_))
            && !matches!(rhs.payload, Payload::Const(_))
        {
            (lhs, rhs) = (rhs, lhs);
        }
        let (operand, rhs) = self.operand(rhs);
        let r = self.in_register(lhs);
        let asm = self.asm();
        match (op, operand) {
            (Op::Add, Operand::Reg(rhs)) => t::add_rr(asm, r, rhs),
            (Op::Add, Operand::Imm(rhs)) => t::add_ri(asm, r, rhs),
            (Op::Add, Operand::Mem(rhs)) => t::add_rm(asm, r, rhs),
            (Op::Sub, Operand::Reg(rhs)) => t::sub_rr(asm, r, rhs),
            (Op::Sub, Operand::Imm(rhs)) => t::sub_ri(asm, r, rhs),
            (Op::Sub, Operand::Mem(rhs)) => t::sub_rm(asm, r, rhs),
            (Op::Mul, Operand::Reg(rhs)) => t::mul_rr(asm, r, rhs),
            (Op::Mul, Operand::Imm(rhs)) => t::mul_ri(asm, r, rhs),
            (Op::Mul, Operand::Mem(rhs)) => t::mul_rm(asm, r, rhs),
            (Op::Band, Operand::Reg(rhs)) => t::and_rr(asm, r, rhs),
            (Op::Band, Operand::Imm(rhs)) => t::and_ri(asm, r, rhs),
            (Op::Band, Operand::Mem(rhs)) => t::and_rm(asm, r, rhs),
            (Op::Bor, Operand::Reg(rhs)) => t::or_rr(asm, r, rhs),
            (Op::Bor, Operand::Imm(rhs)) => t::or_ri(asm, r, rhs),
            (Op::Bor, Operand::Mem(rhs)) => t::or_rm(asm, r, rhs),
            (Op::Bxor, Operand::Reg(rhs)) => t::xor_rr(asm, r, rhs),
            (Op::Bxor, Operand::Imm(rhs)) => t::xor_ri(asm, r, rhs),
            (Op::Bxor, Operand::Mem(rhs)) => t::xor_rm(asm, r, rhs),
            (other, _) => unreachable!("{other:?} is not compiled here"),
        }
        self.out.cache.release_entry(&rhs);
        self.push(Entry::in_reg(r, Kind::Int));
    }

    pub(super) fn unary(&mut self, op: Op) {
        self.guard_integers(1);
        let value = self.out.cache.pop();
        if let Payload::Const(constant) = value.payload
            && let Ok(folded) = semantics::unary(op, constant)
        {
            return self.constant(folded);
        }
        let r = self.in_register(value);
        match op {
            Op::Neg => t::neg(self.asm(), r),
            _ => t::not(self.asm(), r),
        }
        self.push(Entry::in_reg(r, Kind::Int));
    }

    pub(super) fn signed_division(&mut self, op: Op) {
        let Some(divisor) = self.division_operands(op) else { return };
        match divisor {
            Divisor::Constant(r) => t::div_const(self.asm(), r),
            Divisor::Checked(r) => {
                let asm = self.asm();
                let (minus_one, done) = (asm.label(), asm.label());
                t::div(asm, r, minus_one);
                asm.bind(done);
                asm.cold(|asm| {
                    asm.bind(minus_one);
                    t::by_minus_one(asm, done);
                });
            }
        }
        self.division_result(divisor, op == Op::Rem);
    }

    pub(super) fn unsigned_division(&mut self, op: Op) {
        let Some(divisor) = self.division_operands(op) else { return };
        t::udiv(self.asm(), divisor.register());
        self.division_result(divisor, op == Op::Urem);
    }

    /// Checks both operands and the divisor, and pops: the dividend is in rax, the divisor in another
    /// register, and rdx is free to be written. `None` if the result was a constant.
    fn division_operands(&mut self, op: Op) -> Option<Divisor> {
        let out = &mut *self.out;
        out.cache.claim(&mut out.emit, Gpr::Rax);
        out.cache.claim(&mut out.emit, Gpr::Rdx);
        self.guard_integers(2);
        if let Some(value) = self.folded(op) {
            self.out.cache.release(Gpr::Rax);
            self.out.cache.release(Gpr::Rdx);
            self.replace_two(value);
            return None;
        }
        let divisor = match self.out.cache.peek(0).payload {
            Payload::Const(value) if !matches!(value.payload() as i64, 0 | -1) => {
                let entry = self.out.cache.pop();
                let r = self.in_register(entry);
                Divisor::Constant(r)
            }
            _ => {
                let out = &mut *self.out;
                let r = out.cache.load(&mut out.emit, 0);
                let exit = self.exit();
                self.stress(exit);
                t::guard_divisor(self.asm(), r, exit);
                self.out.cache.pop();
                Divisor::Checked(r)
            }
        };
        let dividend = self.out.cache.pop();
        self.out.cache.release_entry(&dividend);
        let emit = &mut self.out.emit;
        match dividend.payload {
            Payload::Reg(r) => emit.copy(Gpr::Rax, r),
            Payload::Const(value) => emit.load_const(Gpr::Rax, value),
            Payload::Slot(slot) => emit.load_payload(Gpr::Rax, slot),
        }
        Some(divisor)
    }

    fn division_result(&mut self, divisor: Divisor, remainder: bool) {
        let (result, other) = if remainder { (Gpr::Rdx, Gpr::Rax) } else { (Gpr::Rax, Gpr::Rdx) };
        self.out.cache.release(divisor.register());
        self.out.cache.release(other);
        self.push(Entry::in_reg(result, Kind::Int));
    }

    pub(super) fn shift(&mut self, op: Op) {
        if let Payload::Const(count) = self.out.cache.peek(0).payload {
            return self.shift_by_constant(op, count.payload());
        }
        let out = &mut *self.out;
        out.cache.claim(&mut out.emit, Gpr::Rcx);
        self.guard_integers(2);
        let count = self.out.cache.pop();
        let lhs = self.out.cache.pop();
        let emit = &mut self.out.emit;
        match count.payload {
            Payload::Reg(r) => emit.copy(Gpr::Rcx, r),
            Payload::Const(value) => emit.load_const(Gpr::Rcx, value),
            Payload::Slot(slot) => emit.load_payload(Gpr::Rcx, slot),
        }
        self.out.cache.release_entry(&count);
        let r = self.in_register(lhs);
        let mask = self.take();
        let asm = self.asm();
        match op {
            Op::Shl => t::shl_cl(asm, r, mask),
            Op::Shr => t::shr_cl(asm, r, mask),
            _ => t::sar_cl(asm, r, mask),
        }
        self.out.cache.release(mask);
        self.out.cache.release(Gpr::Rcx);
        self.push(Entry::in_reg(r, Kind::Int));
    }

    fn shift_by_constant(&mut self, op: Op, count: u64) {
        // If the constant is no integer, the code is left here for good.
        self.guard_integers(2);
        if let Some(value) = self.folded(op) {
            return self.replace_two(value);
        }
        self.out.cache.discard();
        if count >= 64 && op != Op::Sar {
            self.out.cache.discard();
            return self.constant(Value::int(0));
        }
        let lhs = self.out.cache.pop();
        let r = self.in_register(lhs);
        let (asm, count) = (self.asm(), count.min(63) as i8);
        match op {
            Op::Shl => t::shl_i(asm, r, count),
            Op::Shr => t::shr_i(asm, r, count),
            _ => t::sar_i(asm, r, count),
        }
        self.push(Entry::in_reg(r, Kind::Int));
    }
}

/// A divisor, in a register of its own.
#[derive(Clone, Copy)]
enum Divisor {
    /// It is this constant, neither 0 nor -1.
    Constant(Gpr),
    /// It has been checked not to be 0.
    Checked(Gpr),
}

impl Divisor {
    fn register(self) -> Gpr {
        match self {
            Divisor::Constant(r) | Divisor::Checked(r) => r,
        }
    }
}
