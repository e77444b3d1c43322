//! `dead_flags`: a comparison that nothing looks at.
//!
//! Backward over the jumps: a flag is alive where it may be read before it is surely written. Outside the
//! template everything is read: what follows it, where a jump or return leads, what is called or trapped to.
//! So a comparison at the end is for whoever comes next, and only one that is overwritten here is dead.

use super::flow::Flow;
use super::{Finding, Insn, Lint};
use crate::template::Flags;
use crate::x64::operand::Operand;

const ALL: Flags = Flags(u8::MAX);

pub(super) fn check(insns: &[Insn], flow: &Flow, found: &mut Vec<Finding>) {
    if !insns.iter().any(only_compares) {
        return;
    }
    let live = live_after(insns, flow);
    for (at, insn) in insns.iter().enumerate().filter(|(_, insn)| only_compares(insn)) {
        let flags = insn.summary.effects.writes_flags;
        let dead = flags.difference(live[at]) == flags;
        if let Some(by) = overwriter(insns, flow, at, flags).filter(|_| dead) {
            found.push(Finding {
                lint: Lint::DeadFlags,
                at,
                message: format!(
                    "nothing reads the flags of `{}`: `{}` overwrites them first",
                    insn.text, insns[by].text
                ),
                help: "put what depends on the comparison directly behind it, or remove the comparison"
                    .to_owned(),
            });
        }
    }
}

/// Whether flags are all that an instruction is for. One that touches memory may be there for the fault:
/// null checks, stack probes and polls are written so.
pub(super) fn only_compares(insn: &Insn) -> bool {
    let e = &insn.summary.effects;
    let acts = &insn.form.acts;
    !e.writes_flags.is_empty()
        && e.writes.is_empty()
        && !(e.reads_memory || e.writes_memory || acts.calls || acts.jumps || acts.traps)
        && !insn.form.operands.iter().flatten().any(|operand| operand.access.writes())
        && insn.location.is_none()
        && !insn.operands.iter().any(|operand| matches!(operand, Operand::Mem(_)))
}

/// The flags that an instruction looks at, or that somebody outside does who runs meanwhile.
fn read_by(insn: &Insn) -> Flags {
    let acts = &insn.form.acts;
    // A division that faults is an error, and its handler has no use for flags.
    if acts.calls || (acts.traps && !insn.divides()) { ALL } else { insn.summary.effects.reads_flags }
}

/// The flags that are other ones afterwards. A shift by nothing leaves them.
fn surely_written(insn: &Insn) -> Flags {
    insn.summary.effects.writes_flags.difference(insn.summary.keeps_flags)
}

/// Whether control may leave the template here.
fn leaves(insn: &Insn) -> bool {
    insn.form.acts.jumps && insn.summary.target.is_none()
}

/// The flags that may be read after each instruction.
fn live_after(insns: &[Insn], flow: &Flow) -> Vec<Flags> {
    let mut before = vec![Flags::NONE; insns.len()];
    before.push(ALL);
    let mut after = vec![Flags::NONE; insns.len()];
    loop {
        let mut changed = false;
        for (at, insn) in insns.iter().enumerate().rev() {
            let outside = if leaves(insn) { ALL } else { Flags::NONE };
            after[at] = flow.next(at).iter().fold(outside, |live, &next| live.union(before[next]));
            let written = surely_written(insn);
            let live = after[at].difference(written).union(read_by(insn));
            changed |= live != before[at];
            before[at] = live;
        }
        if !changed {
            return after;
        }
    }
}

/// The first instruction behind `at` that writes one of `flags`, by the distance of jumps.
fn overwriter(insns: &[Insn], flow: &Flow, at: usize, flags: Flags) -> Option<usize> {
    let mut seen = vec![false; insns.len() + 1];
    let mut open = std::collections::VecDeque::from([at]);
    while let Some(here) = open.pop_front() {
        for &next in flow.next(here) {
            let written = surely_written(insns.get(next)?);
            if flags.difference(written) != flags {
                return Some(next);
            }
            if !std::mem::replace(&mut seen[next], true) {
                open.push_back(next);
            }
        }
    }
    None
}
