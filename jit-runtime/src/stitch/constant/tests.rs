//! Constants under a reader of finished bytes, which decodes every instruction and looks where it reads.

use super::Constant;
use crate::memory::{CodeHeap, POISON};
use crate::stitch::label::Position;
use crate::stitch::{Assembler, Function, Section, StitchError};
use crate::x64;
use arbtest::arbitrary::{Result, Unstructured};
use iced_x86::{Decoder, DecoderOptions, Mnemonic, Register};
use std::collections::BTreeSet;
use std::ops::Range;

/// What the rip-relative instructions of `code` read, in the order in which they stand; not the jump of a veneer,
/// which reads the `data` among the code.
fn places(code: &[u8], data: &[Range<usize>]) -> Vec<usize> {
    let mut code = code.to_vec();
    data.iter().for_each(|range| code[range.clone()].fill(POISON));
    Decoder::with_ip(64, &code, 0, DecoderOptions::NONE)
        .into_iter()
        .inspect(|instruction| assert_ne!(instruction.mnemonic(), Mnemonic::INVALID))
        .filter(|instruction| instruction.memory_base() == Register::RIP)
        .filter(|instruction| instruction.mnemonic() != Mnemonic::Jmp)
        .map(|instruction| instruction.memory_displacement64() as usize)
        .collect()
}

/// Emit an instruction that reads `constant`; in some, an immediate stands behind the distance.
fn read(u: &mut Unstructured<'_>, asm: &mut Assembler, constant: Constant) -> Result<()> {
    match (constant.bytes().len(), u.int_in_range(0..=2)?) {
        (_, 0) => x64!(asm => lea rdx, [{constant}]),
        (4, 1) => x64!(asm => cmp dword [{constant}], 0x1234567),
        (4, _) => x64!(asm => test word [{constant}], 0x1234),
        (8, 1) => x64!(asm => mov r9, [{constant}]),
        (8, _) => x64!(asm => imul rax, [{constant}], -3),
        (_, 1) => x64!(asm => pshufd xmm9, [{constant}], 0x1B),
        _ => x64!(asm => andpd xmm3, [{constant}]),
    }
    Ok(())
}

/// Few values, so that they meet.
fn any_constant(u: &mut Unstructured<'_>) -> Result<Constant> {
    let value = u.int_in_range(0_u32..=5)?;
    Ok(match u.int_in_range(0..=5)? {
        0 => Constant::u32(value),
        1 => Constant::u64(value.into()),
        2 => Constant::u128(value.into()),
        3 => Constant::f32(value as f32),
        4 => Constant::f64(value.into()),
        _ => Constant::bytes16([value as u8; 16]),
    })
}

/// The dumb checker: what is read is what was asked for, aligned, behind the code, and nothing is there twice.
fn check(bytes: &[u8], code_len: usize, data: &[Range<usize>], wanted: &[Constant]) {
    let (code, behind) = bytes.split_at(code_len);
    let found = places(code, data);
    assert_eq!(found.len(), wanted.len());
    for (&at, constant) in found.iter().zip(wanted) {
        let size = constant.bytes().len();
        assert!(at >= code_len && at % size == 0, "{constant:?} at {at}");
        assert_eq!(&bytes[at..at + size], constant.bytes());
    }
    let distinct: BTreeSet<&[u8]> = wanted.iter().map(Constant::bytes).collect();
    assert_eq!(behind.len(), distinct.iter().map(|bytes| bytes.len()).sum::<usize>());
}

fn random_code(u: &mut Unstructured<'_>, mut asm: Assembler) -> Result<Assembler> {
    let (mut hot, mut cold) = (vec![], vec![]);
    let label = asm.label();
    for _ in 0..u.int_in_range(0..=30)? {
        match u.int_in_range(0..=5)? {
            0 => x64!(asm => jmp {label}),
            1 => x64!(asm => call {Function(0x1234_5678_9ABC)}),
            2 => asm.switch_to(if u.arbitrary()? { Section::Hot } else { Section::Cold }),
            _ => {
                let constant = any_constant(u)?;
                if asm.section() == Section::Hot { &mut hot } else { &mut cold }.push(constant);
                read(u, &mut asm, constant)?;
            }
        }
    }
    asm.bind(label);
    x64!(asm => ret);
    let sealed = asm.seal().expect("the label is bound");
    hot.append(&mut cold);
    check(sealed.bytes(), sealed.code_len(), sealed.data(), &hot);
    if !u.arbitrary()? {
        return Ok(sealed.recycle());
    }
    let (code, asm) = sealed.publish_and_recycle(&CodeHeap::probe().expect("code memory"));
    let code = code.expect("room");
    check(&code.block().bytes()[..code.len()], code.code_len(), code.data(), &hot);
    Ok(asm)
}

