//! What somebody may have meant by an instruction that is none.
//!
//! **Problem.** "eax does not fit here: wants a register of 64 bits" says what is wrong. Who is new to the
//! machine wants to see the line that is right, and a wrong proposal is worse than none.
//!
//! **Idea.** A few changes explain most mistakes: another width of a register, a move by its other name, operands
//! in AT&T's order, one operand too many or too few. Each is made and asked for its form; the first that has one
//! is shown.
//!
//! **Invariants.** What is shown as an instruction is one: the table has accepted it, for every thing that a
//! location in it may become.
//!
//! **Cost.** A dozen selections, after a mistake only.

use super::Variant;
use super::select::{candidates, short_form, text, written_operands};
use crate::reg::Gpr;
use crate::syntax::parse::takes_target;
use crate::syntax::stmt::{Arg, Hole, HoleType, Insn, Location, Slot};
use crate::x64::form::{Form, Kind};
use crate::x64::operand::{
    Base, Distance, Imm, Index, Mem, Operand, Reg, RegClass, Vector, VectorClass, Width,
};
use crate::x64::select::{self, Meant, Mismatch};

/// A sentence with an instruction that would be right.
pub(super) fn instead(insn: &Insn, mismatch: &Mismatch) -> Option<String> {
    match mismatch {
        Mismatch::AmbiguousWidth { index, widths } => with_width(insn, *index, widths),
        Mismatch::UnknownMnemonic { meant: Some(meant), .. } => spelled(insn, meant),
        Mismatch::OperandCount { takes, .. } => with_another_count(insn, takes),
        Mismatch::WidthsDiffer { a, b } => at_one_width(insn, *a, *b),
        Mismatch::Operand { avx: Some(_), .. } => None,
        Mismatch::Operand { index, .. } => with_another_operand(insn, *index),
        _ => None,
    }
}

/// With the widest of the widths that it could have, and that the other operands leave.
fn with_width(insn: &Insn, index: usize, widths: &[Width]) -> Option<String> {
    let hole = insn.args[index].hole(Slot::Location);
    let fits = |width: &&Width| resized_at(insn, index, **width).is_some_and(|insn| is_instruction(&insn));
    let width = *widths.iter().rev().find(fits)?;
    match hole {
        Some(hole) => Some(format!("write `{{{}: m{}}}`", hole.content, width.bits())),
        None => written(resized_at(insn, index, width)?),
    }
}

/// The instruction as it is spelled here.
fn spelled(insn: &Insn, meant: &Meant) -> Option<String> {
    match meant {
        Meant::Spelled(word) | Meant::Suffixed(word) => written(renamed(insn, word)),
        Meant::Numbered { mnemonic, number } => {
            let whole = with_number(renamed(insn, mnemonic), *number);
            let text = shown(&whole);
            is_instruction(&whole).then(|| format!("`{text}` is how it is written here"))
        }
        Meant::Else(_) | Meant::Missing(_) => None,
    }
}

fn with_another_count(insn: &Insn, takes: &[usize]) -> Option<String> {
    let [first, rest @ ..] = &insn.args[..] else { return None };
    if takes == [0] {
        return Some(format!("write `{}` alone: what it works on is always the same", insn.name()));
    }
    let fewer = with_args(insn, rest.to_vec());
    if let (Some(form), Operand::Reg(reg)) = (form(&fewer), first.operand)
        && form.implicit().any(|operand| operand.kind == Kind::Fixed(reg.gpr))
    {
        return Some(format!("write `{}`: it works on {reg} by itself", shown(&fewer)));
    }
    let by_one = with_number(insn.clone(), 1);
    if form(&by_one).is_some_and(|form| form.explicit().any(|operand| operand.kind == Kind::One)) {
        return written(by_one);
    }
    // Of three operands the first two are often the same.
    let mut twice = vec![first.clone()];
    twice.extend(insn.args.iter().cloned());
    if twice.len() < 3 { None } else { written(with_args(insn, twice)) }
}

