//! What is known of a frame on one way: where the stack pointer is, what registers and slots hold.
//!
//! Values are followed only as far as they say where the stack is or whose value a callee-saved register
//! holds; any other is just *something else*. What an instruction does that is not listed here follows from
//! its effects. Stores through pointers that do not come from rsp are taken not to reach the frame.

use super::flow::Analysis;
use super::{Declared, Insn};
use crate::reg::{Gpr, RegSet};
use crate::template::StackMove;
use crate::x64::operand::{Base, Disp, Imm, Index, Mem, Operand, Reg, RegClass};
use std::collections::BTreeMap;

/// The registers that a function of the System V ABI leaves as it finds them, apart from rsp.
pub(super) const CALLEE_SAVED: [Gpr; 6] = [Gpr::Rbx, Gpr::Rbp, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];

/// What a register or slot holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Value {
    /// What the register held at the entry.
    Original(Gpr),
    /// The same after one change: no longer that.
    Changed(Gpr),
    /// An address in the stack.
    Address(Address),
    /// Something that came up on the way, or an argument: none of the above.
    Other,
    /// Anything.
    Unknown,
}

/// A place in the stack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Address {
    pub(super) origin: Origin,
    pub(super) offset: i32,
}

/// What places are counted from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Origin {
    /// rsp at the entry: where the return address of a function is.
    Entry,
    /// The multiple of 16 that `and rsp, -16` at this instruction has made.
    Aligned(usize),
}

impl Address {
    fn plus(self, more: i128) -> Option<Address> {
        let offset = i32::try_from(i128::from(self.offset) + more).ok()?;
        Some(Address { offset, ..self })
    }
}

/// What is known on one way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Frame {
    registers: [Value; 16],
    /// Eight bytes each; a slot that is missing holds anything.
    slots: BTreeMap<Address, Value>,
    /// For each callee-saved register, the instruction that changed it.
    changed_by: [Option<usize>; 6],
    /// The callee-saved registers whose first value may still be somewhere.
    saved: RegBits,
    /// Whether al was written since the entry or the last call.
    pub(super) al: bool,
}

/// A set of registers that can be ordered.
type RegBits = u64;

impl Frame {
    pub(super) fn get(&self, gpr: Gpr) -> Value {
        self.registers[usize::from(gpr.number())]
    }

    /// Where rsp is, counted from the entry, if that is known.
    pub(super) fn moved(&self) -> Option<i32> {
        match self.get(Gpr::Rsp) {
            Value::Address(Address { origin: Origin::Entry, offset }) => Some(offset),
            _ => None,
        }
    }

    /// The instruction that left a callee-saved register without the value it had, if that is certain.
    pub(super) fn clobbered(&self, gpr: Gpr) -> Option<usize> {
        match self.get(gpr) {
            Value::Unknown => None,
            Value::Original(original) if original == gpr => None,
            _ => self.changed_by[callee_saved(gpr)?],
        }
    }

    /// Put a value into a register at the instruction `at`. `from_old` says that the old value was used.
    fn set(&mut self, gpr: Gpr, value: Value, at: usize, from_old: bool) {
        let mut value = value;
        if let Some(n) = callee_saved(gpr) {
            // What was never read out cannot come back.
            let lost = RegSet::from_bits(self.saved).contains(gpr);
            if value == Value::Unknown && !lost && !from_old {
                value = Value::Other;
            }
            let anew = self.changed_by[n].is_none() || matches!(value, Value::Original(_));
            self.changed_by[n] = match value == Value::Original(gpr) {
                true => None,
                false if anew => Some(at),
                false => self.changed_by[n],
            };
        }
        self.registers[usize::from(gpr.number())] = value;
    }

    /// Note that a register is read out, and with it whose value it holds.
    fn save(&mut self, gpr: Gpr) {
        let whose = match self.get(gpr) {
            Value::Original(whose) | Value::Changed(whose) => whose,
            Value::Unknown => gpr,
            Value::Address(_) | Value::Other => return,
        };
        self.saved = RegSet::from_bits(self.saved).with(whose).bits();
    }

