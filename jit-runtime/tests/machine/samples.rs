//! Operands and states to try. What an instruction may not meet is kept from it here: an address outside of
//! the buffer, a divisor of 0.

use crate::run::{MEMORY, State};
use jit_asm::template::Flags;
use jit_asm::x64::form::{Extension, Form, FormOperand, Kind};
use jit_asm::x64::operand::{
    Base, Disp, Imm, Index, Mem, Operand, Reg, RegClass, Scale, Vector, VectorClass, Width,
};
use jit_asm::x64::select::{fits, select};
use jit_asm::{Gpr, Xmm};

/// Numbers that repeat from run to run (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 32) % n
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// A word that is often one that instructions treat apart.
    fn word(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => self.below(66),
            2 => u64::MAX << self.below(64),
            _ => self.next(),
        }
    }
}

/// The bits of a set in rflags.
pub(crate) fn bits(flags: Flags) -> u64 {
    let places = [
        (Flags::O, 11),
        (Flags::S, 7),
        (Flags::Z, 6),
        (Flags::A, 4),
        (Flags::P, 2),
        (Flags::C, 0),
        (Flags::D, 10),
    ];
    places.into_iter().filter(|(flag, _)| flags.0 & flag.0 != 0).fold(0, |bits, (_, place)| bits | 1 << place)
}

/// Every flag.
pub(crate) const ALL_FLAGS: Flags = Flags(0x7F);

pub(crate) fn is_division(form: &Form) -> bool {
    matches!(form.mnemonic, "div" | "idiv")
}

fn is_implicit(form: &Form, gpr: Gpr) -> bool {
    form.operands.iter().flatten().any(|o| o.kind == Kind::Fixed(gpr))
}

/// Operands that fit, the r/m operand in memory or in a register; `None` when it cannot be there.
pub(crate) fn operands(form: &Form, in_memory: bool, random: &mut Random) -> Option<Vec<Operand>> {
    let either = |o: &FormOperand| matches!(o.kind, Kind::RegMem | Kind::VectorMem);
    let memory = |o: &FormOperand| o.kind == Kind::Mem || o.memory.is_some() && !either(o);
    if in_memory != form.explicit().any(|o| memory(o) || in_memory && either(o)) {
        return None;
    }
    // Bytes of a register beside a prefix, or one register twice in a gather: another try.
    (0..50).find_map(|_| {
        let operands: Vec<Operand> = form.explicit().map(|o| operand(form, o, in_memory, random)).collect();
        let apart = !form.mnemonic.starts_with("bt") || !in_memory || base(&operands) != register(&operands);
        (apart && fits(form, &operands) && select(&form.name(), &operands).is_ok()).then_some(operands)
    })
}

fn base(operands: &[Operand]) -> Option<Gpr> {
    operands.iter().find_map(|o| match o {
        Operand::Mem(Mem { base: Base::Reg(gpr), .. }) => Some(*gpr),
        _ => None,
    })
}

fn register(operands: &[Operand]) -> Option<Gpr> {
    operands.iter().find_map(|o| if let Operand::Reg(reg) = o { Some(reg.gpr) } else { None })
}

fn operand(form: &Form, o: &FormOperand, in_memory: bool, random: &mut Random) -> Operand {
    match o.kind {
        Kind::RegMem | Kind::VectorMem if in_memory => memory(form, o, None, random),
        Kind::Mem => memory(form, o, None, random),
        Kind::Reg | Kind::RegMem => {
            let free = |gpr: Gpr| gpr != Gpr::Rsp && !(is_division(form) && is_implicit(form, gpr));
            let class = match o.width {
                Some(Width::B8) if random.below(4) == 0 && !is_division(form) => RegClass::R8High,
                Some(Width::B8) => RegClass::R8,
                Some(Width::B16) => RegClass::R16,
                Some(Width::B32) => RegClass::R32,
                _ => RegClass::R64,
            };
            // Few registers, so that some stand twice.
            let few = [Gpr::Rax, Gpr::Rcx, Gpr::Rdx, Gpr::Rbx, Gpr::Rsi, Gpr::R8, Gpr::R13];
            let all: Vec<Gpr> = few.into_iter().filter(|gpr| free(*gpr)).collect();
            Operand::Reg(Reg { gpr: random.of(&all), class })
        }
        Kind::Vector | Kind::VectorMem => Operand::Vector(vector(o.width, random)),
        Kind::Fixed(gpr) => {
            let class = match o.width {
                Some(Width::B8) => RegClass::R8,
                Some(Width::B16) => RegClass::R16,
                Some(Width::B32) => RegClass::R32,
                _ => RegClass::R64,
            };
            Operand::Reg(Reg { gpr, class })
        }
        Kind::Imm(extension) => Operand::Imm(Imm::Literal(immediate(o.width, extension, random))),
        Kind::One => Operand::Imm(Imm::Literal(1)),
        Kind::Rel | Kind::FixedVector(_) | Kind::Ah => {
            unreachable!("no jump is tried, and these are implicit")
        }
        // A gather's address.
        _ => {
            let index = Index::Vector(vector(o.width, random));
            memory(form, o, Some((index, Scale::X1)), random)
        }
    }
}

