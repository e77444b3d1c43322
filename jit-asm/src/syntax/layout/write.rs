//! Selected instructions into pieces: every field is filled with what is known, or listed with what fills it.

use super::labels::Labels;
use super::select::{Chosen, Selected, component, text};
use super::unit::Unit;
use super::{Choice, Component, Crossing, Integer, LaidOut, Part, Piece, PlacedConstant, PlacedHole, Value};
use crate::syntax::error::{Error, Errors, Extent};
use crate::syntax::stmt::{Arg, Hole, HoleType, Slot};
use crate::template::{Effects, HighBit, HoleKind, RegField, StackMove};
use crate::x64::effects::{self, InsnSummary};
use crate::x64::encode::{EncodedField, FieldKind, RegRole};
use crate::x64::lint;
use crate::x64::operand::{Index, Mem, Operand, Width};

/// Put the template together.
pub(super) fn write(units: &[Unit], labels: &Labels, places: Vec<usize>, errors: &mut Errors) -> LaidOut {
    let writer = Writer { units, labels, places };
    let whole = writer.piece(0..units.len(), true, errors);
    check_patchable(&whole, errors);
    let mut parts = vec![];
    if units.iter().any(|unit| unit.choice().is_some()) {
        let mut from = 0;
        for (i, insn) in units.iter().enumerate().filter_map(|(i, unit)| Some((i, unit.choice()?))) {
            if let Some((operand, variants)) = &insn.variants {
                if from < i {
                    parts.push(Part::Piece(writer.piece(from..i, false, errors)));
                }
                let variants = variants
                    .iter()
                    .map(|(variant, chosen)| (*variant, writer.variant(insn, chosen, *operand, errors)));
                let hole = insn.location(*operand, insn.at);
                parts.push(Part::Choice(Choice { variants: variants.collect(), hole }));
                from = i + 1;
            }
        }
        if from < units.len() {
            parts.push(Part::Piece(writer.piece(from..units.len(), false, errors)));
        }
    }
    LaidOut { whole, parts, gathers: vec![], warnings: vec![] }
}

struct Writer<'a> {
    units: &'a [Unit<'a>],
    labels: &'a Labels<'a>,
    /// Where each unit stands in the whole, and where it ends.
    places: Vec<usize>,
}

