//! What takes room in a template: instructions, data and padding.

use super::select::Selected;
use super::{Integer, Piece, PlacedConstant, PlacedHole, Value};
use crate::syntax::error::{Error, Errors, Extent};
use crate::syntax::stmt::{Directive, Effect, Hole, HoleType, Item};
use crate::template::{Effects, Flags, HoleKind};
use crate::x64::effects::InsnSummary;
use crate::x64::lint;
use crate::x64::nops;
use crate::x64::operand::{Operand, Width};

/// A statement that has its place.
pub(super) enum Unit<'a> {
    Insn(Selected<'a>),
    Directive(Placed<'a>),
}

/// A directive and its place.
pub(super) struct Placed<'a> {
    directive: &'a Directive,
    /// Offset in the template.
    at: usize,
    /// Which of the units it is.
    number: usize,
    len: usize,
}

impl<'a> Unit<'a> {
    pub(super) fn directive(directive: &'a Directive, number: usize) -> Unit<'a> {
        let len = match &directive.effect {
            Effect::Zeros(count) => usize::from(*count),
            Effect::Items { width, items } => items.iter().map(|item| item_len(*width, item)).sum(),
            Effect::Align(_) => 0,
        };
        Unit::Directive(Placed { directive, at: 0, number, len })
    }

    pub(super) fn insn(&self) -> Option<&Selected<'a>> {
        match self {
            Unit::Insn(insn) => Some(insn),
            Unit::Directive(_) => None,
        }
    }

    pub(super) fn insn_mut(&mut self) -> Option<&mut Selected<'a>> {
        match self {
            Unit::Insn(insn) => Some(insn),
            Unit::Directive(_) => None,
        }
    }

    /// Where a location is chosen: its instruction.
    pub(super) fn choice(&self) -> Option<&Selected<'a>> {
        self.insn().filter(|insn| insn.variants.is_some())
    }

    pub(super) fn at(&self) -> usize {
        match self {
            Unit::Insn(insn) => insn.at,
            Unit::Directive(placed) => placed.at,
        }
    }

    /// Put it at `at`, where padding gets its length; the end comes back.
    pub(super) fn place(&mut self, at: usize) -> usize {
        match self {
            Unit::Insn(insn) => insn.at = at,
            Unit::Directive(placed) => {
                placed.at = at;
                if let Effect::Align(to) = placed.directive.effect {
                    placed.len = at.next_multiple_of(to.into()) - at;
                }
            }
        }
        self.end()
    }

    /// Offset of the first byte behind it, as if every location were the longest.
    pub(super) fn end(&self) -> usize {
        match self {
            Unit::Insn(insn) => insn.end(),
            Unit::Directive(placed) => placed.at + placed.len,
        }
    }

    pub(super) fn number(&self) -> usize {
        match self {
            Unit::Insn(insn) => insn.number,
            Unit::Directive(placed) => placed.number,
        }
    }

    pub(super) fn extent(&self) -> Extent {
        match self {
            Unit::Insn(insn) => insn.insn.extent,
            Unit::Directive(placed) => placed.directive.extent,
        }
    }

    pub(super) fn is_data(&self) -> bool {
        matches!(self, Unit::Directive(placed) if placed.directive.is_data())
    }

    /// What the place of the template must be a multiple of.
    pub(super) fn alignment(&self) -> u8 {
        match self {
            Unit::Directive(Placed { directive: Directive { effect: Effect::Align(to), .. }, .. }) => *to,
            _ => 1,
        }
    }

    /// What it does and where control goes from it. Data does not run: what comes behind is not what is next.
    pub(super) fn summary(&self) -> InsnSummary {
        match self {
            Unit::Insn(insn) => insn.any_summary(),
            Unit::Directive(placed) => InsnSummary {
                effects: Effects::NONE,
                keeps_flags: Flags::NONE,
                falls_through: !placed.directive.is_data(),
                target: None,
            },
        }
    }
}

fn item_len(width: Width, item: &Item) -> usize {
    match item {
        Item::Text(bytes) => bytes.len(),
        _ => width.bytes().into(),
    }
}

