//! Instructions that have their forms; where an operand is a location, a form for each thing it may become.

use super::labels::Labels;
use super::repair;
use super::{Component, Gather, Variant};
use crate::syntax::error::{Error, Extent};
use crate::syntax::parse::takes_target;
use crate::syntax::stmt::{Arg, Hole, HoleType, Insn, Location, Slot, Sum};
use crate::x64::encode::{Encoded, RegRole, encode};
use crate::x64::form::{Form, Kind};
use crate::x64::listing::{self, Part};
use crate::x64::operand::{Base, Disp, Distance, Imm, Index, Mem, Operand, RegClass, Scale, Width};
use crate::x64::select::{self, Mismatch};

/// An instruction that has its form.
pub(super) struct Selected<'a> {
    pub(super) insn: &'a Insn,
    /// Of a location, the longest of the variants.
    pub(super) chosen: Chosen,
    /// The form that reaches any target, if there is one.
    far: Option<&'static Form>,
    /// Where an operand is a location: which, and the instruction for each thing it may become.
    pub(super) variants: Option<(usize, Vec<(Variant, Chosen)>)>,
    /// Offset in the template, as if every location were the longest.
    pub(super) at: usize,
    /// Which of the instructions it is.
    pub(super) number: usize,
    /// The instruction before which the label it names stands, by number.
    pub(super) target: Option<usize>,
}

/// Operands, their form and its bytes.
pub(super) struct Chosen {
    pub(super) operands: Vec<Operand>,
    pub(super) form: &'static Form,
    pub(super) encoded: Encoded,
}

impl Chosen {
    fn of(mnemonic: &str, operands: Vec<Operand>) -> Result<Chosen, Mismatch> {
        let form = select::select(mnemonic, &operands)?;
        let encoded = encode(form, &operands);
        Ok(Chosen { operands, form, encoded })
    }

    pub(super) fn len(&self) -> usize {
        self.encoded.bytes().len()
    }
}

pub(super) fn select_insn<'a>(insn: &'a Insn, number: usize, labels: &Labels) -> Result<Selected<'a>, Error> {
    if !select::is_mnemonic(&insn.mnemonic.text) {
        return Err(no_mnemonic(insn, number == 0));
    }
    let mut target = None;
    for arg in &insn.args {
        if let Some(name) = &arg.label {
            target = Some(labels.resolve(name)?);
        }
    }
    if let Some(operand) = insn.args.iter().position(|arg| arg.hole(Slot::Location).is_some()) {
        return select_variants(insn, number, operand);
    }
    let far = Chosen::of(&insn.mnemonic.text, written_operands(insn));
    let far_form = far.as_ref().ok().map(|far| far.form);
    let chosen = match (far, short_form(insn)) {
        (_, Some(short)) if target.is_some() => short,
        (Ok(far), _) => far,
        (Err(_), Some(_)) => return Err(short_alone(insn)),
        (Err(mismatch), None) => return Err(no_form(insn, &mismatch)),
    };
    if is_gather(chosen.form) {
        hole_twice(insn)?;
    }
    Ok(Selected { insn, far: far_form, chosen, variants: None, at: 0, number, target })
}

fn is_gather(form: &Form) -> bool {
    form.explicit().any(|operand| matches!(operand.kind, Kind::Vsib(_)))
}

/// The holes of an instruction for vector registers, with the number of their operand.
fn vector_holes(insn: &Insn) -> impl Iterator<Item = (usize, &Hole)> {
    let holes =
        insn.args.iter().enumerate().flat_map(|(at, arg)| arg.holes.iter().map(move |(_, hole)| (at, hole)));
    holes.filter(|(_, hole)| matches!(hole.ty, Some(HoleType::Vector(_))))
}

