//! What instructions do: registers, flags, memory and the stack, from the table to whole templates.
//!
//! **Problem.** Whoever places a template must know what it clobbers and what it depends on. The table
//! says what an instruction does to its operands; which registers those are, and what a run of
//! instructions amounts to, follows.
//!
//! **Idea.** [`summary`] resolves one instruction. [`of_sequence`] composes: what is read is what is live at the entry
//! (backward over the jumps inside the template, to a fixpoint), how the stack pointer moves is found forward in the
//! same way, and so is how high it comes on the way. A register in `reads` may be read before it was surely written on
//! some path; everything else is a union.
//!
//! **Invariants.** Nothing is left out: what may happen is in the sets. Four derived rules: writing 8 or
//! 16 bits of a register keeps the rest, so it reads the register too; writing 32 bits writes all 64 (SDM
//! vol. 1, 3.4.1.1); `xor` or `sub` of a whole register with itself, and what is like it among the vector
//! instructions, does not depend on the register, so it does not read it; a vector register is one thing,
//! of whose upper half only [`Effects::ymm`] speaks. Registers chosen at emission are in no set: [`of_hole_access`]
//! tells what they are used for.
//!
//! **Cost.** Linear in the instructions, times the nesting of backward jumps.

use super::form::{Access, Form, FormOperand, Kind, VexLength};
use super::operand::{Base, Disp, Imm, Index, Mem, Operand, Reg, RegClass, Vector, Width};
use crate::reg::{Gpr, RegSet, Xmm};
use crate::template::{Effects, Flags, StackMove};

/// One instruction of a template, as [`of_sequence`] wants it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InsnSummary {
    /// What it does by itself.
    pub effects: Effects,
    /// Flags in `effects.writes_flags` that it may also leave as they were: a shift by a count of 0.
    pub keeps_flags: Flags,
    /// Whether the next instruction may run after it.
    pub falls_through: bool,
    /// Where a jump inside the template goes: the number of an instruction, or their count for the end.
    /// [`summary`] leaves it `None`: only who lays out the template knows.
    pub target: Option<usize>,
}

/// The flags that some condition reads: all but the auxiliary carry.
pub const ANY_CONDITION: Flags = Flags::O.union(Flags::S).union(Flags::Z).union(Flags::P).union(Flags::C);

/// What one instruction does.
#[must_use]
pub fn of(form: &Form, operands: &[Operand]) -> Effects {
    summary(form, operands).effects
}

/// What one instruction does, and where control goes from it.
#[must_use]
pub fn summary(form: &Form, operands: &[Operand]) -> InsnSummary {
    let mut effects = Effects::NONE;
    let independent = is_independent(form, operands);
    for (i, (wanted, given)) in form.explicit().zip(operands).enumerate() {
        let access = match (independent, i, wanted.access.writes()) {
            (false, ..) => wanted.access,
            (true, 0, true) => Access::Write,
            (true, ..) => Access::Neither,
        };
        add_operand(&mut effects, wanted, given, access);
    }
    for wanted in form.implicit() {
        match (wanted.kind, wanted.width) {
            (Kind::Fixed(gpr), Some(width)) => add_register(&mut effects, gpr, width, wanted.access),
            (Kind::Ah, _) => add_register(&mut effects, Gpr::Rax, Width::B8, wanted.access),
            (Kind::FixedVector(reg), _) => add_vector(&mut effects, reg, wanted.access),
            _ => {}
        }
    }
    if form.acts.vectors {
        // vzeroall clears all of them, vzeroupper keeps their lower halves.
        let all = form.vex.is_some_and(|vex| vex.length == VexLength::L256);
        let access = if all { Access::Write } else { Access::ReadWrite };
        Xmm::ALL.into_iter().for_each(|reg| add_vector(&mut effects, reg, access));
    }
    effects.reads_memory |= form.acts.loads;
    effects.writes_memory |= form.acts.stores;
    effects.features = form.features;
    add_stack(&mut effects, form, operands);
    effects.reads_flags = form.flags.read;
    effects.writes_flags = form.flags.changed();
    effects.calls = form.acts.calls;
    effects.called_at = (form.acts.calls && form.acts.push).then_some(StackMove::By(0));
    effects.jumps = form.acts.jumps;
    effects.traps = form.acts.traps;
    effects.highest = effects.stack.or_higher(StackMove::By(0));
    effects.falls_through = !form.acts.leaves;
    effects.ymm = writes_ymm(form, operands);
    let mut keeps_flags = Flags::NONE;
    if form.acts.counts {
        match shift_count(form, operands) {
            None => keeps_flags = effects.writes_flags,
            Some(0) => effects.writes_flags = Flags::NONE,
            Some(_) => {}
        }
    }
    InsnSummary { effects, keeps_flags, falls_through: effects.falls_through, target: None }
}

