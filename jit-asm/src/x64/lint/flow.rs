//! Where control goes in a template, and what is certain to happen on the way.
//!
//! A *path state* is what an analysis knows after one way through the template. [`solve`] gathers, for every
//! instruction, the states of all ways that lead to it; sets of states are never joined into one, so what is
//! said of a set is said of each way. [`certainties`] then follows, from every direction of every branch, the
//! instructions that must run behind it: what all states of that direction say there is certain, as every
//! direction of a branch is taken at some time.
//!
//! Unknown ways in (a label whose address is taken, the return from a call of an own label) arrive with the
//! unknown state, about which no analysis complains.

use super::Insn;
use crate::x64::effects;
use crate::x64::operand::{Base, Mem, Operand};
use std::collections::BTreeSet;

/// More states than this at one instruction are one unknown state.
const STATES: usize = 64;

/// What an analysis knows on one way.
pub(super) trait Analysis {
    /// A path state.
    type State: Ord + Clone;

    /// At the entry of the template.
    fn entry(&self) -> Self::State;

    /// Nothing is known.
    fn unknown(&self) -> Self::State;

    /// After the instruction at `at`; `None` when nothing is to be said about what follows.
    fn step(&self, at: usize, before: &Self::State) -> Option<Self::State>;
}

/// The jumps of a template.
pub(super) struct Flow {
    /// What may run after each instruction; their count is the end.
    next: Vec<Vec<usize>>,
    /// Whether another instruction than the one in front leads here.
    joins: Vec<bool>,
    /// Whether it goes on in one direction of two; the other may lead out of the template.
    branches: Vec<bool>,
    /// Calls of the template's own labels.
    own_calls: Vec<bool>,
    /// All calls.
    calls: Vec<bool>,
    /// Labels whose address is taken.
    entries: Vec<usize>,
    /// Whether an address is computed that may lead anywhere in the template.
    anywhere: bool,
}

impl Flow {
    pub(super) fn of(insns: &[Insn]) -> Flow {
        let mut joins = vec![false; insns.len() + 1];
        let summaries: Vec<_> = insns.iter().map(|insn| insn.summary).collect();
        for target in insns.iter().filter_map(|insn| insn.summary.target.or(insn.address_of)) {
            joins[target] = true;
        }
        let mut next: Vec<Vec<usize>> =
            (0..insns.len()).map(|i| effects::successors(&summaries, i).collect()).collect();
        for i in 1..insns.len() {
            // Behind `jl a; jge b` nothing runs.
            if !joins[i] && is_other_half(&insns[i - 1], &insns[i]) {
                next[i].retain(|&to| to != i + 1 || insns[i].summary.target == Some(to));
            }
        }
        let own_calls: Vec<bool> =
            insns.iter().map(|insn| insn.calls() && insn.summary.target.is_some()).collect();
        let computed = |insn: &Insn| insn.form.acts.jumps && insn.operands.iter().any(is_register_or_memory);
        let anywhere =
            insns.iter().any(takes_own_address) || (own_calls.contains(&true) && insns.iter().any(computed));
        let leaves =
            |insn: &Insn| insn.form.acts.jumps && insn.summary.falls_through && insn.summary.target.is_none();
        let branches = insns.iter().zip(&next).map(|(insn, next)| next.len() > 1 || leaves(insn)).collect();
        Flow {
            branches,
            next,
            joins,
            own_calls,
            calls: insns.iter().map(Insn::calls).collect(),
            entries: insns.iter().filter_map(|insn| insn.address_of).collect(),
            anywhere,
        }
    }

    /// What may run after an instruction.
    pub(super) fn next(&self, at: usize) -> &[usize] {
        &self.next[at]
    }

    /// Whether control can come from places that nobody knows, so that nothing can be said about ways.
    pub(super) fn is_unknown(&self) -> bool {
        self.anywhere
    }

