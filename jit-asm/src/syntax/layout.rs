//! Statements into bytes: forms selected, fields found, local labels resolved.
//!
//! Every jump to a label of the template starts short. As long as one does not reach, it is made long and
//! places are counted again; code only grows, so this ends, with the fewest long jumps there can be.

use super::error::{Error, Errors, Extent};
use super::names;
use super::stmt::{Arg, Hole, HoleType, Insn, Label, Name, Slot, Stmt};
use crate::template::{Effects, HighBit, HoleKind, RegField, StackMove};
use crate::x64::effects::{self, InsnSummary};
use crate::x64::encode::{Encoded, EncodedField, FieldKind, RegRole, encode};
use crate::x64::form::Form;
use crate::x64::listing::{self, Part};
use crate::x64::operand::{Distance, Index, Mem, Operand, Width};
use crate::x64::select::{self, Mismatch};

/// A template with every byte in its place, ready to be written out as Rust.
#[derive(Clone, Debug)]
pub struct LaidOut {
    /// The bytes, zero where something is filled in.
    pub bytes: Vec<u8>,
    /// What is filled when the template is emitted, in the order of the places.
    pub holes: Vec<PlacedHole>,
    /// What rustc fills in const evaluation, in the order of the places.
    pub constants: Vec<PlacedConstant>,
    /// Offset and text of each instruction, labels included: joined by `;` they are the template again.
    pub lines: Vec<(u16, String)>,
    /// What the template does.
    pub effects: Effects,
}

/// A hole and its place.
#[derive(Clone, Debug)]
pub struct PlacedHole {
    /// As in [`crate::template::Hole::at`].
    pub at: u16,
    /// What is patched.
    pub kind: HoleKind,
    /// What the expression must be.
    pub value: Value,
    /// The expression.
    pub hole: Hole,
    /// Its place in the text: the number of the instruction, of the operand from 1 (0 is the condition), and of
    /// the hole in it.
    /// Expressions run in this order. A register that an instruction has in two fields is placed twice.
    pub order: (usize, usize, usize),
}

/// What fills a hole at emission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// An integer of exactly this type.
    Integer(Integer),
    /// A `Gpr`.
    Register,
    /// An `IndexGpr`.
    Index,
    /// An `Xmm`.
    Vector,
    /// A `Cond`.
    Condition,
    /// A label or a function: whatever the sink can link.
    Target,
}

/// An integer type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Integer {
    /// How wide.
    pub width: Width,
    /// `i`, not `u`.
    pub signed: bool,
}

/// A constant expression and its place.
#[derive(Clone, Debug)]
pub struct PlacedConstant {
    /// Offset of the field in the template.
    pub at: u16,
    /// How wide the field is.
    pub width: Width,
    /// Whether only the signed range fits, because the instruction extends the sign further.
    pub sign_extended: bool,
    /// The expression.
    pub hole: Hole,
}

/// An instruction that has its form.
struct Selected<'a> {
    insn: &'a Insn,
    operands: Vec<Operand>,
    form: &'static Form,
    /// The form that reaches any target.
    far: &'static Form,
    encoded: Encoded,
    /// Offset in the template.
    at: usize,
    /// Which of the instructions it is.
    number: usize,
    /// The instruction before which the label it names stands, by number.
    target: Option<usize>,
}

/// Select, encode and place the instructions of a template.
pub fn lay_out(stmts: &[Stmt]) -> Result<LaidOut, Vec<Error>> {
    let mut errors = Errors::new();
    let labels = Labels::of(stmts, &mut errors);
    let mut selected = vec![];
    let insns = stmts.iter().filter_map(|stmt| match stmt {
        Stmt::Insn(insn) => Some(insn),
        Stmt::Label(_) => None,
    });
    for (number, insn) in insns.enumerate() {
        selected.extend(errors.keep(select_insn(insn, number, &labels)));
    }
    let mut selected = errors.barrier(selected)?;
    reach(&mut selected);

    let mut errors = Errors::new();
    let laid_out = write(&selected, &labels, &mut errors);
    errors.barrier(laid_out)
}

/// The labels of the template and the number of the instruction behind each.
struct Labels<'a>(Vec<(&'a str, usize)>);