fn vector(width: Option<Width>, random: &mut Random) -> Vector {
    let class = if width == Some(Width::B256) { VectorClass::Ymm } else { VectorClass::Xmm };
    Vector { reg: random.of(&[Xmm::Xmm0, Xmm::Xmm1, Xmm::Xmm2, Xmm::Xmm5, Xmm::Xmm9, Xmm::Xmm14]), class }
}

/// Aligned to 32 bytes, since some vector instructions ask for that.
fn memory(form: &Form, o: &FormOperand, index: Option<(Index, Scale)>, random: &mut Random) -> Operand {
    let free: Vec<Gpr> = Gpr::ALL.into_iter().filter(|&r| r != Gpr::Rsp && !is_implicit(form, r)).collect();
    let base = Base::Reg(random.of(&free));
    let disp = Disp::Literal(random.of(&[0, 32, 64, -64]));
    Operand::Mem(Mem { width: o.memory, index, disp, ..Mem::at(base) })
}

fn immediate(width: Option<Width>, extension: Extension, random: &mut Random) -> i128 {
    let value = random.word();
    let unsigned = extension == Extension::Zero;
    match width {
        Some(Width::B8) if unsigned => (value as u8).into(),
        Some(Width::B8) => (value as i8).into(),
        Some(Width::B16) if unsigned => (value as u16).into(),
        Some(Width::B16) => (value as i16).into(),
        Some(Width::B32) if unsigned => (value as u32).into(),
        Some(Width::B32) => (value as i32).into(),
        _ => (value as i64).into(),
    }
}

/// A state on which the instruction runs without a fault. `middle` is what points into memory.
pub(crate) fn state(form: &Form, operands: &[Operand], middle: u64, random: &mut Random) -> State {
    let mut state = anything(random);
    if is_division(form) {
        divisible(&mut state, operands);
    }
    if form.mnemonic.starts_with("bt")
        && let [Operand::Mem(_), Operand::Reg(reg)] = operands
    {
        state.gprs[usize::from(reg.gpr.number())] %= 512;
    }
    if form.acts.loads || form.acts.stores {
        // String instructions, xlatb.
        for gpr in [Gpr::Rsi, Gpr::Rdi, Gpr::Rbx].into_iter().filter(|gpr| is_implicit(form, *gpr)) {
            let apart = if gpr == Gpr::Rdi { 4 * random.below(16) } else { 0 };
            state.gprs[usize::from(gpr.number())] = middle + apart;
        }
        if is_implicit(form, Gpr::Rcx) {
            state.gprs[usize::from(Gpr::Rcx.number())] = random.below(9);
        }
    }
    for operand in operands {
        if let Operand::Mem(mem) = operand {
            address(&mut state, form, mem, middle, random);
        }
    }
    state
}

pub(crate) fn anything(random: &mut Random) -> State {
    let mut state = State { gprs: [0; 16], flags: 0, vectors: [[0; 4]; 16], memory: [0; MEMORY] };
    state.gprs.fill_with(|| random.word());
    // Bit 1 is always set, and interrupts are on.
    state.flags = random.next() & bits(ALL_FLAGS) | 0x202;
    state.vectors.as_flattened_mut().fill_with(|| random.word());
    state.memory.as_chunks_mut::<8>().0.fill_with(|| random.word().to_le_bytes());
    state
}

/// A small dividend, and no divisor that is 0.
fn divisible(state: &mut State, operands: &[Operand]) {
    state.gprs[usize::from(Gpr::Rax.number())] &= 0x7F;
    state.gprs[usize::from(Gpr::Rdx.number())] = 0;
    for operand in operands {
        if let Operand::Reg(reg) = operand {
            state.gprs[usize::from(reg.gpr.number())] |= 1;
        }
    }
    state.memory.iter_mut().for_each(|byte| *byte |= 1);
}

/// Let an address be in the buffer. The elements of a vector index are as wide as the mnemonic says.
fn address(state: &mut State, form: &Form, mem: &Mem, middle: u64, random: &mut Random) {
    if let Base::Reg(gpr) = mem.base {
        state.gprs[usize::from(gpr.number())] = middle;
    }
    if let Some((Index::Vector(index), _)) = mem.index {
        let wide = form.mnemonic.trim_start_matches("vp").trim_start_matches('v').starts_with("gatherq");
        state.vectors[usize::from(index.reg.number())].fill_with(|| {
            let high = if wide { 0 } else { random.below(64) << 32 };
            random.below(64) | high
        });
    }
}
