//! What is no instruction is told so, at the operand, with what would fit; and nothing panics.

use crate::bytes::Checker;
use expect_test::expect_file;
use jit_asm::x64::form::{Form, FormOperand};
use jit_asm::x64::listing::line;
use jit_asm::x64::operand::{
    Base, Disp, Distance, Imm, Index, Mem, Operand, Reg, RegClass, Scale, Vector, VectorClass, Width,
};
use jit_asm::x64::select::{Meant, Mismatch, forms_named, mnemonics, select};
use jit_asm::x64::{FieldKind, encode};
use jit_asm::{Gpr, Xmm};
use std::fmt::Write as _;

const fn reg(gpr: Gpr, class: RegClass) -> Operand {
    Operand::Reg(Reg { gpr, class })
}

const fn mem(width: Option<Width>, base: Base, index: Option<(Index, Scale)>, disp: Disp) -> Operand {
    Operand::Mem(Mem { width, segment: None, base, index, disp })
}

const fn imm(value: i128) -> Operand {
    Operand::Imm(Imm::Literal(value))
}

const AL: Operand = reg(Gpr::Rax, RegClass::R8);
const AH: Operand = reg(Gpr::Rax, RegClass::R8High);
const AX: Operand = reg(Gpr::Rax, RegClass::R16);
const EAX: Operand = reg(Gpr::Rax, RegClass::R32);
const RAX: Operand = reg(Gpr::Rax, RegClass::R64);
const CL: Operand = reg(Gpr::Rcx, RegClass::R8);
const RCX: Operand = reg(Gpr::Rcx, RegClass::R64);
const R9B: Operand = reg(Gpr::R9, RegClass::R8);
const AT: Operand = mem(None, Base::Reg(Gpr::Rbx), None, Disp::Literal(0));
const NEAR: Operand = Operand::Target(Distance::Near);

const fn xmm(reg: Xmm) -> Operand {
    Operand::Vector(Vector { reg, class: VectorClass::Xmm })
}

const fn ymm(reg: Xmm) -> Operand {
    Operand::Vector(Vector { reg, class: VectorClass::Ymm })
}

const X1: Operand = xmm(Xmm::Xmm1);
const X2: Operand = xmm(Xmm::Xmm2);
const X3: Operand = xmm(Xmm::Xmm3);
const Y1: Operand = ymm(Xmm::Xmm1);
const Y2: Operand = ymm(Xmm::Xmm2);
const Y3: Operand = ymm(Xmm::Xmm3);

/// An address for every element of a vector.
const fn each(reg: Xmm, class: VectorClass) -> Operand {
    mem(None, Base::Reg(Gpr::Rbx), Some((Index::Vector(Vector { reg, class }), Scale::X4)), Disp::Literal(0))
}

const fn at(width: Width) -> Operand {
    mem(Some(width), Base::Reg(Gpr::Rbx), None, Disp::Literal(0))
}

const fn hole(width: Option<Width>) -> Operand {
    Operand::Imm(Imm::Hole(width))
}

