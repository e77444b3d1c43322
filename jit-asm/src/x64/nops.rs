//! Instructions that do nothing, by length.

use super::encode::{Encoded, encode};
use super::operand::{Base, Disp, Index, Mem, Operand, Reg, RegClass, Scale, Width};
use super::select::select;
use crate::reg::Gpr;

/// Instructions that together are `bytes` long and do nothing: the sequences the manual recommends
/// (SDM vol. 2, NOP, "Recommended Multi-Byte Sequence of NOP Instruction"), the longest first.
#[must_use]
pub fn nops(bytes: usize) -> Vec<Encoded> {
    let mut left = bytes;
    let mut all = vec![];
    while left > 0 {
        let one = nop(left.min(9));
        left -= one.bytes().len();
        all.push(one);
    }
    all
}

/// One instruction of 1 to 9 bytes. The layouts are those of holes, which do not shrink around a zero.
fn nop(bytes: usize) -> Encoded {
    let memory = |width, index: bool, disp| {
        let index = index.then_some((Index::Reg(Gpr::Rax), Scale::X1));
        vec![Operand::Mem(Mem { width: Some(width), index, disp, ..Mem::at(Base::Reg(Gpr::Rax)) })]
    };
    let ax = Operand::Reg(Reg { gpr: Gpr::Rax, class: RegClass::R16 });
    let (mnemonic, operands) = match bytes {
        0 | 1 => ("nop", vec![]),
        2 => ("xchg", vec![ax, ax]),
        3 => ("nop", memory(Width::B32, false, Disp::Literal(0))),
        4 => ("nop", memory(Width::B32, false, Disp::Hole8)),
        5 => ("nop", memory(Width::B32, true, Disp::Hole8)),
        6 => ("nop", memory(Width::B16, true, Disp::Hole8)),
        7 => ("nop", memory(Width::B32, false, Disp::Hole32)),
        8 => ("nop", memory(Width::B32, true, Disp::Hole32)),
        _ => ("nop", memory(Width::B16, true, Disp::Hole32)),
    };
    let form = select(mnemonic, &operands).expect("the table has nop with any memory, and xchg ax, ax");
    encode(form, &operands).without_fields()
}
