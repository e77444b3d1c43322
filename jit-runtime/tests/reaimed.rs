//! An unwinder sees frames that were re-aimed as it saw them before, from every instruction of code that is called by
//! them and of the exits that they go on in.
//!
//! The process steps itself, as in `unwind.rs`. The list to compare with is kept by watching calls: where a frame
//! was called from, and which word of the stack says where it goes on, which is read anew at each instruction.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "disassemble"))]
#![allow(unsafe_code)]

#[path = "support/step.rs"]
mod step;
#[path = "support/toy.rs"]
mod toy;

use jit_runtime::stitch::Code;
use jit_runtime::transition::Exits;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use step::{Caller, Watch, at_full_speed, backtrace, stepping, word};
use toy::{Action, FUNCTIONS, Kind, Model, Piece, Toy, call};

/// A body that was called and has not returned.
#[derive(Clone, Copy)]
struct Called {
    /// The word that says where its caller goes on.
    return_slot: usize,
    /// What that word was when it was called.
    called_from: usize,
    /// Of a trampoline: what Rust had in the registers that a callee keeps.
    registers: Option<[usize; 6]>,
}

#[derive(Default)]
struct Stepper {
    trampoline: Range<usize>,
    cut: usize,
    /// Code that is called.
    bodies: Vec<Range<usize>>,
    /// Code that is jumped to, in the frame of a body.
    tail: Range<usize>,
    called: Vec<Called>,
    traps: usize,
    steps: usize,
    /// Steps at which some frame of the segment was to go on elsewhere than it was called from.
    re_aimed_steps: usize,
    /// How often each instruction was met.
    met: BTreeMap<usize, usize>,
    wrong: Vec<String>,
}

impl Watch for Stepper {
    fn step(&mut self, ip: usize, sp: usize, registers: [usize; 6]) {
        self.traps += 1;
        let enters_segment = ip == self.trampoline.start;
        let is_called = enters_segment || self.bodies.iter().any(|body| body.start == ip);
        let is_inside = is_called
            || self.trampoline.contains(&ip)
            || self.tail.contains(&ip)
            || self.bodies.iter().any(|body| body.contains(&ip));
        if !is_inside {
            return;
        }
        // What has returned has its return address below rsp.
        self.called.retain(|called| called.return_slot >= sp);
        if (self.cut..self.trampoline.end).contains(&ip) {
            let segment = self.called.iter().rposition(|c| c.registers.is_some());
            self.called.truncate(segment.map_or(0, |at| at + 1));
        }
        if is_called {
            let registers = enters_segment.then_some(registers);
            self.called.push(Called { return_slot: sp, called_from: word(sp), registers });
        }
        self.steps += 1;
        *self.met.entry(ip).or_default() += 1;
        self.compare(ip);
    }
}

impl Stepper {
    fn compare(&mut self, ip: usize) {
        let segment = self.called.iter().rposition(|c| c.registers.is_some()).unwrap_or(0);
        let frames: Vec<Called> = self.called[segment..].iter().rev().copied().collect();
        let goes_on = |c: &Called| Caller { ip: word(c.return_slot), sp: c.return_slot + 8 };
        let wanted: Vec<Caller> = frames.iter().map(goes_on).collect();
        let re_aimed = frames.iter().any(|c| word(c.return_slot) != c.called_from);
        self.re_aimed_steps += usize::from(re_aimed);
        let seen = backtrace();
        let Some(here) = seen.iter().position(|s| s.caller.ip == ip) else {
            return self.wrong.push(format!("{ip:#x} is not in its own backtrace"));
        };
        let found: Vec<Caller> = seen[here + 1..].iter().map(|s| s.caller).take(wanted.len()).collect();
        if found != wanted {
            return self.wrong.push(format!("at {ip:#x}: found {found:x?}, wanted {wanted:x?}"));
        }
        let registers = frames.last().and_then(|c| c.registers);
        if registers != Some(seen[here + wanted.len()].kept) {
            self.wrong.push(format!("at {ip:#x}: the registers of Rust are not {registers:x?}"));
        }
    }
}

fn range(code: &Code) -> Range<usize> {
    code.address()..code.address() + code.code_len()
}

/// The addresses of instructions in some code.
fn instructions(code: &Code) -> BTreeSet<usize> {
    let bytes = code.block().bytes();
    let mut decoder = iced_x86::Decoder::with_ip(64, &bytes[..code.code_len()], code.address() as u64, 0);
    let real = decoder.iter().filter(|i| i.mnemonic() != iced_x86::Mnemonic::Int3);
    real.map(|i| i.ip() as usize).collect()
}

#[test]
fn every_instruction_finds_callers_that_were_re_aimed() {
    // Frames of all functions are re-aimed at several depths, in two segments; one is cut under re-aimed frames.
    let script = [
        Action::Nothing,
        Action::Nothing,
        Action::Nothing,
        Action::Enter(0, 2),
        Action::Nothing,
        Action::Nothing,
        Action::Write(0, 70),
        Action::Write(1, 80),
        Action::Enter(1, 1),
        Action::Nothing,
        Action::Cut,
    ];
    let mut toy = Toy::new();
    for f in 0..FUNCTIONS {
        toy.compile(f, Kind::Speculative);
    }
    let quickly = |action| match action {
        Action::Write(0, 70) => Action::Do(|toy| at_full_speed(|| _ = toy.write(0, 70))),
        Action::Write(1, 80) => Action::Do(|toy| at_full_speed(|| _ = toy.write(1, 80))),
        other => other,
    };
    toy.vm.script = script.map(quickly).into();
    let stubs = &toy.vm.stubs;
    let pieces: Vec<&Piece> =
        (0..FUNCTIONS as usize).map(|f| toy.vm.code.get(toy.vm.entries.get(f)).expect("compiled")).collect();
    let exits: BTreeSet<usize> = pieces
        .iter()
        .flat_map(|piece| range(&piece.code).filter(|&address| piece.exit_of(address) == Some(address)))
        .collect();
    let mut bodies: Vec<Range<usize>> =
        [&stubs.enter, &stubs.middle, &stubs.leave, &stubs.interpret].map(range).to_vec();
    bodies.extend(stubs.interpreted.iter().chain(pieces.iter().map(|piece| &piece.code)).map(range));
    let stepper = Stepper {
        trampoline: range(toy.vm.gate.code()),
        cut: toy.vm.gate.cut().0,
        bodies,
        tail: range(&stubs.capture),
        ..Stepper::default()
    };
    let capture = instructions(&stubs.capture);
    let at = &raw mut *toy;
    let mut outcome = None;
    let stepper = stepping(stepper, || outcome = Some(call(at, 0, 5)));
    assert_eq!(outcome, Some(Model::new(&script).call(0, 5)));
    let first = stepper.wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(stepper.wrong.is_empty(), "{} of {} steps:\n{first}", stepper.wrong.len(), stepper.steps);
    println!(
        "{} traps, {} steps, {} under re-aimed frames",
        stepper.traps, stepper.steps, stepper.re_aimed_steps
    );
    assert!(stepper.re_aimed_steps > 100 && toy.vm.exits >= 5, "{} exits", toy.vm.exits);
    // All of the way of an exit was stepped: the exits themselves, as often as they were served, and the stub.
    let met = |ip: &usize| stepper.met.get(ip).copied().unwrap_or(0);
    assert_eq!((exits.len(), exits.iter().map(met).sum::<usize>()), (6, toy.vm.exits));
    let missed: Vec<_> = capture.iter().filter(|&ip| met(ip) == 0).collect();
    assert!(missed.is_empty(), "{missed:x?}");
}
