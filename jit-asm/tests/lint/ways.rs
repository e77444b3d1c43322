//! The checker: random templates are run, way by way, on a machine of a few lines.
//!
//! It shares nothing with the lints but what they mean: a complaint is right when there is a direction of a
//! branch, or the entry, behind which the instruction is sure to run and goes wrong on every way that takes
//! that direction. The machine has numbers in its registers and stack, so a register is restored when the
//! number is back and a `ret` is right when rsp is. Ways are followed up to a bound; where one is cut off the
//! lints may know more, so there they must only not complain without reason.
//!
//! Nothing that is certain may be missed either. Of a callee-saved register that is certain where its number at the
//! `ret` came up on the way, and not from a place that nobody knows once its first value has been read out: it may be
//! kept there.

use arbtest::arbitrary::{Result, Unstructured};
use jit_asm::syntax::{lay_out, parse};
use jit_asm::x64::lint::Lint;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

const REGISTERS: [&str; 8] = ["rax", "rcx", "rdx", "rbx", "rbp", "r12", "rsi", "rdi"];
const RAX: usize = 0;
const RCX: usize = 1;
const RDX: usize = 2;
const RBP: usize = 4;
const KEPT: [usize; 3] = [3, 4, 5];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Op {
    Push(usize),
    Pop(usize),
    Mov(usize, usize),
    Number(usize),
    Store(usize, i64),
    Load(usize, i64),
    Room(i64),
    Frame,
    Leave,
    Cqo,
    Cdq,
    ZeroRdx,
    Dl,
    Al,
    Movsxd,
    Movzx,
    Divide { signed: bool },
    Cmp,
    Inc,
    Adc,
    Setz,
    ShlCl,
    Jz(usize),
    Jmp(usize),
    JzOut,
    JmpOut,
    Call,
    CallVariadic,
    Ret,
}

impl Op {
    /// One of those that matter to frames, or one of those that matter to divisions and flags; either may jump.
    fn any(u: &mut Unstructured, labels: usize, frames: bool) -> Result<Op> {
        let register = u.choose_index(REGISTERS.len())?;
        let kept = *u.choose(&KEPT)?;
        let slot = *u.choose(&[0, 8, -8, -16])?;
        let to = u.int_in_range(0..=labels)?;
        let other = u.choose_index(REGISTERS.len())?;
        let jumps = [Op::Jz(to), Op::Jz(to), Op::Jmp(to), Op::JzOut, Op::JmpOut];
        let of_frames = [
            Op::Push(register),
            Op::Push(kept),
            Op::Pop(register),
            Op::Pop(kept),
            Op::Mov(register, other),
            Op::Number(kept),
            Op::Store(kept, slot),
            Op::Load(kept, slot),
            Op::Room(*u.choose(&[8, -8, -16, 24])?),
            Op::Frame,
            Op::Leave,
            Op::Al,
            Op::Call,
            Op::CallVariadic,
            Op::Ret,
            Op::Ret,
        ];
        let of_numbers = [
            Op::Cqo,
            Op::Cdq,
            Op::ZeroRdx,
            Op::Dl,
            Op::Al,
            Op::Movsxd,
            Op::Movzx,
            Op::Number(register),
            Op::Divide { signed: true },
            Op::Divide { signed: false },
            Op::Cmp,
            Op::Cmp,
            Op::Inc,
            Op::Adc,
            Op::Setz,
            Op::ShlCl,
            Op::Call,
        ];
        if u.ratio(1, 5)? {
            return Ok(*u.choose(&jumps)?);
        }
        Ok(if frames { *u.choose(&of_frames)? } else { *u.choose(&of_numbers)? })
    }