/// Whether a ymm register is among what is written: the processor then holds upper halves in use, whatever
/// their value. (`vzeroall` clears them.)
fn writes_ymm(form: &Form, operands: &[Operand]) -> bool {
    form.explicit().zip(operands).any(|(wanted, given)| {
        let vector = matches!(given, Operand::Vector(_) | Operand::VectorHole(_));
        vector && wanted.width == Some(Width::B256) && wanted.access.writes()
    })
}

/// The count of a shift, masked as the processor does (SDM vol. 2, SAL/SAR/SHL/SHR), if it is known.
fn shift_count(form: &Form, operands: &[Operand]) -> Option<i128> {
    let Some(Operand::Imm(Imm::Literal(count))) = operands.last() else { return None };
    Some(count & if form.size == Some(Width::B64) { 63 } else { 31 })
}

/// Whether the result does not depend on the sources, which are one whole register twice.
fn is_independent(form: &Form, operands: &[Operand]) -> bool {
    let whole = |class: RegClass| matches!(class, RegClass::R32 | RegClass::R64);
    match operands {
        [Operand::Reg(a), Operand::Reg(b)] => {
            a == b && whole(a.class) && matches!(form.mnemonic, "xor" | "sub")
        }
        [Operand::Vector(a), Operand::Vector(b)] => a == b && cancels(form.mnemonic),
        [Operand::Vector(_), Operand::Vector(a), Operand::Vector(b)] => {
            a == b && form.mnemonic.strip_prefix('v').is_some_and(cancels)
        }
        _ => false,
    }
}

/// Vector instructions whose result is all zeros or all ones when both sources are one register. (The
/// subtractions of floats are none: infinity minus itself is no number.)
fn cancels(mnemonic: &str) -> bool {
    let element = |stem: &str, elements: &[&str]| {
        mnemonic.strip_prefix(stem).is_some_and(|element| elements.contains(&element))
    };
    matches!(mnemonic, "pxor" | "xorps" | "xorpd")
        || element("psub", &["b", "w", "d", "q", "sb", "sw", "usb", "usw"])
        || element("pcmpeq", &["b", "w", "d", "q"])
        || element("pcmpgt", &["b", "w", "d", "q"])
}

/// The accesses that follow from one: a partial write keeps the rest of the register.
fn with_partial(access: Access, width: Width) -> Access {
    match (access, width) {
        (Access::Write, Width::B8 | Width::B16) => Access::ReadWrite,
        _ => access,
    }
}

fn add_register(effects: &mut Effects, gpr: Gpr, width: Width, access: Access) {
    let access = with_partial(access, width);
    if access.reads() {
        effects.reads = effects.reads.with(gpr);
    }
    if access.writes() {
        effects.writes = effects.writes.with(gpr);
    }
}

fn add_vector(effects: &mut Effects, reg: Xmm, access: Access) {
    if access.reads() {
        effects.reads = effects.reads.with_vector(reg);
    }
    if access.writes() {
        effects.writes = effects.writes.with_vector(reg);
    }
}

fn add_operand(effects: &mut Effects, wanted: &FormOperand, given: &Operand, access: Access) {
    match given {
        Operand::Reg(Reg { gpr, class }) => add_register(effects, *gpr, class.width(), access),
        Operand::Mem(mem) => {
            effects.reads_memory |= access.reads();
            effects.writes_memory |= access.writes();
            // `nop [rax]` does not even compute its address.
            if access != Access::Neither || wanted.kind == Kind::Mem {
                effects.reads = effects.reads.union(address_registers(mem));
            }
        }
        Operand::Vector(vector) => add_vector(effects, vector.reg, access),
        Operand::RegHole(_) | Operand::VectorHole(_) | Operand::Imm(_) | Operand::Target(_) => {}
    }
}