#[rustfmt::skip] // One mistake, one line.
const MISTAKES: &[(&str, &[Operand])] = &[
    ("mvo", &[RAX, RCX]),
    ("adcs", &[RAX, RCX]),
    ("frobnicate", &[]),
    ("mov", &[RAX]),
    ("cqo", &[RAX]),
    ("imul", &[]),
    ("inc", &[AT]),
    ("add", &[AT, imm(1)]),
    ("mov", &[AT, imm(70_000)]),
    ("shl", &[AT, imm(1)]),
    ("shl", &[AT, CL]),
    ("movzx", &[RAX, AT]),
    ("push", &[AT]),
    ("idiv", &[AT]),
    ("mov", &[AT, hole(Some(Width::B16))]),
    ("add", &[RAX, EAX]),
    ("add", &[at(Width::B32), RAX]),
    ("mov", &[EAX, at(Width::B64)]),
    ("cmovz", &[RAX, EAX]),
    ("movzx", &[AL, AL]),
    ("movzx", &[RAX, EAX]),
    ("movsxd", &[RAX, AX]),
    ("mov", &[AT, AT]),
    ("add", &[at(Width::B64), at(Width::B64)]),
    ("add", &[imm(5), RAX]),
    ("lea", &[RAX, RCX]),
    ("lea", &[AL, AT]),
    ("shl", &[RAX, RCX]),
    ("setz", &[RAX]),
    ("jmp", &[imm(5)]),
    ("jz", &[RAX]),
    ("call", &[EAX]),
    ("call", &[Operand::Target(Distance::Short)]),
    ("pop", &[EAX]),
    ("mov", &[RAX, NEAR]),
    ("mov", &[AL, imm(256)]),
    ("mov", &[AL, imm(-129)]),
    ("add", &[RAX, imm(0x8000_0000)]),
    ("add", &[EAX, imm(0x1_0000_0000)]),
    ("mov", &[RAX, imm(1 << 64)]),
    ("mov", &[at(Width::B64), imm(0xFFFF_FFFF)]),
    ("shl", &[RAX, imm(256)]),
    ("push", &[imm(0xFFFF_FFFF)]),
    ("ret", &[imm(-8)]),
    ("ret", &[imm(65_536)]),
    ("add", &[RAX, hole(Some(Width::B64))]),
    ("mov", &[EAX, hole(Some(Width::B8))]),
    ("mov", &[AH, R9B]),
    ("movzx", &[RAX, AH]),
    ("mov", &[AH, Operand::RegHole(RegClass::R8)]),
    ("mov", &[Operand::RegHole(RegClass::R8High), AL]),
    ("mov", &[AH, mem(None, Base::Hole, None, Disp::Literal(0))]),
    ("mov", &[RAX, mem(None, Base::Reg(Gpr::Rax), Some((Index::Reg(Gpr::Rsp), Scale::X2)), Disp::Literal(0))]),
    ("mov", &[RAX, mem(None, Base::Rip, Some((Index::Reg(Gpr::Rax), Scale::X1)), Disp::Literal(0))]),
    ("mov", &[RAX, mem(None, Base::Target, None, Disp::Literal(8))]),
    ("mov", &[RAX, mem(None, Base::Rip, None, Disp::Hole8)]),
    ("imul", &[RAX, at(Width::B64), RCX]),
    ("imul", &[at(Width::B64), RAX]),
    ("xchg", &[RAX, imm(1)]),
    ("test", &[RAX, EAX]),
    ("lock mov", &[AT, RAX]),
    ("lock add", &[RAX, RCX]),
    ("lock add", &[RAX, AT]),
    ("lock cmp", &[AT, RAX]),
    ("rep cmpsb", &[]),
    ("repne movsb", &[]),
    ("rep add", &[RAX, RCX]),
    ("loop", &[NEAR]),
    ("bt", &[AT, imm(5)]),
    ("bts", &[AL, imm(5)]),
    ("movbe", &[RAX, RCX]),
    ("shlx", &[RAX, RCX, CL]),
    ("crc32", &[EAX, AT]),
    ("crc32", &[RAX, EAX]),
    ("cmpxchg16b", &[at(Width::B64)]),
    ("in", &[RAX, imm(0x60)]),
    ("enter", &[imm(70_000), imm(0)]),
    ("addps", &[X1, RAX]),
    ("addps", &[AT, X1]),
    ("addps", &[Y1, Y2]),
    ("addps", &[X1, X2, X3]),
    ("addsd", &[X1, at(Width::B128)]),
    ("paddd", &[X1, imm(1)]),
    ("movd", &[X1, RAX]),
    ("movq", &[X1, EAX]),
    ("movaps", &[AT, AT]),
    ("movaps", &[RAX, X1]),
    ("cvtsi2sd", &[X1, AT]),
    ("cvtsi2sd", &[X1, AX]),
    ("cvttsd2si", &[X1, X2]),
    ("movmskps", &[RAX, X1]),
    ("pextrb", &[at(Width::B32), X1, imm(1)]),
    ("pshufd", &[X1, X2]),
    ("pshufd", &[X1, X2, imm(256)]),
    ("blendvps", &[X1, X2, X3]),
    ("vaddps", &[X1, X2]),
    ("vaddps", &[Y1, X2, Y3]),
    ("vaddps", &[X1, X2, Y3]),
    ("vaddps", &[X1, AT, AT]),
    ("vaddps", &[X1, AT, X2]),
    ("vaddsd", &[Y1, Y2, Y3]),
    ("vcvtpd2ps", &[X1, AT]),
    ("vinsertf128", &[Y1, Y2, Y3, imm(1)]),
    ("vblendvps", &[Y1, Y2, AT, X3]),
    ("vgatherdps", &[X1, each(Xmm::Xmm1, VectorClass::Xmm), X3]),
    ("vgatherdps", &[X1, each(Xmm::Xmm2, VectorClass::Xmm), X2]),
    ("vgatherdps", &[X1, each(Xmm::Xmm2, VectorClass::Ymm), X3]),
    ("vgatherdpd", &[Y1, each(Xmm::Xmm2, VectorClass::Ymm), Y3]),
    ("vgatherdps", &[X1, AT, X3]),
    ("vmovaps", &[X1, each(Xmm::Xmm2, VectorClass::Xmm)]),
    ("mov", &[RAX, each(Xmm::Xmm2, VectorClass::Xmm)]),
    ("mov", &[RAX, X1]),
    ("vaddpps", &[X1, X2, X3]),
];

