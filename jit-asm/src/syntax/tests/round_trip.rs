//! What is printed is read back: operands, whole instructions of every form, and templates.

use super::super::{Arg, Slot, Stmt, parse};
use super::assemble;
use crate::reg::{Gpr, Xmm};
use crate::x64::encode;
use crate::x64::form::{FormOperand, Kind};
use crate::x64::listing::{self, Part};
use crate::x64::operand::{
    Base, Disp, Distance, Imm, Index, Mem, Operand, Reg, RegClass, Scale, Segment, Vector, VectorClass, Width,
};
use crate::x64::rows::FORMS;
use crate::x64::select;
use arbtest::arbitrary::{Result, Unstructured};

/// What the listing prints for the parts that have no text of their own.
fn placeholder(operand: Operand, part: Part) -> &'static str {
    match part {
        Part::Register(RegClass::R8 | RegClass::R8High) => "{r: r8}",
        Part::Register(RegClass::R16) => "{r: r16}",
        Part::Register(RegClass::R32) => "{r: r32}",
        Part::Index => match operand {
            Operand::Mem(Mem { index: Some((Index::VectorHole(VectorClass::Xmm), _)), .. }) => "{x: xmm}",
            Operand::Mem(Mem { index: Some((Index::VectorHole(VectorClass::Ymm), _)), .. }) => "{x: ymm}",
            _ => "{r: r64}",
        },
        Part::Register(RegClass::R64) | Part::Base => "{r: r64}",
        Part::Vector(VectorClass::Xmm) => "{x: xmm}",
        Part::Vector(VectorClass::Ymm) => "{x: ymm}",
        Part::Disp8 => "{d: i8}",
        Part::Disp32 => "{d}",
        Part::Target => "{l}",
        Part::Imm => match operand {
            Operand::Imm(Imm::Hole(Some(Width::B8))) => "{n: i8}",
            Operand::Imm(Imm::Hole(Some(Width::B16))) => "{n: i16}",
            Operand::Imm(Imm::Hole(Some(Width::B32))) => "{n: i32}",
            Operand::Imm(Imm::Hole(Some(Width::B64))) => "{n: i64}",
            _ => "{n}",
        },
    }
}

fn print(mnemonic: &str, operands: &[Operand]) -> String {
    listing::line(mnemonic, operands, &mut |unnamed| {
        placeholder(operands[unnamed.operand], unnamed.part).to_owned()
    })
}

fn read(text: &str) -> Vec<Arg> {
    let stmts = parse(text.parse().expect("tokens")).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    match stmts.into_iter().next() {
        Some(Stmt::Insn(insn)) => insn.args,
        other => panic!("{text}: {other:?}"),
    }
}

const INTEGERS: [Option<Width>; 5] =
    [None, Some(Width::B8), Some(Width::B16), Some(Width::B32), Some(Width::B64)];
const VECTORS: [VectorClass; 2] = [VectorClass::Xmm, VectorClass::Ymm];

fn registers() -> Vec<Operand> {
    let mut all = vec![];
    for class in [RegClass::R8, RegClass::R16, RegClass::R32, RegClass::R64] {
        all.extend(Gpr::ALL.map(|gpr| Operand::Reg(Reg { gpr, class })));
        all.push(Operand::RegHole(class));
    }
    all.extend(Gpr::ALL[..4].iter().map(|&gpr| Operand::Reg(Reg { gpr, class: RegClass::R8High })));
    for class in VECTORS {
        all.extend(Xmm::ALL.map(|reg| Operand::Vector(Vector { reg, class })));
        all.push(Operand::VectorHole(class));
    }
    all
}

fn immediates() -> Vec<Operand> {
    let mut all: Vec<Operand> = INTEGERS.into_iter().map(|width| Operand::Imm(Imm::Hole(width))).collect();
    for value in [
        0,
        1,
        9,
        127,
        128,
        255,
        4096,
        4097,
        65535,
        i128::from(i32::MAX),
        i128::from(u32::MAX),
        i128::from(u64::MAX),
    ] {
        all.extend([value, -value].map(|value| Operand::Imm(Imm::Literal(value))));
    }
    all
}

/// Every address there is, with displacements at their edges.
fn addresses() -> Vec<Mem> {
    let mut bases = vec![Base::None, Base::Hole];
    bases.extend(Gpr::ALL.map(Base::Reg));
    let mut indices = vec![None];
    for scale in [Scale::X1, Scale::X2, Scale::X4, Scale::X8] {
        let named = Gpr::ALL.iter().filter(|&&gpr| gpr != Gpr::Rsp).map(|&gpr| Index::Reg(gpr));
        let vectors = VECTORS.into_iter().flat_map(|class| {
            let some = Xmm::ALL.into_iter().step_by(5).map(move |reg| Index::Vector(Vector { reg, class }));
            some.chain([Index::VectorHole(class)])
        });
        indices.extend(named.chain([Index::Hole]).chain(vectors).map(|index| Some((index, scale))));
    }
    let literals = [0, 1, -1, 127, -128, 5000, i32::MAX, i32::MIN].map(Disp::Literal);
    let mut all = vec![Mem::at(Base::Target)];
    for disp in literals.into_iter().chain([Disp::Hole8, Disp::Hole32]) {
        all.push(Mem { disp, ..Mem::at(Base::Rip) });
        for &base in &bases {
            all.extend(indices.iter().map(|&index| Mem { index, disp, ..Mem::at(base) }));
        }
    }
    let widths = INTEGERS.into_iter().chain([Width::B128, Width::B256].map(Some)).cycle();
    let segments = [None, None, Some(Segment::Fs), None, Some(Segment::Gs)].into_iter().cycle();
    for (mem, (width, segment)) in all.iter_mut().zip(widths.zip(segments)) {
        (mem.width, mem.segment) = (width, segment.filter(|_| mem.base != Base::Target));
    }
    all
}