fn address_registers(mem: &Mem) -> RegSet {
    let mut registers = RegSet::EMPTY;
    if let Base::Reg(gpr) = mem.base {
        registers = registers.with(gpr);
    }
    match mem.index {
        Some((Index::Reg(gpr), _)) => registers.with(gpr),
        Some((Index::Vector(Vector { reg, .. }), _)) => registers.with_vector(reg),
        _ => registers,
    }
}

/// What pushing and popping does, and how the stack pointer moves.
fn add_stack(effects: &mut Effects, form: &Form, operands: &[Operand]) {
    let acts = &form.acts;
    let size = i32::from(form.size.unwrap_or(Width::B64).bytes());
    let set = effects.writes.contains(Gpr::Rsp);
    if form.mnemonic == "enter" {
        return add_frame(effects, operands);
    }
    effects.stack = match (set, operands) {
        (true, _) => known_move(form, operands),
        (false, _) if acts.calls => StackMove::By(0),
        (false, _) if acts.push => StackMove::By(-size),
        // `ret n` removes n bytes more.
        (false, [Operand::Imm(Imm::Literal(more))]) if acts.pop => {
            i32::try_from(*more).map_or(StackMove::Unknown, |more| StackMove::By(size + more))
        }
        (false, [Operand::Imm(_)]) if acts.pop => StackMove::Unknown,
        (false, _) if acts.pop => StackMove::By(size),
        _ => StackMove::By(0),
    };
    effects.writes_memory |= acts.push;
    effects.reads_memory |= acts.pop;
    // `leave` pops from where rbp points: it sets rsp without having read it.
    let set_first = form.implicit().any(|o| o.kind == Kind::Fixed(Gpr::Rsp) && !o.access.reads());
    if (acts.push || acts.pop) && !set_first {
        effects.reads = effects.reads.with(Gpr::Rsp);
        effects.writes = effects.writes.with(Gpr::Rsp);
    }
}

/// `enter` pushes rbp; for a level of n above 0, n - 1 addresses that it reads where rbp points, and that of
/// its own frame; then it makes room (SDM vol. 2, ENTER).
fn add_frame(effects: &mut Effects, operands: &[Operand]) {
    effects.reads = effects.reads.with(Gpr::Rsp);
    effects.writes = effects.writes.with(Gpr::Rsp);
    effects.writes_memory = true;
    let level = match operands {
        [_, Operand::Imm(Imm::Literal(level))] => Some(level & 31),
        _ => None,
    };
    effects.reads_memory = level.is_none_or(|level| level > 1);
    effects.stack = match (operands, level) {
        ([Operand::Imm(Imm::Literal(room)), _], Some(level)) => {
            let by = i32::try_from(8 + 8 * level + room);
            by.map_or(StackMove::Unknown, |by| StackMove::By(-by))
        }
        _ => StackMove::Unknown,
    };
}

/// How far an instruction that writes rsp moves it: the usual ways to make and drop room tell.
fn known_move(form: &Form, operands: &[Operand]) -> StackMove {
    let rsp = Operand::Reg(Reg { gpr: Gpr::Rsp, class: RegClass::R64 });
    let by = match (form.mnemonic, operands) {
        ("add", [dst, Operand::Imm(Imm::Literal(n))]) if *dst == rsp => i32::try_from(*n).ok(),
        ("sub", [dst, Operand::Imm(Imm::Literal(n))]) if *dst == rsp => i32::try_from(-*n).ok(),
        (
            "lea",
            [dst, Operand::Mem(Mem { base: Base::Reg(Gpr::Rsp), index: None, disp: Disp::Literal(n), .. })],
        ) if *dst == rsp => Some(*n),
        _ => None,
    };
    by.map_or(StackMove::Unknown, StackMove::By)
}

/// Whether the instruction reads and whether it writes the register that is chosen at emission for the
/// operand at `index`. As a base or an index it is read.
#[must_use]
pub fn of_hole_access(form: &Form, operands: &[Operand], index: usize) -> (bool, bool) {
    match (form.explicit().nth(index), operands.get(index)) {
        (Some(wanted), Some(Operand::RegHole(class))) => {
            let access = with_partial(wanted.access, class.width());
            (access.reads(), access.writes())
        }
        (Some(wanted), Some(Operand::VectorHole(_))) => (wanted.access.reads(), wanted.access.writes()),
        _ => (true, false),
    }
}