    fn address(&self, mem: &Mem) -> Option<Address> {
        match (mem.base, mem.index, mem.disp, mem.segment) {
            (Base::Reg(gpr), None, Disp::Literal(disp), None) => match self.get(gpr) {
                Value::Address(address) => address.plus(disp.into()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether memory that is no known slot may be one.
    fn may_be_slot(&self, mem: &Mem) -> bool {
        match mem.base {
            Base::Reg(gpr) => matches!(self.get(gpr), Value::Address(_)),
            Base::Hole => true,
            Base::None => mem.index.is_some_and(|(index, _)| index == Index::Hole),
            Base::Rip | Base::Target => false,
        }
    }

    fn load(&self, mem: &Mem) -> Value {
        let slot = self.address(mem).and_then(|address| self.slots.get(&address));
        slot.copied().unwrap_or(Value::Unknown)
    }

    fn store(&mut self, address: Option<Address>, bytes: u8, value: Value) {
        let Some(address) = address else { return self.slots.clear() };
        let end = address.offset.saturating_add(bytes.into());
        self.slots.retain(|slot, _| {
            slot.origin != address.origin
                || slot.offset >= end
                || slot.offset.saturating_add(8) <= address.offset
        });
        if bytes == 8 && value != Value::Unknown {
            self.slots.insert(address, value);
        }
    }

    fn push(&mut self, bytes: u8, value: Value, at: usize) {
        let Value::Address(rsp) = self.get(Gpr::Rsp) else { return };
        let to = rsp.plus(-i128::from(bytes));
        self.set(Gpr::Rsp, to.map_or(Value::Unknown, Value::Address), at, true);
        self.store(to, bytes, value);
    }

    fn pop(&mut self, bytes: u8, at: usize) -> Value {
        let Value::Address(rsp) = self.get(Gpr::Rsp) else { return Value::Unknown };
        let to = rsp.plus(bytes.into());
        self.set(Gpr::Rsp, to.map_or(Value::Unknown, Value::Address), at, true);
        match bytes {
            8 => self.slots.get(&rsp).copied().unwrap_or(Value::Unknown),
            _ => Value::Unknown,
        }
    }
}

/// Whether a register is the same after a call.
fn is_kept(gpr: Gpr) -> bool {
    callee_saved(gpr).is_some() || gpr == Gpr::Rsp
}

fn callee_saved(gpr: Gpr) -> Option<usize> {
    CALLEE_SAVED.iter().position(|&saved| saved == gpr)
}

/// The ways through a template, with the frame on each.
pub(super) struct Frames<'a> {
    pub(super) insns: &'a [Insn<'a>],
    pub(super) declared: &'a Declared,
}

impl Analysis for Frames<'_> {
    type State = Frame;

    fn entry(&self) -> Frame {
        let mut frame = self.unknown();
        frame.registers[usize::from(Gpr::Rsp.number())] =
            Value::Address(Address { origin: Origin::Entry, offset: 0 });
        if self.declared.function {
            for gpr in Gpr::ALL.into_iter().filter(|&gpr| gpr != Gpr::Rsp) {
                let original = callee_saved(gpr).is_some();
                frame.registers[usize::from(gpr.number())] =
                    if original { Value::Original(gpr) } else { Value::Other };
            }
            frame.saved = RegSet::EMPTY.bits();
            frame.al = self.declared.inputs.contains(Gpr::Rax);
        }
        frame
    }

    fn unknown(&self) -> Frame {
        Frame {
            registers: [Value::Unknown; 16],
            slots: BTreeMap::new(),
            changed_by: [None; 6],
            saved: RegSet::of(&CALLEE_SAVED).bits(),
            al: true,
        }
    }

    fn step(&self, at: usize, before: &Frame) -> Option<Frame> {
        let insn = &self.insns[at];
        let mut frame = before.clone();
        if insn.calls() {
            self.call(&mut frame, at);
            return Some(frame);
        }
        if insn.enters_system() {
            for gpr in Gpr::ALL.into_iter().filter(|&gpr| !is_kept(gpr)) {
                frame.set(gpr, Value::Unknown, at, false);
            }
            frame.slots.clear();
            frame.al = true;
            return Some(frame);
        }
        frame.al |= insn.summary.effects.writes.contains(Gpr::Rax) || insn.writes_chosen_register();
        save(&mut frame, insn);
        if !known(&mut frame, insn, at) {
            others(&mut frame, insn, at);
        }
        Some(frame)
    }
}

impl Frames<'_> {
    /// A function keeps what it must, and rsp. What a piece of a function calls may do anything.
    fn call(&self, frame: &mut Frame, at: usize) {
        if !self.declared.function {
            *frame = self.unknown();
            return;
        }
        for gpr in Gpr::ALL.into_iter().filter(|&gpr| !is_kept(gpr)) {
            frame.set(gpr, Value::Unknown, at, false);
        }
        frame.al = false;
    }
}

