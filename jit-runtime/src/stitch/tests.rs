//! Labels, sections and relocations over made-up instructions, on fake memory and on real.

use super::label::Position;
use super::{Assembler, Code, CodePtr, Function, Label, Section, StitchError};
use crate::memory::{CodeHeap, POISON};
use crate::x64;
use arbtest::arbitrary::{Result, Unstructured};
use jit_asm::{Field, LinkSink, Sink, Template};

fn heap() -> CodeHeap {
    CodeHeap::probe().expect("this machine gives code memory")
}

/// An instruction of one opcode byte and a 32-bit distance, with `tail` bytes behind it.
fn jump<T>(asm: &mut Assembler, to: T, tail: usize)
where
    Assembler: LinkSink<T>,
{
    let [a, b, c, d] = asm.link_rel32(Field { ahead: 1, tail: tail as u32, width: 0 }, to);
    asm.put_piece(&[0xE9, a, b, c, d]);
    for _ in 0..tail {
        asm.put_piece(&[0x90]);
    }
}

/// Where the jump whose opcode is at `at` goes, as an offset.
fn goes_to(code: &[u8], at: usize, tail: usize) -> i64 {
    let field: [u8; 4] = code[at + 1..at + 5].try_into().expect("four bytes");
    (at + 5 + tail) as i64 + i64::from(i32::from_le_bytes(field))
}

/// What a random run of emissions should come to: each jump (section, offset, tail) and its label.
#[derive(Default)]
struct Model {
    jumps: Vec<(Section, u32, usize, Label)>,
    bound: Vec<(Label, Section, u32)>,
}

fn random_code(u: &mut Unstructured<'_>) -> Result<()> {
    let mut asm = Assembler::new();
    let mut model = Model::default();
    let mut labels: Vec<Label> = (0..u.int_in_range(1..=4)?).map(|_| asm.label()).collect();
    for _ in 0..u.int_in_range(0..=60)? {
        match u.int_in_range(0..=4)? {
            0 | 1 => {
                let (label, tail) = (*u.choose(&labels)?, *u.choose(&[0, 0, 1, 4])?);
                model.jumps.push((asm.section(), asm.offset().0, tail, label));
                jump(&mut asm, label, tail);
            }
            2 => {
                asm.put_piece(&[0x90; 7]);
            }
            3 => {
                let other = if u.arbitrary()? { Section::Hot } else { Section::Cold };
                asm.switch_to(other);
            }
            _ => {
                let label = *u.choose(&labels)?;
                if !asm.is_bound(label) {
                    model.bound.push((label, asm.section(), asm.offset().0));
                    asm.bind(label);
                    labels.push(asm.label());
                }
            }
        }
    }
    bind_the_rest(u, &mut asm, &mut model, &labels)?;
    check(asm, &model);
    Ok(())
}

/// Bind what is not bound, one by one or three at once.
fn bind_the_rest(
    u: &mut Unstructured<'_>,
    asm: &mut Assembler,
    model: &mut Model,
    labels: &[Label],
) -> Result<()> {
    let rest: Vec<Label> = labels.iter().copied().filter(|&label| !asm.is_bound(label)).collect();
    let (threes, single) = rest.as_chunks::<3>();
    for three in threes {
        let at = (asm.section(), asm.offset().0);
        model.bound.extend(three.map(|label| (label, at.0, at.1)));
        asm.bind_all(*three);
        asm.put_piece(&[0x90]);
        asm.switch_to(if u.arbitrary()? { Section::Hot } else { Section::Cold });
    }
    for &label in single {
        model.bound.push((label, asm.section(), asm.offset().0));
        asm.bind(label);
    }
    Ok(())
}

/// The dumb checker: reads every distance out of the finished bytes.
fn check(asm: Assembler, model: &Model) {
    let sealed = asm.seal().expect("every label is bound");
    let cold = sealed.cold_start().0;
    let settle = |section, offset: u32| if section == Section::Hot { offset } else { cold + offset };
    for &(label, section, offset) in &model.bound {
        assert_eq!(sealed.offset_of(label), Some(CodePtr(settle(section, offset))));
    }
    let bytes = sealed.bytes().to_vec();
    for &(section, offset, tail, label) in &model.jumps {
        let target = sealed.offset_of(label).expect("bound");
        let at = settle(section, offset) as usize;
        assert_eq!(goes_to(&bytes, at, tail), i64::from(target.0), "jump at {at}");
    }
}

