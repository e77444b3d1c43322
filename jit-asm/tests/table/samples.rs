//! Operands to try: every register, every shape of address, the edges of every immediate.

use jit_asm::x64::form::{Extension, Form, FormOperand, Kind, ModRm};
use jit_asm::x64::operand::{
    Base, Disp, Distance, Imm, Index, Mem, Operand, Reg, RegClass, Scale, Segment, Vector, VectorClass, Width,
};
use jit_asm::{Gpr, Xmm};
use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};

const SCALES: [Scale; 4] = [Scale::X1, Scale::X2, Scale::X4, Scale::X8];
const DISPLACEMENTS: [i32; 11] = [0, 1, -1, 127, -127, 128, -128, 129, -129, i32::MAX, i32::MIN];

/// The width as a class of registers.
pub(crate) fn class_of(width: Option<Width>) -> RegClass {
    match width {
        Some(Width::B8) => RegClass::R8,
        Some(Width::B16) => RegClass::R16,
        Some(Width::B32) => RegClass::R32,
        _ => RegClass::R64,
    }
}

/// Every register of a class; with those of 8 bits also ah, ch, dh, bh.
pub(crate) fn registers(class: RegClass) -> Vec<Operand> {
    let mut all: Vec<Operand> = Gpr::ALL.map(|gpr| Operand::Reg(Reg { gpr, class })).to_vec();
    if class == RegClass::R8 {
        let high = |gpr| Operand::Reg(Reg { gpr, class: RegClass::R8High });
        all.extend([Gpr::Rax, Gpr::Rcx, Gpr::Rdx, Gpr::Rbx].map(high));
    }
    all
}

/// Every base, alone and with every index at every scale, at every edge of the displacement; no base;
/// rip; absolute. An index of rsp where it can be swapped with the base.
fn addresses() -> Vec<Mem> {
    let mut indexes = vec![None];
    for gpr in Gpr::ALL.into_iter().filter(|&gpr| gpr != Gpr::Rsp) {
        indexes.extend(SCALES.map(|scale| Some((Index::Reg(gpr), scale))));
    }
    let bases: Vec<Base> = Gpr::ALL.map(Base::Reg).into_iter().chain([Base::None]).collect();
    let mut all = vec![];
    for disp in DISPLACEMENTS.map(Disp::Literal) {
        let mut add = |base, index| all.push(Mem { index, disp, ..Mem::at(base) });
        for &base in &bases {
            for &index in &indexes {
                add(base, index);
            }
            if !matches!(base, Base::None | Base::Reg(Gpr::Rsp)) {
                add(base, Some((Index::Reg(Gpr::Rsp), Scale::X1)));
            }
        }
        add(Base::Rip, None);
    }
    let segments = [Segment::Fs, Segment::Gs].map(Some).into_iter();
    let with_segment = |segment| all.iter().step_by(29).map(move |mem| Mem { segment, ..*mem });
    let more: Vec<Mem> = segments.flat_map(with_segment).collect();
    all.extend(more);
    all
}

/// One address of each layout.
pub(crate) fn few_addresses() -> Vec<Mem> {
    let wanted = |mem: &Mem| {
        let base = matches!(
            mem.base,
            Base::None | Base::Rip | Base::Reg(Gpr::Rcx | Gpr::Rsp | Gpr::Rbp | Gpr::R12 | Gpr::R13)
        );
        let index = matches!(mem.index, None | Some((Index::Reg(Gpr::R9), Scale::X4)));
        base && index && matches!(mem.disp, Disp::Literal(0 | -128 | 128))
    };
    addresses().into_iter().filter(wanted).collect()
}