impl<'a> Labels<'a> {
    fn of(stmts: &'a [Stmt], errors: &mut Errors) -> Labels<'a> {
        let mut labels = Labels(vec![]);
        let mut insns = 0;
        for stmt in stmts {
            match stmt {
                Stmt::Insn(_) => insns += 1,
                Stmt::Label(Label { name }) if labels.find(&name.text).is_some() => errors.add(
                    Error::new(
                        Extent::one(name.span),
                        format!("the label `{}` stands here a second time", name.text),
                    )
                    .help("a label names one place; choose another name"),
                ),
                Stmt::Label(Label { name }) => labels.0.push((&name.text, insns)),
            }
        }
        labels
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().find(|(n, _)| *n == name).map(|&(_, insn)| insn)
    }

    /// The labels of an instruction as they are written.
    fn in_front_of(&self, number: usize) -> String {
        self.0.iter().filter(|(_, insn)| *insn == number).map(|(label, _)| format!("{label}: ")).collect()
    }

    /// The instruction behind a label that an operand names.
    fn resolve(&self, name: &Name) -> Result<usize, Error> {
        self.find(&name.text).ok_or_else(|| {
            let error =
                Error::new(Extent::one(name.span), format!("this template has no label `{}`", name.text));
            let near = |label: &str| label.len() > 2 && names::one_slip(label, &name.text);
            if let Some((label, _)) = self.0.iter().find(|(label, _)| near(label)) {
                return error.help(format!("did you mean the label `{label}`?"));
            }
            match names::nearest_register(&name.text) {
                Some(register) => error.help(format!("did you mean the register `{register}`?")),
                None => error.help(format!(
                    "a Rust value is written `{{{0}}}`, a Rust constant `{{const {0}}}`",
                    name.text
                )),
            }
        })
    }
}

fn select_insn<'a>(insn: &'a Insn, number: usize, labels: &Labels) -> Result<Selected<'a>, Error> {
    let mut target = None;
    for arg in &insn.args {
        if let Some(name) = &arg.label {
            target = Some(labels.resolve(name)?);
        }
    }
    let operands = written_operands(insn);
    let far = match select::select(&insn.mnemonic.text, &operands) {
        Ok(form) => form,
        Err(mismatch) => return Err(no_form(insn, &mismatch)),
    };
    let mut selected =
        Selected { insn, encoded: encode(far, &operands), operands, form: far, far, at: 0, number, target };
    if target.is_some() {
        selected.shorten();
    }
    Ok(selected)
}

/// The operands as they are in the text, targets far.
fn written_operands(insn: &Insn) -> Vec<Operand> {
    insn.args.iter().map(|arg| arg.operand).collect()
}

/// The table's answer, put under the operand it is about.
fn no_form(insn: &Insn, mismatch: &Mismatch) -> Error {
    let arg = mismatch.operand().and_then(|index| insn.args.get(index));
    let extent = match (arg, mismatch) {
        (Some(arg), _) => arg.extent,
        (None, Mismatch::UnknownMnemonic { .. }) => Extent::one(insn.mnemonic.span),
        (None, _) => insn.extent,
    };
    let message = match mismatch {
        Mismatch::UnknownMnemonic { .. } | Mismatch::OperandCount { .. } | Mismatch::WidthsDiffer { .. } => {
            mismatch.message()
        }
        _ => format!("{}: {}", mismatch.message(), mismatch.label()),
    };
    let help = match mismatch {
        Mismatch::AmbiguousWidth { index, widths } => with_width(insn, *index, widths),
        Mismatch::UnknownMnemonic { .. } if insn.args.is_empty() => {
            let sink = format!("if it is the sink, write `x64!({} => ..)`", insn.mnemonic.text);
            Some(mismatch.note().map_or(sink.clone(), |note| format!("{note} {sink}")))
        }
        Mismatch::Operand { .. } => arg.and_then(|arg| meant_instead(insn, arg)),
        _ => None,
    };
    Error { extent, message, help: help.or_else(|| mismatch.note()) }
}

/// The instruction as it would be right, with the widest of the widths it could have.
fn with_width(insn: &Insn, index: usize, widths: &[Width]) -> Option<String> {
    let mut operands = written_operands(insn);
    let Some(Operand::Mem(mem)) = operands.get_mut(index) else { return None };
    mem.width = widths.last().copied();
    Some(format!("write `{}`", text(insn, &operands)))
}

/// What somebody may have meant by an operand of a kind that fits nowhere in this instruction.
fn meant_instead(insn: &Insn, arg: &Arg) -> Option<String> {
    if let (Operand::Target(_), Some(label)) = (arg.operand, &arg.label) {
        return Some(format!("`{0}` is a label; its address is `lea rax, [{0}]`", label.text));
    }
    let hole = arg.hole(Slot::Immediate).filter(|hole| hole.ty.is_none() && !hole.constant)?;
    let alone = insn.args.len() == 1;
    (!alone).then(|| format!("a register chosen when the code is emitted is `{{{}: r64}}`", hole.content))
}

