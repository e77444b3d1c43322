//! The policy as a table, sweeps over made-up addresses, and assumptions against a list.

use super::policy::{History, Pressure, Thresholds, Tier, next};
use super::{Assumption, Assumptions, CodeMap, EntryTable, Outdated, Premise, Retired};
use crate::transition::{Machine, Safepoint};
use arbtest::arbitrary::{Result, Unstructured};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

#[test]
fn the_policy_is_a_table() {
    use Tier::{Interpreted, Plain, Speculative};
    let limits = Thresholds { calls: 1000, failures: 3 };
    let table = [
        // tier, calls, failures, refused -> next
        (Interpreted, 0, 0, false, None),
        (Interpreted, 999, 0, false, None),
        (Interpreted, 1000, 0, false, Some(Speculative)),
        (Interpreted, 1000, 3, false, Some(Plain)),
        (Interpreted, 1000, 0, true, None),
        (Speculative, 1000, 2, false, None),
        (Speculative, 1000, 3, false, Some(Plain)),
        (Speculative, 1000, 3, true, None),
        (Plain, 5000, 9, false, None),
    ];
    for (tier, calls, failures, refused, want) in table {
        let history = History { tier, calls, failures, refused };
        assert_eq!(next(&history, &limits), want, "{history:?}");
    }
    let never = Thresholds { calls: 0, failures: 0 };
    assert_eq!(next(&History::default(), &never), Some(Plain), "no failures allowed means no speculation");
}

#[test]
fn an_entry_stays_where_it_is_and_changes_what_it_says() {
    let table = EntryTable::new(3, |n| 100 + n);
    let address = table.address();
    let mut machine = Machine::new(0);
    let at = Safepoint::outside(&mut machine).expect("nothing is entered");
    table.set(&at, 1, 7);
    assert_eq!((table.get(0), table.get(1), table.get(2)), (100, 7, 102));
    assert_eq!(table.address(), address);
}

/// What is said by a panic.
fn said<R>(body: impl FnOnce() -> R) -> String {
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(body()))).expect_err("a panic");
    *panicked.downcast::<String>().expect("a text with numbers")
}

#[test]
fn a_function_that_is_not_in_the_table_is_named() {
    let table = EntryTable::new(3, |n| n);
    let mut machine = Machine::new(0);
    let at = Safepoint::outside(&mut machine).expect("nothing is entered");
    let wanted = |n: usize| format!("there is no function {n} in this entry table, which has 3, from 0");
    assert_eq!(said(|| table.get(3)), wanted(3));
    assert_eq!(said(|| table.set(&at, 9, 7)), wanted(9));
}

#[test]
fn a_fact_of_another_registry_is_refused() {
    let (mut one, mut other) = (Assumptions::<u32>::new(), Assumptions::<u32>::new());
    one.state();
    other.state();
    let fact = other.state();
    let premise = other.premise(fact);
    let wanted =
        "assumption 1 was stated by another registry; this one has 1 of its own, and knows only those";
    assert_eq!(said(|| one.premise(fact)), wanted);
    // There is a fact of this number here now, of the same version.
    one.state();
    let wanted = wanted.replace("has 1", "has 2");
    assert_eq!(said(|| one.holds(&premise)), wanted);
    assert_eq!(said(|| one.check(&[premise])), wanted);
    assert_eq!(said(|| one.rely(7, &[premise])), wanted);
    assert_eq!(said(|| one.refute(fact)), wanted);
    assert_eq!(one.dependants(), 0);
    assert!(other.holds(&premise));
}

#[test]
fn a_return_address_lies_behind_the_start_and_up_to_the_end() {
    let mut map = CodeMap::new();
    map.insert(100, 10, 'a');
    map.insert(110, 5, 'b');
    let found = |address| map.at_return(address).map(|(_, &c)| c);
    assert_eq!(
        [99, 100, 101, 110, 111, 115, 116].map(found),
        [None, None, Some('a'), Some('a'), Some('b'), Some('b'), None]
    );
}

