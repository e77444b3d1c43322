//! The checker of the operand-stack cache: a machine of numbers that runs the moves which the cache
//! asks for, beside a plain stack that never moved anything. After every step each entry must denote,
//! on that machine, the value that the plain stack has.

use super::stack::{Emit, Entry, Payload, REACH, Slot, StackCache, Tag};
use arbtest::arbitrary::{Result, Unstructured};
use jit_asm::{Gpr, RegSet};
use std::collections::BTreeMap;

pub(super) mod join;
pub(super) mod shape;
pub(super) mod watch;

const LOCALS: u32 = 4;
/// A local whose kind the client knows, and whose tag is nowhere.
const TAGLESS: u32 = 3;

/// A value: its payload and its tag, as names. Constants have the kind of their parity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Value {
    payload: u64,
    tag: u64,
}

fn constant(c: u64) -> Value {
    Value { payload: c, tag: c % 2 }
}

#[derive(Clone, Default, PartialEq)]
struct Machine {
    registers: BTreeMap<Gpr, u64>,
    slots: BTreeMap<Slot, Value>,
    /// How many it was asked for.
    moves: usize,
}

impl Machine {
    fn register(&self, r: Gpr) -> u64 {
        self.registers.get(&r).copied().unwrap_or(u64::MAX)
    }

    fn slot(&self, s: Slot) -> Value {
        self.slots.get(&s).copied().unwrap_or(Value { payload: u64::MAX, tag: u64::MAX })
    }

    fn denoted(&self, entry: &Entry<u64, u64>) -> Value {
        let payload = match entry.payload {
            Payload::Const(c) => c,
            Payload::Reg(r) => self.register(r),
            Payload::Slot(s) => self.slot(s).payload,
        };
        let tag = match (entry.tag, entry.payload) {
            (Tag::Known(k), _) => k,
            (Tag::Reg(r), _) => self.register(r),
            (Tag::InSlot, Payload::Slot(s)) => self.slot(s).tag,
            (Tag::InSlot, _) => panic!("a tag in a slot wants its payload there"),
        };
        Value { payload, tag }
    }
}

impl Emit for Machine {
    type Kind = u64;
    type Const = u64;

    fn load_payload(&mut self, to: Gpr, from: Slot) {
        self.moves += 1;
        self.registers.insert(to, self.slot(from).payload);
    }
    fn load_tag(&mut self, to: Gpr, from: Slot) {
        self.moves += 1;
        self.registers.insert(to, self.slot(from).tag);
    }
    fn load_const(&mut self, to: Gpr, value: u64) {
        self.moves += 1;
        self.registers.insert(to, value);
    }
    fn copy(&mut self, to: Gpr, from: Gpr) {
        self.moves += 1;
        self.registers.insert(to, self.register(from));
    }
    fn store(&mut self, to: Slot, value: &Entry<u64, u64>) {
        assert!(!matches!(value.payload, Payload::Slot(_)), "only constants and registers are stored");
        let value = self.denoted(value);
        self.moves += 1;
        self.slots.insert(to, value);
    }
}

/// The cache, the machine that obeys it and the stack that should come of it.
struct Bench {
    cache: StackCache<u64, u64>,
    machine: Machine,
    model: Vec<Value>,
    locals: Vec<Value>,
    fresh: u64,
    trace: Vec<String>,
}

impl Bench {
    fn new(registers: usize, window: usize) -> Bench {
        let allocatable = Gpr::ALL[..registers].iter().fold(RegSet::EMPTY, |s, &r| s.with(r));
        let mut bench = Bench {
            cache: StackCache::new(allocatable, window, Slot(LOCALS)),
            machine: Machine::default(),
            model: vec![],
            locals: vec![],
            fresh: 1000,
            trace: vec![],
        };
        for n in 0..LOCALS {
            let value = bench.fresh_value();
            bench.locals.push(value);
            bench.store_local(n);
        }
        bench
    }

    /// What the client writes to the slot of a local.
    fn store_local(&mut self, n: u32) {
        let mut value = self.locals[n as usize];
        if n == TAGLESS {
            value.tag = u64::MAX;
        }
        self.machine.slots.insert(Slot(n), value);
    }