/// The canonical text of an instruction, holes and labels under their own names.
fn text(insn: &Insn, operands: &[Operand]) -> String {
    listing::line(&insn.name(), operands, &mut |unnamed| {
        let arg = &insn.args[unnamed.operand];
        let slot = match unnamed.part {
            Part::Register(_) | Part::Vector(_) => Slot::Register,
            Part::Base => Slot::Base,
            Part::Index => Slot::Index,
            Part::Disp8 | Part::Disp32 => Slot::Displacement,
            Part::Imm => Slot::Immediate,
            Part::Target => Slot::Target,
        };
        match (arg.hole(slot), &arg.label) {
            (Some(hole), _) => hole.to_string(),
            (None, Some(label)) => label.text.clone(),
            (None, None) => String::new(),
        }
    })
}

/// Place the instructions, and lengthen jumps until every one reaches.
fn reach(insns: &mut [Selected]) {
    loop {
        let mut end = 0;
        for insn in insns.iter_mut() {
            insn.at = end;
            end += insn.encoded.bytes().len();
        }
        let places: Vec<usize> = insns.iter().map(|insn| insn.at).chain([end]).collect();
        let mut grew = false;
        for insn in insns.iter_mut() {
            let Some(target) = insn.target else { continue };
            let from = insn.at + insn.encoded.bytes().len();
            let far = i8::try_from(places[target] as i64 - from as i64).is_err();
            if far && insn.operands.contains(&Operand::Target(Distance::Short)) {
                insn.lengthen();
                grew = true;
            }
        }
        if !grew {
            return;
        }
    }
}