/// Both operands at the width of one of them, or the moves that widen.
fn at_one_width(insn: &Insn, a: (usize, Width), b: (usize, Width)) -> Option<String> {
    let general = a.1.max(b.1) <= Width::B64;
    let widens = insn.mnemonic.text == "mov" && b.1 < a.1;
    let mut right: Vec<Insn> = vec![];
    if widens {
        right.extend(["movzx", "movsxd"].map(|mnemonic| renamed(insn, mnemonic)));
    }
    let changes = [(b.0, a.1), (a.0, b.1)];
    // What lies in memory has its width there: first the register follows.
    let in_memory = |at: usize| matches!(insn.args[at].operand, Operand::Mem(_));
    let order = if in_memory(b.0) { [1, 0] } else { [0, 1] };
    right.extend(order.into_iter().filter_map(|which| resized_at(insn, changes[which].0, changes[which].1)));
    let texts: Vec<String> = right
        .iter()
        .filter(|insn| is_instruction(insn))
        .map(|insn| format!("`{}`", shown(insn)))
        .take(2)
        .collect();
    let more = if general && !widens { "; movzx, movsx and movsxd widen" } else { "" };
    let more = if general { more } else { "; xmm3 is the lower half of ymm3" };
    (!texts.is_empty()).then(|| format!("write {}{more}", texts.join(" or ")))
}

/// Moves, by what they are named for; each is also meant where another stands.
const MOVES: &[&str] = &[
    "mov", "movzx", "movsx", "movsxd", "movd", "movq", "movss", "movsd", "movaps", "movapd", "movups",
    "movupd", "movdqa", "movdqu", "lea",
];

fn with_another_operand(insn: &Insn, index: usize) -> Option<String> {
    let mnemonic = insn.mnemonic.text.as_str();
    let given = &insn.args[index];
    if given.hole(Slot::Immediate).is_some() {
        return by_another_hole(insn, index);
    }
    if let ("movzx", [to, from]) = (mnemonic, &insn.args[..])
        && width(&from.operand) == Some(Width::B32)
        && let Some(to) = resized(to, Width::B32)
        && let Some(right) = written(renamed(&with_args(insn, vec![to, from.clone()]), "mov"))
    {
        return Some(format!("{right}: what writes 32 bits of a register zeroes the others"));
    }
    let address = mnemonic == "lea" && matches!(insn.args.last(), Some(Arg { operand: Operand::Mem(_), .. }));
    if !address
        && MOVES.contains(&mnemonic)
        && let Some(right) = by_another_move(insn)
    {
        return Some(right);
    }
    if let Some(right) = with_another_width(insn, index) {
        return Some(right);
    }
    if let ("shl" | "sal" | "shr" | "sar", [value, _]) = (mnemonic, &insn.args[..]) {
        let any = match mnemonic {
            "shr" => "shrx",
            "sar" => "sarx",
            _ => "shlx",
        };
        let mut args = vec![value.clone()];
        args.extend(insn.args.iter().cloned());
        let right = written(renamed(&with_args(insn, args), any));
        return right.map(|right| format!("the count stands in cl; with BMI2 {right}"));
    }
    if let ([first, second], 0) = (&insn.args[..], index)
        && (matches!(first.operand, Operand::Imm(Imm::Literal(_)))
            || mnemonic == "lea"
            || mnemonic.starts_with("lock "))
        && let Some(right) = written(with_args(insn, vec![second.clone(), first.clone()]))
    {
        return Some(format!("the destination stands first: {right}"));
    }
    if let Operand::Imm(Imm::Literal(_)) = given.operand
        && takes_target(mnemonic)
    {
        let rax = Operand::Reg(Reg { gpr: Gpr::Rax, class: RegClass::R64 });
        let goes_through = select::select(mnemonic, &[rax]).is_ok();
        let fixed = if goes_through { "; a fixed address goes through a register" } else { "" };
        return Some(match select::select(mnemonic, &[Operand::Target(Distance::Near)]) {
            Ok(_) => format!("a target is a label of the template, or a hole: `{mnemonic} {{f}}`{fixed}"),
            Err(_) => format!("its target is a label of the template: `{mnemonic} again`"),
        });
    }
    if mnemonic.starts_with("lock ") {
        return Some("what is locked is memory that the instruction reads and writes".to_owned());
    }
    let vector_index = matches!(given.operand, Operand::Mem(mem) if mem.index.is_some_and(|(index, _)| {
        matches!(index, Index::Vector(_) | Index::VectorHole(_))
    }));
    vector_index.then(|| {
        "addresses are made of 64-bit registers; a vector of indexes is for gathers alone".to_owned()
    })
}