/// Note the registers that an instruction reads out.
fn save(frame: &mut Frame, insn: &Insn) {
    if insn.reads_chosen_register() {
        CALLEE_SAVED.into_iter().for_each(|gpr| frame.save(gpr));
    }
    let e = &insn.summary.effects;
    let swaps = insn.form.mnemonic == "xchg";
    let puts_somewhere = !e.writes.is_empty() || e.writes_memory || insn.writes_chosen_register();
    for (n, (wanted, given)) in insn.form.explicit().zip(insn.operands).enumerate() {
        match given {
            Operand::Reg(Reg { gpr, class: RegClass::R64 })
                if wanted.access.reads() && puts_somewhere && (swaps || n > 0 || !wanted.access.writes()) =>
            {
                frame.save(*gpr);
            }
            Operand::Mem(mem) if insn.form.mnemonic == "lea" => {
                for gpr in registers_of(mem).iter() {
                    frame.save(gpr);
                }
            }
            _ => {}
        }
    }
}

fn registers_of(mem: &Mem) -> RegSet {
    let base = match mem.base {
        Base::Reg(gpr) => RegSet::EMPTY.with(gpr),
        _ => RegSet::EMPTY,
    };
    match mem.index {
        Some((Index::Reg(gpr), _)) => base.with(gpr),
        _ => base,
    }
}

const WHOLE: RegClass = RegClass::R64;

/// The instructions that frames are made with. Whether it was one.
fn known(frame: &mut Frame, insn: &Insn, at: usize) -> bool {
    stacked(frame, insn, at) || copied(frame, insn, at) || moved(frame, insn, at)
}

/// Pushes and pops. Whether it was one, and all of it is done.
fn stacked(frame: &mut Frame, insn: &Insn, at: usize) -> bool {
    match (insn.form.mnemonic, insn.operands) {
        ("push", [operand]) => {
            let value = match operand {
                Operand::Reg(Reg { gpr, class: WHOLE }) => frame.get(*gpr),
                Operand::Mem(mem) => frame.load(mem),
                Operand::Imm(_) => Value::Other,
                _ => Value::Unknown,
            };
            frame.push(stack_bytes(insn), value, at);
        }
        ("pop", [operand]) => {
            let value = frame.pop(stack_bytes(insn), at);
            match operand {
                Operand::Reg(Reg { gpr, class: WHOLE }) => frame.set(*gpr, value, at, false),
                Operand::Mem(mem) if insn.location.is_none() => {
                    frame.store(frame.address(mem), stack_bytes(insn), Value::Unknown);
                }
                _ => return false,
            }
        }
        ("enter", [Operand::Imm(Imm::Literal(room)), Operand::Imm(Imm::Literal(0))]) => {
            frame.save(Gpr::Rbp);
            frame.push(8, frame.get(Gpr::Rbp), at);
            let rsp = frame.get(Gpr::Rsp);
            frame.set(Gpr::Rbp, rsp, at, false);
            let below = match rsp {
                Value::Address(address) => address.plus(-room),
                _ => None,
            };
            frame.set(Gpr::Rsp, below.map_or(Value::Unknown, Value::Address), at, true);
        }
        ("enter", _) => {
            frame.save(Gpr::Rbp);
            return false;
        }
        ("leave", []) => {
            frame.set(Gpr::Rsp, frame.get(Gpr::Rbp), at, false);
            let value = frame.pop(8, at);
            frame.set(Gpr::Rbp, value, at, false);
        }
        _ => return false,
    }
    true
}