impl Selected<'_> {
    /// The form for a near target, if there is one: a call has none.
    fn shorten(&mut self) {
        let mut operands = self.operands.clone();
        let Some(target) = operands.iter_mut().find(|operand| matches!(operand, Operand::Target(_))) else {
            return;
        };
        *target = Operand::Target(Distance::Short);
        if let Ok(form) = select::select(&self.insn.mnemonic.text, &operands) {
            (self.form, self.encoded, self.operands) = (form, encode(form, &operands), operands);
        }
    }

    /// Back to the form for a far target.
    fn lengthen(&mut self) {
        self.operands = written_operands(self.insn);
        self.form = self.far;
        self.encoded = encode(self.form, &self.operands);
    }

    /// Offset of the first byte behind it.
    fn end(&self) -> usize {
        self.at + self.encoded.bytes().len()
    }

    /// The distance from the end of the instruction to the label it names.
    fn distance(&self, places: &[usize]) -> Option<i64> {
        Some(places[self.target?] as i64 - self.end() as i64)
    }

    /// What it does and where control goes from it.
    fn summary(&self) -> InsnSummary {
        let mut summary = effects::summary(self.form, &self.operands);
        if self.insn.condition.is_some() {
            summary.effects.reads_flags = effects::ANY_CONDITION;
        }
        if self.operands.iter().any(|operand| matches!(operand, Operand::Target(_))) {
            summary.target = self.target;
            if summary.effects.calls && self.target.is_some() {
                // What stands at the label runs with a return address on the stack.
                summary.effects.stack = StackMove::Unknown;
            }
        }
        summary
    }

    /// Fill one field with what is known, or say what will fill it.
    fn place(&self, field: &EncodedField, places: &[usize], out: &mut LaidOut) -> Result<(), Error> {
        let arg = &self.insn.args[field.operand];
        match field.kind {
            FieldKind::Imm { width, sign_extended } => match arg.hole(Slot::Immediate) {
                Some(hole) => {
                    self.place_integer(field, hole, HoleKind::Imm(width.bytes()), width, sign_extended, out)
                }
                None => Ok(()),
            },
            FieldKind::Disp8 | FieldKind::Disp32 => match arg.hole(Slot::Displacement) {
                Some(hole) => {
                    let width = if field.kind == FieldKind::Disp8 { Width::B8 } else { Width::B32 };
                    self.place_integer(field, hole, HoleKind::Disp(width.bytes()), width, true, out)
                }
                None => Ok(()),
            },
            FieldKind::Rel8 | FieldKind::Rel32 { .. } => {
                self.place_distance(field, arg, places, out);
                Ok(())
            }
            FieldKind::Reg { role, low_at, low_shift, high } => {
                let (slot, value) = register_value(role, &arg.operand);
                if let Some(hole) = arg.hole(slot) {
                    let (reads, writes) = effects::of_hole_access(self.form, &self.operands, field.operand);
                    let high = high.map(|(at, bit)| HighBit { at: self.offset(at), bit });
                    let vector = value == Value::Vector;
                    let low_at = self.offset(low_at);
                    let kind = HoleKind::Reg(RegField { low_at, low_shift, high, vector, reads, writes });
                    self.place_hole(field, hole, kind, value, out);
                }
                Ok(())
            }
        }
    }

    /// Offset in the template of a byte of this instruction, which `write` has found to fit.
    fn offset(&self, byte: u8) -> u16 {
        (self.at + usize::from(byte)) as u16
    }

    fn place_hole(&self, field: &EncodedField, hole: &Hole, kind: HoleKind, value: Value, out: &mut LaidOut) {
        let order = (self.number, 1 + field.operand, hole.ordinal);
        out.holes.push(PlacedHole { at: self.offset(field.at), kind, value, hole: hole.clone(), order });
    }

    /// The condition in the opcode. It is written in front of the operands.
    fn place_condition(&self, out: &mut LaidOut) {
        if let Some(hole) = &self.insn.condition {
            let at = self.offset(self.encoded.opcode_at());
            let order = (self.number, 0, 0);
            let (kind, value, hole) = (HoleKind::Cond, Value::Condition, hole.clone());
            out.holes.push(PlacedHole { at, kind, value, hole, order });
        }
    }

    /// An integer hole: a constant that rustc patches, or a value of exactly one type.
    fn place_integer(
        &self,
        field: &EncodedField,
        hole: &Hole,
        kind: HoleKind,
        width: Width,
        sign_extended: bool,
        out: &mut LaidOut,
    ) -> Result<(), Error> {
        let unsigned = matches!(hole.ty, Some(HoleType::Integer { signed: false, .. }));
        if unsigned && sign_extended {
            let bits = width.bits();
            let message = format!("the sign of this {bits}-bit immediate is extended to the operand's width");
            let signed = Hole { ty: Some(HoleType::Integer { width, signed: true }), ..hole.clone() };
            return Err(Error::new(Extent::one(hole.span), message).help(format!("write `{signed}`")));
        }
        if hole.constant {
            let at = self.offset(field.at);
            out.constants.push(PlacedConstant { at, width, sign_extended, hole: hole.clone() });
        } else {
            let value = Value::Integer(Integer { width, signed: !unsigned });
            self.place_hole(field, hole, kind, value, out);
        }
        Ok(())
    }

    /// A distance to a label of the template is bytes now; to anything else, a hole.
    fn place_distance(&self, field: &EncodedField, arg: &Arg, places: &[usize], out: &mut LaidOut) {
        if let (Some(_), Some(distance)) = (&arg.label, self.distance(places)) {
            let width = if field.kind == FieldKind::Rel8 { 1 } else { 4 };
            let at = usize::from(self.offset(field.at));
            out.bytes[at..at + width].copy_from_slice(&distance.to_le_bytes()[..width]);
        } else if let (Some(hole), FieldKind::Rel32 { tail }) = (arg.hole(Slot::Target), field.kind) {
            self.place_hole(field, hole, HoleKind::Rel32 { tail }, Value::Target, out);
        }
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

/// Put the pieces together.
fn write(insns: &[Selected], labels: &Labels, errors: &mut Errors) -> LaidOut {
    let end = insns.last().map_or(0, |insn| insn.at + insn.encoded.bytes().len());
    let places: Vec<usize> = insns.iter().map(|insn| insn.at).chain([end]).collect();
    let mut out = LaidOut {
        bytes: Vec::with_capacity(end),
        holes: vec![],
        constants: vec![],
        lines: vec![],
        effects: Effects::NONE,
    };
    for insn in insns {
        if u16::try_from(insn.end()).is_err() {
            errors.add(Error::new(
                insn.insn.extent,
                "a template has at most 65535 bytes, and this instruction ends behind them",
            ));
            break;
        }
        let at = insn.at as u16;
        insn.place_condition(&mut out);
        out.bytes.extend_from_slice(insn.encoded.bytes());
        out.lines.push((at, labels.in_front_of(insn.number) + &text(insn.insn, &insn.operands)));
        for field in insn.encoded.fields() {
            if let Err(error) = insn.place(field, &places, &mut out) {
                errors.add(error);
            }
        }
    }
    if let Some((_, last)) = out.lines.last_mut() {
        for (label, _) in labels.0.iter().filter(|(_, insn)| *insn == insns.len()) {
            *last += &format!("; {label}:");
        }
    }
    out.holes.sort_by_key(|hole| hole.at);
    out.constants.sort_by_key(|constant| constant.at);
    let summaries: Vec<InsnSummary> = insns.iter().map(Selected::summary).collect();
    out.effects = effects::of_sequence(&summaries);
    out
}