/// A hole for a number where none fits may be one for a register, or lack its brackets.
fn by_another_hole(insn: &Insn, index: usize) -> Option<String> {
    let hole = insn.args[index].hole(Slot::Immediate).filter(|hole| !hole.constant && hole.sum.is_none())?;
    let with = |operand, slot, ty| {
        let hole = Hole { ty, ..hole.clone() };
        let mut args = insn.args.clone();
        args[index] = Arg { operand, holes: vec![(slot, hole.clone())], ..args[index].clone() };
        is_instruction(&with_args(insn, args)).then_some(hole)
    };
    let general = [RegClass::R64, RegClass::R32, RegClass::R16, RegClass::R8]
        .map(|class| (Operand::RegHole(class), HoleType::Register(class)));
    let vectors = [VectorClass::Xmm, VectorClass::Ymm]
        .map(|class| (Operand::VectorHole(class), HoleType::Vector(class)));
    let registers = general.into_iter().chain(vectors);
    let mut registers = registers.filter_map(|(operand, ty)| with(operand, Slot::Register, Some(ty)));
    if let Some(hole) = registers.next() {
        return Some(format!("a register chosen when the code is emitted is `{hole}`"));
    }
    let target = Operand::Mem(Mem::at(Base::Target));
    let hole = with(target, Slot::Target, None)?;
    Some(format!("the place of a label or function is `[{hole}]`"))
}

fn by_another_move(insn: &Insn) -> Option<String> {
    let operands = written_operands(insn);
    let is_vector = |operand: &&Operand| matches!(operand, Operand::Vector(_) | Operand::VectorHole(_));
    let vectors = operands.iter().filter(is_vector).count();
    let unsized_memory =
        operands.iter().any(|operand| matches!(operand, Operand::Mem(Mem { width: None, .. })));
    let moves: &[&str] = match vectors {
        2 => &["movaps"],
        1 if unsized_memory => &["movups"],
        _ => &["mov", "movd", "movq", "movsxd", "movsx"],
    };
    moves.iter().find_map(|mnemonic| written(renamed(insn, mnemonic)))
}

/// The register at another width, alone or with all registers beside it that have its width.
fn with_another_width(insn: &Insn, index: usize) -> Option<String> {
    use Width::{B8, B16, B32, B64, B128, B256};
    let given = width(&insn.args[index].operand)?;
    let widths: &[Width] = match given {
        B8 => &[B32, B64, B16],
        B16 => &[B32, B64, B8],
        B32 => &[B64, B16, B8],
        B64 => &[B32, B16, B8],
        B128 => &[B256],
        B256 => &[B128],
    };
    let all = |to: Width| {
        let each = |arg: &Arg| match width(&arg.operand) == Some(given) {
            true => resized(arg, to),
            false => Some(arg.clone()),
        };
        Some(with_args(insn, insn.args.iter().map(each).collect::<Option<_>>()?))
    };
    let alone = widths.iter().filter_map(|to| resized_at(insn, index, *to)).find_map(written);
    alone.or_else(|| widths.iter().filter_map(|to| all(*to)).find_map(written))
}

/// `write ..`, if it is an instruction.
fn written(insn: Insn) -> Option<String> {
    is_instruction(&insn).then(|| format!("write `{}`", shown(&insn)))
}

fn shown(insn: &Insn) -> String {
    text(insn, &written_operands(insn))
}

fn with_args(insn: &Insn, args: Vec<Arg>) -> Insn {
    Insn { args, ..insn.clone() }
}

fn renamed(insn: &Insn, mnemonic: &str) -> Insn {
    let mut renamed = Insn { condition: None, ..insn.clone() };
    mnemonic.clone_into(&mut renamed.mnemonic.text);
    renamed
}

