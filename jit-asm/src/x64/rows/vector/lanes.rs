//! Single elements in and out of vectors, widening moves and comparison of strings.

use crate::x64::rows::parse::{Row, row};

#[rustfmt::skip] // One row, one line.
pub(in crate::x64::rows) const PAIRS: &[Row] = with_vex! {
    [sse: "w:r32, r:xmm(rm), r:imm8", avx: "128" "w:r32, r:xmm(rm), r:imm8" "W0" "avx"]
    pextrw       "66 0F"           "C5 /r ib"  "sse2";

    [sse: "w:r32/m8, r:xmm, r:imm8", avx: "128" "w:r32/m8, r:xmm, r:imm8" "W0" "avx"]
    pextrb       "66 0F 3A"        "14 /r ib"  "sse4.1";

    [sse: "w:r32/m16, r:xmm, r:imm8", avx: "128" "w:r32/m16, r:xmm, r:imm8" "W0" "avx"]
    pextrw       "66 0F 3A"        "15 /r ib"  "sse4.1";

    [sse: "w:r/m32, r:xmm, r:imm8", avx: "128" "w:r/m32, r:xmm, r:imm8" "W0" "avx"]
    pextrd       "66 0F 3A"        "16 /r ib"  "sse4.1";

    [sse: "w:r/m64, r:xmm, r:imm8", avx: "128" "w:r/m64, r:xmm, r:imm8" "W1" "avx"]
    pextrq       "66 REX.W 0F 3A"  "16 /r ib"  "sse4.1";

    [sse: "w:r/m32, r:xmm, r:imm8", avx: "128" "w:r/m32, r:xmm, r:imm8" "WIG" "avx"]
    extractps    "66 0F 3A"        "17 /r ib"  "sse4.1";

    [sse: "rw:xmm, r:r32/m8, r:imm8", avx: "128" "w:xmm, r:xmm, r:r32/m8, r:imm8" "W0" "avx"]
    pinsrb       "66 0F 3A"        "20 /r ib"  "sse4.1";

    [sse: "rw:xmm, r:r32/m16, r:imm8", avx: "128" "w:xmm, r:xmm, r:r32/m16, r:imm8" "W0" "avx"]
    pinsrw       "66 0F"           "C4 /r ib"  "sse2";

    [sse: "rw:xmm, r:r/m32, r:imm8", avx: "128" "w:xmm, r:xmm, r:r/m32, r:imm8" "W0" "avx"]
    pinsrd       "66 0F 3A"        "22 /r ib"  "sse4.1";

    [sse: "rw:xmm, r:r/m64, r:imm8", avx: "128" "w:xmm, r:xmm, r:r/m64, r:imm8" "W1" "avx"]
    pinsrq       "66 REX.W 0F 3A"  "22 /r ib"  "sse4.1";

    // Strings: lengths in eax and edx or by a zero; the result is an index or a mask.
    [sse: "r:xmm, r:xmm/m128, r:imm8, r:<eax>, r:<edx>, w:<xmm0>",
     avx: "128" "r:xmm, r:xmm/m128, r:imm8, r:<eax>, r:<edx>, w:<xmm0>" "WIG" "w=oszc 0=ap avx"]
    pcmpestrm    "66 0F 3A"        "60 /r ib"  "w=oszc 0=ap sse4.2";

    [sse: "r:xmm, r:xmm/m128, r:imm8, r:<eax>, r:<edx>, w:<ecx>",
     avx: "128" "r:xmm, r:xmm/m128, r:imm8, r:<eax>, r:<edx>, w:<ecx>" "WIG" "w=oszc 0=ap avx"]
    pcmpestri    "66 0F 3A"        "61 /r ib"  "w=oszc 0=ap sse4.2";

    [sse: "r:xmm, r:xmm/m128, r:imm8, w:<xmm0>",
     avx: "128" "r:xmm, r:xmm/m128, r:imm8, w:<xmm0>" "WIG" "w=oszc 0=ap avx"]
    pcmpistrm    "66 0F 3A"        "62 /r ib"  "w=oszc 0=ap sse4.2";

    [sse: "r:xmm, r:xmm/m128, r:imm8, w:<ecx>",
     avx: "128" "r:xmm, r:xmm/m128, r:imm8, w:<ecx>" "WIG" "w=oszc 0=ap avx"]
    pcmpistri    "66 0F 3A"        "63 /r ib"  "w=oszc 0=ap sse4.2";
};

/// Widening moves: what each takes for 128 bits and for 256.
macro_rules! widening {
    ($($elements:tt $sx:tt $zx:tt $low:tt $all:tt;)*) => {
        &[$(
            row(concat!("pmovsx", $elements), concat!("w:xmm, r:", $low), concat!("66 0F 38 ", $sx, " /r"), "sse4.1"),
            row(concat!("vpmovsx", $elements), concat!("w:xmm, r:", $low), concat!("VEX.128.66.0F38.WIG ", $sx, " /r"), "avx"),
            row(concat!("vpmovsx", $elements), concat!("w:ymm, r:", $all), concat!("VEX.256.66.0F38.WIG ", $sx, " /r"), "avx2"),
            row(concat!("pmovzx", $elements), concat!("w:xmm, r:", $low), concat!("66 0F 38 ", $zx, " /r"), "sse4.1"),
            row(concat!("vpmovzx", $elements), concat!("w:xmm, r:", $low), concat!("VEX.128.66.0F38.WIG ", $zx, " /r"), "avx"),
            row(concat!("vpmovzx", $elements), concat!("w:ymm, r:", $all), concat!("VEX.256.66.0F38.WIG ", $zx, " /r"), "avx2"),
        )*]
    };
}

#[rustfmt::skip] // One entry, one line.
pub(in crate::x64::rows) const WIDENING: &[Row] = widening! {
    // elements, opcode with signs, with zeros, source for 128 bits, for 256
    "bw"  "20"  "30"  "xmm/m64"  "xmm/m128";
    "bd"  "21"  "31"  "xmm/m32"  "xmm/m64";
    "bq"  "22"  "32"  "xmm/m16"  "xmm/m32";
    "wd"  "23"  "33"  "xmm/m64"  "xmm/m128";
    "wq"  "24"  "34"  "xmm/m32"  "xmm/m64";
    "dq"  "25"  "35"  "xmm/m64"  "xmm/m128";
};
