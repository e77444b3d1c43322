//! The checker of debug builds is checked: after a slip, whatever the machine of numbers finds wrong the symbols find
//! too.

use super::super::stack::{Emit, Entry, Payload, Slot, Tag};
use super::{Bench, LOCALS};
use arbtest::arbitrary::{Result, Unstructured};
use jit_asm::Gpr;

/// A move that nobody wanted, or an entry that says something else.
fn slip(u: &mut Unstructured<'_>, bench: &mut Bench) -> Result<()> {
    let depth = bench.cache.depth();
    let (r, other) = (Gpr::ALL[u.choose_index(12)?], Gpr::ALL[u.choose_index(12)?]);
    let slot = Slot(u.int_in_range(0..=LOCALS + depth as u32)?);
    let mut over = bench.cache.watch.over(&mut bench.machine);
    match u.int_in_range(0..=7)? {
        0 => over.copy(r, other),
        1 => over.load_payload(r, slot),
        2 => over.load_tag(r, slot),
        3 => over.load_const(r, u.int_in_range(0..=9)?),
        4 => over.store(slot, &Entry { payload: Payload::Reg(r), tag: Tag::Reg(other) }),
        5 => over.store(slot, &Entry { payload: Payload::Const(3), tag: Tag::Known(1) }),
        6 => {
            let (a, b) = (u.choose_index(depth)?, u.choose_index(depth)?);
            bench.cache.entries.swap(a, b);
        }
        _ => {
            let at = u.choose_index(depth)?;
            let entry = &mut bench.cache.entries[at];
            match u.int_in_range(0..=4)? {
                0 => entry.payload = Payload::Reg(r),
                1 => entry.payload = Payload::Slot(slot),
                2 => entry.payload = Payload::Const(u.int_in_range(0..=9)?),
                3 => entry.tag = Tag::Reg(r),
                _ => entry.tag = Tag::Known(u.int_in_range(0..=1)?),
            }
        }
    }
    Ok(())
}

/// One slip in a random state; also a fuzz target. Whether it did harm.
pub(crate) fn one_slip(u: &mut Unstructured<'_>) -> Result<bool> {
    let mut bench = Bench::new(u.int_in_range(4..=12)?, u.int_in_range(1..=6)?);
    for _ in 0..u.int_in_range(1..=20)? {
        bench.step(u)?;
    }
    if bench.model.is_empty() {
        return Ok(false);
    }
    slip(u, &mut bench)?;
    let from = bench.cache.settled().saturating_sub(1);
    let possible =
        |entry: &Entry<_, _>| entry.tag != Tag::InSlot || matches!(entry.payload, Payload::Slot(_));
    let entries = bench.cache.entries().iter().zip(&bench.model).skip(from);
    let wrong = { entries }.any(|(entry, want)| !possible(entry) || bench.machine.denoted(entry) != *want);
    let found = bench.cache.watch.check(bench.cache.entries(), from);
    if super::super::watch::ON && wrong {
        assert!(found.is_err(), "not found: {:?} should be {:?}", bench.cache, bench.model);
    }
    Ok(wrong)
}

#[test]
fn what_is_wrong_is_found() {
    arbtest::arbtest(|u| one_slip(u).map(drop)).budget_ms(1_000);
}

/// The same slips on every machine: enough of them do harm for the test above to mean something.
#[test]
fn slips_do_harm() {
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut byte = || {
        // xorshift64 (Marsaglia, "Xorshift RNGs", 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    let harmful = (0..1000).filter(|_| {
        let bytes: Vec<u8> = (0..256).map(|_| byte()).collect();
        one_slip(&mut Unstructured::new(&bytes)).is_ok_and(|harm| harm)
    });
    let harm = harmful.count();
    assert!(harm > 100, "{harm} of 1000 slips did harm");
}

/// Nothing is known of what is in a free register, even if it is the right value.
#[test]
fn a_free_register_has_no_value() {
    let mut bench = Bench::new(6, 4);
    let r = bench.take_with(1);
    bench.cache.push(&mut bench.machine, Entry::in_reg(r, 0));
    bench.cache.dup(&mut bench.machine);
    let Payload::Reg(copy) = bench.cache.peek(0).payload else {
        panic!("a copy of a register is in a register")
    };
    bench.cache.discard();
    bench.cache.entries[0].payload = Payload::Reg(copy);
    assert_eq!(bench.cache.watch.check(bench.cache.entries(), 0).is_err(), super::super::watch::ON);
}

/// A value that is lost stops the compiler where it was lost.
#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "value 0 is not where its entry says")]
fn a_lost_value_stops_a_debug_build() {
    let mut bench = Bench::new(6, 4);
    let r = bench.take_with(1);
    bench.cache.push(&mut bench.machine, Entry::in_reg(r, 0));
    bench.cache.watch.over(&mut bench.machine).load_const(r, 5);
    bench.cache.flush(&mut bench.machine);
}

/// Behind a check that cannot pass there is nothing to be found; a join ends that.
#[test]
fn nothing_is_wrong_where_no_control_comes() {
    let mut bench = Bench::new(6, 4);
    let r = bench.take_with(1);
    bench.cache.push(&mut bench.machine, Entry::in_reg(r, 0));
    bench.cache.learn(0, 1);
    bench.cache.watch.over(&mut bench.machine).load_const(r, 5);
    bench.cache.flush(&mut bench.machine);
    bench.cache.restart(1);
    bench.cache.watch.overwritten(bench.cache.home(0));
    assert_eq!(bench.cache.watch.check(bench.cache.entries(), 0).is_err(), super::super::watch::ON);
}