    fn text(self) -> String {
        let r = |n: usize| REGISTERS[n];
        match self {
            Op::Push(a) => format!("push {}", r(a)),
            Op::Pop(a) => format!("pop {}", r(a)),
            Op::Mov(a, b) => format!("mov {}, {}", r(a), r(b)),
            Op::Number(a) => format!("mov {}, 77", r(a)),
            Op::Store(a, slot) => format!("mov [rsp + {slot}], {}", r(a)).replace("+ -", "- "),
            Op::Load(a, slot) => format!("mov {}, [rsp + {slot}]", r(a)).replace("+ -", "- "),
            Op::Room(n) => format!("lea rsp, [rsp + {n}]").replace("+ -", "- "),
            Op::Frame => "mov rbp, rsp".into(),
            Op::Leave => "leave".into(),
            Op::Cqo => "cqo".into(),
            Op::Cdq => "cdq".into(),
            Op::ZeroRdx => "xor edx, edx".into(),
            Op::Dl => "mov dl, 1".into(),
            Op::Al => "mov al, 1".into(),
            Op::Movsxd => "movsxd rax, esi".into(),
            Op::Movzx => "movzx eax, sil".into(),
            Op::Divide { signed } => if signed { "idiv rcx" } else { "div rcx" }.into(),
            Op::Cmp => "cmp rsi, rdi".into(),
            Op::Inc => "inc r8".into(),
            Op::Adc => "adc r8, r8".into(),
            Op::Setz => "setz r8b".into(),
            Op::ShlCl => "shl r8, cl".into(),
            Op::Jz(to) => format!("jz l{to}"),
            Op::Jmp(to) => format!("jmp l{to}"),
            Op::JzOut => "jz {out}".into(),
            Op::JmpOut => "jmp {out}".into(),
            Op::Call => "call {f}".into(),
            Op::CallVariadic => "call {f: variadic}".into(),
            Op::Ret => "ret".into(),
        }
    }

    /// Flags read and written; bit 0 is the carry, bit 1 all others.
    fn flags(self) -> (u8, u8) {
        match self {
            Op::Cmp | Op::ZeroRdx | Op::Divide { .. } => (0, 3),
            Op::Inc => (0, 2),
            Op::Adc => (1, 3),
            Op::Setz | Op::Jz(_) | Op::JzOut => (2, 0),
            Op::Call | Op::CallVariadic => (3, 0),
            _ => (0, 0),
        }
    }
}

/// An instruction that was run, and the direction behind which it was sure to be, if there is one.
#[derive(Clone, Copy)]
struct Step {
    at: usize,
    sure: Option<Direction>,
}

/// The entry, or the branch at an instruction, taken or not.
type Direction = Option<(usize, bool)>;

struct Way {
    steps: Vec<Step>,
    cut: bool,
}

/// All ways through the template, of so many branches and so many instructions.
fn ways(ops: &[Op], joins: &BTreeSet<usize>) -> Vec<Way> {
    let mut done = vec![];
    let mut open = vec![(vec![], 0, Some(None), 0)];
    while let Some((mut steps, at, sure, branches)) = open.pop() {
        let (mut at, mut sure, mut branches): (usize, Option<Direction>, u32) = (at, sure, branches);
        let cut = loop {
            let Some(&op) = ops.get(at) else { break false };
            if steps.len() > 60 || branches > 7 {
                break true;
            }
            let again = steps.iter().rev().take_while(|step: &&Step| step.sure == sure).any(|s| s.at == at);
            // Only the first time around is judged.
            sure = sure.filter(|_| !again);
            steps.push(Step { at, sure });
            match op {
                Op::Ret | Op::JmpOut => break false,
                Op::Jmp(to) => at = to,
                Op::Jz(to) => {
                    branches += 1;
                    open.push((steps.clone(), to, Some(Some((at, true))), branches));
                    (sure, at) = (Some(Some((at, false))), at + 1);
                }
                Op::JzOut => {
                    branches += 1;
                    done.push(Way { steps: steps.clone(), cut: false });
                    (sure, at) = (Some(Some((at, false))), at + 1);
                }
                // Whether a call comes back shows only where nothing else leads behind it.
                Op::Call | Op::CallVariadic if joins.contains(&(at + 1)) => (sure, at) = (None, at + 1),
                _ => at += 1,
            }
        };
        done.push(Way { steps, cut });
    }
    done
}

/// What was seen at an instruction, by direction: whether it was wrong each time.
#[derive(Default)]
struct Seen {
    wrong: Wrong,
    /// The same for registers that are not restored, where the lints must see it too.
    unrestored: Wrong,
    /// Whether rsp was set to a number that is no place in the stack, which the lints know nothing about.
    lost: bool,
}

/// By complaint and direction.
type Wrong = BTreeMap<(Lint, usize, usize), BTreeMap<Direction, bool>>;

fn note(all: &mut Wrong, lint: Lint, step: Step, register: usize, wrong: bool) {
    if let Some(direction) = step.sure {
        *all.entry((lint, step.at, register)).or_default().entry(direction).or_insert(true) &= wrong;
    }
}

