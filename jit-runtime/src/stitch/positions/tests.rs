//! Positions against a list with one entry a byte.

use super::SourcePosition;
use crate::memory::CodeHeap;
use crate::stitch::{Assembler, Code, CodePtr, Section};
use arbtest::arbitrary::{Result, Unstructured};
use jit_asm::Sink;

/// What every byte was emitted for, section by section: what the client does, without any encoding.
#[derive(Default)]
struct EveryByte {
    hot: Vec<Option<u32>>,
    cold: Vec<Option<u32>>,
    current: Option<u32>,
    section: Section,
}

impl EveryByte {
    fn emit(&mut self, asm: &mut Assembler, count: usize) {
        let section = if self.section == Section::Hot { &mut self.hot } else { &mut self.cold };
        for _ in 0..count {
            section.push(self.current);
            asm.put_piece(&[0x90]);
        }
    }

    fn mark(&mut self, asm: &mut Assembler, position: u32) {
        self.current = Some(position);
        asm.mark(SourcePosition(position));
    }

    fn act(&mut self, asm: &mut Assembler, u: &mut Unstructured<'_>, depth: u32) -> Result<()> {
        let next = self.current.map_or(0, |position| position.wrapping_add(1));
        match u.int_in_range(0..=9)? {
            0..=2 => self.mark(asm, next),
            3 => {
                let far = [u.int_in_range(0..=300)?, u.arbitrary()?];
                self.mark(asm, *u.choose(&far)?);
            }
            4 => {
                asm.unmark();
                self.current = None;
            }
            5 if depth < 2 => {
                let (section, current) = (self.section, self.current);
                self.section = Section::Cold;
                asm.cold(|asm| (0..u.int_in_range(0..=4)?).try_for_each(|_| self.act(asm, u, depth + 1)))?;
                (self.section, self.current) = (section, current);
            }
            6 => {
                self.section = *u.choose(&[Section::Hot, Section::Cold])?;
                asm.switch_to(self.section);
            }
            7 => self.emit(asm, u.int_in_range(60..=200)?),
            _ => self.emit(asm, u.int_in_range(0..=20)?),
        }
        Ok(())
    }
}

fn publish(asm: &mut Assembler, heap: &CodeHeap) -> Code {
    let sealed = std::mem::take(asm).seal().expect("no labels");
    let (code, recycled) = sealed.publish_and_recycle(heap);
    *asm = recycled;
    code.expect("published")
}

/// How many entries the table of random code has, when every byte has been looked up.
fn check(u: &mut Unstructured<'_>, heap: &CodeHeap, asm: &mut Assembler) -> Result<usize> {
    asm.clear();
    let mut wanted = EveryByte::default();
    while !u.is_empty() {
        wanted.act(asm, u, 0)?;
    }
    let code = publish(asm, heap);
    let all: Vec<Option<u32>> = wanted.hot.iter().chain(&wanted.cold).copied().collect();
    for (at, &wanted) in all.iter().enumerate() {
        let found = code.position_at(CodePtr(at as u32)).map(|position| position.0);
        assert_eq!(found, wanted, "at {at} of {}", all.len());
        let returned = code.position_of_return(code.address() + at + 1).map(|position| position.0);
        assert_eq!(returned, wanted, "before {at} of {}", all.len());
    }
    assert_eq!(code.position_at(CodePtr(all.len() as u32)), None, "behind the code there is none");
    let Some(positions) = code.positions() else {
        assert!(all.iter().all(Option::is_none));
        return Ok(0);
    };
    // The list of changes says the same.
    let mut replayed = vec![None; all.len()];
    let mut last = CodePtr(0);
    for (at, position) in positions.iter() {
        assert!(last <= at, "in the order of the code");
        last = at;
        replayed[at.0 as usize..].fill(position.map(|position| position.0));
    }
    assert_eq!(replayed, all);
    Ok(positions.iter().count())
}

#[test]
fn every_byte_has_the_position_that_it_was_emitted_for() {
    let (heap, mut asm) = (CodeHeap::probe().expect("this machine gives code memory"), Assembler::new());
    arbtest::arbtest(|u| check(u, &heap, &mut asm).map(drop)).size_min(16).size_max(1 << 12).budget_ms(1000);

    // Once so long that there are many places to start reading at.
    let mut state = 1_u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(1 << 14)
    .collect();
    let entries = check(&mut Unstructured::new(&bytes), &heap, &mut Assembler::new());
    assert!(entries.is_ok_and(|entries| entries > 1000));
}

#[test]
fn a_mark_in_order_is_one_byte() {
    let (heap, mut asm) = (CodeHeap::probe().expect("this machine gives code memory"), Assembler::new());
    let asm = &mut asm;
    for position in 0..252 {
        asm.mark(SourcePosition(position));
        if position % 4 == 3 {
            asm.put_piece(&[0x90; 31]);
        }
    }
    let code = publish(asm, &heap);
    assert_eq!(code.positions().map(super::Positions::size), Some(63));

    // A recycled assembler has forgotten them; what is unmarked costs nothing.
    asm.put_piece(&[0x90; 63]);
    let code = publish(asm, &heap);
    assert!(code.positions().is_none());

    // Every 64th notes a place to start reading at. A step back and a step far take a byte or two more.
    for position in (0..64).chain([10, 5000]) {
        asm.mark(SourcePosition(position));
        asm.put_piece(&[0x90; 9]);
    }
    let code = publish(asm, &heap);
    assert_eq!(code.positions().map(super::Positions::size), Some(64 + 16 + 2 + 3));
}
