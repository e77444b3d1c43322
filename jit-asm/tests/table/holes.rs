//! Holes by enumeration: whatever is filled in, iced decodes the instruction that was meant.

use crate::bytes::Checker;
use crate::samples::{class_of, excluded, vector_class_of};
use jit_asm::x64::form::{Form, FormOperand, Kind, Place};
use jit_asm::x64::operand::{
    Base, Disp, Distance, Imm, Index, Mem, Operand, Reg, RegClass, Scale, Vector, Width,
};
use jit_asm::x64::rows::FORMS;
use jit_asm::x64::select::{Mismatch, fits, select};
use jit_asm::x64::{Encoded, FieldKind, RegRole, effects, encode};
use jit_asm::{Gpr, Xmm};
use std::collections::HashSet;

/// What goes into the holes of an instruction.
#[derive(Clone, Copy)]
struct Filling {
    /// For a base, an index, and each operand; the numbers are those of vector registers too.
    gprs: [Gpr; 6],
    disp: i32,
    imm: i128,
}

/// Fill the fields as the macro's code does.
fn patched(encoded: &Encoded, operands: &[Operand], filling: &Filling) -> Vec<u8> {
    let mut bytes = encoded.bytes().to_vec();
    let mut put = |at: u8, value: i128, size: u8| {
        let at = usize::from(at);
        bytes[at..at + usize::from(size)].copy_from_slice(&value.to_le_bytes()[..usize::from(size)]);
    };
    for field in encoded.fields() {
        match (field.kind, &operands[field.operand]) {
            (FieldKind::Imm { width, .. }, Operand::Imm(Imm::Hole(_))) => {
                put(field.at, filling.imm, width.bytes());
            }
            (FieldKind::Disp8, Operand::Mem(Mem { disp: Disp::Hole8, .. })) => {
                put(field.at, filling.disp.into(), 1);
            }
            (FieldKind::Disp32, Operand::Mem(Mem { disp: Disp::Hole32, .. })) => {
                put(field.at, filling.disp.into(), 4);
            }
            _ => {}
        }
    }
    for field in encoded.fields() {
        if let FieldKind::Reg { role, low_at, low_shift, high } = field.kind {
            let number = filling.gprs[place(field.operand, role)].number();
            let low = if high.is_some() { number & 7 } else { number };
            bytes[usize::from(low_at)] ^= low << low_shift;
            if let Some((at, bit)) = high {
                bytes[usize::from(at)] ^= (number >> 3) << bit;
            }
        }
    }
    bytes
}

/// Which of the filling's registers a hole takes, by what it is in the encoding.
fn place(operand: usize, role: RegRole) -> usize {
    match role {
        RegRole::Base => 0,
        RegRole::Index => 1,
        _ => 2 + operand,
    }
}

/// The operands with what was filled in, as if it had been written.
fn filled(operands: &[Operand], filling: &Filling) -> Vec<Operand> {
    operands
        .iter()
        .enumerate()
        .map(|(i, operand)| match *operand {
            Operand::RegHole(class) => Operand::Reg(Reg { gpr: filling.gprs[2 + i], class }),
            Operand::VectorHole(class) => Operand::Vector(Vector { reg: vector(filling.gprs[2 + i]), class }),
            Operand::Imm(Imm::Hole(_)) => Operand::Imm(Imm::Literal(filling.imm)),
            Operand::Mem(mut mem) => {
                if mem.base == Base::Hole {
                    mem.base = Base::Reg(filling.gprs[0]);
                }
                mem.index = mem.index.map(|(index, scale)| match index {
                    Index::Hole => (Index::Reg(filling.gprs[1]), scale),
                    Index::VectorHole(class) => {
                        (Index::Vector(Vector { reg: vector(filling.gprs[1]), class }), scale)
                    }
                    known => (known, scale),
                });
                if matches!(mem.disp, Disp::Hole8 | Disp::Hole32) {
                    mem.disp = Disp::Literal(filling.disp);
                }
                Operand::Mem(mem)
            }
            other => other,
        })
        .collect()
}

fn vector(gpr: Gpr) -> Xmm {
    Xmm::ALL[usize::from(gpr.number())]
}