    fn local(&self, n: u32) -> Entry<u64, u64> {
        let tag = if n == TAGLESS { Tag::Known(self.locals[n as usize].tag) } else { Tag::InSlot };
        Entry { payload: Payload::Slot(Slot(n)), tag }
    }

    fn fresh_value(&mut self) -> Value {
        self.fresh += 2;
        Value { payload: self.fresh, tag: self.fresh / 2 % 2 }
    }

    fn take_with(&mut self, symbol: u64) -> Gpr {
        let r = self.cache.take(&mut self.machine);
        self.machine.registers.insert(r, symbol);
        r
    }

    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let depth = self.model.len();
        let what = u.int_in_range(0..=14)?;
        self.trace.push(format!("{what} at depth {depth}"));
        match what {
            0 => {
                let c = u.int_in_range(0..=9)?;
                self.model.push(constant(c));
                self.cache
                    .push(&mut self.machine, Entry { payload: Payload::Const(c), tag: Tag::Known(c % 2) });
            }
            1 => {
                let n = u.int_in_range(0..=LOCALS - 1)?;
                self.model.push(self.locals[n as usize]);
                let entry = self.local(n);
                self.cache.push(&mut self.machine, entry);
            }
            2 => {
                let value = self.fresh_value();
                let payload = self.take_with(value.payload);
                let tag =
                    if u.arbitrary()? { Tag::Known(value.tag) } else { Tag::Reg(self.take_with(value.tag)) };
                self.model.push(value);
                self.cache.push(&mut self.machine, Entry { payload: Payload::Reg(payload), tag });
            }
            3 if depth > 0 => {
                let want = self.model.pop().expect("depth was looked at");
                let entry = self.cache.pop();
                let r = self.cache.into_reg(&mut self.machine, entry);
                assert_eq!(self.machine.register(r), want.payload);
                self.machine.registers.insert(r, 0);
                self.cache.release(r);
            }
            4 if depth > 0 => {
                self.model.pop();
                self.cache.discard();
            }
            5 => self.write_local(u)?,
            6 if depth > 0 => {
                // Meanwhile the client may hold registers of its own.
                let held: Vec<Gpr> = (0..u.int_in_range(0..=2)?).map(|_| self.take_with(0)).collect();
                self.model.push(self.model[depth - 1]);
                self.cache.dup(&mut self.machine);
                held.into_iter().for_each(|r| self.cache.release(r));
            }
            7 if depth > 1 => {
                self.model.swap(depth - 1, depth - 2);
                self.cache.swap(&mut self.machine);
            }
            8 => {
                self.cache.flush(&mut self.machine);
                for n in 0..depth {
                    assert_eq!(
                        self.machine.slot(self.cache.home(n)),
                        self.model[n],
                        "home of {n} after a flush"
                    );
                }
                // A call: nothing in a register survives it.
                self.machine.registers.clear();
            }
            9 => {
                let r = Gpr::ALL[u.choose_index(4)?];
                self.cache.claim(&mut self.machine, r);
                self.machine.registers.insert(r, 0);
                let other = self.take_with(0);
                self.cache.release(r);
                self.cache.release(other);
            }
            10 if depth > 0 => self.cache.materialise(&mut self.machine, u.choose_index(depth.min(REACH))?),
            11 if depth > 0 => {
                let n = u.choose_index(depth)?;
                self.cache.learn(n, self.model[depth - 1 - n].tag);
            }
            12 => {
                self.cache.flush(&mut self.machine);
                self.machine.registers.clear();
                self.cache.restart(depth);
            }
            13 => {
                // Control arrives from elsewhere, with everything at home; what was before does not matter.
                for n in 0..depth {
                    self.machine.slots.insert(self.cache.home(n), self.model[n]);
                }
                self.machine.registers.clear();
                self.cache.restart(depth);
            }
            14 if depth > 0 => self.load(u.choose_index(depth.min(2))?, u.arbitrary()?),
            _ => {}
        }
        Ok(())
    }

    /// The value `n` below the top is in registers, with its tag or without, and may be anywhere afterwards.
    fn load(&mut self, n: usize, both: bool) {
        let want = self.model[self.model.len() - 1 - n];
        if both {
            // The tag of each kind is the constant of that number.
            let [payload, tag] = self.cache.load_both(&mut self.machine, n, |kind| kind);
            assert_eq!(
                (self.machine.register(payload), self.machine.register(tag)),
                (want.payload, want.tag)
            );
            assert_eq!(self.cache.peek(n).tag, Tag::Reg(tag));
            assert_eq!(self.cache.peek(n).payload, Payload::Reg(payload));
        } else {
            let r = self.cache.load(&mut self.machine, n);
            assert_eq!(self.machine.register(r), want.payload);
            assert_eq!(self.cache.peek(n).payload, Payload::Reg(r));
        }
    }

    fn write_local(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let n = u.int_in_range(0..=LOCALS - 1)?;
        let value = self.fresh_value();
        self.cache.before_write(&mut self.machine, Slot(n));
        self.locals[n as usize] = value;
        self.store_local(n);
        Ok(())
    }

    fn check(&self) {
        assert_eq!(self.cache.depth(), self.model.len());
        let mut owned = RegSet::EMPTY;
        for (n, (entry, want)) in self.cache.entries().iter().zip(&self.model).enumerate() {
            let got = self.machine.denoted(entry);
            assert_eq!(got, *want, "value {n} of {:?}\nafter {:#?}", self.cache, self.trace);
            let at_home = entry.payload == Payload::Slot(self.cache.home(n));
            assert!(at_home || self.cache.away().any(|(at, _)| at == n), "value {n} is too deep to be away");
            let registers = entry.registers();
            assert!(registers.intersection(owned).is_empty(), "a register has two owners: {:?}", self.cache);
            owned = owned.union(registers);
        }
        assert_eq!(owned, self.cache.in_use(), "a register is lost or owned and free: {:?}", self.cache);
    }
}