#[test]
fn every_distance_is_right_whichever_end_came_first() {
    arbtest::arbtest(random_code).budget_ms(1_000);
}

#[test]
fn a_function_out_of_reach_is_reached_through_a_veneer() {
    let mut asm = Assembler::new();
    let far = Function(0x1234_5678_9ABC_DEF0);
    jump(&mut asm, far, 0);
    jump(&mut asm, far, 4);
    let code = asm.seal().and_then(|s| s.publish(&heap())).expect("published");
    let bytes = code.block().bytes();
    let (first, second) = (goes_to(&bytes, 0, 0), goes_to(&bytes, 5, 4));
    assert_eq!((first, second), (16, 16), "one veneer serves both");
    // Without a register: an exit that is far from its stub still has all of them.
    assert_eq!(bytes[16..24], [0xFF, 0x25, 2, 0, 0, 0, POISON, POISON], "jmp [rip + 2]");
    let target: [u8; 8] = bytes[24..32].try_into().expect("eight bytes");
    assert_eq!(u64::from_le_bytes(target), far.0 as u64);
    assert_eq!(code.data(), std::slice::from_ref(&(24..32)), "and its target, once");
}

#[test]
fn a_function_within_reach_is_called_directly() {
    let heap = heap();
    let near = Assembler::new().seal().and_then(|s| s.publish(&heap));
    assert!(near.is_ok_and(|code| code.is_empty()), "no code is code too");
    let mut asm = Assembler::new();
    asm.put_piece(&[0x90; 3]);
    let callee = asm.seal().and_then(|s| s.publish(&heap)).expect("published");
    for tail in [0, 1, 4] {
        let mut asm = Assembler::new();
        jump(&mut asm, Function(callee.address()), tail);
        let code = asm.seal().and_then(|s| s.publish(&heap)).expect("published");
        let to = code.address() as i64 + goes_to(&code.block().bytes(), 0, tail);
        assert_eq!(to, callee.address() as i64, "with {tail} bytes behind the field");
    }
}

#[test]
fn the_end_of_code_is_an_address_to_return_to_and_none_to_go_to() {
    let mut asm = Assembler::new();
    asm.put_piece(&[0x90; 3]);
    let code = asm.seal().and_then(|s| s.publish(&heap())).expect("published");
    let address = code.address();
    assert_eq!([2, 3].map(|at| code.address_of(CodePtr(at))), [Some(address + 2), None]);
    let offsets = [address - 1, address, address + 3, address + 4].map(|at| code.offset_of(at));
    assert_eq!(offsets, [None, Some(CodePtr(0)), Some(CodePtr(3)), None]);
}

/// Templates are told by place, those of the cold section last, whenever they were emitted.
#[test]
fn a_listing_is_in_the_order_of_the_code() {
    const THREE: Template = x64! { nop; nop; nop };
    const TWO: Template = x64! { nop; nop };
    let mut asm = Assembler::with_listing();
    asm.cold(|asm| asm.emit(const { &TWO }));
    asm.emit(const { &THREE });
    asm.emit(const { &TWO });
    let (code, mut asm) = asm.seal().expect("no label").publish_and_recycle(&heap());
    let code = code.expect("published");
    let lengths = |code: &Code| -> Vec<_> {
        let listing = code.listing().expect("kept");
        listing.templates().iter().map(|&(at, template)| (at.0, template.bytes.len())).collect()
    };
    assert_eq!(lengths(&code), [(0, 3), (3, 2), (5, 2)]);

    asm.emit(const { &THREE });
    let next = asm.seal().and_then(|s| s.publish(&heap())).expect("published");
    assert_eq!(lengths(&next), [(0, 3)]);
}

