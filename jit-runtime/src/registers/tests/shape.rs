//! Places that the client chooses, on the machine of numbers: shapes of joins, and arguments of calls. Whether a way
//! can get there is said again here, value by value; a way that cannot must stay as it was.

use super::super::shape::{Disagreement, Misfit};
use super::super::stack::{Entry, Payload, REACH, Slot, StackCache, Tag};
use super::join::way;
use super::{Bench, LOCALS, Machine, TAGLESS, constant};
use arbtest::arbitrary::{Result, Unstructured};
use jit_asm::{Gpr, RegSet};

/// Slots in which no operand ever is.
const OUTGOING: u32 = 1000;

/// A tag for each kind but one.
fn tags_without(untagged: Option<u64>) -> impl Fn(u64) -> Option<u64> + Copy {
    move |kind| (Some(kind) != untagged).then_some(kind)
}

/// Registers in any order.
fn shuffled(u: &mut Unstructured<'_>, from: &[Gpr]) -> Result<Vec<Gpr>> {
    let mut pool = from.to_vec();
    for n in (1..pool.len()).rev() {
        pool.swap(n, u.choose_index(n + 1)?);
    }
    Ok(pool)
}

/// A kind that a value may be known to be of.
fn kind_of(u: &mut Unstructured<'_>, own: &Entry<u64, u64>) -> Result<u64> {
    match own.kind() {
        Some(kind) if u.ratio(7, 8)? => Ok(kind),
        _ => u.int_in_range(0..=1),
    }
}

/// A place at a join for the value that is now at `own`.
fn place_at_join(
    u: &mut Unstructured<'_>,
    pool: &mut Vec<Gpr>,
    own: &Entry<u64, u64>,
    home: Slot,
) -> Result<Entry<u64, u64>> {
    let home = Payload::Slot(home);
    let kept = |payload, tag| Entry { payload, tag };
    Ok(match (u.int_in_range(0..=5)?, own.payload) {
        (0 | 1, _) if pool.len() > 2 => {
            let [payload, tag] = [pool.remove(0), pool.remove(0)];
            kept(Payload::Reg(payload), Tag::Reg(tag))
        }
        (2, _) if pool.len() > 1 => kept(Payload::Reg(pool.remove(0)), Tag::Known(kind_of(u, own)?)),
        (3, _) => kept(home, Tag::Known(kind_of(u, own)?)),
        (4, Payload::Const(own)) => {
            let value = if u.ratio(7, 8)? { own } else { u.int_in_range(0..=9)? };
            kept(Payload::Const(value), Tag::Known(value % 2))
        }
        (4, Payload::Slot(slot)) if slot < Slot(LOCALS) => {
            let slot = if u.ratio(7, 8)? { slot } else { Slot(u.int_in_range(0..=LOCALS - 1)?) };
            kept(Payload::Slot(slot), Tag::InSlot)
        }
        _ => kept(home, Tag::InSlot),
    })
}

/// Whether the value at `own` can be brought to `wanted`.
fn can_get_to(
    own: &Entry<u64, u64>,
    wanted: &Entry<u64, u64>,
    home: Slot,
    untagged: Option<u64>,
    writes_slots: bool,
) -> bool {
    let tag = match wanted.tag {
        Tag::Known(kind) => own.kind() == Some(kind),
        Tag::Reg(_) => own.kind().is_none() || own.kind() != untagged,
        Tag::InSlot => true,
    };
    let kept = match wanted.payload {
        Payload::Reg(_) => false,
        Payload::Const(_) => true,
        Payload::Slot(slot) => slot != home && !writes_slots,
    };
    tag && (!kept || own.payload == wanted.payload && (wanted.tag != Tag::InSlot || own.tag == Tag::InSlot))
}

fn state(bench: &Bench) -> (Vec<Entry<u64, u64>>, RegSet, Machine) {
    (bench.cache.entries().to_vec(), bench.cache.in_use(), bench.machine.clone())
}