/// One random run; also a fuzz target.
pub(super) fn one_run(u: &mut Unstructured<'_>) -> Result<()> {
    let mut bench = Bench::new(u.int_in_range(4..=12)?, u.int_in_range(1..=6)?);
    while !u.is_empty() {
        bench.step(u)?;
        bench.check();
    }
    Ok(())
}

#[test]
fn every_entry_denotes_its_value_after_every_step() {
    arbtest::arbtest(one_run).budget_ms(1_000);
}

#[test]
fn constants_and_locals_cost_nothing_until_they_are_used() {
    let mut bench = Bench::new(6, 4);
    bench.cache.push(&mut bench.machine, Entry { payload: Payload::Const(7), tag: Tag::Known(1) });
    bench.cache.push(&mut bench.machine, Entry { payload: Payload::Slot(Slot(0)), tag: Tag::InSlot });
    assert!(bench.machine.registers.is_empty());
    assert_eq!(bench.cache.in_use(), RegSet::EMPTY);
}

#[test]
fn a_copy_of_a_value_in_memory_costs_nothing() {
    let mut bench = Bench::new(6, 4);
    bench.cache.restart(1);
    bench.cache.dup(&mut bench.machine);
    assert_eq!(bench.cache.peek(0).payload, Payload::Slot(bench.cache.home(0)));
    assert!(bench.machine.registers.is_empty());
}

#[test]
fn the_deepest_value_goes_home_first() {
    let mut bench = Bench::new(4, 8);
    for n in 0..5 {
        let r = bench.take_with(n);
        bench.cache.push(&mut bench.machine, Entry::in_reg(r, 0));
    }
    assert_eq!(bench.cache.entries()[0].payload, Payload::Slot(bench.cache.home(0)));
    assert!(bench.cache.entries()[1..].iter().all(|e| matches!(e.payload, Payload::Reg(_))));
}

#[test]
fn more_than_the_window_goes_home() {
    let mut bench = Bench::new(8, 2);
    for n in 0..4 {
        let r = bench.take_with(n);
        bench.cache.push(&mut bench.machine, Entry::in_reg(r, 0));
    }
    let in_registers = bench.cache.entries().iter().filter(|e| !e.registers().is_empty()).count();
    assert_eq!(in_registers, 2);
}