#[test]
fn what_is_wrong_is_told_when_the_code_is_sealed() {
    let mut asm = Assembler::new();
    let label = asm.label();
    jump(&mut asm, label, 0);
    assert!(
        matches!(asm.seal(), Err(StitchError::UnboundLabel { label: l, used_at: CodePtr(1) }) if l == label)
    );

    let mut asm = Assembler::new();
    let label = asm.bound_label();
    asm.bind(label);
    let error = asm.seal().expect_err("bound twice").to_string();
    assert_eq!(error, "label 0 is bound twice; make a new label for the second place");

    let mut asm = Assembler::new();
    let label = asm.bound_label();
    asm.cold(|asm| asm.bind(label));
    assert!(matches!(asm.seal(), Err(StitchError::BoundTwice { label: l }) if l == label), "in two sections");

    for section in [Section::Hot, Section::Cold] {
        let mut asm = Assembler::new();
        asm.switch_to(section);
        let [first, second, third] = asm.labels();
        asm.bind(second);
        asm.bind_all([first, second, third]);
        assert!(matches!(asm.seal(), Err(StitchError::BoundTwice { label }) if label == second));
    }

    let mut asm = Assembler::new();
    asm.put_piece(&[0x90; 3]);
    asm.patch_i32(CodePtr(0), 1);
    assert!(matches!(asm.seal(), Err(StitchError::PatchOutside { at: CodePtr(0), len: 4 })));
}

/// Whatever is done with it, a label of another assembler is an error and nothing else.
#[test]
fn a_foreign_label_is_told_and_writes_nowhere() {
    let foreign = Label(7);
    let uses: [fn(&mut Assembler, Label); 5] = [
        |asm, label| jump(asm, label, 0),
        |asm, label| jump(asm, label, 4),
        |asm, label| asm.bind(label),
        |asm, label| asm.bind_all([label, Label(label.0 + 1)]),
        |asm, label| asm.bind_all([Label(0), label]),
    ];
    for (which, section) in (0..uses.len()).flat_map(|n| [(n, Section::Hot), (n, Section::Cold)]) {
        let mut asm = Assembler::new();
        let own = asm.label();
        asm.switch_to(section);
        jump(&mut asm, own, 0);
        uses[which](&mut asm, foreign);
        if !asm.is_bound(own) {
            asm.bind(own);
        }
        let error = asm.seal().expect_err("a foreign label");
        assert!(matches!(error, StitchError::UnknownLabel { label } if label == foreign), "{which}: {error}");
    }
}

/// A field that waits holds a word of the assembler. A patch of it breaks the chain; whatever stands there then,
/// binding ends and writes inside the section only.
#[test]
fn a_broken_chain_is_followed_nowhere() {
    arbtest::arbtest(|u| {
        let mut asm = Assembler::new();
        let label = asm.label();
        for _ in 0..5 {
            jump(&mut asm, label, 0);
        }
        for _ in 0..u.int_in_range(1..=3)? {
            let any = u.arbitrary()?;
            let word = *u.choose(&[0, 1, 6, 11, 21, 22, 24, 25, 4096, i32::MAX - 1, i32::MAX, -1, any])?;
            asm.patch_i32(CodePtr(u.int_in_range(0..=21)?), word);
        }
        asm.bind(label);
        assert_eq!(asm.offset(), CodePtr(25));
        let _ = asm.seal();
        Ok(())
    })
    .budget_ms(200);
}

#[test]
fn labels_are_known_in_both_sections_whichever_made_them() {
    let mut asm = Assembler::new();
    let [out, back] = asm.labels();
    jump(&mut asm, out, 0);
    asm.bind(back);
    let late = asm.cold(|asm| {
        asm.bind(out);
        jump(asm, back, 0);
        let late = asm.label();
        jump(asm, late, 0);
        late
    });
    asm.put_piece(&[0x90; 3]);
    asm.bind(late);
    let sealed = asm.seal().expect("bound");
    let bytes = sealed.bytes();
    assert_eq!([0, 8, 13].map(|at| goes_to(bytes, at, 0)), [8, 5, 8]);
}

#[test]
fn a_section_beyond_its_limit_is_an_error_and_emission_goes_on() {
    let mut asm = Assembler::new();
    let [before, unbound] = asm.labels();
    jump(&mut asm, before, 0);
    jump(&mut asm, unbound, 1);
    for _ in 0..Position::LIMIT / 64 + 1 {
        asm.put_piece(&[0x90; 64]);
    }
    asm.bind(before);
    jump(&mut asm, before, 0);
    asm.cold(|asm| jump(asm, before, 0));
    assert!(matches!(asm.seal(), Err(StitchError::TooLong)));

    const NOPS: Template = x64! { nop; nop; nop; nop; nop; nop; nop; nop };
    let mut asm = Assembler::with_listing();
    for _ in 0..Position::LIMIT / 8 + 2 {
        asm.emit(const { &NOPS });
    }
    x64!(asm => nop);
    assert!(matches!(asm.seal(), Err(StitchError::TooLong)), "with a listing");
}

