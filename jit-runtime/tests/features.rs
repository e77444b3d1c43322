//! Templates beyond the processor, or beyond what an assembler was told that there is.

use expect_test::expect;
use jit_runtime::stitch::{Assembler, StitchError, detected_features};
use jit_runtime::{Features, Sink, Template, Xm, Xmm, templates, x64};

templates! {
    /// Needs AVX2.
    fn gather() = x64!< vpgatherdd ymm0, [rax + ymm1 * 4], ymm2 >;

    /// Needs AVX, of each of its pieces.
    fn add(x: Xm) = x64!< addsd xmm3, xmm4; vaddsd xmm0, xmm1, {x: xm}; ret >;

    /// Every processor has it.
    fn double(r: Xmm) = x64!< addsd {r: xmm}, {r: xmm} >;

    /// Data is no instruction.
    fn data() = x64!< .byte 0xC5, 0xF8, 0x58, 0xC0 >;
}

static COUNT: Template = x64! { popcnt rax, rdi; andn rcx, rax, rdi };

/// What sealing says of what `emit` emits when there is only what every x86-64 has, and what of that is there.
fn with(features: Features, emit: impl FnOnce(&mut Assembler)) -> String {
    let mut asm = Assembler::new();
    asm.set_features(features);
    assert_eq!(asm.features(), features);
    emit(&mut asm);
    asm.seal().map_or_else(|e| e.to_string(), |sealed| format!("{} bytes", sealed.len()))
}

#[test]
fn a_template_beyond_the_set_is_an_error() {
    let emissions: [fn(&mut Assembler); 6] = [
        |asm| gather(asm),
        |asm| add(asm, Xm::Reg(Xmm::Xmm7)),
        |asm| asm.emit(&COUNT),
        |asm| x64!(asm => nop; vzeroupper; ret),
        |asm| double(asm, Xmm::Xmm3),
        |asm| data(asm),
    ];
    let mut text = String::new();
    for features in [Features::NONE, Features::AVX.union(Features::POPCNT)] {
        for emit in emissions {
            text += &(with(features, emit) + "\n");
        }
    }
    expect![[r#"
        the template `gather` needs avx2, which is not among the assembler's features: ask `detected_features` and emit another template where it is missing
        the template `add` needs avx, which is not among the assembler's features: ask `detected_features` and emit another template where it is missing
        the template `popcnt rax, rdi; andn rcx, rax, rdi` needs bmi1 popcnt, which is not among the assembler's features: ask `detected_features` and emit another template where it is missing
        the template `nop; vzeroupper; ret` needs avx, which is not among the assembler's features: ask `detected_features` and emit another template where it is missing
        5 bytes
        4 bytes
        the template `gather` needs avx2, which is not among the assembler's features: ask `detected_features` and emit another template where it is missing
        10 bytes
        the template `popcnt rax, rdi; andn rcx, rax, rdi` needs bmi1, which is not among the assembler's features: ask `detected_features` and emit another template where it is missing
        5 bytes
        5 bytes
        4 bytes
    "#]].assert_eq(&text);
}

/// The mistake is kept while emission goes on, and forgotten when the assembler is cleared; the set stays.
#[test]
fn the_set_stays_with_the_assembler() {
    let mut asm = Assembler::new();
    asm.set_features(Features::BASELINE);
    x64!(asm => vzeroupper; ret);
    x64!(asm => nop);
    asm.clear();
    x64!(asm => ret);
    let mut asm = asm.seal().expect("forgotten").recycle();
    assert_eq!(asm.features(), Features::BASELINE);
    x64!(asm => vzeroupper);
    assert!(matches!(asm.seal(), Err(StitchError::Beyond { missing: Features::AVX, .. })));
}

/// A set that somebody else knows better counts, in both directions.
#[test]
fn a_client_may_know_more() {
    let asm = Assembler::default();
    assert_eq!(asm.features(), detected_features());
    let all = Features::ALL.iter().fold(Features::NONE, |all, (_, f)| all.union(*f));
    assert_eq!(with(all, gather), "6 bytes");
    // A sink that is no assembler takes everything: it does not know where its bytes will run.
    let mut bytes = vec![];
    gather(&mut bytes);
    bytes.put_piece(b"");
    assert_eq!(bytes.len(), 6);
}