#[test]
fn every_operand_that_is_printed_is_read_back() {
    let operands =
        registers().into_iter().chain(immediates()).chain(addresses().into_iter().map(Operand::Mem));
    for operand in operands {
        let text = print("mov", &[operand]);
        let args = read(&text);
        assert_eq!(args.len(), 1, "{text}");
        assert_eq!(args[0].operand, operand, "{text}");
    }
    let target = &read(&print("jmp", &[Operand::Target(Distance::Near)]))[0];
    assert_eq!(target.operand, Operand::Target(Distance::Near));
    assert!(target.hole(Slot::Target).is_some());
}

/// What stands at an operand of a form: a register, a hole, memory, numbers, with the `step`.
fn sample(o: &FormOperand, step: usize) -> Operand {
    let (number, hole) = (5 * step + 3, step % 3 == 1);
    let gpr = Gpr::ALL[number % 4];
    let class = match o.width {
        Some(Width::B8) => RegClass::R8,
        Some(Width::B16) => RegClass::R16,
        Some(Width::B32) => RegClass::R32,
        _ => RegClass::R64,
    };
    let long = VECTORS[usize::from(o.width == Some(Width::B256))];
    let vector = Vector { reg: Xmm::ALL[number % 16], class: long };
    let segment = [None, Some(Segment::Fs), Some(Segment::Gs)][step % 3];
    let plain =
        Mem { width: o.memory, segment, disp: Disp::Literal(step as i32 - 2), ..Mem::at(Base::Reg(gpr)) };
    match o.kind {
        Kind::RegMem | Kind::VectorMem if step % 2 == 1 => Operand::Mem(plain),
        Kind::Mem => Operand::Mem(plain),
        Kind::Reg | Kind::RegMem if hole => Operand::RegHole(class),
        Kind::Reg | Kind::RegMem => Operand::Reg(Reg { gpr, class }),
        Kind::Vector | Kind::VectorMem if hole => Operand::VectorHole(long),
        Kind::Vector | Kind::VectorMem => Operand::Vector(vector),
        Kind::Vsib(_) => {
            let index = if hole { Index::VectorHole(long) } else { Index::Vector(vector) };
            Operand::Mem(Mem { index: Some((index, Scale::X4)), ..plain })
        }
        Kind::Imm(_) if hole => Operand::Imm(Imm::Hole(o.width)),
        Kind::Imm(_) | Kind::One => Operand::Imm(Imm::Literal(1)),
        Kind::Rel => Operand::Target(Distance::Near),
        Kind::Fixed(gpr) => Operand::Reg(Reg { gpr, class }),
        Kind::FixedVector(_) | Kind::Ah => unreachable!("these are implicit"),
    }
}

#[test]
fn every_form_that_is_printed_is_read_back() {
    for form in &FORMS {
        for step in 0..6 {
            let wanted = form.explicit().enumerate();
            let operands: Vec<Operand> = wanted.map(|(place, o)| sample(o, step + place)).collect();
            let text = print(&form.name(), &operands);
            let again: Vec<Operand> = read(&text).iter().map(|arg| arg.operand).collect();
            assert_eq!(again, operands, "{text}");
            // A jump takes a distance, and a gather three registers, so not every sample is an instruction.
            let targets = operands.iter().any(|o| matches!(o, Operand::Target(_)));
            if let (false, Ok(found)) = (targets, select::select(&form.name(), &operands)) {
                let assembled = assemble(&text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
                assert_eq!(assembled.bytes, encode(found, &operands).bytes(), "{text}");
            }
        }
    }
}

/// An instruction that the table has, as text.
fn instruction(u: &mut Unstructured, pool: &[Operand], mnemonics: &[&str]) -> Result<Option<String>> {
    let mnemonic = *u.choose(mnemonics)?;
    let arity = u.choose(select::forms_named(mnemonic))?.arity();
    for _ in 0..30 {
        let operands: Vec<Operand> = (0..arity).map(|_| u.choose(pool).copied()).collect::<Result<_>>()?;
        if select::select(mnemonic, &operands).is_ok() {
            return Ok(Some(print(mnemonic, &operands)));
        }
    }
    Ok(None)
}

#[test]
fn a_listing_is_the_template_again() {
    let mut pool = registers();
    pool.extend(immediates());
    pool.extend(addresses().into_iter().step_by(7).map(Operand::Mem));
    let mnemonics: Vec<&str> = select::mnemonics().collect();
    arbtest::arbtest(|u| {
        let mut statements = vec![];
        for _ in 0..u.int_in_range(1..=12)? {
            if let Some(insn) = instruction(u, &pool, &mnemonics)? {
                statements.push(insn);
            }
        }
        let text = statements.join("; ");
        let first = assemble(&text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
        let lines: Vec<&str> = first.lines.iter().map(|(_, line)| line.as_str()).collect();
        let second = assemble(&lines.join("; ")).unwrap_or_else(|errors| panic!("{lines:?}: {errors:?}"));
        assert_eq!((first.bytes, first.lines), (second.bytes, second.lines));
        assert_eq!(first.effects, second.effects);
        Ok(())
    })
    .budget_ms(1000);
}
