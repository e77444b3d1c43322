//! Agreement at joins on the machine of numbers: one random way opens a join, another one agrees to it, and
//! afterwards the shape denotes the values of each way on its own machine.

use super::super::shape::{Disagreement, Shape};
use super::{Bench, Value, constant};
use crate::registers::stack::{Entry, Payload, Slot, StackCache, Tag};
use arbtest::arbitrary::{Result, Unstructured};
use jit_asm::{Gpr, RegSet};

/// The tag of a kind is the constant of that number.
#[allow(clippy::unnecessary_wraps)]
fn tag_of(kind: u64) -> Option<u64> {
    Some(kind)
}

/// A way that comes to a join with `depth` values.
pub(super) fn way(u: &mut Unstructured<'_>, registers: usize, window: usize, depth: usize) -> Result<Bench> {
    let mut bench = Bench::new(registers, window);
    for _ in 0..u.int_in_range(0..=12)? {
        bench.step(u)?;
        bench.check();
    }
    while bench.model.len() > depth {
        bench.model.pop();
        bench.cache.discard();
    }
    while bench.model.len() < depth {
        let value = constant(u.int_in_range(0..=9)?);
        bench.model.push(value);
        let entry = Entry { payload: Payload::Const(value.payload), tag: Tag::Known(value.tag) };
        bench.cache.push(&mut bench.machine, entry);
    }
    Ok(bench)
}

/// The shape has no constant, no copy of a local, no kind that is known, and a register to spare.
fn check_shape(shape: &Shape<u64, u64>, registers: usize, cache: &StackCache<u64, u64>) {
    for (at, entry) in shape.entries().iter().enumerate() {
        match (entry.payload, entry.tag) {
            (Payload::Reg(_), Tag::Reg(_)) => {}
            (Payload::Slot(slot), Tag::InSlot) => assert_eq!(slot, cache.home(at)),
            other => panic!("value {at} is {other:?} at a join"),
        }
    }
    assert!(shape.registers().iter().count() < registers, "{shape:?}");
}

/// One random pair of ways; also a fuzz target.
pub(crate) fn one_join(u: &mut Unstructured<'_>) -> Result<()> {
    let (registers, window) = (u.int_in_range(4..=12)?, u.int_in_range(1..=6)?);
    let depth = u.int_in_range(0..=7)?;
    let mut first = way(u, registers, window, depth)?;
    let shape = first.cache.open(&mut first.machine, tag_of);
    first.check();
    check_shape(&shape, registers, &first.cache);
    for _ in 0..u.int_in_range(1..=3)? {
        let mut other = way(u, registers, window, depth)?;
        other.cache.agree(&mut other.machine, &shape, tag_of).expect("as deep, and all kinds have tags");
        assert_eq!(other.cache.entries(), shape.entries());
        other.check();
        // What comes behind the join works on the state of either way.
        while !u.is_empty() && u.arbitrary()? {
            other.step(u)?;
            other.check();
        }
        other.cache.reset(Slot(0));
        other.cache.take_up(&shape);
        assert_eq!((other.cache.entries(), other.cache.in_use()), (shape.entries(), shape.registers()));
    }
    Ok(())
}

#[test]
fn every_way_brings_its_values_to_the_places_of_the_shape() {
    arbtest::arbtest(one_join).budget_ms(1_000);
}

/// A way whose values are in these registers, of kind 0, each with its number as the value.
pub(super) fn in_registers(order: &[Gpr]) -> Bench {
    let mut bench = Bench::new(6, 6);
    for &r in order {
        bench.cache.claim(&mut bench.machine, r);
        let value = Value { payload: 100 + u64::from(r.number()), tag: 0 };
        bench.machine.registers.insert(r, value.payload);
        bench.model.push(value);
        bench.cache.push(&mut bench.machine, Entry::in_reg(r, 0));
    }
    bench
}

