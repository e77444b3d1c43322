//! What the lints of `x64::lint` find in a template, with its place, unless the template allows it.

use super::attribute;
use super::error::Extent;
use super::stmt::{Insn, Stmt};
use crate::x64::lint::{self, Lint};
use core::fmt;

/// Something that assembles and is certain to go wrong.
#[derive(Clone, Debug)]
pub struct Warning {
    /// Which of the lints says so.
    pub lint: Lint,
    /// The instruction.
    pub extent: Extent,
    /// The same, by number.
    pub insn: usize,
    /// What goes wrong, in one sentence without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// The message, and what can be done on lines of their own.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Warning { lint, message, help, .. } = self;
        writeln!(f, "{message}")?;
        writeln!(f, "help: {help}")?;
        write!(f, "help: if it is right, `#[allow({lint})]` in front of the instruction says so")
    }
}

/// What is wrong with `insns`, which are those of `stmts`. Their texts are asked for only if there is something
/// that could be wrong.
pub(super) fn warnings(
    insns: &mut [lint::Insn],
    stmts: &[Stmt],
    text: &dyn Fn(usize) -> String,
) -> Vec<Warning> {
    let declared = attribute::declared(stmts);
    if !lint::concern(insns, &declared) {
        return vec![];
    }
    for (n, insn) in insns.iter_mut().enumerate() {
        insn.text = text(n);
    }
    let written: Vec<&Insn> = stmts
        .iter()
        .filter_map(|stmt| match stmt {
            Stmt::Insn(insn) => Some(insn),
            _ => None,
        })
        .collect();
    let mut found = lint::check(insns, &declared);
    found.retain(|finding| !attribute::allows(stmts, finding.lint, finding.at));
    let place = |finding: lint::Finding| {
        let lint::Finding { lint, at, message, help } = finding;
        Some(Warning { lint, extent: written.get(at)?.extent, insn: at, message, help })
    };
    found.into_iter().filter_map(place).collect()
}
