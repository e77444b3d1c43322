//! Which form of the table an instruction is, or why it is none.
//!
//! **Problem.** The text `add rax, 5` fits three forms of `add`; `add [rax], 5` fits many and means none;
//! `add rax, ebx` fits none and somebody wants to know why.
//!
//! **Idea.** The first form in the order of the table that takes every operand. Literals decide by their
//! value; holes by their kind alone, so that no layout depends on what is filled in later: an immediate
//! hole without a width takes the form with the widest field. When nothing fits, the forms are asked again
//! which operand each of them minds, and the answer with the fewest objections is the error.
//!
//! **Invariants.** What is returned can be encoded. A memory operand without a width is accepted only when
//! the mnemonic and the other operands that have a width leave one.
//!
//! **Cost.** A hash lookup and a walk over the forms of the mnemonic (at most 19); errors cost more.

use super::encode::encode;
use super::form::{Extension, Form, FormOperand, Kind, Map, ModRm};
use super::operand::{Base, Disp, Distance, Imm, Index, Mem, Operand, Reg, RegClass, Scale, Vector, Width};
use super::rows::FORMS;
use crate::reg::Gpr;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

mod mismatch;
mod words;
pub use mismatch::{AddressFault, Mismatch};
pub use words::Meant;

/// The forms of every mnemonic, and of every mnemonic with `lock` in front that may have it. The rows of one
/// mnemonic need not stand together: movsd is a string instruction and a move of doubles.
static BY_MNEMONIC: LazyLock<HashMap<String, Vec<&'static Form>>> = LazyLock::new(|| {
    let mut forms: HashMap<String, Vec<&'static Form>> = HashMap::new();
    for form in &FORMS {
        forms.entry(form.name()).or_default().push(form);
    }
    forms
});

/// The forms of a mnemonic, with its prefix if it has one, in order of preference; none for what is no
/// mnemonic.
#[must_use]
pub fn forms_named(mnemonic: &str) -> &'static [&'static Form] {
    BY_MNEMONIC.get(mnemonic).map(Vec::as_slice).unwrap_or_default()
}

/// Every mnemonic, aliases and prefixes included, in the order of the table.
pub fn mnemonics() -> impl Iterator<Item = &'static str> {
    static ALL: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let place = |forms: &Vec<&'static Form>| std::ptr::from_ref(forms[0]) as usize;
        let mut all: Vec<_> = BY_MNEMONIC.iter().map(|(name, forms)| (place(forms), name.as_str())).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, name)| name).collect()
    });
    ALL.iter().copied()
}

/// Whether the table has the word.
#[must_use]
pub fn is_mnemonic(word: &str) -> bool {
    BY_MNEMONIC.contains_key(word)
}

/// The form that `mnemonic` with `operands` stands for.
///
/// # Errors
/// Why there is none, with the operand at fault and what would fit there.
pub fn select(mnemonic: &str, operands: &[Operand]) -> Result<&'static Form, Mismatch> {
    let forms = forms_named(mnemonic);
    if forms.is_empty() {
        return Err(Mismatch::unknown(mnemonic));
    }
    let of_arity = || forms.iter().copied().filter(|f| f.arity() == operands.len());
    if of_arity().next().is_none() {
        return Err(Mismatch::count(mnemonic, forms, operands));
    }
    for (index, operand) in operands.iter().enumerate() {
        if let Operand::Mem(mem) = operand
            && let Err(fault) = check_address(mem)
        {
            return Err(Mismatch::Address { index, fault });
        }
    }
    if let Some(index) = operands.iter().position(is_unsized_memory) {
        let widths = possible_widths(of_arity(), operands, index);
        if widths.len() > 1 {
            return Err(Mismatch::AmbiguousWidth { index, widths });
        }
    }
    let mut fitting = of_arity().filter(|f| fits(f, operands));
    let widest_first = operands.iter().any(|o| matches!(o, Operand::Imm(Imm::Hole(None))));
    let form = if widest_first {
        fitting.reduce(|best, f| if f.tail > best.tail { f } else { best })
    } else {
        fitting.next().map(|first| with_shorter_vex(first, fitting, operands))
    };
    let Some(form) = form else {
        return Err(mismatch::explain(&of_arity().collect::<Vec<_>>(), operands));
    };
    high_byte_and_rex(form, operands)?;
    gather_registers(form, operands)?;
    Ok(form)
}

/// A move between vector registers has two directions, and one may do with two bytes of VEX where the other
/// wants three.
fn with_shorter_vex(
    first: &'static Form,
    others: impl Iterator<Item = &'static Form>,
    operands: &[Operand],
) -> &'static Form {
    let extended = |o: &Operand| matches!(o, Operand::Vector(v) if v.reg.number() >= 8);
    if first.vex.is_none() || !operands.iter().any(extended) {
        return first;
    }
    let len = |form: &Form| encode(form, operands).bytes().len();
    others.fold(first, |best, form| if len(form) < len(best) { form } else { best })
}