/// All permutations of four registers are brought into one order, cycles of every length among them, without a
/// store.
#[test]
fn registers_change_places_in_every_way() {
    let four = [Gpr::Rax, Gpr::Rcx, Gpr::Rdx, Gpr::Rbx];
    let mut first = in_registers(&four);
    let shape = first.cache.open(&mut first.machine, |_| None);
    assert_eq!(shape.registers(), RegSet::of(&four));
    let mut ways = 0;
    for number in 0..4_usize.pow(4) {
        let order: Vec<Gpr> = (0..4).map(|place| four[number / 4_usize.pow(place) % 4]).collect();
        if RegSet::of(&order) != RegSet::of(&four) {
            continue;
        }
        let mut other = in_registers(&order);
        other.cache.agree(&mut other.machine, &shape, |_| None).expect("the same kinds");
        other.check();
        assert_eq!(other.machine.slots.len(), super::LOCALS as usize, "nothing is stored");
        ways += 1;
    }
    assert_eq!(ways, 24);
}

/// A constant on one way and a register on the other: the register of the first way gets the constant.
#[test]
fn constants_are_made_where_the_other_way_has_a_value() {
    let mut first = in_registers(&[Gpr::Rdx]);
    let shape = first.cache.open(&mut first.machine, |_| None);
    let mut other = Bench::new(6, 6);
    other.model.push(constant(4));
    other.cache.push(&mut other.machine, Entry { payload: Payload::Const(4), tag: Tag::Known(0) });
    other.cache.agree(&mut other.machine, &shape, |_| None).expect("the same kinds");
    assert_eq!(other.machine.register(Gpr::Rdx), 4);
    other.check();
}

#[test]
fn ways_that_disagree_emit_nothing() {
    let mut first = in_registers(&[Gpr::Rax, Gpr::Rcx]);
    let shape = first.cache.open(&mut first.machine, |_| None);
    let mut shallow = in_registers(&[Gpr::Rcx]);
    let error = shallow.cache.agree(&mut shallow.machine, &shape, |_| None).expect_err("one value less");
    assert_eq!(error, Disagreement::Depth { here: 1, there: 2 });
    shallow.check();

    let mut odd = in_registers(&[Gpr::Rcx]);
    odd.model.push(constant(3));
    odd.cache.push(&mut odd.machine, Entry { payload: Payload::Const(3), tag: Tag::Known(1) });
    let before = odd.machine.registers.clone();
    let error = odd.cache.agree(&mut odd.machine, &shape, |_| None).expect_err("another kind");
    assert_eq!(error, Disagreement::Kind { at: 1, here: Some(1), there: 0 });
    assert_eq!(
        error.to_string(),
        "join: value 1 is 0 without a tag on the other ways, Some(1) here: have `tag_of` give such kinds a tag when the \
         join is opened, or check the kind in front of it"
    );
    assert_eq!(odd.machine.registers, before);
    odd.check();
}

/// The tag of the deepest value finds no register but that of its payload: the value goes home, whole.
#[test]
fn a_value_without_room_for_its_tag_goes_home() {
    let mut way = Bench::new(4, 6);
    way.model.push(constant(5));
    way.cache.push(&mut way.machine, Entry { payload: Payload::Const(5), tag: Tag::Known(1) });
    for tagged in [true, false] {
        let value = way.fresh_value();
        let payload = way.take_with(value.payload);
        let tag = if tagged { Tag::Reg(way.take_with(value.tag)) } else { Tag::Known(value.tag) };
        way.model.push(value);
        way.cache.push(&mut way.machine, Entry { payload: Payload::Reg(payload), tag });
    }
    let shape = way.cache.open(&mut way.machine, tag_of);
    way.check();
    check_shape(&shape, 4, &way.cache);
    let home = Payload::Slot(way.cache.home(0));
    assert_eq!(shape.entries()[0], Entry { payload: home, tag: Tag::InSlot });
}

/// Values below the window of the cache are at home at a join, as everywhere.
#[test]
fn a_join_keeps_the_window() {
    let mut way = in_registers(&[Gpr::Rax]);
    way.cache = StackCache::new(RegSet::of(&Gpr::ALL[..6]), 2, Slot(super::LOCALS));
    way.model.clear();
    for n in 0..5 {
        way.model.push(constant(n));
        way.cache.push(&mut way.machine, Entry { payload: Payload::Const(n), tag: Tag::Known(n % 2) });
    }
    let shape = way.cache.open(&mut way.machine, |_| None);
    way.check();
    let away = shape.entries().iter().filter(|entry| !entry.registers().is_empty()).count();
    assert_eq!(away, 2);
}
