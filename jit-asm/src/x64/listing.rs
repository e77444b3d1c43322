//! The canonical text of an instruction: Intel syntax, what is not known yet under a name.
//!
//! The text reads back as the same operands. Names of holes and labels are the caller's: a macro writes
//! `{slot}`, a listing of patched code the value.

use super::operand::{Base, Disp, Imm, Index, Mem, Operand, RegClass, Scale, VectorClass};
use core::fmt::Write as _;

/// A part of an instruction that has no text of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unnamed {
    /// The operand, from 0.
    pub operand: usize,
    /// Which part of it.
    pub part: Part,
}

/// What is missing in the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A register operand of this class.
    Register(RegClass),
    /// A vector register operand of this class.
    Vector(VectorClass),
    /// The base of an address.
    Base,
    /// The index of an address.
    Index,
    /// A displacement of 8 bits.
    Disp8,
    /// A displacement of 32 bits.
    Disp32,
    /// An immediate.
    Imm,
    /// A label or function: of a jump, or in brackets.
    Target,
}

/// The text of an instruction. `name` gives the text of what is chosen later, braces and all.
///
/// ```
/// use jit_asm::x64::listing::line;
/// use jit_asm::x64::operand::{Base, Disp, Mem, Operand, Reg, RegClass};
/// let rax = Operand::Reg(Reg { gpr: jit_asm::Gpr::Rax, class: RegClass::R64 });
/// let slot = Mem { disp: Disp::Hole32, ..Mem::at(Base::Reg(jit_asm::Gpr::Rbp)) };
/// let text = line("mov", &[rax, Operand::Mem(slot)], &mut |_| "{slot}".to_owned());
/// assert_eq!(text, "mov rax, [rbp + {slot}]");
/// ```
#[must_use]
pub fn line(mnemonic: &str, operands: &[Operand], name: &mut dyn FnMut(Unnamed) -> String) -> String {
    let mut text = mnemonic.to_owned();
    for (operand, value) in operands.iter().enumerate() {
        text += if operand == 0 { " " } else { ", " };
        let mut named = |part| name(Unnamed { operand, part });
        text += &match value {
            Operand::Reg(reg) => reg.to_string(),
            Operand::RegHole(class) => named(Part::Register(*class)),
            Operand::Vector(vector) => vector.to_string(),
            Operand::VectorHole(class) => named(Part::Vector(*class)),
            Operand::Imm(Imm::Literal(value)) => number(*value),
            Operand::Imm(Imm::Hole(_)) => named(Part::Imm),
            Operand::Target(_) => named(Part::Target),
            Operand::Mem(mem) => memory(mem, &mut named),
        };
    }
    text
}

/// Small numbers in decimal, the others in hexadecimal.
pub(crate) fn number(value: i128) -> String {
    if value.unsigned_abs() <= 4096 {
        return value.to_string();
    }
    format!("{}{:#x}", if value < 0 { "-" } else { "" }, value.unsigned_abs())
}

fn memory(mem: &Mem, named: &mut dyn FnMut(Part) -> String) -> String {
    let mut terms = vec![];
    match mem.base {
        Base::None => {}
        Base::Reg(gpr) => terms.push(gpr.to_string()),
        Base::Hole => terms.push(named(Part::Base)),
        Base::Rip => terms.push("rip".to_owned()),
        Base::Target => terms.push(named(Part::Target)),
    }
    if let Some((index, scale)) = mem.index {
        let index = match index {
            Index::Reg(gpr) => gpr.to_string(),
            Index::Vector(vector) => vector.to_string(),
            Index::Hole | Index::VectorHole(_) => named(Part::Index),
        };
        // Alone or as an index by its type, a register says that it is one by its factor.
        let bare = scale == Scale::X1 && mem.base != Base::None && mem.index != Some((Index::Hole, scale));
        terms.push(if bare { index } else { format!("{index}*{}", 1 << scale as u8) });
    }
    let mut text = mem.width.map_or(String::new(), |width| format!("{width} "));
    if let Some(segment) = mem.segment {
        let _ = write!(text, "{segment}:");
    }
    match (mem.disp, terms.is_empty()) {
        (Disp::Literal(0), false) => {}
        (Disp::Literal(disp), true) => terms.push(number(disp.into())),
        (Disp::Literal(disp), false) => {
            let sign = if disp < 0 { "-" } else { "+" };
            let _ = write!(text, "[{} {sign} {}]", terms.join(" + "), number(disp.unsigned_abs().into()));
            return text;
        }
        (Disp::Hole8 | Disp::Hole32, alone) => {
            if alone {
                // A name alone in brackets is a label.
                terms.push("0".to_owned());
            }
            terms.push(named(if mem.disp == Disp::Hole8 { Part::Disp8 } else { Part::Disp32 }));
        }
    }
    let _ = write!(text, "[{}]", terms.join(" + "));
    text
}