/// One way into a join whose shape the client has chosen; also a fuzz target.
pub(crate) fn one_shape(u: &mut Unstructured<'_>) -> Result<()> {
    let (registers, window) = (u.int_in_range(4..=12)?, u.int_in_range(1..=6)?);
    let depth = u.int_in_range(0..=9)?;
    let untagged = if u.ratio(1, 4)? { Some(u.int_in_range(0..=1)?) } else { None };
    let mut way = way(u, registers, window, depth)?;
    let mut pool = shuffled(u, &Gpr::ALL[..registers])?;
    let below = depth - u.int_in_range(0..=depth.min(window))?;
    let mut top = vec![];
    for at in below..depth {
        let own = way.cache.entries()[at];
        top.push(place_at_join(u, &mut pool, &own, way.cache.home(at))?);
    }
    let shape = way.cache.shape(depth, &top).expect("the places are apart, and a register is left");
    assert_eq!(shape.entries()[below..], top);
    let reachable = |(at, wanted)| {
        let own = &way.cache.entries()[at];
        can_get_to(own, wanted, way.cache.home(at), untagged, false)
    };
    let expected = shape.entries().iter().enumerate().all(reachable);
    let before = state(&way);
    let agreed = way.cache.agree(&mut way.machine, &shape, tags_without(untagged));
    assert_eq!(agreed.is_ok(), expected, "{:?} to {shape:?}: {agreed:?}", before.0);
    if expected {
        assert_eq!((way.cache.entries(), way.cache.in_use()), (shape.entries(), shape.registers()));
        // The join: compilation goes on from the shape, whatever came before.
        way.cache.reset(Slot(LOCALS));
        way.cache.take_up(&shape);
    } else {
        assert!(state(&way) == before, "a refused way has changed");
    }
    way.check();
    while !u.is_empty() {
        way.step(u)?;
        way.check();
    }
    Ok(())
}

/// A place of an argument.
fn place_at_call(
    u: &mut Unstructured<'_>,
    pool: &mut Vec<Gpr>,
    own: &Entry<u64, u64>,
    home: Slot,
    outgoing: Slot,
) -> Result<Entry<u64, u64>> {
    let payload = match u.int_in_range(0..=3)? {
        0 | 1 if pool.len() > 1 => Payload::Reg(pool.remove(0)),
        2 => Payload::Slot(home),
        _ => Payload::Slot(outgoing),
    };
    let tag = match payload {
        _ if own.kind().is_some() && u.arbitrary()? => Tag::Known(kind_of(u, own)?),
        Payload::Reg(_) if !pool.is_empty() => Tag::Reg(pool.remove(0)),
        Payload::Reg(_) => Tag::Known(kind_of(u, own)?),
        _ => Tag::InSlot,
    };
    Ok(Entry { payload, tag })
}

/// One call, whose arguments come from a random stack; also a fuzz target.
pub(crate) fn one_call(u: &mut Unstructured<'_>) -> Result<()> {
    let (registers, window) = (u.int_in_range(4..=12)?, u.int_in_range(1..=6)?);
    let depth = u.int_in_range(0..=9)?;
    let untagged = if u.ratio(1, 4)? { Some(u.int_in_range(0..=1)?) } else { None };
    let mut way = way(u, registers, window, depth)?;
    // Some registers belong to the cache, others do not; one of the cache's stays out.
    let spared = u.choose_index(registers)?;
    let others: Vec<Gpr> = (0..16).filter(|n| *n != spared).map(|n| Gpr::ALL[n]).collect();
    let mut pool = shuffled(u, &others)?;
    let below = depth - u.int_in_range(0..=depth)?;
    let mut places = vec![];
    for (n, at) in (below..depth).enumerate() {
        let own = way.cache.entries()[at];
        places.push(place_at_call(u, &mut pool, &own, way.cache.home(at), Slot(OUTGOING + n as u32))?);
    }
    let reachable =
        |(at, place)| can_get_to(&way.cache.entries()[at], place, way.cache.home(at), untagged, true);
    let expected = (below..).zip(&places).all(reachable);
    let before = state(&way);
    let passed = way.cache.pass(&mut way.machine, &places, tags_without(untagged));
    assert_eq!(passed.is_ok(), expected, "{:?} to {places:?}: {passed:?}", before.0);
    if !expected {
        assert!(state(&way) == before, "a refused call has changed something");
        return Ok(());
    }
    for (place, want) in places.iter().zip(way.model.drain(below..)) {
        assert_eq!(way.machine.denoted(place), want, "{place:?} of {places:?}, from {:?}", before.0);
    }
    for (at, want) in way.model.iter().enumerate() {
        assert_eq!(way.machine.slot(way.cache.home(at)), *want, "value {at} does not survive the call");
    }
    let own = RegSet::of(&Gpr::ALL[..registers]);
    let passed_in = places.iter().fold(RegSet::EMPTY, |set, place| set.union(place.registers()));
    assert_eq!(way.cache.in_use(), passed_in.intersection(own));
    places.iter().for_each(|place| way.cache.release_entry(place));
    way.machine.registers.clear();
    way.check();
    while !u.is_empty() {
        way.step(u)?;
        way.check();
    }
    Ok(())
}

