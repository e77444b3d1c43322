//! Frame maps: what is written reads back, and rebuilding puts every word where it belongs.

use super::CallExits;
use super::map::{FrameMaps, FrameMemory, FrameState, Registers, Source, WordAt};
use crate::stitch::{Assembler, Sealed, SourcePosition};
use arbtest::arbitrary::{Result, Unstructured};
use jit_asm::{Gpr, Xmm};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn any_state(u: &mut Unstructured<'_>) -> Result<FrameState> {
    let words = (0..u.int_in_range(0..=6)?)
        .map(|_| {
            let at = WordAt { slot: u.int_in_range(0..=300)?, word: u.int_in_range(0..=1)? };
            let source = match u.int_in_range(0..=3)? {
                0 => Source::Register(*u.choose(&Gpr::ALL)?),
                3 => Source::Vector(*u.choose(&Xmm::ALL)?),
                1 => Source::Constant(u.arbitrary()?),
                _ => Source::Slot(u.int_in_range(0..=300)?),
            };
            Ok((at, source))
        })
        .collect::<Result<_>>()?;
    Ok(FrameState { depth: u.int_in_range(0..=1000)?, words })
}

#[test]
fn what_is_written_reads_back() {
    arbtest::arbtest(|u| {
        let states: Vec<_> = (0..u.int_in_range(1..=8)?).map(|_| any_state(u)).collect::<Result<_>>()?;
        let mut maps = FrameMaps::new();
        let entries: Vec<_> = states.iter().map(|s| maps.write(s.depth, s.words.iter().copied())).collect();
        for (n, &entry) in entries.iter().enumerate().rev() {
            maps.place(entry, 10 * n as u32);
        }
        maps.finish();
        for (n, state) in states.iter().enumerate() {
            assert_eq!(maps.read(10 * n as u32).as_ref(), Some(state));
            assert_eq!(maps.read(10 * n as u32 + 1), None, "between two safepoints there is no state");
        }
        Ok(())
    })
    .budget_ms(500);
}

#[derive(Default)]
struct Memory(BTreeMap<WordAt, u64>);

impl FrameMemory for Memory {
    fn read(&self, at: WordAt) -> u64 {
        self.0.get(&at).copied().unwrap_or(u64::from(at.slot) * 10 + u64::from(at.word))
    }
    fn write(&mut self, at: WordAt, value: u64) {
        self.0.insert(at, value);
    }
}

/// General registers hold from 1000 on, the vector registers that with something above it.
struct Numbered;

impl Registers for Numbered {
    fn register(&self, r: Gpr) -> u64 {
        1000 + u64::from(r.number())
    }
    fn vector(&self, r: Xmm) -> u128 {
        (7 << 64) | (2000 + u128::from(r.number()))
    }
}

/// Two slots that are copies of each other are exchanged, not made equal.
#[test]
fn rebuilding_reads_everything_before_it_writes() {
    let at = |slot, word| WordAt { slot, word };
    let state = FrameState {
        depth: 2,
        words: vec![
            (at(3, 0), Source::Slot(4)),
            (at(4, 0), Source::Slot(3)),
            (at(4, 1), Source::Constant(1)),
            (at(5, 0), Source::Register(Gpr::R9)),
            (at(6, 0), Source::Vector(Xmm::Xmm9)),
        ],
    };
    let mut memory = Memory::default();
    state.rebuild(&Numbered, &mut memory);
    let words = [at(3, 0), at(3, 1), at(4, 0), at(4, 1), at(5, 0), at(6, 0)].map(|w| memory.read(w));
    assert_eq!(words, [40, 31, 30, 1, 1009, 2009]);
    assert_eq!(state.to_string(), "depth 2: 3.0=slot 4 4.0=slot 3 4.1=#1 5.0=r9 6.0=xmm9");
}

#[test]
fn exits_of_calls_are_found_from_the_call_and_from_themselves() {
    let mut maps = FrameMaps::new();
    maps.place_exit(30, 107);
    maps.place_exit(20, 113);
    maps.finish();
    let found = [20, 30, 107, 113, 108, 0].map(|offset| maps.exit_of(offset));
    assert_eq!(found, [Some(113), Some(107), Some(107), Some(113), None, None]);
    maps.clear();
    assert_eq!(maps.exit_of(20), None);
}

#[test]
#[should_panic(expected = "an entry of other frame maps")]
fn an_entry_from_before_its_maps_were_cleared_is_placed_nowhere() {
    let mut maps = FrameMaps::new();
    let entry = maps.write(0, std::iter::empty());
    maps.clear();
    // Something else in its place, which is longer.
    maps.write(1000, std::iter::empty());
    maps.place(entry, 0);
}

/// Code with calls that have exits, which are emitted or not.
fn code_with_calls(calls: usize, emit: bool, maps: &mut FrameMaps) -> (CallExits, Sealed) {
    let (mut asm, mut exits) = (Assembler::new(), CallExits::new());
    for _ in 0..calls {
        let at = (SourcePosition(1), maps.write(0, [].into_iter()));
        exits.behind_call(&mut asm, at, at);
    }
    let common = asm.bound_label();
    if emit {
        exits.emit(&mut asm, common);
    }
    (exits, asm.seal().expect("every label is bound that something jumps to"))
}

#[test]
fn exits_that_cannot_be_placed_say_why() {
    let mut maps = FrameMaps::new();
    let mut said = |(mut exits, sealed): (CallExits, Sealed)| {
        let panicked =
            catch_unwind(AssertUnwindSafe(|| exits.place(&sealed, &mut maps))).expect_err("a panic");
        match panicked.downcast::<String>() {
            Ok(text) => *text,
            Err(text) => text.downcast::<&str>().expect("a text").to_string(),
        }
    };
    assert_eq!(
        said(code_with_calls(2, false, &mut FrameMaps::new())),
        "2 calls have exits, and 0 of these were emitted: `CallExits::emit` comes behind the last call, before the code is sealed"
    );
    let (exits, _) = code_with_calls(2, true, &mut FrameMaps::new());
    let (_, other) = code_with_calls(0, true, &mut FrameMaps::new());
    assert_eq!(
        said((exits, other)),
        "this code comes from another assembler than the calls: it has no such labels"
    );
}
