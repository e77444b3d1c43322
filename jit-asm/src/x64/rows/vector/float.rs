//! Arithmetic, logic and comparison of floating-point numbers.

use crate::x64::rows::parse::{Row, row};

/// What there is for packed singles and doubles and for one of each (SDM vol. 2, table A-3): the prefix tells
/// which. Of two operands in SSE.
macro_rules! arithmetic {
    ($($stem:tt $opcode:tt;)*) => {
        &[$(
            row(concat!($stem, "ps"), "rw:xmm, r:xmm/m128", concat!("0F ", $opcode, " /r"), "sse"),
            row(concat!($stem, "pd"), "rw:xmm, r:xmm/m128", concat!("66 0F ", $opcode, " /r"), "sse2"),
            row(concat!($stem, "ss"), "rw:xmm, r:xmm/m32", concat!("F3 0F ", $opcode, " /r"), "sse"),
            row(concat!($stem, "sd"), "rw:xmm, r:xmm/m64", concat!("F2 0F ", $opcode, " /r"), "sse2"),
            row(concat!("v", $stem, "ps"), "w:vx, r:vx, r:vx/mx", concat!("VEX.x.0F.WIG ", $opcode, " /r"), "avx"),
            row(concat!("v", $stem, "pd"), "w:vx, r:vx, r:vx/mx", concat!("VEX.x.66.0F.WIG ", $opcode, " /r"), "avx"),
            row(concat!("v", $stem, "ss"), "w:xmm, r:xmm, r:xmm/m32", concat!("VEX.LIG.F3.0F.WIG ", $opcode, " /r"), "avx"),
            row(concat!("v", $stem, "sd"), "w:xmm, r:xmm, r:xmm/m64", concat!("VEX.LIG.F2.0F.WIG ", $opcode, " /r"), "avx"),
        )*]
    };
}

pub(in crate::x64::rows) const ARITHMETIC: &[Row] = arithmetic! {
    "add" "58";
    "mul" "59";
    "sub" "5C";
    "min" "5D";
    "div" "5E";
    "max" "5F";
};