#[test]
fn mistakes() {
    let mut all = String::new();
    for (mnemonic, operands) in MISTAKES {
        let text = line(mnemonic, operands, &mut |_| "{x}".to_owned());
        let _ = writeln!(all, "{text}");
        match select(mnemonic, operands) {
            Ok(form) => panic!("{text} is {form}"),
            Err(mismatch) => {
                let place =
                    mismatch.operand().map_or("instruction".to_owned(), |i| format!("operand {}", i + 1));
                let _ = writeln!(all, "    {}", mismatch.message());
                let _ = writeln!(all, "    {place}: {}", mismatch.label());
                if let Some(note) = mismatch.note() {
                    let _ = writeln!(all, "    {note}");
                }
            }
        }
    }
    expect_file!["mistakes.txt"].assert_eq(&all);
}

/// Every mnemonic with everything odd: it is encoded, and rightly, or there is a reason at an operand.
#[test]
fn every_mnemonic_with_everything() {
    // Nothing has bits 8 to 15 of rsi, and nothing takes them.
    let no_such = reg(Gpr::Rsi, RegClass::R8High);
    assert!(select("mov", &[no_such, AL]).is_err());
    let mut operands =
        vec![no_such, AL, AH, R9B, AX, EAX, RAX, RCX, CL, AT, NEAR, Operand::Target(Distance::Short)];
    let classes = [RegClass::R8, RegClass::R8High, RegClass::R16, RegClass::R32, RegClass::R64];
    operands.extend(classes.map(Operand::RegHole));
    operands.extend([X1, Y2, each(Xmm::Xmm3, VectorClass::Xmm), each(Xmm::Xmm12, VectorClass::Ymm)]);
    operands.extend([VectorClass::Xmm, VectorClass::Ymm].map(Operand::VectorHole));
    operands.extend([Width::B128, Width::B256].map(at));
    operands.extend([0, 1, -1, 200, 300, -200, 1 << 31, 1 << 40, -(1 << 70), i128::MIN, i128::MAX].map(imm));
    let widths = [None, Some(Width::B8), Some(Width::B16), Some(Width::B32), Some(Width::B64)];
    operands.extend(widths.map(hole));
    for width in widths {
        for base in [Base::None, Base::Reg(Gpr::R13), Base::Hole, Base::Rip, Base::Target] {
            for index in [None, Some((Index::Reg(Gpr::Rsp), Scale::X1)), Some((Index::Hole, Scale::X8))] {
                for disp in [Disp::Literal(0), Disp::Literal(i32::MIN), Disp::Hole8, Disp::Hole32] {
                    operands.push(mem(width, base, index, disp));
                }
            }
        }
    }
    let mut checker = Checker::new();
    let few: Vec<Operand> = operands.iter().step_by(7).copied().collect();
    // One mnemonic of those that take the same operands.
    let mut shapes = vec![];
    for mnemonic in mnemonics() {
        if shapes.contains(&shape(mnemonic)) {
            continue;
        }
        shapes.push(shape(mnemonic));
        try_all(&mut checker, mnemonic, &[]);
        operands.iter().for_each(|a| try_all(&mut checker, mnemonic, &[*a]));
        // A wrong count is said before the operands are looked at.
        let takes = |count| forms_named(mnemonic).iter().any(|f| f.arity() == count);
        let pairs = if takes(2) { &operands } else { &few };
        for &a in pairs {
            for &b in pairs {
                try_all(&mut checker, mnemonic, &[a, b]);
            }
        }
        let few = if takes(3) { &few[..] } else { &few[..5] };
        for &a in few {
            for &b in few {
                for &c in few {
                    try_all(&mut checker, mnemonic, &[a, b, c]);
                }
            }
        }
    }
    println!("{} instructions without holes", checker.checked);
    checker.finish();
}