impl Writer<'_> {
    /// The units of a range. In the whole a location is one hole.
    fn piece(&self, range: std::ops::Range<usize>, whole: bool, errors: &mut Errors) -> Piece {
        let base = self.places[range.start];
        let mut piece = empty();
        for unit in &self.units[range.clone()] {
            if u16::try_from(unit.end() - base).is_err() {
                errors.add(Error::new(
                    unit.extent(),
                    "a template has at most 65535 bytes, and this ends behind them",
                ));
                break;
            }
            let at = unit.at() - base;
            piece.align = piece.align.max(unit.alignment());
            match unit {
                Unit::Insn(insn) => self.add(insn, &insn.chosen, at, whole, &mut piece, errors),
                Unit::Directive(placed) => {
                    placed.write(&self.labels.in_front_of(unit.number()), at, &mut piece);
                }
            }
        }
        if range.end == self.units.len()
            && let Some((_, last)) = piece.lines.last_mut()
        {
            let behind = self.labels.places.iter().filter(|(_, unit)| *unit == self.units.len());
            behind.for_each(|(label, _)| *last += &format!("; {label}:"));
        }
        finish(&mut piece);
        piece.effects = self.effects(range);
        if !whole && self.moves_across_parts() {
            piece.effects.highest = StackMove::Unknown;
        }
        piece
    }

    /// One instruction with what its location becomes.
    fn variant(&self, insn: &Selected, chosen: &Chosen, operand: usize, errors: &mut Errors) -> Piece {
        let mut piece = empty();
        self.add(insn, chosen, 0, false, &mut piece, errors);
        debug_assert!(insn.insn.args[operand].hole(Slot::Location).is_some());
        finish(&mut piece);
        piece.effects = effects::of_sequence(&[insn.summary(chosen)]);
        piece
    }

    /// One instruction at its place in the piece.
    fn add(
        &self,
        insn: &Selected,
        chosen: &Chosen,
        at: usize,
        whole: bool,
        out: &mut Piece,
        errors: &mut Errors,
    ) {
        let line = self.labels.in_front_of(insn.number) + &text(insn.insn, &chosen.operands);
        out.bytes.extend_from_slice(chosen.encoded.bytes());
        out.lines.push((at as u16, line));
        if whole && let Some((operand, _)) = insn.variants {
            out.holes.push(insn.location(operand, at));
        }
        insn.place_condition(chosen, at, out);
        for field in chosen.encoded.fields() {
            let arg = &insn.insn.args[field.operand];
            if arg.hole(Slot::Location).is_some() {
                if !whole {
                    insn.place_component(chosen, field, at, out);
                }
                continue;
            }
            let placed = match field.kind {
                FieldKind::Rel8 | FieldKind::Rel32 { .. } => {
                    self.place_distance(insn, field, arg, at, out);
                    Ok(())
                }
                _ => insn.place(chosen, field, at, out),
            };
            // What is wrong in a part is wrong in the whole, and is told once.
            if let (Err(error), true) = (placed, whole) {
                errors.add(error);
            }
        }
    }

    /// A distance to a label of the template is bytes now, if no choice stands on the way; to anything else, a
    /// hole.
    fn place_distance(&self, insn: &Selected, field: &EncodedField, arg: &Arg, at: usize, out: &mut Piece) {
        let width = if field.kind == FieldKind::Rel8 { 1 } else { 4 };
        let field_at = at + usize::from(field.at);
        if let (Some(_), Some(target)) = (&arg.label, insn.target) {
            let distance = insn.distance_to(target, &self.places);
            let backward = target <= insn.number;
            let between = if backward { target..insn.number } else { insn.number + 1..target };
            let choices = self.units[between.clone()].iter().filter_map(Unit::choice);
            let longest: usize = choices.map(|insn| insn.chosen.len()).sum();
            if longest > 0 {
                let number = |end: usize| self.units[..end].iter().filter_map(Unit::choice).count();
                let sign = if backward { -1 } else { 1 };
                out.crossings.push(Crossing {
                    at: field_at as u16,
                    width: width as u8,
                    fixed: (distance - sign * longest as i64) as i32,
                    over: (number(between.start), number(between.end)),
                    backward,
                });
            }
            out.bytes[field_at..field_at + width].copy_from_slice(&distance.to_le_bytes()[..width]);
        } else if let (Some(hole), FieldKind::Rel32 { tail, width }) = (arg.hole(Slot::Target), field.kind) {
            let patchable = hole.ty == Some(HoleType::Patchable);
            let kind = if patchable { HoleKind::Patchable } else { HoleKind::Rel32 { tail, width } };
            insn.place_hole(field, at, hole, kind, Value::Target, out);
        }
    }

    /// Whether a jump goes from one part to another while the stack pointer moves somewhere: a part alone does not tell
    /// where it is then.
    fn moves_across_parts(&self) -> bool {
        let moves = |unit: &Unit| unit.summary().effects.stack != StackMove::By(0);
        let across = |insn: &Selected| {
            let target = insn.summary(&insn.chosen).target?;
            let between = if target <= insn.number { target..insn.number } else { insn.number + 1..target };
            self.units[between].iter().find_map(Unit::choice)
        };
        self.units.iter().any(moves) && self.units.iter().filter_map(Unit::insn).any(|i| across(i).is_some())
    }

    /// What a run of units does; a jump to one that is not in it leaves. Data alone does nothing.
    fn effects(&self, range: std::ops::Range<usize>) -> Effects {
        let units = &self.units[range.clone()];
        if units.iter().all(|unit| unit.insn().is_none()) {
            return Effects::NONE;
        }
        let inside =
            |target: usize| (range.start..=range.end).contains(&target).then(|| target - range.start);
        let summaries: Vec<InsnSummary> = units
            .iter()
            .map(|unit| {
                let summary = unit.summary();
                InsnSummary { target: summary.target.and_then(inside), ..summary }
            })
            .collect();
        effects::of_sequence(&summaries)
    }
}

/// The padding that aligns a patchable field stands in front of the whole template. So there is one alignment
/// for all of it, and nothing in it whose length is open.
fn check_patchable(whole: &Piece, errors: &mut Errors) {
    let mut patchable = whole.holes.iter().filter(|placed| placed.kind == HoleKind::Patchable);
    let Some(first) = patchable.next() else { return };
    let mut refuse = |placed: &PlacedHole, message: &str| {
        let help = "emit it in a template of its own";
        errors.add(Error::new(Extent::one(placed.hole.span), message).help(help));
    };
    if whole.holes.iter().any(|placed| placed.kind == HoleKind::Location) {
        refuse(first, "a patchable target cannot be aligned beside a location, whose length is open");
    }
    if first.at % u16::from(whole.align.min(4)) != 0 {
        refuse(first, "this patchable target cannot be aligned together with the `.align` of the template");
    }
    for other in patchable.filter(|other| other.at % 4 != first.at % 4) {
        refuse(other, "this patchable target cannot be aligned together with the first one of the template");
    }
}