    /// The only instruction that can follow, if it is sure to run.
    fn sure_next(&self, at: usize) -> Option<usize> {
        match self.next[at][..] {
            // A call may not come back; that something stands behind it for no other reason says that it does.
            [next] if self.calls[at] && self.joins[next] => None,
            [next] if next < self.next.len() && !self.own_calls[at] && !self.branches[at] => Some(next),
            _ => None,
        }
    }
}

/// `lea rax, [rip + 5]`: the address of some instruction.
fn takes_own_address(insn: &Insn) -> bool {
    let rip = |operand: &Operand| matches!(operand, Operand::Mem(Mem { base: Base::Rip, .. }));
    insn.form.mnemonic == "lea" && insn.operands.iter().any(rip)
}

fn is_register_or_memory(operand: &Operand) -> bool {
    matches!(operand, Operand::Reg(_) | Operand::RegHole(_) | Operand::Mem(_))
}

/// Whether two jumps have opposite conditions, so that one of them is taken.
fn is_other_half(first: &Insn, second: &Insn) -> bool {
    let condition = |insn: &Insn| {
        // A condition that is a hole reads more.
        let known = insn.summary.effects.reads_flags == insn.form.flags.read;
        let conditional = insn.form.acts.jumps && known && !insn.form.flags.read.is_empty();
        (conditional && insn.form.mnemonic.starts_with('j')).then_some(insn.form.opcode & 15)
    };
    matches!((condition(first), condition(second)), (Some(a), Some(b)) if a ^ 1 == b)
}

/// The states of all ways to each instruction, and to the end.
pub(super) fn solve<A: Analysis>(flow: &Flow, analysis: &A) -> Vec<BTreeSet<A::State>> {
    let mut states = vec![BTreeSet::new(); flow.next.len() + 1];
    let mut full = vec![false; states.len()];
    let mut open = vec![(0, analysis.entry())];
    open.extend(flow.entries.iter().map(|&at| (at, analysis.unknown())));
    while let Some((at, state)) = open.pop() {
        let mut state = state;
        if full[at] || !states[at].insert(state.clone()) {
            continue;
        }
        if states[at].len() > STATES {
            state = analysis.unknown();
            states[at] = BTreeSet::from([state.clone()]);
            full[at] = true;
        }
        let Some(next) = flow.next.get(at) else { continue };
        if let Some(after) = after(flow, analysis, at, &state) {
            open.extend(next.iter().map(|&to| (to, after.clone())));
        }
    }
    states
}

fn after<A: Analysis>(flow: &Flow, analysis: &A, at: usize, before: &A::State) -> Option<A::State> {
    if flow.own_calls[at] {
        return Some(analysis.unknown());
    }
    analysis.step(at, before)
}

/// Call `visit(way, at, states)` for every instruction that is sure to run once a way has been taken: the
/// entry, or a direction of a branch. `states` are those of the way, and never none.
pub(super) fn certainties<A: Analysis>(
    flow: &Flow,
    analysis: &A,
    mut visit: impl FnMut(usize, usize, &BTreeSet<A::State>),
) {
    let states = solve(flow, analysis);
    let all_after = |at: usize, before: &BTreeSet<A::State>| -> BTreeSet<A::State> {
        before.iter().filter_map(|state| after(flow, analysis, at, state)).collect()
    };
    let mut ways = vec![(0, BTreeSet::from([analysis.entry()]))];
    for (at, next) in flow.next.iter().enumerate().filter(|&(at, _)| flow.branches[at]) {
        ways.extend(next.iter().map(|&to| (to, all_after(at, &states[at]))));
    }
    for (way, (start, mut states)) in ways.into_iter().enumerate() {
        let mut seen = vec![false; flow.next.len()];
        let mut open = Some(start).filter(|&at| at < flow.next.len());
        while let Some(at) = open.filter(|&at| !seen[at] && !states.is_empty()) {
            seen[at] = true;
            visit(way, at, &states);
            states = all_after(at, &states);
            open = flow.sure_next(at);
        }
    }
}