#[test]
fn every_use_reads_its_constant_and_nothing_is_left_for_the_next_code() {
    arbtest::arbtest(|u| {
        let mut asm = random_code(u, Assembler::new())?;
        if u.arbitrary()? {
            read(u, &mut asm, Constant::u32(1))?;
            asm.clear();
        }
        random_code(u, asm)?;
        Ok(())
    })
    .budget_ms(1_000);
}

#[test]
fn bits_tell_constants_apart_and_nothing_else_does() {
    let placed = |constants: &[Constant]| {
        let mut asm = Assembler::new();
        constants.iter().for_each(|&constant| x64!(asm => lea rax, [{constant}]));
        let sealed = asm.seal().expect("no labels");
        check(sealed.bytes(), sealed.code_len(), sealed.data(), constants);
        sealed.len() - sealed.code_len()
    };
    assert_eq!(placed(&[]), 0);
    assert_eq!(placed(&[Constant::f64(2.5), Constant::u64(2.5_f64.to_bits()), Constant::f64(2.5)]), 8);
    assert_eq!(placed(&[Constant::f32(0.0), Constant::f32(-0.0)]), 8, "two zeros");
    assert_eq!(placed(&[Constant::u128(7), Constant::u32(7), Constant::u64(7), Constant::u32(7)]), 28);
    assert_eq!(placed(&[Constant::u128(1), Constant::bytes16(1_u128.to_le_bytes())]), 16);
}

/// An instruction that would read beyond its constant, or a part of it.
#[test]
fn a_constant_is_as_wide_as_it_is_read() {
    let four = [Constant::u32(1), Constant::f32(1.0)];
    let eight = [Constant::u64(1), Constant::f64(1.0)];
    let sixteen = [Constant::u128(1), Constant::bytes16([1; 16])];
    type Read = fn(&mut Assembler, Constant);
    let reads: [(&[Constant], &[Read]); 4] = [
        (
            &four,
            &[
                |asm, c| x64!(asm => movss xmm0, [{c}]),
                |asm, c| x64!(asm => movzx eax, byte [{c}]),
                |asm, c| x64!(asm => movsx rax, word [{c}]),
                |asm, c| x64!(asm => vbroadcastss ymm0, [{c}]),
            ],
        ),
        (
            &eight,
            &[
                |asm, c| x64!(asm => mulsd xmm0, [{c}]),
                |asm, c| x64!(asm => movddup xmm0, [{c}]),
                |asm, c| x64!(asm => cvtdq2pd xmm0, [{c}]),
                |asm, c| x64!(asm => jmp [{c}]),
            ],
        ),
        (
            &sixteen,
            &[
                |asm, c| x64!(asm => movaps xmm0, [{c}]),
                |asm, c| x64!(asm => vbroadcasti128 ymm0, [{c}]),
                |asm, c| x64!(asm => blendvpd xmm1, [{c}]),
            ],
        ),
        (&[], &[|asm, c| x64!(asm => vaddpd ymm0, ymm0, [{c}])]),
    ];
    for (serve, reads) in reads {
        for read in reads {
            for constant in [four, eight, sixteen].concat() {
                let mut asm = Assembler::new();
                read(&mut asm, constant);
                let refused = matches!(asm.seal(), Err(StitchError::ConstantWidth { .. }));
                assert_eq!(refused, !serve.contains(&constant), "{constant:?}");
            }
        }
    }
    let mut asm = Assembler::new();
    x64!(asm => nop; movsd xmm0, [{Constant::f32(2.5)}]);
    let error = asm.seal().expect_err("four bytes, of which eight are read").to_string();
    assert_eq!(
        error,
        "the instruction with its field at 0x0005 reads 8 bytes of a constant of 4; \
         `Constant::u64` and `f64` make one of eight"
    );
}

/// In tests the code may have 2 MiB.
#[test]
fn constants_beyond_the_reach_of_the_code_are_an_error() {
    let seal = |count: u32| {
        let mut asm = Assembler::new();
        (0..count).for_each(|n| x64!(asm => lea rax, [{Constant::u128(n.into())}]));
        asm.seal().map(|sealed| sealed.len())
    };
    let fits = |n: &usize| (7 * n).next_multiple_of(16) + 16 * n <= Position::WHOLE as usize;
    let most = (0..).take_while(fits).last().expect("none at all fit") as u32;
    assert!(seal(most).is_ok_and(|len| len <= Position::WHOLE as usize));
    assert!(matches!(seal(most + 1), Err(StitchError::TooLong)));
}