/// What a run of instructions does from its first to wherever it is left.
///
/// Every way out counts: the end, a return, and a jump to elsewhere. [`StackMove::By`] is said only when
/// all of them agree.
#[must_use]
pub fn of_sequence(insns: &[InsnSummary]) -> Effects {
    let mut all = Effects::NONE;
    for InsnSummary { effects: e, .. } in insns {
        all.writes = all.writes.union(e.writes);
        all.writes_flags = all.writes_flags.union(e.writes_flags);
        all.reads_memory |= e.reads_memory;
        all.writes_memory |= e.writes_memory;
        all.calls |= e.calls;
        all.jumps |= e.jumps;
        all.traps |= e.traps;
        all.ymm |= e.ymm;
        all.features = all.features.union(e.features);
    }
    (all.reads, all.reads_flags) = live_at_entry(insns);
    let stack = Stack::of(insns);
    (all.stack, all.highest, all.falls_through) = (stack.at_exits, stack.highest, stack.falls_through);
    all.called_at = stack.at_calls;
    all
}

/// The numbers of the instructions that may run after number `i`; their count is the end.
pub(super) fn successors(insns: &[InsnSummary], i: usize) -> impl Iterator<Item = usize> {
    let next = insns[i].falls_through.then_some(i + 1);
    next.into_iter().chain(insns[i].target)
}

/// Registers and flags that are read before they are surely written.
fn live_at_entry(insns: &[InsnSummary]) -> (RegSet, Flags) {
    let mut live = vec![(RegSet::EMPTY, Flags::NONE); insns.len() + 1];
    loop {
        let mut changed = false;
        for (i, insn) in insns.iter().enumerate().rev() {
            let (mut registers, mut flags) = (RegSet::EMPTY, Flags::NONE);
            for next in successors(insns, i) {
                registers = registers.union(live[next].0);
                flags = flags.union(live[next].1);
            }
            let e = &insn.effects;
            // A register that is only maybe written is among the reads already; flags are not.
            let written = e.writes_flags.difference(insn.keeps_flags);
            let before = (
                registers.difference(e.writes).union(e.reads),
                flags.difference(written).union(e.reads_flags),
            );
            changed |= live[i] != before;
            live[i] = before;
        }
        if !changed {
            return live[0];
        }
    }
}

/// What becomes of the stack pointer on the ways through a run of instructions.
struct Stack {
    /// How far it has moved at every way out, if all agree.
    at_exits: StackMove,
    highest: StackMove,
    /// How far at every call, if all agree; `None` where there is none.
    at_calls: Option<StackMove>,
    /// Whether the end is one of the ways out.
    falls_through: bool,
}

impl Stack {
    fn of(insns: &[InsnSummary]) -> Stack {
        let agree = |at: Option<StackMove>, here: StackMove| match at {
            Some(there) if there != here => StackMove::Unknown,
            _ => here,
        };
        let mut before: Vec<Option<StackMove>> = vec![None; insns.len() + 1];
        before[0] = Some(StackMove::By(0));
        let mut exit = None;
        let mut highest = StackMove::By(0);
        let mut open = vec![0];
        while let Some(i) = open.pop() {
            let (Some(insn), Some(moved)) = (insns.get(i), before[i]) else { continue };
            let after = moved.then(insn.effects.stack);
            highest = highest.or_higher(after);
            if insn.effects.jumps && insn.target.is_none() {
                exit = Some(agree(exit, after));
            }
            for next in successors(insns, i) {
                let met = agree(before[next], after);
                if before[next] != Some(met) {
                    before[next] = Some(met);
                    open.push(next);
                }
            }
        }
        let end = before[insns.len()];
        if let Some(end) = end {
            highest = highest.or_higher(end);
            exit = Some(agree(exit, end));
        }
        // What no way leads to is entered from elsewhere, if at all: by its address.
        let mut elsewhere = insns.iter().zip(&before).filter(|(_, before)| before.is_none()).peekable();
        let falls_through = end.is_some() || elsewhere.peek().is_some();
        if elsewhere.any(|(insn, _)| insn.effects.stack != StackMove::By(0)) {
            highest = StackMove::Unknown;
        }
        let at_calls = insns.iter().zip(&before).fold(None, |at, (insn, before)| {
            let here = before.unwrap_or(StackMove::Unknown);
            insn.effects.called_at.map_or(at, |moved| Some(agree(at, here.then(moved))))
        });
        Stack { at_exits: exit.unwrap_or(StackMove::Unknown), highest, at_calls, falls_through }
    }
}
