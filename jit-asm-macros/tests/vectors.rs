//! Vector registers chosen at emission: each of them in every place of the encoding, read back by iced-x86.

use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter, MemorySizeOptions};
use jit_asm::{Features, Gpr, Template, Xmm};
use jit_asm_macros::{templates, x64};

/// The instructions as iced-x86 reads them.
fn read(code: &[u8]) -> Vec<String> {
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_space_after_operand_separator(true);
    formatter.options_mut().set_memory_size_options(MemorySizeOptions::Never);
    let text = |insn| {
        let mut text = String::new();
        formatter.format(&insn, &mut text);
        text
    };
    Decoder::with_ip(64, code, 0, DecoderOptions::NONE).into_iter().map(text).collect()
}

/// Every register with the one three further and the one seven further: three that differ.
fn registers() -> impl Iterator<Item = [Xmm; 3]> {
    (0..16).map(|number| [number, number + 3, number + 7].map(|number| Xmm::ALL[number % 16]))
}

fn name(reg: Xmm, stem: &str) -> String {
    format!("{stem}{}", reg.number())
}

#[test]
fn every_register_in_the_places_of_sse() {
    for [x, y, _] in registers() {
        let mut code = vec![];
        x64!(code =>
            addps {x: xmm}, xmm3;
            addsd xmm9, {x: xmm};
            movaps {x: xmm}, {y: xmm};
            movups [rax + 16], {x: xmm};
            pslldq {x: xmm}, 4;
            pinsrd {x: xmm}, r9d, 2;
            pextrb byte [rdi], {x: xmm}, 7;
            blendvps {x: xmm}, {y: xmm}
        );
        let (x, y) = (name(x, "xmm"), name(y, "xmm"));
        let expected = [
            format!("addps {x}, xmm3"),
            format!("addsd xmm9, {x}"),
            format!("movaps {x}, {y}"),
            format!("movups [rax+10h], {x}"),
            format!("pslldq {x}, 4"),
            format!("pinsrd {x}, r9d, 2"),
            format!("pextrb [rdi], {x}, 7"),
            format!("blendvps {x}, {y}"),
        ];
        assert_eq!(read(&code), expected);
    }
}

#[test]
fn every_register_in_the_places_of_vex() {
    for [x, y, z] in registers() {
        let mut code = vec![];
        x64!(code =>
            vaddps {x: xmm}, xmm1, xmm2;
            vaddps ymm1, {x: ymm}, ymm2;
            vaddps ymm1, ymm2, {x: ymm};
            vaddps {x: ymm}, {y: ymm}, {z: ymm};
            vblendvps {x: xmm}, {y: xmm}, {z: xmm}, {x: xmm};
            vblendvpd ymm1, ymm2, [rcx + rdx], {x: ymm};
            vfmadd231sd {x: xmm}, {y: xmm}, qword [rbp - 8];
            vpslld {x: ymm}, {y: ymm}, 3;
            vextractf128 {x: xmm}, {y: ymm}, 1;
            vmovups ymmword [rsp], {x: ymm}
        );
        let [x1, x2, x3] = [x, y, z].map(|reg| name(reg, "xmm"));
        let [y1, y2, y3] = [x, y, z].map(|reg| name(reg, "ymm"));
        let expected = [
            format!("vaddps {x1}, xmm1, xmm2"),
            format!("vaddps ymm1, {y1}, ymm2"),
            format!("vaddps ymm1, ymm2, {y1}"),
            format!("vaddps {y1}, {y2}, {y3}"),
            format!("vblendvps {x1}, {x2}, {x3}, {x1}"),
            format!("vblendvpd ymm1, ymm2, [rcx+rdx], {y1}"),
            format!("vfmadd231sd {x1}, {x2}, [rbp-8]"),
            format!("vpslld {y1}, {y2}, 3"),
            format!("vextractf128 {x1}, {y2}, 1"),
            format!("vmovups [rsp], {y1}"),
        ];
        assert_eq!(read(&code), expected);
    }
}

#[test]
fn every_register_is_an_index() {
    for ([x, y, z], base) in registers().zip(Gpr::ALL) {
        let mut code = vec![];
        x64!(code =>
            vgatherdps {x: xmm}, [{base: r64} + {y: xmm}*4], {z: xmm};
            vgatherdpd {x: ymm}, qword [{base: r64} + {y: xmm}*8 + 64], {z: ymm};
            vpgatherqq {x: ymm}, [{y: ymm}*2], {z: ymm};
            vpgatherqd {x: xmm}, [{base: r64} + {y: ymm}], {z: xmm}
        );
        let [x1, x2, x3] = [x, y, z].map(|reg| name(reg, "xmm"));
        let [y1, y2, y3] = [x, y, z].map(|reg| name(reg, "ymm"));
        let expected = [
            format!("vgatherdps {x1}, [{base}+{x2}*4], {x3}"),
            format!("vgatherdpd {y1}, [{base}+{x2}*8+40h], {y3}"),
            format!("vpgatherqq {y1}, [{y2}*2], {y3}"),
            format!("vpgatherqd {x1}, [{base}+{y2}], {x3}"),
        ];
        assert_eq!(read(&code), expected);
    }
}

#[test]
fn a_template_says_what_it_needs_of_the_machine() {
    const SUM: Template = x64! { vmovups ymm1, [rdi]; vfmadd231ps ymm0, ymm1, [rsi]; vzeroupper };
    assert_eq!(SUM.effects.features, Features::AVX.union(Features::FMA));
    assert!(SUM.effects.reads.contains_vector(Xmm::Xmm0));
    const ZERO: Template = x64! { vpxor xmm5, xmm5, xmm5 };
    assert!(!ZERO.effects.reads.contains_vector(Xmm::Xmm5) && ZERO.effects.writes.contains_vector(Xmm::Xmm5));
}

templates! {
    fn gather(into: Xmm, index: Xmm) = x64!< nop; vpgatherdd {into: xmm}, [rax + {index: xmm}*4], xmm2 >;
}

#[test]
fn a_gather_is_not_emitted_with_a_register_twice() {
    for (into, index) in Xmm::ALL.into_iter().flat_map(|into| Xmm::ALL.map(|index| (into, index))) {
        let apart = into != index && into != Xmm::Xmm2 && index != Xmm::Xmm2;
        let emitted = std::panic::catch_unwind(|| gather(&mut vec![], into, index));
        assert_eq!(emitted.is_ok(), apart, "{into} {index}");
        // In an expression, behind others, with the mask a hole too.
        let emitted = std::panic::catch_unwind(|| {
            let (mut code, mut next) = (vec![], [into, index].into_iter());
            x64!(code =>
                movaps {Xmm::Xmm2: xmm}, {Xmm::Xmm2: xmm};
                vpgatherdd {next.next().unwrap_or(into): xmm}, [{Gpr::Rbx: r64} + {next.next().unwrap_or(into): xmm}*4], {Xmm::Xmm2: xmm}
            );
        });
        assert_eq!(emitted.is_ok(), apart, "{into} {index}");
    }
}