#[test]
fn retired_code_lives_as_long_as_a_frame_is_in_it() {
    let mut map = CodeMap::new();
    let pieces = [Rc::new(()), Rc::new(())];
    map.insert(100, 10, pieces[0].clone());
    map.insert(200, 10, pieces[1].clone());
    let mut freed = vec![];
    let mut note = |start, _| freed.push(start);
    assert_eq!(map.sweep_by([105].into_iter(), &mut note), Retired { freed: 0, in_use: 0 });
    map.retire(100);
    map.retire(100);
    assert_eq!(map.retired(), 1);
    assert_eq!(map.sweep_by([300, 105, 7].into_iter(), &mut note), Retired { freed: 0, in_use: 1 });
    assert_eq!(map.at_return(105).map(|(start, _)| start), Some(100), "its frames still find it");
    let mut walked = [105, 105, 205].into_iter();
    assert_eq!(map.sweep_by(walked.by_ref(), &mut note), Retired { freed: 0, in_use: 1 });
    assert_eq!(walked.len(), 2, "the walk ends when all that waits is known to be in use");
    map.retire(200);
    assert_eq!(map.sweep_by([205].into_iter(), &mut note), Retired { freed: 1, in_use: 1 });
    assert_eq!((map.len(), map.retired()), (1, 1));
    assert_eq!(freed, [100]);
    assert_eq!((Rc::strong_count(&pieces[0]), Rc::strong_count(&pieces[1])), (1, 2));
}

#[test]
fn pressure_follows_what_is_alive() {
    let mut pressure = Pressure::new(1000);
    assert!(!pressure.is_high(999) && pressure.is_high(1000));
    pressure.relieve(900);
    assert!(!pressure.is_high(1799) && pressure.is_high(1800));
    pressure.relieve(10);
    assert!(!pressure.is_high(999) && pressure.is_high(1000), "never less than it began with");
    pressure.relieve(usize::MAX);
    assert!(!pressure.is_high(usize::MAX - 1));
}

/// What the registry is to know, as a list of all that was ever said.
#[derive(Default)]
struct Said {
    changes: Vec<u64>,
    /// Code, a fact that it relies on, and how often that had changed.
    relies: Vec<(u32, usize, u64)>,
}

impl Said {
    fn dependants(&self, fact: usize) -> BTreeSet<u32> {
        let now = self.changes[fact];
        self.relies.iter().filter(|r| (r.1, r.2) == (fact, now)).map(|r| r.0).collect()
    }
}

/// One operation on the registry and on the list.
fn tell(
    u: &mut Unstructured<'_>,
    registry: &mut Assumptions<u32>,
    facts: &mut Vec<Assumption>,
    premises: &mut Vec<(Premise, usize, u64)>,
    said: &mut Said,
) -> Result<()> {
    let fact = if facts.is_empty() { None } else { Some(u.choose_index(facts.len())?) };
    match (u.int_in_range(0..=9)?, fact) {
        (0, _) | (_, None) => {
            facts.push(registry.state());
            said.changes.push(0);
        }
        (1..=3, Some(fact)) => {
            premises.push((registry.premise(facts[fact]), fact, said.changes[fact]));
        }
        (4..=6, _) => {
            // Old premises may be among them.
            let chosen: Vec<_> =
                (0..u.int_in_range(0..=3)?).filter_map(|_| u.choose(premises).ok().copied()).collect();
            let code = u.int_in_range(0..=7)?;
            let old = chosen.iter().find(|(_, fact, then)| said.changes[*fact] != *then);
            let wanted = old.map_or(Ok(()), |(_, fact, _)| Err(Outdated { assumption: facts[*fact] }));
            let given: Vec<Premise> = chosen.iter().map(|(premise, ..)| *premise).collect();
            assert_eq!(registry.rely(code, &given), wanted);
            if wanted.is_ok() {
                said.relies.extend(chosen.iter().map(|(_, fact, then)| (code, *fact, *then)));
            }
        }
        (7..=8, Some(fact)) => {
            let wanted = said.dependants(fact);
            said.changes[fact] += 1;
            assert_eq!(registry.refute(facts[fact]), wanted);
        }
        (_, _) => {
            let code = u.int_in_range(0..=7)?;
            registry.forget(code);
            said.relies.retain(|r| r.0 != code);
        }
    }
    Ok(())
}

#[test]
fn assumptions_remember_what_was_said() {
    arbtest::arbtest(|u| {
        let (mut registry, mut facts, mut premises) = (Assumptions::new(), vec![], vec![]);
        let mut said = Said::default();
        for _ in 0..u.int_in_range(0..=60)? {
            tell(u, &mut registry, &mut facts, &mut premises, &mut said)?;
            for (premise, fact, then) in &premises {
                assert_eq!(registry.holds(premise), said.changes[*fact] == *then);
            }
            let alive: BTreeSet<u32> = said.relies.iter().map(|r| r.0).collect();
            assert_eq!(registry.dependants(), alive.len());
        }
        // What was never forgotten is found by changing everything.
        for (fact, &assumption) in facts.iter().enumerate() {
            assert_eq!(registry.refute(assumption), said.dependants(fact));
            assert_eq!(registry.refute(assumption), BTreeSet::new());
        }
        Ok(())
    })
    .budget_ms(1000);
}