impl Placed<'_> {
    /// Its bytes, its line and its holes, `at` in the piece.
    pub(super) fn write(&self, labels: &str, at: usize, out: &mut Piece) {
        out.lines.push((at as u16, format!("{labels}{}", self.directive)));
        match &self.directive.effect {
            Effect::Zeros(count) => out.bytes.resize(at + usize::from(*count), 0),
            Effect::Align(_) => nops(self.len).iter().for_each(|nop| out.bytes.extend(nop.bytes())),
            Effect::Items { width, items } => {
                for (operand, item) in items.iter().enumerate() {
                    self.write_item(*width, operand, item, out);
                }
            }
        }
        if self.directive.is_data() && self.len > 0 {
            let (start, end) = (at as u16, (at + self.len) as u16);
            match out.data.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => out.data.push((start, end)),
            }
        }
    }

    fn write_item(&self, width: Width, operand: usize, item: &Item, out: &mut Piece) {
        let bytes = usize::from(width.bytes());
        match item {
            Item::Integer(value) => out.bytes.extend(&value.to_le_bytes()[..bytes]),
            Item::Single(value) => out.bytes.extend(value.to_le_bytes()),
            Item::Double(value) => out.bytes.extend(value.to_le_bytes()),
            Item::Text(text) => out.bytes.extend(text),
            Item::Hole(hole) => {
                self.place_hole(width, operand, hole, out);
                out.bytes.resize(out.bytes.len() + bytes, 0);
            }
        }
    }

    /// A hole in the place of the bytes that come next.
    fn place_hole(&self, width: Width, operand: usize, hole: &Hole, out: &mut Piece) {
        let at = out.bytes.len() as u16;
        if hole.constant {
            out.constants.push(PlacedConstant { at, width, sign_extended: false, hole: hole.clone() });
            return;
        }
        let signed = !matches!(hole.ty, Some(HoleType::Integer { signed: false, .. }));
        out.holes.push(PlacedHole {
            at,
            kind: HoleKind::Imm(width.bytes()),
            value: Value::Integer(Integer { width, signed }),
            hole: hole.clone(),
            order: (self.number, 1 + operand, 0),
        });
    }
}

/// What the lints look at: the instructions, by their number among themselves.
pub(super) fn facts<'a>(units: &'a [Unit]) -> Vec<lint::Insn<'a>> {
    let mut numbers = vec![0];
    for unit in units {
        numbers.push(numbers[numbers.len() - 1] + usize::from(unit.insn().is_some()));
    }
    let number = |target: Option<usize>| target.map(|target| numbers[target]);
    let facts = units.iter().filter_map(Unit::insn).map(|insn| {
        let mut facts = insn.facts();
        let code = |target: &usize| !runs_data(&units[*target..]);
        facts.summary.target = number(facts.summary.target);
        facts.address_of = number(facts.address_of.filter(code));
        facts
    });
    facts.collect()
}

/// Whether what runs from here is data first.
fn runs_data(units: &[Unit]) -> bool {
    units.iter().find(|unit| unit.alignment() == 1).is_some_and(Unit::is_data)
}

/// Nothing runs into data, neither from above nor by a jump.
pub(super) fn check_flow(units: &[Unit], errors: &mut Errors) {
    // A template of nothing but data is put where nothing runs into it.
    let mut runs = units.iter().any(|unit| unit.insn().is_some());
    let mut chosen = false;
    for unit in units {
        if unit.is_data() {
            if runs {
                errors.add(
                    Error::new(unit.extent(), "execution runs into this data")
                        .help("put it behind a `ret` or `jmp`, or a `jmp` across it in front"),
                );
            }
            runs = false;
            continue;
        }
        if chosen && unit.alignment() > 1 {
            errors.add(
                Error::new(
                    unit.extent(),
                    "this cannot be aligned: the length of a location in front of it is not known",
                )
                .help("align in front of the location, or in a template of its own"),
            );
        }
        chosen |= unit.choice().is_some();
        if let Some(insn) = unit.insn() {
            runs = unit.summary().falls_through;
            check_jump(insn, units, errors);
        }
    }
}

fn check_jump(insn: &Selected, units: &[Unit], errors: &mut Errors) {
    let data = insn.target.is_some_and(|target| runs_data(&units[target..]));
    let jump = insn.insn.args.iter().find(|arg| matches!(arg.operand, Operand::Target(_)));
    if let (true, Some(arg), Some(label)) = (data, jump, jump.and_then(|arg| arg.label.as_ref())) {
        let message = format!("`{}` is data, and this runs it", label.text);
        errors
            .add(Error::new(arg.extent, message).help(format!("its address is `lea rax, [{}]`", label.text)));
    }
}