/// A variable that a gather has twice is one register twice.
fn hole_twice(insn: &Insn) -> Result<(), Error> {
    let mut seen: Vec<String> = vec![];
    for (_, hole) in vector_holes(insn) {
        let text = hole.content.to_string();
        // Of an expression it is not known whether it has the same value again.
        let word = hole.content.clone().into_iter().count() == 1;
        if word && seen.contains(&text) {
            return Err(Error::new(hole.extent(), format!("`{text}` stands in this gather twice"))
                .help("destination, index and mask of a gather are three registers"));
        }
        seen.push(text);
    }
    Ok(())
}

/// The form for a target that is near, if there is one: a call has none.
pub(super) fn short_form(insn: &Insn) -> Option<Chosen> {
    let mut operands = written_operands(insn);
    let target = operands.iter_mut().find(|operand| matches!(operand, Operand::Target(_)))?;
    *target = Operand::Target(Distance::Short);
    Chosen::of(&insn.mnemonic.text, operands).ok()
}

/// Something outside of the template is the target of an instruction that reaches but 128 bytes.
fn short_alone(insn: &Insn) -> Error {
    let name = &insn.mnemonic.text;
    Error::new(insn.extent, format!("`{name}` has a distance of 8 bits, and this target may be anywhere"))
        .help(format!("its target is a label of the same template: `{name} again`; {}", instead_of(name)))
}

/// What reaches as far as one likes.
fn instead_of(mnemonic: &str) -> &'static str {
    match mnemonic {
        "jrcxz" => "`test rcx, rcx; jz` reaches everything",
        "loop" => "`dec rcx; jnz` reaches everything",
        _ => "`dec rcx` and two jumps reach everything",
    }
}

/// The instruction for each thing that the location at `operand` may become.
fn select_variants(insn: &Insn, number: usize, operand: usize) -> Result<Selected<'_>, Error> {
    let maybe_memory =
        |arg: &Arg| arg.hole(Slot::Location).is_some() || matches!(arg.operand, Operand::Mem(_));
    if let Some(second) = insn.args.iter().filter(|arg| maybe_memory(arg)).nth(1) {
        let message = "two operands of this instruction may be in memory, and the machine addresses one";
        return Err(Error::new(second.extent, message).help("load one of them into a register first"));
    }
    let arg = &insn.args[operand];
    let Some(HoleType::Location(location)) = arg.hole(Slot::Location).and_then(|hole| hole.ty) else {
        unreachable!("a hole in this slot is a location");
    };
    let mut variants = vec![];
    for (variant, instead) in candidates(location) {
        let mut operands = written_operands(insn);
        operands[operand] = instead;
        match (variant, Chosen::of(&insn.mnemonic.text, operands)) {
            (_, Ok(chosen)) => variants.push((variant, chosen)),
            // A byte saves space where the instruction has one.
            (Variant::Constant { short: true }, Err(_)) => {}
            (Variant::Constant { .. }, Err(_)) => {
                let message = "this instruction takes no constant of 32 bits here";
                let wanted = location.to_string().replace("rmi", "rm");
                return Err(Error::new(arg.extent, message)
                    .help(format!("write `: {wanted}` behind the hole's name")));
            }
            (_, Err(mismatch)) => return Err(no_form(insn, &mismatch)),
        }
    }
    let longest =
        variants.iter().map(|(_, chosen)| chosen).reduce(|a, b| if b.len() > a.len() { b } else { a });
    let Some(longest) = longest else { unreachable!("a location is at least in memory") };
    let chosen =
        Chosen { operands: longest.operands.clone(), form: longest.form, encoded: longest.encoded.clone() };
    Ok(Selected { insn, far: None, chosen, variants: Some((operand, variants)), at: 0, number, target: None })
}

