//! Statements into bytes: forms selected, fields found, local labels resolved.
//!
//! Every jump to a label of the template starts short. As long as one does not reach, it is made long and
//! places are counted again; code only grows, so this ends, with the fewest long jumps there can be. `loop` and
//! `jrcxz` cannot be made long: what they do not reach then is an error.
//!
//! A location hole makes one instruction into several, of which emission takes one. The template is then a
//! sequence of parts: pieces whose length is fixed, and choices between them. A jump across a choice is short
//! only if the longest of its instructions leaves room, and its distance is computed from the lengths taken.

mod labels;
mod select;
mod write;

use super::error::{Error, Errors};
use super::stmt::{Hole, Location, Stmt};
use super::warning::{self, Warning};
use crate::template::{Effects, HoleKind};
use crate::x64::operand::Width;
use labels::Labels;
use select::{Selected, select_insn};

/// A template with every byte in its place, ready to be written out as Rust.
#[derive(Clone, Debug)]
pub struct LaidOut {
    /// All of it; where a location is chosen, as if it were the longest thing it may become.
    pub whole: Piece,
    /// What emission puts one behind the other. Without location holes that is the whole, and this is empty.
    pub parts: Vec<Part>,
    /// What it is certain to do wrong.
    pub warnings: Vec<Warning>,
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
    /// Offset and text of each instruction, labels included: joined by `;` they are the template again.
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
    let labels = Labels::of(stmts, &mut errors);
    let mut selected = vec![];
    let insns = stmts.iter().filter_map(|stmt| match stmt {
        Stmt::Insn(insn) => Some(insn),
        Stmt::Label(_) | Stmt::Attribute(_) => None,
    });
    for (number, insn) in insns.enumerate() {
        selected.extend(errors.keep(select_insn(insn, number, &labels)));
    }
    let mut selected = errors.barrier(selected)?;
    let places = reach(&mut selected);

    let mut errors = Errors::new();
    selected.iter().filter_map(|insn| insn.too_far(&places)).for_each(|error| errors.add(error));
    let mut laid_out = write::write(&selected, &labels, places, &mut errors);
    let mut facts: Vec<_> = selected.iter().map(Selected::facts).collect();
    let written = |n: usize| select::text(selected[n].insn, &selected[n].chosen.operands);
    laid_out.warnings = warning::warnings(&mut facts, stmts, &written);
    errors.barrier(laid_out)
}

/// Place the instructions, and lengthen jumps until every one that can be long reaches. Where each begins, and
/// the end.
fn reach(insns: &mut [Selected]) -> Vec<usize> {
    loop {
        let mut end = 0;
        for insn in insns.iter_mut() {
            insn.at = end;
            end += insn.chosen.len();
        }
        let places: Vec<usize> = insns.iter().map(|insn| insn.at).chain([end]).collect();
        let mut grew = false;
        for insn in insns.iter_mut().filter(|insn| !insn.reaches(&places)) {
            grew |= insn.lengthen();
        }
        if !grew {
            return places;
        }
    }
}