fn empty() -> Piece {
    Piece {
        bytes: vec![],
        holes: vec![],
        constants: vec![],
        crossings: vec![],
        data: vec![],
        align: 1,
        lines: vec![],
        effects: Effects::NONE,
    }
}

fn finish(piece: &mut Piece) {
    piece.holes.sort_by_key(|hole| hole.at);
    piece.constants.sort_by_key(|constant| constant.at);
}

impl Selected<'_> {
    /// What it does, whatever its location becomes.
    pub(super) fn any_summary(&self) -> InsnSummary {
        let Some((_, variants)) = &self.variants else { return self.summary(&self.chosen) };
        let mut all = variants.iter().map(|(_, chosen)| self.summary(chosen));
        let first = all.next().expect("a location becomes something");
        all.fold(first, |any, one| InsnSummary { effects: any.effects.either(one.effects), ..any })
    }

    /// What it does and where control goes from it.
    fn summary(&self, chosen: &Chosen) -> InsnSummary {
        let mut summary = effects::summary(chosen.form, &chosen.operands);
        if self.insn.condition.is_some() {
            summary.effects.reads_flags = effects::ANY_CONDITION;
        }
        if chosen.operands.iter().any(|operand| matches!(operand, Operand::Target(_))) {
            summary.target = self.target;
            if summary.effects.calls && self.target.is_some() {
                // What stands at the label runs with a return address on the stack.
                summary.effects.stack = StackMove::Unknown;
            }
        }
        summary
    }

    /// What the lints look at.
    pub(super) fn facts(&self) -> lint::Insn<'_> {
        let summary = self.summary(&self.chosen);
        let mut targets = self.insn.args.iter().filter_map(|arg| arg.hole(Slot::Target));
        lint::Insn {
            form: self.chosen.form,
            operands: &self.chosen.operands,
            summary,
            address_of: self.target.filter(|_| summary.target.is_none()),
            location: self.variants.as_ref().map(|(operand, _)| *operand),
            variadic: targets.any(|hole| hole.ty == Some(HoleType::Variadic)),
            text: String::new(),
        }
    }

    /// Fill one field with what is known, or say what will fill it.
    fn place(&self, chosen: &Chosen, field: &EncodedField, at: usize, out: &mut Piece) -> Result<(), Error> {
        let arg = &self.insn.args[field.operand];
        let (slot, kind, width, sign_extended) = match field.kind {
            FieldKind::Imm { width, sign_extended } => {
                (Slot::Immediate, HoleKind::Imm(width.bytes()), width, sign_extended)
            }
            FieldKind::Disp8 => (Slot::Displacement, HoleKind::Disp(1), Width::B8, true),
            FieldKind::Disp32 => (Slot::Displacement, HoleKind::Disp(4), Width::B32, true),
            FieldKind::Reg { role, .. } => {
                let (slot, value) = register_value(role, &arg.operand);
                if let Some(hole) = arg.hole(slot) {
                    let kind = self.register_kind(chosen, field, at, value == Value::Vector);
                    self.place_hole(field, at, hole, kind, value, out);
                }
                return Ok(());
            }
            FieldKind::Rel8 | FieldKind::Rel32 { .. } => unreachable!("distances are the writer's"),
        };
        match arg.hole(slot) {
            Some(hole) => self.place_integer(field, at, hole, kind, width, sign_extended, out),
            None => Ok(()),
        }
    }

    /// A field of what a location becomes.
    fn place_component(&self, chosen: &Chosen, field: &EncodedField, at: usize, out: &mut Piece) {
        let arg = &self.insn.args[field.operand];
        let Some(hole) = arg.hole(Slot::Location) else { return };
        let mut place = |field: &EncodedField, kind, component| {
            self.place_hole(field, at, hole, kind, Value::Component(component), out);
        };
        match field.kind {
            FieldKind::Imm { width, .. } => place(field, HoleKind::Imm(width.bytes()), Component::Constant),
            FieldKind::Disp8 => place(field, HoleKind::Disp(1), Component::Displacement),
            FieldKind::Disp32 => place(field, HoleKind::Disp(4), Component::Displacement),
            FieldKind::Reg { role, low_at, .. } => {
                let vector = matches!(chosen.operands[field.operand], Operand::VectorHole(_));
                place(field, self.register_kind(chosen, field, at, vector), component(role));
                if role == RegRole::Index {
                    // SIB has both.
                    place(&EncodedField { at: low_at, ..*field }, HoleKind::Scale, Component::Scale);
                }
            }
            FieldKind::Rel8 | FieldKind::Rel32 { .. } => unreachable!("no location is a distance"),
        }
    }

    fn register_kind(&self, chosen: &Chosen, field: &EncodedField, at: usize, vector: bool) -> HoleKind {
        let FieldKind::Reg { low_at, low_shift, high, .. } = field.kind else {
            unreachable!("asked for registers only");
        };
        let (reads, writes) = effects::of_hole_access(chosen.form, &chosen.operands, field.operand);
        let offset = |byte: u8| (at + usize::from(byte)) as u16;
        let high = high.map(|(byte, bit)| HighBit { at: offset(byte), bit });
        HoleKind::Reg(RegField { low_at: offset(low_at), low_shift, high, vector, reads, writes })
    }

    fn place_hole(
        &self,
        field: &EncodedField,
        at: usize,
        hole: &Hole,
        kind: HoleKind,
        value: Value,
        out: &mut Piece,
    ) {
        let order = (self.number, 1 + field.operand, hole.ordinal);
        let at = (at + usize::from(field.at)) as u16;
        out.holes.push(PlacedHole { at, kind, value, hole: hole.clone(), order });
    }

    /// The location at an operand, as one hole.
    fn location(&self, operand: usize, at: usize) -> PlacedHole {
        let hole = self.insn.args[operand].hole(Slot::Location).expect("asked for locations only");
        let Some(HoleType::Location(location)) = hole.ty else { unreachable!("a location by its slot") };
        PlacedHole {
            at: at as u16,
            kind: HoleKind::Location,
            value: Value::Location(location),
            hole: hole.clone(),
            order: (self.number, 1 + operand, 0),
        }
    }

    /// The condition in the opcode. It is written in front of the operands.
    fn place_condition(&self, chosen: &Chosen, at: usize, out: &mut Piece) {
        if let Some(hole) = &self.insn.condition {
            let at = (at + usize::from(chosen.encoded.opcode_at())) as u16;
            let order = (self.number, 0, 0);
            let (kind, value, hole) = (HoleKind::Cond, Value::Condition, hole.clone());
            out.holes.push(PlacedHole { at, kind, value, hole, order });
        }
    }

    /// An integer hole: a constant that rustc patches, or a value of exactly one type.
    #[allow(clippy::too_many_arguments)] // a field is all of these
    fn place_integer(
        &self,
        field: &EncodedField,
        at: usize,
        hole: &Hole,
        kind: HoleKind,
        width: Width,
        sign_extended: bool,
        out: &mut Piece,
    ) -> Result<(), Error> {
        let unsigned = matches!(hole.ty, Some(HoleType::Integer { signed: false, .. }));
        if unsigned && sign_extended {
            let bits = width.bits();
            let message = format!("the sign of this {bits}-bit immediate is extended to the operand's width");
            let signed = Hole { ty: Some(HoleType::Integer { width, signed: true }), ..hole.clone() };
            return Err(Error::new(Extent::one(hole.span), message).help(format!("write `{signed}`")));
        }
        if hole.constant {
            let at = (at + usize::from(field.at)) as u16;
            out.constants.push(PlacedConstant { at, width, sign_extended, hole: hole.clone() });
        } else {
            let value = Value::Integer(Integer { width, signed: !unsigned });
            self.place_hole(field, at, hole, kind, value, out);
        }
        Ok(())
    }
}

/// Which hole of an operand a register field is, and what it takes.
fn register_value(role: RegRole, operand: &Operand) -> (Slot, Value) {
    match (role, operand) {
        (RegRole::Base, _) => (Slot::Base, Value::Register),
        (RegRole::Index, Operand::Mem(Mem { index: Some((Index::VectorHole(_), _)), .. })) => {
            (Slot::Index, Value::Vector)
        }
        (RegRole::Index, _) => (Slot::Index, Value::Index),
        (_, Operand::VectorHole(_)) => (Slot::Register, Value::Vector),
        _ => (Slot::Register, Value::Register),
    }
}