/// What a location may become, as operands with holes, what is more special first.
pub(super) fn candidates(location: Location) -> Vec<(Variant, Operand)> {
    let memory = |width| {
        [(false, true), (false, false), (true, true), (true, false)].map(|(indexed, short)| {
            let index = indexed.then_some((Index::Hole, Scale::X1));
            let disp = if short { Disp::Hole8 } else { Disp::Hole32 };
            let mem = Mem { width, index, disp, ..Mem::at(Base::Hole) };
            (Variant::Address { indexed, short }, Operand::Mem(mem))
        })
    };
    let constant = |short, width| (Variant::Constant { short }, Operand::Imm(Imm::Hole(Some(width))));
    let general = |class: RegClass| (Variant::Register, Operand::RegHole(class));
    let mut all = vec![];
    match location {
        Location::RegMem(class) | Location::RegMemImm(class) => {
            all.push(general(class));
            all.extend(memory(Some(class.width())));
            if matches!(location, Location::RegMemImm(_)) {
                all.extend([constant(true, Width::B8), constant(false, Width::B32)]);
            }
        }
        Location::VectorMem(class) => {
            all.push((Variant::Register, Operand::VectorHole(class)));
            all.extend(memory(None));
        }
        Location::Mem(width) => all.extend(memory(width)),
    }
    all
}

/// Which component of a location a register field is.
pub(super) fn component(role: RegRole) -> Component {
    match role {
        RegRole::Base => Component::Base,
        RegRole::Index => Component::Index,
        _ => Component::Register,
    }
}

/// The operands as they are in the text, targets far.
pub(super) fn written_operands(insn: &Insn) -> Vec<Operand> {
    insn.args.iter().map(|arg| arg.operand).collect()
}

/// The table's answer, put under the operand it is about.
fn no_form(insn: &Insn, mismatch: &Mismatch) -> Error {
    let arg = mismatch.operand().and_then(|index| insn.args.get(index));
    let extent = match (arg, mismatch) {
        (Some(arg), _) => arg.extent,
        (None, Mismatch::OperandCount { takes, .. }) => surplus(insn, takes).unwrap_or(insn.extent),
        (None, _) => insn.extent,
    };
    let message = match mismatch {
        Mismatch::OperandCount { mnemonic, .. } => mismatch.message().replacen(mnemonic, &insn.name(), 1),
        Mismatch::WidthsDiffer { .. } => mismatch.message(),
        _ => format!("{}: {}", mismatch.message(), mismatch.label()),
    };
    let help = match mismatch {
        Mismatch::Operand { .. } => arg.and_then(|arg| meant_instead(insn, arg)),
        _ => None,
    };
    let help = help.or_else(|| repair::instead(insn, mismatch)).or_else(|| mismatch.note());
    Error { extent, message, help }
}

/// The operands that are too many.
fn surplus(insn: &Insn, takes: &[usize]) -> Option<Extent> {
    let first = insn.args.get(*takes.last()?)?;
    Some(Extent { start: first.extent.start, end: insn.args.last()?.extent.end })
}

/// The answer to a word that is no mnemonic. `first`: it begins the template, where a sink may be meant.
pub(in crate::syntax) fn no_mnemonic(insn: &Insn, first: bool) -> Error {
    let text = &insn.mnemonic.text;
    let Err(mismatch) = select::select(text, &[]) else { unreachable!("only words that the table has not") };
    let extent = Extent::one(insn.mnemonic.span);
    let help = repair::instead(insn, &mismatch).or_else(|| mismatch.note());
    let sink = first && insn.args.is_empty() && !text.contains(' ') && !mismatch.is_known_elsewhere();
    let sink = sink.then(|| format!("if it is the sink, write `x64!({text} => ..)`"));
    let help: Vec<String> = help.into_iter().chain(sink).collect();
    Error { extent, message: mismatch.message(), help: (!help.is_empty()).then(|| help.join(" ")) }
}