/// Copies between registers and slots, and addresses. Whether it was one.
fn copied(frame: &mut Frame, insn: &Insn, at: usize) -> bool {
    match (insn.form.mnemonic, insn.operands) {
        ("mov", [Operand::Reg(to), Operand::Reg(from)]) if to.class == WHOLE => {
            frame.set(to.gpr, frame.get(from.gpr), at, false);
        }
        ("mov", [Operand::Reg(to), Operand::Mem(mem)]) if to.class == WHOLE => {
            frame.set(to.gpr, frame.load(mem), at, false);
        }
        ("mov", [Operand::Mem(mem), Operand::Reg(from)]) if frame.address(mem).is_some() => {
            let value = if from.class == WHOLE { frame.get(from.gpr) } else { Value::Unknown };
            frame.store(frame.address(mem), from.class.width().bytes(), value);
        }
        ("mov", [Operand::Mem(mem), Operand::Imm(_)]) if frame.address(mem).is_some() => {
            let bytes = insn.memory().find_map(|(_, _, bytes)| bytes);
            frame.store(frame.address(mem), bytes.unwrap_or(8), Value::Other);
        }
        ("xchg", [Operand::Reg(a), Operand::Reg(b)]) if a.class == WHOLE => {
            let (old_a, old_b) = (frame.get(a.gpr), frame.get(b.gpr));
            frame.set(a.gpr, old_b, at, false);
            frame.set(b.gpr, old_a, at, false);
        }
        ("lea", [Operand::Reg(to), Operand::Mem(mem)]) if to.class == WHOLE => lea(frame, *to, mem, at),
        ("and", [Operand::Reg(to), Operand::Imm(Imm::Literal(mask))])
            if to.class == WHOLE && *mask < 0 && mask % 16 == 0 && mask.abs().count_ones() == 1 =>
        {
            let address = Address { origin: Origin::Aligned(at), offset: 0 };
            let value = match frame.get(to.gpr) {
                Value::Address(_) => Value::Address(address),
                old => computed(old),
            };
            frame.set(to.gpr, value, at, true);
        }
        _ => return false,
    }
    true
}

/// Additions to registers, and what only looks like a change. Whether it was one.
fn moved(frame: &mut Frame, insn: &Insn, at: usize) -> bool {
    let [Operand::Reg(Reg { gpr, class: WHOLE }), rest @ ..] = insn.operands else { return false };
    let by = match (insn.form.mnemonic, rest) {
        ("add", [Operand::Imm(Imm::Literal(n))]) => *n,
        ("sub", [Operand::Imm(Imm::Literal(n))]) => -*n,
        ("inc", []) => 1,
        ("dec", []) => -1,
        ("or" | "xor" | "shl" | "shr" | "sar" | "sal" | "rol" | "ror", [Operand::Imm(Imm::Literal(0))]) => 0,
        ("and", [Operand::Imm(Imm::Literal(-1))]) => 0,
        ("and" | "or", [Operand::Reg(other)]) if other.gpr == *gpr => 0,
        _ => return false,
    };
    let value = match frame.get(*gpr) {
        value if by == 0 => value,
        Value::Address(address) => address.plus(by).map_or(Value::Unknown, Value::Address),
        old => computed(old),
    };
    frame.set(*gpr, value, at, true);
    true
}