/// What selection looks at.
fn shape(mnemonic: &str) -> Vec<(Vec<impl PartialEq>, bool)> {
    let operand = |o: &FormOperand| (o.kind, o.width, o.memory, o.place);
    let form = |f: &&Form| (f.explicit().map(operand).collect(), f.vex.is_some());
    forms_named(mnemonic).iter().map(form).collect()
}

fn try_all(checker: &mut Checker, mnemonic: &str, operands: &[Operand]) {
    match select(mnemonic, operands) {
        Ok(form) => {
            let encoded = encode(form, operands);
            let known = operands.iter().all(|o| match o {
                Operand::Imm(Imm::Hole(_)) | Operand::RegHole(_) | Operand::VectorHole(_) => false,
                Operand::Mem(mem) => {
                    !matches!(mem.base, Base::Hole | Base::Target)
                        && !matches!(mem.index, Some((Index::Hole | Index::VectorHole(_), _)))
                        && matches!(mem.disp, Disp::Literal(_))
                }
                _ => true,
            });
            if known {
                checker.decode(form, operands, encoded.bytes());
            }
            for field in encoded.fields() {
                let size = match field.kind {
                    FieldKind::Imm { width, .. } => width.bytes(),
                    FieldKind::Disp8 | FieldKind::Rel8 => 1,
                    FieldKind::Disp32 => 4,
                    FieldKind::Rel32 { tail, .. } => 4 + tail,
                    FieldKind::Reg { low_at, .. } => low_at + 1,
                };
                let len = encoded.bytes().len();
                assert!(usize::from(field.at + size) <= len, "{form} {operands:?}: {field:?} of {len} bytes");
            }
        }
        Err(mismatch) => {
            let place = mismatch.operand();
            assert!(place.is_none_or(|i| i < operands.len()), "{mnemonic} {operands:?}: {mismatch}");
            let label = mismatch.label();
            assert!(
                !mismatch.message().is_empty() && !label.is_empty() && !label.contains("nothing"),
                "{mismatch}"
            );
        }
    }
}

/// iced-x86 prints comparisons and products under their pseudo-ops: whatever it prints is a word that the table
/// reads back as the same instruction and number.
#[test]
fn pseudo_ops_have_their_numbers() {
    let mut words = 0;
    let instructions = [
        ("cmpps", &[X1, X2][..], 8),
        ("cmppd", &[X1, X2], 8),
        ("cmpss", &[X1, X2], 8),
        ("cmpsd", &[X1, X2], 8),
        ("vcmpps", &[Y1, Y2, Y3], 32),
        ("vcmppd", &[Y1, Y2, Y3], 32),
        ("vcmpss", &[X1, X2, X3], 32),
        ("vcmpsd", &[X1, X2, X3], 32),
        ("pclmulqdq", &[X1, X2], 18),
        ("vpclmulqdq", &[X1, X2, X3], 18),
    ];
    for (mnemonic, operands, numbers) in instructions {
        for number in 0..numbers {
            let operands: Vec<Operand> = operands.iter().copied().chain([imm(number)]).collect();
            let form = select(mnemonic, &operands).expect("has a form");
            let insn = iced_x86::Decoder::new(64, encode(form, &operands).bytes(), 0).decode();
            let mut text = String::new();
            iced_x86::Formatter::format(&mut iced_x86::IntelFormatter::new(), &insn, &mut text);
            let word = text.split(' ').next().unwrap_or_default();
            if word == mnemonic {
                continue; // No pseudo-op has this number.
            }
            let Err(Mismatch::UnknownMnemonic { meant, .. }) = select(word, &operands) else {
                panic!("{word}")
            };
            let number = number as u8;
            assert_eq!(meant, Some(Meant::Numbered { mnemonic, number }), "{word}");
            words += 1;
        }
    }
    assert_eq!(words, 4 * 8 + 4 * 32 + 2 * 4);
}