#[rustfmt::skip] // One row, one line.
pub(in crate::x64::rows) const PAIRS: &[Row] = with_vex! {
    [sse: "w:xmm, r:xmm/m128", avx: "x" "w:vx, r:vx/mx" "WIG" "avx"]
    sqrtps      "0F"        "51 /r"     "sse";
    sqrtpd      "66 0F"     "51 /r"     "sse2";
    rsqrtps     "0F"        "52 /r"     "sse";
    rcpps       "0F"        "53 /r"     "sse";

    [sse: "rw:xmm, r:xmm/m32", avx: "LIG" "w:xmm, r:xmm, r:xmm/m32" "WIG" "avx"]
    sqrtss      "F3 0F"     "51 /r"     "sse";
    rsqrtss     "F3 0F"     "52 /r"     "sse";
    rcpss       "F3 0F"     "53 /r"     "sse";

    [sse: "rw:xmm, r:xmm/m64", avx: "LIG" "w:xmm, r:xmm, r:xmm/m64" "WIG" "avx"]
    sqrtsd      "F2 0F"     "51 /r"     "sse2";

    [sse: "rw:xmm, r:xmm/m128", avx: "x" "w:vx, r:vx, r:vx/mx" "WIG" "avx"]
    andps       "0F"        "54 /r"     "sse";
    andpd       "66 0F"     "54 /r"     "sse2";
    andnps      "0F"        "55 /r"     "sse";
    andnpd      "66 0F"     "55 /r"     "sse2";
    orps        "0F"        "56 /r"     "sse";
    orpd        "66 0F"     "56 /r"     "sse2";
    xorps       "0F"        "57 /r"     "sse";
    xorpd       "66 0F"     "57 /r"     "sse2";
    unpcklps    "0F"        "14 /r"     "sse";
    unpcklpd    "66 0F"     "14 /r"     "sse2";
    unpckhps    "0F"        "15 /r"     "sse";
    unpckhpd    "66 0F"     "15 /r"     "sse2";
    haddpd      "66 0F"     "7C /r"     "sse3";
    haddps      "F2 0F"     "7C /r"     "sse3";
    hsubpd      "66 0F"     "7D /r"     "sse3";
    hsubps      "F2 0F"     "7D /r"     "sse3";
    addsubpd    "66 0F"     "D0 /r"     "sse3";
    addsubps    "F2 0F"     "D0 /r"     "sse3";

    [sse: "rw:xmm, r:xmm/m128, r:imm8", avx: "x" "w:vx, r:vx, r:vx/mx, r:imm8" "WIG" "avx"]
    cmpps       "0F"        "C2 /r ib"  "sse";
    cmppd       "66 0F"     "C2 /r ib"  "sse2";
    shufps      "0F"        "C6 /r ib"  "sse";
    shufpd      "66 0F"     "C6 /r ib"  "sse2";
    blendps     "66 0F 3A"  "0C /r ib"  "sse4.1";
    blendpd     "66 0F 3A"  "0D /r ib"  "sse4.1";
    dpps        "66 0F 3A"  "40 /r ib"  "sse4.1";

    [sse: "rw:xmm, r:xmm/m128, r:imm8", avx: "128" "w:xmm, r:xmm, r:xmm/m128, r:imm8" "WIG" "avx"]
    dppd        "66 0F 3A"  "41 /r ib"  "sse4.1";

    [sse: "w:xmm, r:xmm/m128, r:imm8", avx: "x" "w:vx, r:vx/mx, r:imm8" "WIG" "avx"]
    roundps     "66 0F 3A"  "08 /r ib"  "sse4.1";
    roundpd     "66 0F 3A"  "09 /r ib"  "sse4.1";

    [sse: "rw:xmm, r:xmm/m32, r:imm8", avx: "LIG" "w:xmm, r:xmm, r:xmm/m32, r:imm8" "WIG" "avx"]
    cmpss       "F3 0F"     "C2 /r ib"  "sse";
    roundss     "66 0F 3A"  "0A /r ib"  "sse4.1";

    [sse: "rw:xmm, r:xmm/m64, r:imm8", avx: "LIG" "w:xmm, r:xmm, r:xmm/m64, r:imm8" "WIG" "avx"]
    cmpsd       "F2 0F"     "C2 /r ib"  "sse2";
    roundsd     "66 0F 3A"  "0B /r ib"  "sse4.1";

    [sse: "rw:xmm, r:xmm/m32, r:imm8", avx: "128" "w:xmm, r:xmm, r:xmm/m32, r:imm8" "WIG" "avx"]
    insertps    "66 0F 3A"  "21 /r ib"  "sse4.1";

    // Into the flags.
    [sse: "r:xmm, r:xmm/m32", avx: "LIG" "r:xmm, r:xmm/m32" "WIG" "w=zpc 0=osa avx"]
    ucomiss     "0F"        "2E /r"     "w=zpc 0=osa sse";
    comiss      "0F"        "2F /r"     "w=zpc 0=osa sse";

    [sse: "r:xmm, r:xmm/m64", avx: "LIG" "r:xmm, r:xmm/m64" "WIG" "w=zpc 0=osa avx"]
    ucomisd     "66 0F"     "2E /r"     "w=zpc 0=osa sse2";
    comisd      "66 0F"     "2F /r"     "w=zpc 0=osa sse2";
};

#[rustfmt::skip] // One row, one line.
pub(in crate::x64::rows) const ROWS: &[Row] = &[
    //  mnemonic     operands                          encoding                            effects
    row("blendvps",  "rw:xmm, r:xmm/m128, r:<xmm0>",   "66 0F 38 14 /r",                   "sse4.1"),
    row("blendvpd",  "rw:xmm, r:xmm/m128, r:<xmm0>",   "66 0F 38 15 /r",                   "sse4.1"),
    row("vblendvps", "w:vx, r:vx, r:vx/mx, r:vx",      "VEX.x.66.0F3A.W0 4A /r /is4",      "avx"),
    row("vblendvpd", "w:vx, r:vx, r:vx/mx, r:vx",      "VEX.x.66.0F3A.W0 4B /r /is4",      "avx"),
    row("vtestps",   "r:vx, r:vx/mx",                  "VEX.x.66.0F38.W0 0E /r",           "w=zc 0=osap avx"),
    row("vtestpd",   "r:vx, r:vx/mx",                  "VEX.x.66.0F38.W0 0F /r",           "w=zc 0=osap avx"),
];