/// Around every edge of every width.
pub(crate) fn edges() -> Vec<i128> {
    let mut all = vec![0, 1, 2, -1];
    for bits in [8, 16, 32, 64] {
        for at in [1 << (bits - 1), 1 << bits] {
            all.extend([at - 1, at, at + 1, -at - 1, -at, 1 - at]);
        }
        all.extend([7, 8, 9].map(|below| (1 << bits) - (1 << below)));
        // The patterns of -128 and -129, of -2^31 and -2^31 - 1.
        all.extend([128, 129, 1 << 31, (1 << 31) + 1].map(|below: i128| (1 << bits) - below));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether an immediate of the form can mean the value: what `Imm::Literal` promises, computed from bit
/// patterns.
pub(crate) fn means(form: &Form, o: &FormOperand, value: i128) -> bool {
    let field = o.width.map_or(0, Width::bits);
    let pattern = |bits: u32| value & ((1 << bits) - 1);
    let sign_extended = |bits: u32| (pattern(bits) << (128 - bits)) >> (128 - bits);
    match o.kind {
        Kind::One => value == 1,
        Kind::Imm(Extension::None) => value == pattern(field) || value == sign_extended(field),
        Kind::Imm(Extension::Zero) => value == pattern(field),
        Kind::Imm(Extension::Sign) => {
            let used = form.use_width(o).map_or(0, Width::bits);
            let is_negative = sign_extended(field) < 0;
            let same = sign_extended(field) & ((1 << used) - 1) == pattern(used);
            same && (value == sign_extended(field) || (value == pattern(used) && is_negative))
        }
        _ => false,
    }
}

/// What can stand at an operand; of memory the given addresses.
pub(crate) fn values(form: &Form, o: &FormOperand, addresses: &[Mem], with_registers: bool) -> Vec<Operand> {
    let memory = || addresses.iter().map(|mem| Operand::Mem(Mem { width: o.memory, ..*mem }));
    match o.kind {
        Kind::Vector => vectors(o.width),
        Kind::VectorMem if with_registers => vectors(o.width).into_iter().chain(memory()).collect(),
        Kind::Vsib(_) => addresses.iter().filter_map(|mem| Some(Operand::Mem(with_vsib(o, mem)?))).collect(),
        Kind::Reg => registers(class_of(o.width)),
        Kind::RegMem if with_registers => registers(class_of(o.width)).into_iter().chain(memory()).collect(),
        Kind::RegMem | Kind::VectorMem | Kind::Mem => memory().collect(),
        Kind::Imm(_) | Kind::One => {
            let meant = edges().into_iter().filter(|&value| means(form, o, value));
            meant.map(|value| Operand::Imm(Imm::Literal(value))).collect()
        }
        Kind::Rel if o.width == Some(Width::B8) => vec![Operand::Target(Distance::Short)],
        Kind::Rel => vec![Operand::Target(Distance::Near)],
        Kind::Fixed(gpr) => vec![Operand::Reg(Reg { gpr, class: class_of(o.width) })],
        Kind::FixedVector(_) | Kind::Ah => unreachable!("these are implicit"),
    }
}

/// Every vector register of a width.
pub(crate) fn vectors(width: Option<Width>) -> Vec<Operand> {
    Xmm::ALL.map(|reg| Operand::Vector(Vector { reg, class: vector_class_of(width) })).to_vec()
}

/// The width as a class of vector registers.
pub(crate) fn vector_class_of(width: Option<Width>) -> VectorClass {
    if width == Some(Width::B256) { VectorClass::Ymm } else { VectorClass::Xmm }
}

/// The address with a vector register as its index; `None` if it has no index.
fn with_vsib(o: &FormOperand, mem: &Mem) -> Option<Mem> {
    let (Index::Reg(gpr), scale) = mem.index? else { return None };
    let (reg, class) = (Xmm::ALL[gpr.number() as usize], vector_class_of(o.width));
    let index = Some((Index::Vector(Vector { reg, class }), scale));
    Some(Mem { width: o.memory, index, ..*mem })
}

/// Every combination of the values.
pub(crate) fn product(lists: &[Vec<Operand>]) -> Vec<Vec<Operand>> {
    lists.iter().fold(vec![vec![]], |all, list| {
        all.into_iter().flat_map(|row| list.iter().map(move |o| [&row[..], &[*o]].concat())).collect()
    })
}

/// Every pair of values at every pair of places, the other places going round: of two lists every combination,
/// of more those that find whatever is wrong with two operands together.
fn pairs(lists: &[Vec<Operand>]) -> Vec<Vec<Operand>> {
    if lists.len() <= 2 {
        return product(lists);
    }
    let mut all = vec![];
    for a in 0..lists.len() {
        for b in a + 1..lists.len() {
            for (i, j) in (0..lists[a].len()).flat_map(|i| (0..lists[b].len()).map(move |j| (i, j))) {
                let at = |n: usize| {
                    if n == a {
                        i
                    } else if n == b {
                        j
                    } else {
                        5 * i + j + n
                    }
                };
                all.push(lists.iter().enumerate().map(|(n, list)| list[at(n) % list.len()]).collect());
            }
        }
    }
    all
}

/// Every value of the longest list, the others going round.
fn in_turn(lists: &[Vec<Operand>]) -> impl Iterator<Item = Vec<Operand>> + '_ {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest).map(move |i| lists.iter().map(|list| list[i % list.len()]).collect())
}

/// Every register of the form in every place, every pair of them, with these addresses and all immediates;
/// also those that are [`excluded`].
pub(crate) fn every_register(form: &Form, addresses: &[Mem]) -> Vec<Vec<Operand>> {
    let lists: Vec<_> = form.explicit().map(|o| values(form, o, addresses, true)).collect();
    pairs(&lists)
}

/// Every address, in every layout that stands around one; the other forms of a layout with some of them.
pub(crate) struct EveryAddress {
    addresses: Vec<Mem>,
    seen: HashSet<Layout>,
}

/// What decides how an address is encoded: the kind of its index, ModRM, prefixes, map, what follows, and
/// whether there are vector registers.
type Layout = (bool, Discriminant<ModRm>, [bool; 5], u8, Option<Width>, bool);

impl EveryAddress {
    pub(crate) fn new() -> EveryAddress {
        EveryAddress { addresses: addresses(), seen: HashSet::new() }
    }

    /// The next form's operands: none for a form without memory.
    pub(crate) fn rows(&mut self, form: &Form) -> Vec<Vec<Operand>> {
        if !form.explicit().any(|o| o.memory.is_some() || o.kind == Kind::Mem) {
            return vec![];
        }
        let vsib = form.explicit().any(|o| matches!(o.kind, Kind::Vsib(_)));
        let vector = form.explicit().any(|o| matches!(o.kind, Kind::Vector | Kind::VectorMem));
        let prefixes = [form.lock, form.prefix_66, form.repeat.is_some(), form.rex_w, form.vex.is_some()];
        let layout = (vsib, discriminant(&form.modrm), prefixes, form.map as u8, form.tail, vector);
        let step = if self.seen.insert(layout) { 1 } else { 17 };
        let lists: Vec<_> = form.explicit().map(|o| values(form, o, &self.addresses, false)).collect();
        in_turn(&lists).step_by(step).filter(|operands| !excluded(form, operands)).collect()
    }
}

/// Whether the operands cannot stand together in the form: ah, ch, dh or bh where there is a REX prefix,
/// `90` for xchg eax, eax, which does nothing, and a register twice in a gather.
pub(crate) fn excluded(form: &Form, operands: &[Operand]) -> bool {
    let number = |gpr: Gpr| gpr.number() >= 8;
    let rex = |o: &Operand| match o {
        Operand::Reg(Reg { gpr, class: RegClass::R8 }) => gpr.number() >= 4,
        Operand::Reg(reg) => number(reg.gpr),
        Operand::Mem(mem) => {
            matches!(mem.base, Base::Reg(gpr) if number(gpr))
                || matches!(mem.index, Some((Index::Reg(gpr), _)) if number(gpr))
        }
        _ => false,
    };
    let high = |o: &Operand| matches!(o, Operand::Reg(Reg { class: RegClass::R8High, .. }));
    let eax = Operand::Reg(Reg { gpr: Gpr::Rax, class: RegClass::R32 });
    let vectors: Vec<Xmm> = operands.iter().filter_map(vector_or_index).collect();
    let equal = (1..vectors.len()).any(|i| vectors[..i].contains(&vectors[i]));
    if equal && form.explicit().any(|o| matches!(o.kind, Kind::Vsib(_))) {
        return true;
    }
    let nop = form.mnemonic == "xchg" && form.modrm == ModRm::Opcode && operands == [eax, eax];
    nop || operands.iter().any(high) && (form.rex_w || operands.iter().any(rex))
}

/// The vector register that an operand is or has as an index.
fn vector_or_index(operand: &Operand) -> Option<Xmm> {
    match operand {
        Operand::Vector(vector) => Some(vector.reg),
        Operand::Mem(Mem { index: Some((Index::Vector(vector), _)), .. }) => Some(vector.reg),
        _ => None,
    }
}