/// Addresses with a hole in at least one place.
fn hole_addresses(width: Option<Width>) -> Vec<Operand> {
    let bases = [Base::Hole, Base::None, Base::Reg(Gpr::Rbp), Base::Reg(Gpr::R12), Base::Reg(Gpr::Rax)];
    let indexes = [
        None,
        Some((Index::Hole, Scale::X1)),
        Some((Index::Hole, Scale::X8)),
        Some((Index::Reg(Gpr::R13), Scale::X2)),
    ];
    let disps = [Disp::Literal(0), Disp::Literal(-128), Disp::Literal(128), Disp::Hole8, Disp::Hole32];
    let mut all = vec![];
    for base in bases {
        for index in indexes {
            for disp in disps {
                let hole = base == Base::Hole
                    || matches!(index, Some((Index::Hole, _)))
                    || matches!(disp, Disp::Hole8 | Disp::Hole32);
                if hole && !(base == Base::None && disp == Disp::Hole8) {
                    all.push(Operand::Mem(Mem { width, segment: None, base, index, disp }));
                }
            }
        }
    }
    all
}

/// Operands for a form with a hole in at least one.
fn with_holes(form: &Form) -> Vec<Vec<Operand>> {
    let lists: Vec<Vec<Operand>> = form.explicit().map(|o| values(form, o)).collect();
    use Operand as O;
    let is_hole = |o: &O| matches!(o, O::RegHole(_) | O::VectorHole(_) | O::Imm(Imm::Hole(_)) | O::Mem(_));
    let all = crate::samples::product(&lists);
    all.into_iter().filter(|row| row.iter().any(is_hole) && fits(form, row) && !excluded(form, row)).collect()
}

fn values(form: &Form, o: &FormOperand) -> Vec<Operand> {
    let class = class_of(o.width);
    let reg = |gpr| Operand::Reg(Reg { gpr, class });
    let registers = [Operand::RegHole(class), reg(Gpr::Rcx), reg(Gpr::Rsi), reg(Gpr::R12)];
    match o.kind {
        Kind::Reg => registers.to_vec(),
        Kind::RegMem => registers.into_iter().chain(hole_addresses(o.memory)).collect(),
        Kind::Mem => hole_addresses(o.memory).into_iter().step_by(if form.lock { 7 } else { 1 }).collect(),
        Kind::Vector => vectors(o).to_vec(),
        Kind::VectorMem => {
            vectors(o).into_iter().chain(hole_addresses(o.memory).into_iter().step_by(7)).collect()
        }
        Kind::Vsib(_) => vsib_addresses(o),
        Kind::Imm(_) => vec![Operand::Imm(Imm::Literal(1)), Operand::Imm(Imm::Hole(o.width))],
        Kind::One => vec![Operand::Imm(Imm::Literal(1))],
        Kind::Rel => crate::samples::values(form, o, &[], false),
        Kind::Fixed(gpr) => vec![reg(gpr)],
        Kind::FixedVector(_) | Kind::Ah => unreachable!("these are implicit"),
    }
}

fn vectors(o: &FormOperand) -> [Operand; 3] {
    let class = vector_class_of(o.width);
    let reg = |reg| Operand::Vector(Vector { reg, class });
    [Operand::VectorHole(class), reg(Xmm::Xmm2), reg(Xmm::Xmm12)]
}

fn vsib_addresses(o: &FormOperand) -> Vec<Operand> {
    let index = Some((Index::VectorHole(vector_class_of(o.width)), Scale::X4));
    let bases = [Base::Hole, Base::None, Base::Reg(Gpr::R13)];
    bases.map(|base| Operand::Mem(Mem { width: o.memory, index, ..Mem::at(base) })).to_vec()
}

/// The `step`-th way to fill holes: all pairs for two registers, some triples for three.
fn filling(operands: &[Operand], places: &[usize], step: usize) -> Filling {
    let mut gprs = [Gpr::Rcx; 6];
    for (order, &place) in places.iter().enumerate() {
        let more = 5 * step + 3 * (step / 16);
        gprs[place] = Gpr::ALL[[step, step / 16, more, more / 2 + 7, 3 * more + 2][order] % 16];
    }
    let short = operands.iter().any(|o| matches!(o, Operand::Mem(Mem { disp: Disp::Hole8, .. })));
    let disp = if short { [0, 127, -128, 5] } else { [0, 127, 128, i32::MIN] }[step % 4];
    Filling { gprs, disp, imm: [0, 127, -128, 5][step / 2 % 4] }
}