fn is_unsized_memory(operand: &Operand) -> bool {
    matches!(operand, Operand::Mem(Mem { width: None, .. }))
}

/// The widths the memory operand at `index` has in the forms that take the other operands, values of
/// immediates aside: `mov [rax], 70000` is not a dword because 70000 is no word.
fn possible_widths(
    forms: impl Iterator<Item = &'static Form>,
    operands: &[Operand],
    index: usize,
) -> Vec<Width> {
    let mut widths: Vec<Width> = vec![];
    for form in forms {
        let takes = |(wanted, given): (&FormOperand, &Operand)| match given {
            Operand::Imm(_) => matches!(wanted.kind, Kind::Imm(_) | Kind::One),
            _ => takes(wanted, given),
        };
        if form.explicit().zip(operands).all(takes)
            && let Some(wanted) = form.explicit().nth(index)
        {
            widths.extend(wanted.memory);
        }
    }
    widths.sort_unstable();
    widths.dedup();
    widths
}

/// Whether the form takes all the operands, which are as many as it has. A memory operand without a width
/// fits every width.
#[must_use]
pub fn fits(form: &Form, operands: &[Operand]) -> bool {
    form.explicit().zip(operands).all(|(wanted, given)| match given {
        Operand::Imm(imm) => takes_imm(form, wanted, *imm),
        _ => takes(wanted, given),
    }) && !could_be_nop(form, operands)
}

/// `90` does nothing, while xchg eax, eax clears the upper half of rax (SDM vol. 2, NOP); and a register
/// hole could be eax.
fn could_be_nop(form: &Form, operands: &[Operand]) -> bool {
    let eax = Operand::Reg(Reg { gpr: Gpr::Rax, class: RegClass::R32 });
    let hole = operands.iter().any(|o| matches!(o, Operand::RegHole(_)));
    form.opcode == 0x90
        && form.map == Map::One
        && form.modrm == ModRm::Opcode
        && (hole || operands == [eax, eax])
}

/// Whether an operand other than an immediate may stand where `wanted` does.
fn takes(wanted: &FormOperand, given: &Operand) -> bool {
    if let Operand::Reg(Reg { gpr, class: RegClass::R8High }) = given
        && gpr.number() >= 4
    {
        return false; // Only rax, rcx, rdx and rbx have a second byte with a name.
    }
    let right = |width: Width| wanted.width == Some(width);
    if let Operand::Mem(mem) = given {
        return takes_memory(wanted, mem);
    }
    match (wanted.kind, given) {
        (Kind::Reg | Kind::RegMem, Operand::Reg(reg)) => right(reg.class.width()),
        (Kind::Reg | Kind::RegMem, Operand::RegHole(class)) => right(class.width()),
        (Kind::Vector | Kind::VectorMem, Operand::Vector(vector)) => right(vector.class.width()),
        (Kind::Vector | Kind::VectorMem, Operand::VectorHole(class)) => right(class.width()),
        (Kind::Fixed(gpr), Operand::Reg(reg)) => {
            reg.gpr == gpr && reg.class != RegClass::R8High && right(reg.class.width())
        }
        (Kind::Rel, Operand::Target(Distance::Short)) => right(Width::B8),
        (Kind::Rel, Operand::Target(Distance::Near)) => right(Width::B32),
        _ => false,
    }
}

/// Whether a memory operand may stand where `wanted` does.
fn takes_memory(wanted: &FormOperand, mem: &Mem) -> bool {
    let index = match mem.index {
        Some((Index::Vector(Vector { class, .. }) | Index::VectorHole(class), _)) => Some(class.width()),
        _ => None,
    };
    match wanted.kind {
        Kind::Mem if wanted.memory.is_none() => index.is_none(),
        Kind::RegMem | Kind::VectorMem | Kind::Mem => {
            index.is_none() && mem.width.is_none_or(|width| wanted.memory == Some(width))
        }
        Kind::Vsib(_) => index == wanted.width && mem.width.is_none_or(|width| wanted.memory == Some(width)),
        _ => false,
    }
}

fn takes_imm(form: &Form, wanted: &FormOperand, imm: Imm) -> bool {
    match (wanted.kind, imm, wanted.width) {
        (Kind::One, Imm::Literal(value), _) => value == 1,
        (Kind::Imm(_), Imm::Literal(value), Some(_)) => {
            imm_ranges(form, wanted).iter().flatten().any(|range| range.contains(&value))
        }
        // uimm32 saves bytes of a known value; a hole of 32 bits is a signed one.
        (Kind::Imm(Extension::Zero), Imm::Hole(_), Some(Width::B32)) => false,
        (Kind::Imm(_), Imm::Hole(None), _) => true,
        (Kind::Imm(_), Imm::Hole(hole), width) => hole == width,
        _ => false,
    }
}