fn lea(frame: &mut Frame, to: Reg, mem: &Mem, at: usize) {
    let from_old = registers_of(mem).contains(to.gpr);
    let copied = mem.index.is_none() && mem.disp == Disp::Literal(0);
    let value = match (frame.address(mem), mem.base) {
        (Some(address), _) => Value::Address(address),
        (None, Base::Reg(base)) if copied => frame.get(base),
        (None, Base::Reg(base)) if base == to.gpr && mem.index.is_none() => match mem.disp {
            Disp::Literal(_) => computed(frame.get(base)),
            _ => Value::Unknown,
        },
        _ if registers_of(mem).iter().all(|gpr| frame.get(gpr) == Value::Other) && !has_holes(mem) => {
            Value::Other
        }
        _ => Value::Unknown,
    };
    frame.set(to.gpr, value, at, from_old);
}

fn has_holes(mem: &Mem) -> bool {
    mem.base == Base::Hole || matches!(mem.index, Some((Index::Hole, _)))
}

/// A value with which something was computed.
fn computed(old: Value) -> Value {
    match old {
        Value::Original(gpr) => Value::Changed(gpr),
        Value::Other => Value::Other,
        _ => Value::Unknown,
    }
}

/// How many bytes a push or a pop moves.
fn stack_bytes(insn: &Insn) -> u8 {
    insn.form.size.map_or(8, super::super::operand::Width::bytes)
}

/// Any other instruction, by its effects.
fn others(frame: &mut Frame, insn: &Insn, at: usize) {
    let e = &insn.summary.effects;
    // Where a result may be somebody's value again: from memory, a vector register, a copy.
    let copies = |gpr: Gpr| !matches!(frame.get(gpr), Value::Other | Value::Address(_));
    let vectors = e.reads.bits() >> 16 != 0;
    let written: Vec<(Gpr, Value, bool)> = e
        .writes
        .iter()
        .filter(|&gpr| gpr != Gpr::Rsp || !moves_stack(insn))
        .map(|gpr| {
            let partial = e.reads.contains(gpr);
            let elsewhere = e.reads_memory || vectors || insn.reads_chosen_register() || {
                e.reads.iter().any(|other| other != gpr && copies(other))
            };
            let value = match frame.get(gpr) {
                old if partial && !elsewhere && changes(insn) => computed(old),
                _ if partial || elsewhere => Value::Unknown,
                _ => Value::Other,
            };
            (gpr, value, partial)
        })
        .collect();
    for (gpr, value, partial) in written {
        frame.set(gpr, value, at, partial);
    }
    if insn.writes_chosen_register() {
        // Any register may have got its value back; rsp is none that one chooses.
        for gpr in Gpr::ALL.into_iter().filter(|&gpr| gpr != Gpr::Rsp) {
            if frame.get(gpr) != Value::Original(gpr) {
                frame.set(gpr, Value::Unknown, at, true);
            }
        }
    }
    for (mem, written, bytes) in insn.memory() {
        let address = frame.address(mem);
        if written && (address.is_some() || frame.may_be_slot(mem)) {
            frame.store(address.filter(|_| bytes.is_some()), bytes.unwrap_or(0), Value::Unknown);
        }
    }
    if insn.form.acts.stores {
        frame.slots.clear();
    }
    if moves_stack(insn) && !matches!(insn.form.mnemonic, "push" | "pop") {
        match e.stack {
            StackMove::By(by @ -8..=-1) => frame.push(by.unsigned_abs() as u8, Value::Other, at),
            StackMove::By(by @ 1..=8) => drop(frame.pop(by as u8, at)),
            _ => frame.set(Gpr::Rsp, Value::Unknown, at, false),
        }
    }
}

/// Whether an instruction moves rsp by pushing or popping.
fn moves_stack(insn: &Insn) -> bool {
    (insn.form.acts.push || insn.form.acts.pop) && !insn.returns()
}

/// Whether an instruction is sure to leave another value in the register it computes with.
fn changes(insn: &Insn) -> bool {
    matches!(
        insn.form.mnemonic,
        "add" | "sub" | "and" | "or" | "xor" | "imul" | "not" | "neg" | "mov" | "shl" | "sal" | "shr" | "sar"
    ) || insn.form.mnemonic.starts_with("set")
}