/// The accumulator in the forms of xchg that take no hole.
fn accumulator_of_xchg(form: &Form) -> impl Fn(&FormOperand) -> bool {
    let xchg = form.mnemonic == "xchg";
    move |o| xchg && matches!(o.kind, Kind::Fixed(_))
}

/// Every register in every register hole (pairs of base and index too), the edges of displacements and
/// immediates in the others.
#[test]
fn every_filling() {
    let mut checker = Checker::new();
    let mut forms = HashSet::new();
    for form in &FORMS {
        for operands in with_holes(form) {
            let encoded = encode(form, &operands);
            let mut places: Vec<usize> = encoded
                .fields()
                .iter()
                .filter_map(|f| match f.kind {
                    FieldKind::Reg { role, .. } => Some(place(f.operand, role)),
                    _ => None,
                })
                .collect();
            places.dedup(); // One register operand may stand in two places.
            // A register beside an address: all of each, not all pairs.
            let beside = places.iter().any(|p| *p < 2) && places.iter().any(|p| *p >= 2);
            let stride = if beside && places.len() == 2 { 5 } else { 1 };
            for step in (0..[16, 16, 256, 64, 64, 64][places.len()]).step_by(stride) {
                let filling = filling(&operands, &places, step);
                let vsib = form.explicit().any(|o| matches!(o.kind, Kind::Vsib(_)));
                if places.contains(&1) && !vsib && filling.gprs[1] == Gpr::Rsp {
                    continue; // Not an IndexGpr.
                }
                if excluded(form, &filled(&operands, &filling)) {
                    continue;
                }
                let bytes = patched(&encoded, &operands, &filling);
                checker.decode(form, &filled(&operands, &filling), &bytes);
            }
            if !places.is_empty() {
                forms.insert(std::ptr::from_ref(form));
            }
        }
    }
    for form in &FORMS {
        let register = |o: &FormOperand| !matches!(o.place, Place::None | Place::Tail);
        let can = form.explicit().any(register) && !form.explicit().any(accumulator_of_xchg(form));
        let met = forms.contains(&std::ptr::from_ref(form));
        assert_eq!(met, can, "{form}: whether it was met with a register hole");
    }
    println!("{} fillings decode to what was meant", checker.checked);
    checker.finish();
}

/// The form chosen for a hole has it in the widest field, or in the field of the width that is asked for,
/// whatever value comes.
#[test]
fn forms_of_immediate_holes() {
    let reg = |class| Operand::Reg(Reg { gpr: Gpr::Rax, class });
    let mem = |width| Operand::Mem(Mem { width: Some(width), ..Mem::at(Base::Reg(Gpr::Rcx)) });
    let text = |mnemonic, operands: &[Operand]| match select(mnemonic, operands) {
        Ok(form) => format!("{} = {}", form.instruction(), form.encoding()),
        Err(mismatch) => mismatch.to_string(),
    };
    let mut all = String::new();
    let any = [None, Some(Width::B8), Some(Width::B16), Some(Width::B32), Some(Width::B64)];
    for (mnemonic, first) in [
        ("mov", Some(reg(RegClass::R64))),
        ("mov", Some(reg(RegClass::R32))),
        ("mov", Some(mem(Width::B64))),
        ("mov", Some(mem(Width::B16))),
        ("add", Some(reg(RegClass::R64))),
        ("add", Some(Operand::RegHole(RegClass::R64))),
        ("add", Some(Operand::RegHole(RegClass::R8))),
        ("test", Some(reg(RegClass::R32))),
        ("imul", Some(reg(RegClass::R64))),
        ("shl", Some(reg(RegClass::R64))),
        ("push", None),
        ("ret", None),
    ] {
        for width in any {
            let operands: Vec<_> = first.into_iter().chain([Operand::Imm(Imm::Hole(width))]).collect();
            let hole = width.map_or("any".to_owned(), |w| format!("i{}", w.bits()));
            all += &format!("{mnemonic} {hole}: {}\n", text(mnemonic, &operands));
        }
    }
    expect_test::expect_file!["immediate_holes.txt"].assert_eq(&all);
}