#[test]
fn an_assembler_comes_back_empty() {
    let mut asm = Assembler::new();
    let label = asm.bound_label();
    jump(&mut asm, label, 0);
    asm.cold(|asm| jump(asm, label, 0));
    let (code, mut asm) = asm.seal().expect("bound").publish_and_recycle(&heap());
    assert_eq!(code.map(|c| c.len()).ok(), Some(10));
    assert_eq!((asm.offset(), asm.section()), (CodePtr(0), Section::Hot));
    assert_eq!(asm.label(), Label(0));
    asm.bind(Label(0));
    asm.bind(Label(0));
    asm.clear();
    assert!(asm.seal().is_ok_and(|s| s.is_empty()), "what was wrong is forgotten, too");
}

/// What is kept lives until the last handle to the code is dropped; an assembler that is cleared keeps nothing.
#[test]
fn what_code_refers_to_lives_as_long() {
    let kept = std::sync::Arc::new(());
    let mut asm = Assembler::new();
    asm.keep(kept.clone());
    asm.clear();
    assert_eq!(std::sync::Arc::strong_count(&kept), 1);
    asm.put_piece(&[0xC3]);
    asm.keep(kept.clone());
    let (code, asm) = asm.seal().expect("no labels").publish_and_recycle(&heap());
    drop(asm);
    let code = code.expect("room");
    let other = code.clone();
    drop(code);
    assert_eq!(std::sync::Arc::strong_count(&kept), 2);
    drop(other);
    assert_eq!(std::sync::Arc::strong_count(&kept), 1);
}

#[test]
fn emitted_bytes_can_be_seen_and_rewritten() {
    let mut asm = Assembler::new();
    asm.put_piece(&[1, 2, 3, 4]);
    asm.patch(CodePtr(1), &[7, 8, 9]);
    assert_eq!(asm.emitted(), [1, 7, 8, 9]);
    asm.patch(CodePtr(2), &[7, 8, 9]);
    assert_eq!(asm.emitted(), [1, 7, 8, 9]);
    assert!(matches!(asm.seal(), Err(StitchError::PatchOutside { at: CodePtr(2), len: 3 })));
}

#[test]
fn an_alignment_that_no_place_keeps_is_refused() {
    use jit_asm::AlignSink;
    for to in [0, 3, 32] {
        let mut asm = Assembler::new();
        asm.align(to, 0);
        let error = asm.seal().expect_err("refused").to_string();
        assert!(error.contains(&to.to_string()), "{error}");
    }
}

/// What was aligned in a section is aligned where the code runs, in both sections, after any code.
#[test]
fn alignment_holds_where_the_code_runs() {
    use jit_asm::AlignSink;
    for before in 0..20 {
        let mut asm = Assembler::new();
        let mut places = vec![];
        let mut emit = |asm: &mut Assembler, to: u32, ahead: u32| {
            (0..before).for_each(|_| {
                asm.put_piece(&[0x90]);
            });
            asm.align(to, ahead);
            places.push((asm.section(), asm.offset().0 + ahead, to));
            asm.put_piece(&[0xC3; 7]);
        };
        emit(&mut asm, 16, 0);
        asm.switch_to(Section::Cold);
        emit(&mut asm, 4, 3);
        emit(&mut asm, 16, 1);
        asm.switch_to(Section::Hot);
        emit(&mut asm, 8, 5);
        let sealed = asm.seal().expect("nothing is open");
        let cold_at = sealed.cold_start().0;
        assert_eq!(cold_at % 16, 0);
        let code = sealed.publish(&heap()).expect("there is room");
        for (section, at, to) in places {
            let at = if section == Section::Cold { at + cold_at } else { at };
            assert_eq!((code.address() + at as usize) % to as usize, 0, "{before} {section:?}");
        }
    }
}

/// Every handle to code is one to what it refers to.
#[test]
fn what_is_kept_lives_as_long_as_any_handle() {
    let (kept, mut asm) = (std::sync::Arc::new(7), Assembler::new());
    asm.keep(kept.clone());
    x64!(asm => ret);
    let code = asm.seal().and_then(|s| s.publish(&heap())).expect("published");
    let block = code.block().clone();
    drop(code);
    assert_eq!(std::sync::Arc::strong_count(&kept), 2);
    drop(block);
    assert_eq!(std::sync::Arc::strong_count(&kept), 1);
}
