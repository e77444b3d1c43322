//! Mistakes that assemble: what a template is certain to do wrong when it runs.
//!
//! **Problem.** Most mistakes in assembly are no mistakes of the language: a division without its sign
//! extension, a comparison in the wrong place, a call with the stack askew. They show up at run time, far away
//! and on some inputs. The effects of instructions are known while Rust compiles, so many can be found there.
//!
//! **Idea.** [`check`] walks the ways through a template by its own jumps. `dead_flags` looks backward for a
//! reader; the others carry what is known of registers and stack forward, a state for each way (`flow`), and
//! ask where it is certain to be wrong. How the stack lies and who calls is known only of whole functions,
//! which the template declares; of a piece of one, only what holds in any surroundings is said.
//!
//! **Invariants.** Good code is never complained about. What is not known (another template, a register
//! chosen at emission, a computed jump, the callee) is taken to be right; what is reported goes wrong whenever
//! some direction of some branch is taken. A checker that enumerates ways one by one agrees, on random
//! templates.
//!
//! **Cost.** A template without division, comparison or `ret` that is no function: one pass over it.
//! Otherwise linear in the instructions, times the states that differ, of which there are at most 64 each.

mod code;
mod dividend;
mod flags;
mod flow;
mod frame;
mod stack;

pub use code::{About, Lint};

use super::effects::InsnSummary;
use super::form::{Access, Form};
use super::operand::{Mem, Operand};
use crate::reg::RegSet;

/// One instruction of a template, as the lints see it.
#[derive(Clone, Debug)]
pub struct Insn<'a> {
    /// Its form.
    pub form: &'a Form,
    /// Its operands.
    pub operands: &'a [Operand],
    /// What it does, and where it goes inside the template.
    pub summary: InsnSummary,
    /// The instruction whose address it takes, by number.
    pub address_of: Option<usize>,
    /// The operand, by number, that may become a register, memory or a constant; in `operands` it is the
    /// longest.
    pub location: Option<usize>,
    /// Whether it goes to a variadic function.
    pub variadic: bool,
    /// As it is written.
    pub text: String,
}

/// What a template says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Declared {
    /// It is a whole function of the System V ABI: called, and calling such.
    pub function: bool,
    /// What is set before it.
    pub inputs: RegSet,
}

/// One mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which.
    pub lint: Lint,
    /// The instruction, by number.
    pub at: usize,
    /// What goes wrong, in one sentence without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// Whether there is anything in a template that a lint could be about.
#[must_use]
pub fn concern(insns: &[Insn], declared: &Declared) -> bool {
    declared.function
        || insns.iter().any(|insn| insn.divides() || insn.returns() || flags::only_compares(insn))
}

/// What is certain to go wrong in a template, in the order of its instructions.
#[must_use]
pub fn check(insns: &[Insn], declared: &Declared) -> Vec<Finding> {
    let mut found = vec![];
    if !concern(insns, declared) {
        return found;
    }
    let flow = flow::Flow::of(insns);
    flags::check(insns, &flow, &mut found);
    dividend::check(insns, declared, &flow, &mut found);
    stack::check(insns, declared, &flow, &mut found);
    found.sort_by_key(|finding| (finding.at, finding.lint));
    found
}

impl Insn<'_> {
    fn divides(&self) -> bool {
        matches!(self.form.mnemonic, "div" | "idiv")
    }

    fn calls(&self) -> bool {
        self.form.acts.calls && self.form.acts.push
    }

    /// Whether it asks the kernel, which answers in registers and memory.
    fn enters_system(&self) -> bool {
        (self.form.acts.calls && !self.form.acts.push) || self.form.mnemonic == "int"
    }

    fn returns(&self) -> bool {
        self.form.acts.pop && self.form.acts.jumps
    }

    /// Whether it writes a general register that is chosen at emission, so that any may change.
    fn writes_chosen_register(&self) -> bool {
        self.chosen_registers().any(|access| access.writes())
    }

    /// The same for reading as a value, not as a part of an address.
    fn reads_chosen_register(&self) -> bool {
        self.chosen_registers().any(|access| access.reads())
    }

    /// What happens to operands that are a register chosen at emission, or may be.
    fn chosen_registers(&self) -> impl Iterator<Item = Access> {
        let operands = self.form.explicit().zip(self.operands).enumerate();
        operands.filter_map(|(n, (wanted, given))| {
            let chosen = matches!(given, Operand::RegHole(_)) || self.location == Some(n);
            chosen.then_some(wanted.access)
        })
    }

    /// The memory that an operand names, and whether it is written, with its bytes.
    fn memory(&self) -> impl Iterator<Item = (&Mem, bool, Option<u8>)> {
        self.form.explicit().zip(self.operands).filter_map(|(wanted, given)| match given {
            Operand::Mem(mem) => {
                Some((mem, wanted.access.writes(), wanted.memory.map(super::operand::Width::bytes)))
            }
            _ => None,
        })
    }
}