/// Register holes never take the forms that name the accumulator or whose opcode 90 would be a nop.
#[test]
fn register_holes_take_general_forms() {
    for form in &FORMS {
        let operands: Vec<Operand> = form
            .explicit()
            .map(|o| match o.kind {
                Kind::Reg | Kind::RegMem | Kind::Fixed(_) => Operand::RegHole(class_of(o.width)),
                _ => values(form, o)[0],
            })
            .collect();
        if let Ok(found) = select(&form.name(), &operands)
            && operands.iter().any(|o| matches!(o, Operand::RegHole(_)))
        {
            assert!(
                !found.explicit().any(|o| matches!(o.kind, Kind::Fixed(_))),
                "{found} takes {operands:?}"
            );
            let prefixes = [found.lock, found.prefix_66, found.repeat.is_some()].into_iter().filter(|p| *p);
            let first = encode(found, &operands).bytes()[prefixes.count()];
            assert!(found.vex.is_some() || first & 0xF0 == 0x40, "{found}");
        }
    }
}

/// What a hole is used for is what a named register would be.
#[test]
fn access_of_holes() {
    for form in &FORMS {
        for operands in with_holes(form) {
            for (i, operand) in operands.iter().enumerate() {
                if let Operand::RegHole(class) = *operand {
                    // r15 occurs in none of the samples, and in no instruction implicitly.
                    let mut named = operands.clone();
                    named[i] = Operand::Reg(Reg { gpr: Gpr::R15, class });
                    let effects = effects::of(form, &named);
                    let as_named = (effects.reads.contains(Gpr::R15), effects.writes.contains(Gpr::R15));
                    assert_eq!(effects::of_hole_access(form, &operands, i), as_named, "{form}");
                }
                if let Operand::VectorHole(class) = *operand {
                    let (mut named, reg) = (operands.clone(), Xmm::Xmm15);
                    named[i] = Operand::Vector(Vector { reg, class });
                    let effects = effects::of(form, &named);
                    let as_named = (effects.reads.contains_vector(reg), effects.writes.contains_vector(reg));
                    assert!(effects::of_hole_access(form, &operands, i) == as_named, "{form}");
                }
            }
        }
    }
}

/// Jumps and addresses of labels: the distance is the last field, or an immediate follows it.
#[test]
fn linked_fields() {
    let label = Mem { width: Some(Width::B64), ..Mem::at(Base::Target) };
    let five = Operand::Imm(Imm::Literal(5));
    let big = Operand::Imm(Imm::Literal(5000));
    let rax = Operand::Reg(Reg { gpr: Gpr::Rax, class: RegClass::R64 });
    for (mnemonic, operands, at, kind) in [
        ("jmp", vec![Operand::Target(Distance::Short)], 1, FieldKind::Rel8),
        ("jmp", vec![Operand::Target(Distance::Near)], 1, FieldKind::Rel32 { tail: 0, width: 0 }),
        ("jo", vec![Operand::Target(Distance::Near)], 2, FieldKind::Rel32 { tail: 0, width: 0 }),
        ("call", vec![Operand::Target(Distance::Near)], 1, FieldKind::Rel32 { tail: 0, width: 0 }),
        ("lea", vec![rax, Operand::Mem(label)], 3, FieldKind::Rel32 { tail: 0, width: 0 }),
        ("add", vec![Operand::Mem(label), five], 3, FieldKind::Rel32 { tail: 1, width: 8 }),
        ("add", vec![Operand::Mem(label), big], 3, FieldKind::Rel32 { tail: 4, width: 8 }),
        (
            "shl",
            vec![Operand::Mem(label), Operand::Imm(Imm::Literal(1))],
            3,
            FieldKind::Rel32 { tail: 0, width: 8 },
        ),
    ] {
        let encoded = encode(select(mnemonic, &operands).unwrap(), &operands);
        let field = encoded.fields()[0];
        assert_eq!((field.at, field.kind), (at, kind), "{mnemonic}");
    }
}

/// ah, ch, dh, bh cannot be chosen at run time, nor stand beside a hole, whose REX prefix is always there.
#[test]
fn high_bytes_and_holes() {
    let ah = Operand::Reg(Reg { gpr: Gpr::Rax, class: RegClass::R8High });
    let al = Operand::Reg(Reg { gpr: Gpr::Rax, class: RegClass::R8 });
    for operands in [[ah, Operand::RegHole(RegClass::R8)], [Operand::RegHole(RegClass::R8High), al]] {
        let mismatch = select("mov", &operands).unwrap_err();
        assert!(matches!(mismatch, Mismatch::HighByteWithRex { .. }), "{mismatch}");
    }
}