fn certain(all: &Wrong) -> BTreeSet<(Lint, usize, usize)> {
    let wrong = all.iter().filter(|(_, directions)| directions.values().any(|&always| always));
    // A register is named by the complaint, whatever instruction it stands at.
    let place = |&(lint, at, register): &(Lint, usize, usize)| match lint {
        Lint::CalleeSavedClobbered => (lint, 0, register),
        _ => (lint, at, register),
    };
    wrong.map(|(key, _)| place(key)).collect()
}

impl Seen {
    fn note(&mut self, lint: Lint, step: Step, register: usize, wrong: bool) {
        note(&mut self.wrong, lint, step, register, wrong);
    }
}

/// Numbers that nobody has.
struct Numbers {
    made: i64,
    vague: i64,
}

const VAGUE: i64 = 0x3333_0000;

impl Numbers {
    /// One that came up on the way.
    fn made(&mut self) -> i64 {
        self.made += 1;
        self.made
    }

    /// One from a place that nobody knows.
    fn vague(&mut self) -> i64 {
        self.vague += 1;
        self.vague
    }
}

fn is_vague(number: i64) -> bool {
    (VAGUE..VAGUE + 0x10000).contains(&number)
}

const ENTRY_RSP: i64 = 0x7000_0008;

/// Run one way of a function with numbers.
fn run(ops: &[Op], way: &Way, seen: &mut Seen) {
    let entry: [i64; 8] = std::array::from_fn(|n| 0x1111_0000 + n as i64);
    let mut registers = entry;
    let mut rsp = ENTRY_RSP;
    let mut stack: HashMap<i64, i64> = HashMap::new();
    let mut al = false;
    let mut numbers = Numbers { made: 0x2222_0000, vague: VAGUE };
    // Whether the first value of a register may be kept somewhere.
    let mut saved = [false; 8];
    for &step in &way.steps {
        if let Op::Push(from) | Op::Store(from, _) | Op::Mov(_, from) = ops[step.at] {
            let value = registers[from];
            (0..8).for_each(|a| saved[a] |= value == entry[a]);
            saved[from] |= is_vague(value);
        }
        match ops[step.at] {
            Op::Push(a) => {
                rsp -= 8;
                stack.insert(rsp, registers[a]);
            }
            Op::Pop(a) => {
                registers[a] = *stack.entry(rsp).or_insert_with(|| numbers.vague());
                rsp += 8;
            }
            Op::Mov(a, b) => registers[a] = registers[b],
            Op::Number(a) => registers[a] = numbers.made(),
            Op::Store(a, slot) => drop(stack.insert(rsp + slot, registers[a])),
            Op::Load(a, slot) => registers[a] = *stack.entry(rsp + slot).or_insert_with(|| numbers.vague()),
            Op::Room(by) => rsp += by,
            Op::Frame => registers[RBP] = rsp,
            Op::Leave => {
                rsp = registers[RBP];
                seen.lost |= (rsp - ENTRY_RSP).abs() > 4096;
                registers[RBP] = *stack.entry(rsp).or_insert_with(|| numbers.vague());
                rsp += 8;
            }
            Op::Call | Op::CallVariadic => {
                seen.note(Lint::MisalignedCall, step, 0, rsp % 16 != 0);
                if ops[step.at] == Op::CallVariadic {
                    seen.note(Lint::VariadicWithoutAl, step, 0, !al);
                }
                for a in [RAX, RCX, RDX, 6, 7] {
                    registers[a] = numbers.vague();
                }
                al = false;
            }
            Op::Ret => {
                let jump = step.at > 0 && matches!(ops[step.at - 1], Op::Push(_) | Op::Store(..));
                seen.note(Lint::UnbalancedStack, step, 0, rsp != ENTRY_RSP && !jump);
                for kept in KEPT {
                    let wrong = registers[kept] != entry[kept];
                    seen.note(Lint::CalleeSavedClobbered, step, kept, wrong);
                    let known =
                        (rsp - ENTRY_RSP).abs() <= 4096 && !(saved[kept] && is_vague(registers[kept]));
                    note(&mut seen.unrestored, Lint::CalleeSavedClobbered, step, kept, wrong && known);
                }
            }
            op => {
                for a in [RAX, RDX].into_iter().filter(|&a| writes(op, a)) {
                    registers[a] = if is_vague(registers[a]) { numbers.vague() } else { numbers.made() };
                }
            }
        }
        al |= writes(ops[step.at], RAX);
    }
}

fn writes(op: Op, register: usize) -> bool {
    match op {
        Op::Pop(a) | Op::Mov(a, _) | Op::Number(a) | Op::Load(a, _) => a == register,
        Op::Al | Op::Movsxd | Op::Movzx => register == RAX,
        Op::Cqo | Op::Cdq | Op::ZeroRdx | Op::Dl => register == RDX,
        Op::Divide { .. } => register == RAX || register == RDX,
        _ => false,
    }
}