/// The instruction with a number behind its operands.
fn with_number(mut insn: Insn, number: u8) -> Insn {
    let operand = Operand::Imm(Imm::Literal(number.into()));
    insn.args.push(Arg { operand, holes: vec![], label: None, extent: insn.extent });
    insn
}

fn resized_at(insn: &Insn, index: usize, to: Width) -> Option<Insn> {
    let mut args = insn.args.clone();
    args[index] = resized(&args[index], to)?;
    Some(with_args(insn, args))
}

/// The operand at another width: the same register, or a hole for the like.
fn resized(arg: &Arg, to: Width) -> Option<Arg> {
    let class = match to {
        Width::B8 => Some(RegClass::R8),
        Width::B16 => Some(RegClass::R16),
        Width::B32 => Some(RegClass::R32),
        Width::B64 => Some(RegClass::R64),
        Width::B128 | Width::B256 => None,
    };
    let vector = match to {
        Width::B128 => Some(VectorClass::Xmm),
        Width::B256 => Some(VectorClass::Ymm),
        _ => None,
    };
    let mut arg = arg.clone();
    let (operand, ty) = match (arg.operand, arg.hole(Slot::Location).and_then(|hole| hole.ty)) {
        (_, Some(HoleType::Location(location))) => relocated(location, to, class)?,
        (Operand::Reg(Reg { class: RegClass::R8High, .. }), _) => return None,
        (Operand::Reg(reg), _) => (Operand::Reg(Reg { class: class?, ..reg }), None),
        (Operand::RegHole(_), _) => (Operand::RegHole(class?), Some(HoleType::Register(class?))),
        (Operand::Vector(reg), _) => (Operand::Vector(Vector { class: vector?, ..reg }), None),
        (Operand::VectorHole(_), _) => (Operand::VectorHole(vector?), Some(HoleType::Vector(vector?))),
        (Operand::Mem(mem), _) => (Operand::Mem(Mem { width: Some(to), ..mem }), None),
        _ => return None,
    };
    arg.operand = operand;
    if let (Some(ty), [(_, hole)]) = (ty, &mut arg.holes[..]) {
        hole.ty = Some(ty);
    }
    Some(arg)
}

/// A location of another width.
fn relocated(location: Location, to: Width, class: Option<RegClass>) -> Option<(Operand, Option<HoleType>)> {
    let location = match location {
        Location::RegMem(_) => Location::RegMem(class?),
        Location::RegMemImm(_) if to >= Width::B32 => Location::RegMemImm(class?),
        Location::Mem(_) => Location::Mem(Some(to)),
        Location::RegMemImm(_) | Location::VectorMem(_) => return None,
    };
    Some((crate::syntax::operand::stand_in(location), Some(HoleType::Location(location))))
}

fn width(operand: &Operand) -> Option<Width> {
    match operand {
        Operand::Reg(Reg { class, .. }) | Operand::RegHole(class) => Some(class.width()),
        Operand::Vector(Vector { class, .. }) | Operand::VectorHole(class) => Some(class.width()),
        Operand::Mem(mem) => mem.width,
        Operand::Imm(_) | Operand::Target(_) => None,
    }
}

fn form(insn: &Insn) -> Option<&'static Form> {
    select::select(&insn.mnemonic.text, &written_operands(insn)).ok()
}

/// Whether the table has it, whatever a location in it becomes.
fn is_instruction(insn: &Insn) -> bool {
    let at = insn.args.iter().position(|arg| arg.hole(Slot::Location).is_some());
    let Some(at) = at else { return form(insn).is_some() || short_form(insn).is_some() };
    let Some(HoleType::Location(location)) = insn.args[at].hole(Slot::Location).and_then(|hole| hole.ty)
    else {
        return false;
    };
    candidates(location).into_iter().all(|(variant, operand)| {
        let mut operands = written_operands(insn);
        operands[at] = operand;
        variant == Variant::Constant { short: true } || select::select(&insn.mnemonic.text, &operands).is_ok()
    })
}