/// What somebody may have meant by an operand of a kind that fits nowhere in this instruction.
fn meant_instead(insn: &Insn, arg: &Arg) -> Option<String> {
    if let (Operand::Target(_), Some(label)) = (arg.operand, &arg.label) {
        return Some(format!("`{0}` is a label; its address is `lea rax, [{0}]`", label.text));
    }
    if let Some(hole) = arg.hole(Slot::Immediate)
        && takes_target(&insn.mnemonic.text)
    {
        let name = hole.sum.as_ref().filter(|sum| sum.is_bare());
        let name = name.map_or_else(|| hole.content.to_string(), Sum::to_string);
        return Some(format!("a label or function is written `{{{name}}}`"));
    }
    None
}

/// The canonical text of an instruction, holes and labels under their own names.
pub(super) fn text(insn: &Insn, operands: &[Operand]) -> String {
    // A location is its hole, whatever it becomes.
    let shown = |(arg, operand): (&Arg, &Operand)| match arg.hole(Slot::Location) {
        Some(_) => Operand::RegHole(RegClass::R64),
        None => *operand,
    };
    let operands: Vec<Operand> = insn.args.iter().zip(operands).map(shown).collect();
    listing::line(&insn.name(), &operands, &mut |unnamed| {
        let arg = &insn.args[unnamed.operand];
        let slot = match unnamed.part {
            Part::Register(_) | Part::Vector(_) => Slot::Register,
            Part::Base => Slot::Base,
            Part::Index => Slot::Index,
            Part::Disp8 | Part::Disp32 => Slot::Displacement,
            Part::Imm => Slot::Immediate,
            Part::Target => Slot::Target,
        };
        match (arg.hole(slot).or(arg.hole(Slot::Location)), &arg.label) {
            (Some(hole), _) => hole.to_string(),
            (None, Some(label)) => label.text.clone(),
            (None, None) => String::new(),
        }
    })
}

impl Selected<'_> {
    /// What emission must look at, if this is a gather with holes for its registers.
    pub(super) fn gather(&self) -> Option<Gather> {
        let holes = || vector_holes(self.insn);
        if !is_gather(self.chosen.form) || holes().next().is_none() {
            return None;
        }
        let named = self.chosen.operands.iter().filter_map(|operand| match operand {
            Operand::Vector(vector) | Operand::Mem(Mem { index: Some((Index::Vector(vector), _)), .. }) => {
                Some(vector.reg)
            }
            _ => None,
        });
        let chosen = holes().map(|(at, hole)| (self.number, at + 1, hole.ordinal));
        Some(Gather { named: named.collect(), chosen: chosen.collect(), extent: self.insn.extent })
    }

    /// Whether its field holds the distance to the label it names.
    pub(super) fn reaches(&self, places: &[usize]) -> bool {
        let short = self.chosen.operands.contains(&Operand::Target(Distance::Short));
        let fits = |target| i8::try_from(self.distance_to(target, places)).is_ok();
        !short || self.target.is_none_or(fits)
    }

    /// To the form for a far target, if there is one.
    pub(super) fn lengthen(&mut self) -> bool {
        let Some(form) = self.far else { return false };
        let operands = written_operands(self.insn);
        let encoded = encode(form, &operands);
        self.chosen = Chosen { operands, form, encoded };
        true
    }

    /// That the label is out of reach, if it is.
    pub(super) fn too_far(&self, places: &[usize]) -> Option<Error> {
        let name = &self.insn.mnemonic.text;
        let target = self.target.filter(|_| !self.reaches(places))?;
        let distance = self.distance_to(target, places);
        let (bytes, way) = (distance.unsigned_abs(), if distance < 0 { "back" } else { "ahead" });
        let message = format!("`{name}` reaches 128 bytes back and 127 ahead; this label is {bytes} {way}");
        Some(Error::new(self.insn.extent, message).help(instead_of(name)))
    }

    /// The distance from the end of the instruction to the one of this number.
    pub(super) fn distance_to(&self, target: usize, places: &[usize]) -> i64 {
        places[target] as i64 - self.end() as i64
    }

    /// Offset of the first byte behind it, as if every location were the longest.
    pub(super) fn end(&self) -> usize {
        self.at + self.chosen.len()
    }
}