/// The divisions of one way, up to the first that is wrong. Only the last writers of rdx and rax matter, and
/// whether a branch came by.
fn divisions(ops: &[Op], way: &Way, seen: &mut Seen) {
    for (n, &step) in way.steps.iter().enumerate() {
        let Op::Divide { signed } = ops[step.at] else { continue };
        let before: Vec<Op> = way.steps[..n].iter().map(|step| ops[step.at]).collect();
        let called = |op: &Op| matches!(op, Op::Call | Op::CallVariadic);
        let wrong = before.iter().all(|&op| !called(&op) && (!writes(op, RDX) || op == Op::Dl))
            || signs_are_wrong(&before, signed);
        seen.note(Lint::WrongDividend, step, 0, wrong);
        if wrong {
            return;
        }
    }
}

/// Whether the upper half was made for numbers of the other kind, or for narrower ones.
fn signs_are_wrong(before: &[Op], signed: bool) -> bool {
    let called = |op: &Op| matches!(op, Op::Call | Op::CallVariadic);
    let last = |register: usize| before.iter().rposition(|op| writes(*op, register) || called(op));
    let rdx = last(RDX);
    let rax = last(RAX);
    let guarded = before.iter().any(|op| called(op) || matches!(op, Op::Jz(_) | Op::JzOut));
    let low = rax.map_or(Op::Ret, |at| before[at]);
    // Something was computed with a number whose sign is known: what comes out is not followed.
    let derived = low == Op::Al && {
        let whole = before.iter().rposition(|op| writes(*op, RAX) && *op != Op::Al);
        whole.is_some_and(|at| {
            matches!(before[at], Op::Movsxd | Op::Movzx | Op::Number(_)) || derives(before, at)
        })
    };
    let not_negative =
        matches!(low, Op::Movzx | Op::Number(_)) || derived || rax.is_some_and(|at| derives(before, at));
    let stale = rax > rdx;
    match rdx.map(|at| before[at]) {
        _ if guarded => false,
        Some(Op::Cqo) => !signed && !not_negative && !stale,
        Some(Op::Cdq) => !not_negative && !stale,
        Some(Op::ZeroRdx) => signed && low == Op::Movsxd,
        _ => false,
    }
}

/// Whether the writer of rax at `at` is a division of a number of known sign.
fn derives(before: &[Op], at: usize) -> bool {
    let Op::Divide { .. } = before[at] else { return false };
    let earlier = before[..at].iter().rposition(|op| writes(*op, RAX) && *op != Op::Al);
    earlier
        .is_some_and(|at| matches!(before[at], Op::Movsxd | Op::Movzx | Op::Number(_)) || derives(before, at))
}

/// Comparisons: dead when no way reads them and one overwrites them.
fn dead(ops: &[Op], ways: &[Way]) -> BTreeSet<(Lint, usize, usize)> {
    let mut dead = BTreeSet::new();
    for at in (0..ops.len()).filter(|&at| ops[at] == Op::Cmp) {
        let (mut read, mut overwritten) = (false, false);
        for way in ways {
            for (n, _) in way.steps.iter().enumerate().filter(|(_, step)| step.at == at) {
                let mut left = 3;
                for step in &way.steps[n + 1..] {
                    let (reads, writes) = ops[step.at].flags();
                    read |= reads & left != 0;
                    overwritten |= writes & left != 0;
                    left &= !writes;
                }
                read |= left != 0 && !way.cut;
            }
        }
        if overwritten && !read {
            dead.insert((Lint::DeadFlags, at, 0));
        }
    }
    dead
}

/// What the lints say, in the same words. A clobbered register is named by the message.
fn complaints(text: &str) -> BTreeSet<(Lint, usize, usize)> {
    let stmts = parse(text.parse().expect("tokens")).expect("statements");
    let register = |message: &str| {
        let named = |&&n: &&usize| {
            let name = REGISTERS[n];
            message.contains(&format!("changes {name}")) || message.contains(&format!("value in {name}"))
        };
        KEPT.iter().find(named).copied()
    };
    let warnings = lay_out(&stmts).expect("a template").warnings;
    let key = |w: &jit_asm::syntax::Warning| match w.lint {
        Lint::CalleeSavedClobbered => (w.lint, 0, register(&w.message).expect("a register")),
        _ => (w.lint, w.insn, 0),
    };
    warnings.iter().map(key).collect()
}