#[test]
fn ways_get_to_the_places_that_the_client_chose_or_stay_as_they_were() {
    arbtest::arbtest(one_shape).budget_ms(1_000);
}

#[test]
fn arguments_get_to_their_places_at_once() {
    arbtest::arbtest(one_call).budget_ms(1_000);
}

fn constant_entry(value: u64) -> Entry<u64, u64> {
    Entry { payload: Payload::Const(value), tag: Tag::Known(value % 2) }
}

fn in_slot(slot: u32) -> Entry<u64, u64> {
    Entry { payload: Payload::Slot(Slot(slot)), tag: Tag::InSlot }
}

fn of_constants(values: &[u64]) -> Bench {
    let mut bench = Bench::new(6, 4);
    for &value in values {
        bench.model.push(constant(value));
        bench.cache.push(&mut bench.machine, constant_entry(value));
    }
    bench
}

/// The same constant on both ways is produced on neither; another one is refused.
#[test]
fn a_constant_that_all_ways_have_costs_nothing() {
    let mut first = of_constants(&[7, 3]);
    let shape = first.cache.shape(2, first.cache.entries()).expect("constants have no place");
    first.cache.agree(&mut first.machine, &shape, tags_without(None)).expect("its own shape");
    assert!(first.machine.registers.is_empty());
    assert_eq!(first.cache.peek(0).payload, Payload::Const(3));

    let mut other = of_constants(&[7, 5]);
    let refused = other.cache.agree(&mut other.machine, &shape, tags_without(None)).expect_err("5 is not 3");
    assert_eq!(refused, Disagreement::Kept { at: 1 });
    assert_eq!(
        refused.to_string(),
        "join: value 1 is a constant or a copy of a local on the other ways, and another value here: give it a register \
         at the join, or its home"
    );
}

/// Three in a cycle of registers: four copies, and no store.
#[test]
fn arguments_in_a_cycle_take_one_copy_more() {
    let three = [Gpr::Rax, Gpr::Rcx, Gpr::Rdx];
    let mut bench = super::join::in_registers(&three);
    let places: Vec<_> = [Gpr::Rcx, Gpr::Rdx, Gpr::Rax].map(|r| Entry::in_reg(r, 0)).into();
    let slots = bench.machine.slots.clone();
    bench.machine.moves = 0;
    bench.cache.pass(&mut bench.machine, &places, |_| None).expect("all of kind 0");
    assert_eq!((bench.machine.moves, &bench.machine.slots), (4, &slots));
    assert_eq!(bench.machine.register(Gpr::Rcx), 100);
}

#[test]
fn a_tag_that_nobody_can_make_is_refused() {
    let mut bench = of_constants(&[3]);
    let places = [Entry { payload: Payload::Reg(Gpr::Rax), tag: Tag::Reg(Gpr::Rcx) }];
    let refused = bench.cache.pass(&mut bench.machine, &places, |_| None).expect_err("no tag");
    assert_eq!(refused, Disagreement::Untagged { at: 0, here: 1 });
    assert_eq!(
        refused.to_string(),
        "join: value 0 has a tag on the other ways, and `tag_of` says none of 1, which it is here: let it give that kind \
         a tag"
    );
}

/// A copy of a local stays one where all ways have it, if its tag is where the shape says.
#[test]
fn a_copy_of_a_local_that_all_ways_have_costs_nothing() {
    for (local, possible) in [(1, true), (TAGLESS, false)] {
        let mut bench = Bench::new(6, 4);
        let shape = bench.cache.shape(1, &[in_slot(local)]).expect("it is a local");
        let own = bench.local(local);
        bench.cache.push(&mut bench.machine, own);
        let agreed = bench.cache.agree(&mut bench.machine, &shape, tags_without(None));
        assert_eq!(agreed, if possible { Ok(()) } else { Err(Disagreement::Kept { at: 0 }) });
        assert_eq!((bench.cache.peek(0), bench.machine.moves), (&own, 0));
    }
}