/// The literals that an immediate field can mean. A field used at its own width w takes -2^(w-1) to
/// 2^w - 1; one that is sign-extended to u bits takes its signed range, which may also be written as the
/// u-bit patterns that have it: 0xFFFFFFF0 for -16 at 32 bits.
fn imm_ranges(form: &Form, wanted: &FormOperand) -> [Option<RangeInclusive<i128>>; 2] {
    let (Some(field), Some(used)) = (wanted.width, form.use_width(wanted)) else { return [None, None] };
    let half = 1_i128 << (field.bits() - 1);
    let all = 1_i128 << used.bits();
    match wanted.kind {
        Kind::Imm(Extension::None) => [Some(-half..=2 * half - 1), None],
        Kind::Imm(Extension::Sign) => [Some(-half..=half - 1), Some(all - half..=all - 1)],
        Kind::Imm(Extension::Zero) => [Some(0..=2 * half - 1), None],
        _ => [None, None],
    }
}

/// Whether an address can be encoded at all.
fn check_address(mem: &Mem) -> Result<(), AddressFault> {
    let relative = matches!(mem.base, Base::Rip | Base::Target);
    if relative && mem.index.is_some() {
        return Err(AddressFault::RipWithIndex);
    }
    if mem.base == Base::Target && mem.disp != Disp::Literal(0) {
        return Err(AddressFault::TargetWithDisplacement);
    }
    if mem.disp == Disp::Hole8 && (relative || mem.base == Base::None) {
        return Err(AddressFault::ByteDisplacementWithoutBase);
    }
    match (mem.index, mem.base) {
        (Some((Index::Reg(Gpr::Rsp), Scale::X1)), Base::Reg(base)) if base != Gpr::Rsp => Ok(()),
        (Some((Index::Reg(Gpr::Rsp), _)), _) => Err(AddressFault::RspAsIndex),
        _ => Ok(()),
    }
}

/// A gather whose destination, index and mask are not three registers is an invalid opcode (SDM vol. 2,
/// VGATHERDPS).
fn gather_registers(form: &Form, operands: &[Operand]) -> Result<(), Mismatch> {
    if !form.explicit().any(|o| matches!(o.kind, Kind::Vsib(_))) {
        return Ok(());
    }
    let mut seen = vec![];
    for (index, operand) in operands.iter().enumerate() {
        let vector = match operand {
            Operand::Vector(vector) => vector,
            Operand::Mem(Mem { index: Some((Index::Vector(vector), _)), .. }) => vector,
            _ => continue,
        };
        if seen.contains(&vector.reg) {
            return Err(Mismatch::GatherTwice { index, vector: *vector });
        }
        seen.push(vector.reg);
    }
    Ok(())
}

/// Numbers 4 to 7 of a byte register are ah, ch, dh, bh without REX and spl, bpl, sil, dil with it.
fn high_byte_and_rex(form: &Form, operands: &[Operand]) -> Result<(), Mismatch> {
    let is_high = |o: &Operand| {
        matches!(o, Operand::Reg(Reg { class: RegClass::R8High, .. }) | Operand::RegHole(RegClass::R8High))
    };
    let Some(index) = operands.iter().position(is_high) else { return Ok(()) };
    let beside = operands.iter().position(wants_rex);
    if beside.is_none() && !form.rex_w {
        return Ok(());
    }
    Err(Mismatch::HighByteWithRex { index, operand: operands[index], beside })
}

/// Whether an operand needs a REX prefix whatever the form.
fn wants_rex(operand: &Operand) -> bool {
    let extended = |gpr: Gpr| gpr.number() >= 8;
    match operand {
        Operand::Reg(Reg { gpr, class: RegClass::R8 }) => gpr.number() >= 4,
        Operand::Reg(reg) => extended(reg.gpr),
        Operand::RegHole(_) | Operand::VectorHole(_) => true,
        Operand::Vector(vector) => vector.reg.number() >= 8,
        Operand::Mem(mem) => {
            let base = match mem.base {
                Base::Reg(gpr) => extended(gpr),
                Base::Hole => true,
                Base::None | Base::Rip | Base::Target => false,
            };
            let index = match mem.index {
                Some((Index::Reg(gpr), _)) => extended(gpr),
                Some((Index::Vector(vector), _)) => vector.reg.number() >= 8,
                Some((Index::Hole | Index::VectorHole(_), _)) => true,
                None => false,
            };
            base || index
        }
        Operand::Imm(_) | Operand::Target(_) => false,
    }
}