/// A function that saves registers and restores them, unless something has happened to it.
fn saving(u: &mut Unstructured) -> Result<Vec<Op>> {
    let mut saved = vec![];
    for _ in 0..u.int_in_range(1..=3)? {
        saved.push(*u.choose(&KEPT)?);
    }
    let body = u.int_in_range(0..=4)?;
    let len = 2 * saved.len() + body + 1;
    let mut ops: Vec<Op> = saved.iter().map(|&register| Op::Push(register)).collect();
    for _ in 0..body {
        ops.push(Op::any(u, len, true)?);
    }
    ops.extend(saved.iter().rev().map(|&register| Op::Pop(register)));
    ops.push(Op::Ret);
    let (one, other) = (u.choose_index(len)?, u.choose_index(len)?);
    match u.int_in_range(0..=3)? {
        0 => ops.swap(one, other),
        1 => ops[one] = Op::any(u, len, true)?,
        2 => ops[one] = Op::Inc, // As if it were left out.
        _ => {}
    }
    Ok(ops)
}

fn template(u: &mut Unstructured) -> Result<(Vec<Op>, String, bool)> {
    let function = u.arbitrary()?;
    let frames = function && u.ratio(3, 4)?;
    let ops: Vec<Op> = match frames && u.ratio(1, 2)? {
        true => saving(u)?,
        false => {
            let len = u.int_in_range(1..=11)?;
            (0..len).map(|_| Op::any(u, len, frames)).collect::<Result<_>>()?
        }
    };
    let len = ops.len();
    let mut text = String::from(if function { "#![function] " } else { "" });
    let named = |n: usize| ops.iter().any(|op| matches!(op, Op::Jz(to) | Op::Jmp(to) if *to == n));
    let label = |n: usize| if named(n) { format!("l{n}: ") } else { String::new() };
    for (n, op) in ops.iter().enumerate() {
        text += &format!("{}{}; ", label(n), op.text());
    }
    text += &label(len);
    Ok((ops, text, function))
}

#[test]
fn the_lints_say_what_every_way_says() {
    let said = Cell::new([0usize; 6]);
    let missed_none = Cell::new(0);
    arbtest::arbtest(|u| {
        let (ops, text, function) = template(u)?;
        let joins = ops.iter().filter_map(|op| match op {
            Op::Jz(to) | Op::Jmp(to) => Some(*to),
            _ => None,
        });
        let ways = ways(&ops, &joins.collect());
        let cut = ways.iter().any(|way| way.cut);
        let mut seen = Seen::default();
        for way in &ways {
            divisions(&ops, way, &mut seen);
            if function {
                run(&ops, way, &mut seen);
            }
        }
        let mut expected = dead(&ops, &ways);
        expected.extend(certain(&seen.wrong));
        let unrestored = certain(&seen.unrestored);
        let mut found = complaints(&text);
        if !function {
            // How far a template may move rsp is its own business: two ways to one `ret` are not compared here.
            found.retain(|(lint, ..)| *lint != Lint::UnbalancedStack);
        }
        // A comparison that no way reaches is as dead as it is.
        found.retain(|(lint, at, _)| {
            *lint != Lint::DeadFlags || ways.iter().any(|way| way.steps.iter().any(|step| step.at == *at))
        });
        for complaint in &found {
            assert!(expected.contains(complaint), "{text}: {complaint:?} is not certain, only {expected:?}");
            let mut counts = said.get();
            counts[Lint::ALL.iter().position(|lint| *lint == complaint.0).expect("a lint")] += 1;
            said.set(counts);
        }
        // Values are followed only so far, and ways beyond the bound may be right.
        expected.retain(|complaint| {
            !cut && match complaint.0 {
                Lint::CalleeSavedClobbered => unrestored.contains(complaint),
                Lint::UnbalancedStack | Lint::MisalignedCall => !seen.lost,
                _ => true,
            }
        });
        for complaint in &expected {
            assert!(found.contains(complaint), "{text}: {complaint:?} is certain, and only {found:?} said");
            missed_none.set(missed_none.get() + usize::from(complaint.0 == Lint::CalleeSavedClobbered));
        }
        Ok(())
    })
    .budget_ms(1000);
    let said = said.get();

    assert!(missed_none.get() > 20, "registers were left unrestored {} times", missed_none.get());
    assert!(said.iter().all(|&count| count > 0), "some lints were not tried: {said:?}");
}
