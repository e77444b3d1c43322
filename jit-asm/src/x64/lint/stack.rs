//! `unbalanced_stack`, `misaligned_call`, `variadic_without_al`, `callee_saved_clobbered`: what calls and
//! returns find, by the frames of all ways that are sure to get there.

use super::flow::{Flow, certainties};
use super::frame::{CALLEE_SAVED, Frame, Frames, Origin, Value};
use super::{Declared, Finding, Insn, Lint};
use crate::reg::Gpr;
use crate::x64::operand::{Base, Mem, Operand};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(insns: &[Insn], declared: &Declared, flow: &Flow, found: &mut Vec<Finding>) {
    if flow.is_unknown() || !(declared.function || insns.iter().any(Insn::returns)) {
        return;
    }
    let mut returns = Returns::default();
    certainties(flow, &Frames { insns, declared }, |way, at, frames| {
        let insn = &insns[at];
        if insn.returns() {
            returns.note(way, at, frames);
        }
        if !declared.function {
            return;
        }
        let mut new = vec![];
        if insn.calls() && insn.summary.target.is_none() {
            new.extend(misaligned(at, insn, frames));
        }
        if insn.variadic && frames.iter().all(|frame| !frame.al) {
            new.push(without_al(at, insn));
        }
        if insn.returns() {
            new.extend(unbalanced(at, insns, frames));
            new.extend(CALLEE_SAVED.into_iter().filter_map(|gpr| clobbered(gpr, insns, at, frames)));
        }
        for finding in new {
            let known = |old: &Finding| {
                (old.at, old.lint) == (finding.at, finding.lint)
                    && (finding.lint != Lint::CalleeSavedClobbered || old.message == finding.message)
            };
            if !found.iter().any(known) {
                found.push(finding);
            }
        }
    });
    if !declared.function {
        found.extend(returns.found.iter().filter_map(|(&at, ways)| disagreeing(at, &insns[at], ways)));
    }
}

/// How far rsp has moved at each `ret`, by way.
#[derive(Default)]
struct Returns {
    found: BTreeMap<usize, BTreeMap<usize, BTreeSet<i32>>>,
}

impl Returns {
    /// A way on which it is not always known says nothing.
    fn note(&mut self, way: usize, at: usize, frames: &BTreeSet<Frame>) {
        if let Some(moves) = frames.iter().map(Frame::moved).collect() {
            self.found.entry(at).or_default().insert(way, moves);
        }
    }
}

/// Two ways that cannot both be right, one of which has pushed. (Where both have only popped, what runs before
/// may have pushed as much as the branch says.)
fn disagreeing(at: usize, insn: &Insn, ways: &BTreeMap<usize, BTreeSet<i32>>) -> Option<Finding> {
    let ways: Vec<&BTreeSet<i32>> = ways.values().collect();
    let pair = ways.iter().enumerate().find_map(|(n, one)| {
        let pushed = |moves: &BTreeSet<i32>| moves.iter().all(|moved| *moved < 0);
        let differs = |other: &&&BTreeSet<i32>| other.is_disjoint(one) && (pushed(one) || pushed(other));
        let other = ways[..n].iter().find(differs)?;
        Some((*other.first()?, *one.first()?))
    });
    let (one, other) = pair?;
    Some(Finding {
        lint: Lint::UnbalancedStack,
        at,
        message: format!(
            "`{}` is reached with rsp moved by {one} on one way and by {other} on another: one of them takes \
             something else for the return address",
            insn.text
        ),
        help: "push and pop the same on every way".to_owned(),
    })
}

/// In a function, a return that does not find rsp where it was.
fn unbalanced(at: usize, insns: &[Insn], frames: &BTreeSet<Frame>) -> Option<Finding> {
    // `push rax; ret` is a jump.
    if at > 0 && puts_on_top(&insns[at - 1]) {
        return None;
    }
    let moves: Option<BTreeSet<i32>> = frames.iter().map(Frame::moved).collect();
    let moves = moves.filter(|moves| !moves.contains(&0))?;
    let first = *moves.first()?;
    let (what, help) = match first {
        ..0 => (
            format!("{} bytes are still on the stack", -i64::from(first)),
            format!("pop what was pushed, or write `add rsp, {}` in front", -i64::from(first)),
        ),
        _ => {
            (format!("{first} bytes too many were taken off the stack"), "pop no more than was pushed".into())
        }
    };
    Some(Finding {
        lint: Lint::UnbalancedStack,
        at,
        message: format!("{what} at `{}`: what lies on top is taken for the return address", insns[at].text),
        help,
    })
}

/// Whether an instruction puts something on top of the stack.
fn puts_on_top(insn: &Insn) -> bool {
    let top = |operand: &Operand| matches!(operand, Operand::Mem(Mem { base: Base::Reg(Gpr::Rsp), .. }));
    (insn.form.acts.push && !insn.calls())
        || (insn.form.mnemonic == "mov" && insn.operands.first().is_some_and(top))
}

fn misaligned(at: usize, insn: &Insn, frames: &BTreeSet<Frame>) -> Option<Finding> {
    let off = |frame: &Frame| match frame.get(Gpr::Rsp) {
        // A call has just pushed 8 bytes onto a multiple of 16.
        Value::Address(address) if address.origin == Origin::Entry => {
            Some(address.offset.wrapping_add(8).rem_euclid(16))
        }
        Value::Address(address) => Some(address.offset.rem_euclid(16)),
        _ => None,
    };
    let offs: Option<BTreeSet<i32>> = frames.iter().map(off).collect();
    let offs = offs.filter(|offs| !offs.contains(&0))?;
    Some(Finding {
        lint: Lint::MisalignedCall,
        at,
        message: format!(
            "rsp is {} more than a multiple of 16 at `{}`: the callee may fault at its first aligned store to the \
             stack",
            offs.first()?,
            insn.text
        ),
        help: format!("write `sub rsp, {0}` before the call and `add rsp, {0}` after it", offs.first()?),
    })
}

fn without_al(at: usize, insn: &Insn) -> Finding {
    Finding {
        lint: Lint::VariadicWithoutAl,
        at,
        message: format!(
            "al is not set before `{}`: a variadic function finds in it how many vector registers hold arguments",
            insn.text
        ),
        help: "write `xor eax, eax` in front when none does, `mov eax, n` when n do".to_owned(),
    }
}

/// A callee-saved register that does not hold its caller's value at the return at `at`.
fn clobbered(gpr: Gpr, insns: &[Insn], at: usize, frames: &BTreeSet<Frame>) -> Option<Finding> {
    let by = |frame: &Frame| frame.moved().and_then(|_| frame.clobbered(gpr));
    let by: Option<BTreeSet<usize>> = frames.iter().map(by).collect();
    let by = *by?.first()?;
    let others = frames.first().map(|frame| frame.get(gpr));
    let text = &insns[by].text;
    let (message, help) = match others {
        Some(Value::Original(other)) => (
            format!("`{text}` leaves {other}'s value in {gpr}, and so it is at `{}`", insns[at].text),
            "restore registers in the opposite order of saving them".to_owned(),
        ),
        _ => (
            format!(
                "`{text}` changes {gpr}, and `{}` returns without having restored it: the caller goes on with a \
                 wrong value",
                insns[at].text
            ),
            format!(
                "save it first (`push {gpr}`, and `pop {gpr}` at the end), or use rax, rcx, rdx, rsi, rdi or r8 to r11"
            ),
        ),
    };
    Some(Finding { lint: Lint::CalleeSavedClobbered, at: by, message, help })
}