/// A local that is passed where it is, and whose tag was nowhere, gets one.
#[test]
fn a_tag_is_made_beside_an_argument() {
    let mut bench = Bench::new(6, 4);
    let local = bench.local(TAGLESS);
    bench.cache.push(&mut bench.machine, local);
    let want = bench.locals[TAGLESS as usize];
    bench.cache.pass(&mut bench.machine, &[in_slot(TAGLESS)], tags_without(None)).expect("it is there");
    assert_eq!(bench.machine.slot(Slot(TAGLESS)), want);
}

/// What a shape cannot be.
#[test]
fn places_that_cannot_be_are_refused() {
    let cache = StackCache::<u64, u64>::new(RegSet::of(&Gpr::ALL[..4]), 3, Slot(LOCALS));
    let reg = |r, tag| Entry { payload: Payload::Reg(r), tag };
    let home = LOCALS;
    let [rax, rcx, rdx, rbx] = [Gpr::Rax, Gpr::Rcx, Gpr::Rdx, Gpr::Rbx].map(|r| reg(r, Tag::Known(0)));
    let refused = |top: &[_]| cache.shape(9, top).expect_err("it cannot be");
    assert_eq!(cache.shape(1, &[rax, rcx]), Err(Misfit::TooMany { values: 1, places: 2 }));
    assert_eq!(refused(&[rax, rcx, rdx, rbx]), Misfit::Deep { at: 0 });
    assert_eq!(refused(&[reg(Gpr::R15, Tag::Known(0))]), Misfit::Foreign { at: 0, register: Gpr::R15 });
    assert_eq!(refused(&[rax, rax]), Misfit::Shared { at: 1 });
    assert_eq!(refused(&[reg(Gpr::Rax, Tag::Reg(Gpr::Rax))]), Misfit::Shared { at: 0 });
    assert_eq!(refused(&[rax, reg(Gpr::Rcx, Tag::Reg(Gpr::Rdx)), rbx]), Misfit::NoneFree);
    assert_eq!(refused(&[in_slot(home + 3)]), Misfit::Taken { at: 0, slot: Slot(home + 3) });
    assert_eq!(refused(&[reg(Gpr::Rax, Tag::InSlot)]), Misfit::Tag { at: 0 });
    let deep: Vec<_> = (0..=REACH as u64).map(constant_entry).collect();
    assert_eq!(cache.shape(20, &deep), Err(Misfit::Deep { at: 0 }));
    assert!(cache.shape(20, &deep[1..]).is_ok());
}

/// What a call cannot have as places of its arguments.
#[test]
fn places_of_arguments_that_cannot_be_are_refused() {
    let mut bench = of_constants(&[0, 2, 4]);
    let local = in_slot(1);
    bench.model.push(bench.locals[1]);
    bench.cache.push(&mut bench.machine, local);
    let before = state(&bench);
    let own = bench.cache.home(3).0;
    for (places, misfit) in [
        (vec![constant_entry(4)], Misfit::Nowhere { at: 0 }),
        (vec![in_slot(own - 1)], Misfit::Taken { at: 0, slot: Slot(own - 1) }),
        (vec![in_slot(1), in_slot(OUTGOING)], Misfit::Taken { at: 0, slot: Slot(1) }),
        (vec![in_slot(OUTGOING); 2], Misfit::Shared { at: 1 }),
        (vec![in_slot(OUTGOING); 5], Misfit::TooMany { values: 4, places: 5 }),
    ] {
        let refused =
            bench.cache.pass(&mut bench.machine, &places, tags_without(None)).expect_err("it cannot be");
        assert_eq!(refused, Disagreement::Place(misfit));
    }
    assert!(state(&bench) == before);
    // The value of the local is where it is, and has its tag there.
    bench.machine.moves = 0;
    bench.cache.pass(&mut bench.machine, &[in_slot(1)], tags_without(None)).expect("it is there");
    assert_eq!(bench.machine.moves, 3, "the three below go home");
    let error = Disagreement::<u64>::from(Misfit::NoneFree);
    assert_eq!(
        error.to_string(),
        "call: the places take every register of the cache, and moves need one: leave one free"
    );
}
