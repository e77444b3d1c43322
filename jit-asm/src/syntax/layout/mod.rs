//! Statements into bytes: forms selected, fields found, local labels resolved.
//!
//! Every jump to a label of the template starts short. As long as one does not reach, it is made long and
//! places are counted again; each time a jump grows, so this ends. Without padding code only grows, and the long
//! jumps are the fewest there can be. `loop` and `jrcxz` cannot be made long: what they do not reach then is an
//! error.
//!
//! A location hole makes one instruction into several, of which emission takes one. The template is then a
//! sequence of parts: pieces whose length is fixed, and choices between them. A jump across a choice is short
//! only if the longest of its instructions leaves room, and its distance is computed from the lengths taken.

mod labels;
mod repair;
mod select;
mod unit;
mod write;

use super::error::{Error, Errors, Extent};
use super::stmt::{Hole, Location, Stmt};
use super::warning::{self, Warning};
use crate::reg::Xmm;
use crate::template::{Effects, HoleKind};
use crate::x64::operand::Width;
use labels::Labels;
pub(super) use select::no_mnemonic;
use select::select_insn;
use unit::Unit;

/// A template with every byte in its place, ready to be written out as Rust.
#[derive(Clone, Debug)]
pub struct LaidOut {
    /// All of it; where a location is chosen, as if it were the longest thing it may become.
    pub whole: Piece,
    /// What emission puts one behind the other. Without location holes that is the whole, and this is empty.
    pub parts: Vec<Part>,
    /// Gathers with registers that are chosen at emission.
    pub gathers: Vec<Gather>,
    /// What it is certain to do wrong.
    pub warnings: Vec<Warning>,
}

/// A gather: its destination, index and mask must be three registers, or the processor raises #UD.
#[derive(Clone, Debug)]
pub struct Gather {
    /// Those that the text names.
    pub named: Vec<Xmm>,
    /// Those that are holes, by their [`PlacedHole::order`].
    pub chosen: Vec<(usize, usize, usize)>,
    /// The whole instruction.
    pub extent: Extent,
}

/// A run of instructions whose length is fixed.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The bytes, zero where something is filled in.
    pub bytes: Vec<u8>,
    /// What is filled when the template is emitted, in the order of the places.
    pub holes: Vec<PlacedHole>,
    /// What rustc fills in const evaluation, in the order of the places.
    pub constants: Vec<PlacedConstant>,
    /// Distances that follow from what is chosen on the way.
    pub crossings: Vec<Crossing>,
    /// From where to where there is data, not instructions.
    pub data: Vec<(u16, u16)>,
    /// What its place must be a multiple of: 1, or the greatest `.align` in it.
    pub align: u8,
    /// Offset and text of each instruction and directive, labels included: joined by `;` they are the template again.
    pub lines: Vec<(u16, String)>,
    /// What running it does.
    pub effects: Effects,
}

/// A part of a template with location holes.
#[derive(Clone, Debug)]
pub enum Part {
    /// Always the same.
    Piece(Piece),
    /// One instruction of several.
    Choice(Choice),
}

/// An instruction with a location.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The location; its place is that in the whole.
    pub hole: PlacedHole,
    /// What it may become, in the order in which to ask, and the instruction then.
    pub variants: Vec<(Variant, Piece)>,
}

/// What a location becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// A register.
    Register,
    /// Memory.
    Address {
        /// With an index.
        indexed: bool,
        /// With a displacement of 8 bits, not 32.
        short: bool,
    },
    /// A constant.
    Constant {
        /// Of 8 bits, not 32.
        short: bool,
    },
}

/// A distance to a label of the template on whose way there are choices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crossing {
    /// Offset of the field in the piece.
    pub at: u16,
    /// 1 or 4 bytes.
    pub width: u8,
    /// The distance without the choices.
    pub fixed: i32,
    /// The choices on the way, by their number among those of the template: the first, and one behind the last.
    pub over: (usize, usize),
    /// Whether the label stands before the jump: then what is chosen is subtracted.
    pub backward: bool,
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
    /// An `Rm`, `Rmi`, `Xm` or `Address`.
    Location(Location),
    /// A part of a location.
    Component(Component),
    /// A label or a function: whatever the sink can link.
    Target,
}

/// What a variant fills of a location.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Component {
    /// The register.
    Register,
    /// The base of the address.
    Base,
    /// Its index.
    Index,
    /// What the index is multiplied by.
    Scale,
    /// What is added.
    Displacement,
    /// The constant.
    Constant,
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

/// Select, encode and place the instructions of a template.
pub fn lay_out(stmts: &[Stmt]) -> Result<LaidOut, Vec<Error>> {
    let mut errors = Errors::new();
    let labels = Labels::of(stmts, &[], &mut errors);
    let units = select_all(stmts, &labels, &mut errors);
    let mut units = errors.barrier(units)?;
    let places = reach(&mut units);

    let mut errors = Errors::new();
    unit::check_flow(&units, &mut errors);
    let insns = || units.iter().filter_map(Unit::insn);
    insns().filter_map(|insn| insn.too_far(&places)).for_each(|error| errors.add(error));
    let mut laid_out = write::write(&units, &labels, places, &mut errors);
    let insns: Vec<_> = insns().collect();
    let mut facts = unit::facts(&units);
    let written = |n: usize| select::text(insns[n].insn, &insns[n].chosen.operands);
    laid_out.warnings = warning::warnings(&mut facts, stmts, &written);
    laid_out.gathers = insns.iter().filter_map(|insn| insn.gather()).collect();
    errors.barrier(laid_out)
}

/// The mistakes in these statements, where others of the template could not be read; the words of those are
/// `unread`.
pub(super) fn mistakes(stmts: &[Stmt], unread: &[String], errors: &mut Errors) {
    let labels = Labels::of(stmts, unread, errors);
    select_all(stmts, &labels, errors);
}

/// The instructions that have a form, and the directives.
fn select_all<'a>(stmts: &'a [Stmt], labels: &Labels, errors: &mut Errors) -> Vec<Unit<'a>> {
    let mut units = vec![];
    let mut number = 0;
    for (at, stmt) in stmts.iter().enumerate() {
        errors.at(at);
        match stmt {
            Stmt::Label(_) | Stmt::Attribute(_) => continue,
            Stmt::Insn(insn) if labels.is_open(insn) => {}
            Stmt::Insn(insn) => {
                units.extend(errors.keep(select_insn(insn, number, labels)).map(Unit::Insn));
            }
            Stmt::Directive(directive) => units.push(Unit::directive(directive, number)),
        }
        number += 1;
    }
    units
}

/// Place the units, and lengthen jumps until every one that can be long reaches. Where each begins, and the end.
fn reach(units: &mut [Unit]) -> Vec<usize> {
    loop {
        let end = units.iter_mut().fold(0, |end, unit| unit.place(end));
        let places: Vec<usize> = units.iter().map(Unit::at).chain([end]).collect();
        let mut grew = false;
        for insn in units.iter_mut().filter_map(Unit::insn_mut).filter(|insn| !insn.reaches(&places)) {
            grew |= insn.lengthen();
        }
        if !grew {
            return places;
        }
    }
}
