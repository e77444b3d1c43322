//! Moves between vector registers, general registers and memory.

use crate::x64::rows::parse::{Row, row};

#[rustfmt::skip] // One row, one line.
pub(in crate::x64::rows) const PAIRS: &[Row] = with_vex! {
    // Whole registers.
    [sse: "w:xmm, r:xmm/m128", avx: "x" "w:vx, r:vx/mx" "WIG" "avx"]
    movaps      "0F"           "28 /r"     "sse";
    movapd      "66 0F"        "28 /r"     "sse2";
    movups      "0F"           "10 /r"     "sse";
    movupd      "66 0F"        "10 /r"     "sse2";
    movdqa      "66 0F"        "6F /r"     "sse2";
    movdqu      "F3 0F"        "6F /r"     "sse2";
    movsldup    "F3 0F"        "12 /r"     "sse3";
    movshdup    "F3 0F"        "16 /r"     "sse3";

    [sse: "w:xmm/m128, r:xmm", avx: "x" "w:vx/mx, r:vx" "WIG" "avx"]
    movaps      "0F"           "29 /r"     "sse";
    movapd      "66 0F"        "29 /r"     "sse2";
    movups      "0F"           "11 /r"     "sse";
    movupd      "66 0F"        "11 /r"     "sse2";
    movdqa      "66 0F"        "7F /r"     "sse2";
    movdqu      "F3 0F"        "7F /r"     "sse2";

    [sse: "w:xmm, r:m128", avx: "x" "w:vx, r:mx" "WIG" "avx"]
    lddqu       "F2 0F"        "F0 /r"     "sse3";

    [sse: "w:xmm, r:m128", avx: "x" "w:vx, r:mx" "WIG" "avx|avx2"]
    movntdqa    "66 0F 38"     "2A /r"     "sse4.1";

    [sse: "w:m128, r:xmm", avx: "x" "w:mx, r:vx" "WIG" "avx"]
    movntps     "0F"           "2B /r"     "sse";
    movntpd     "66 0F"        "2B /r"     "sse2";
    movntdq     "66 0F"        "E7 /r"     "sse2";

    // Scalars: between registers the rest stays, from memory it is cleared.
    [sse: "rw:xmm, r:xmm(rm)", avx: "LIG" "w:xmm, r:xmm, r:xmm(rm)" "WIG" "avx"]
    movss       "F3 0F"        "10 /r"     "sse";
    movsd       "F2 0F"        "10 /r"     "sse2";

    [sse: "w:xmm, r:m32", avx: "LIG" "w:xmm, r:m32" "WIG" "avx"]
    movss       "F3 0F"        "10 /r"     "sse";

    [sse: "w:xmm, r:m64", avx: "LIG" "w:xmm, r:m64" "WIG" "avx"]
    movsd       "F2 0F"        "10 /r"     "sse2";

    [sse: "w:m32, r:xmm", avx: "LIG" "w:m32, r:xmm" "WIG" "avx"]
    movss       "F3 0F"        "11 /r"     "sse";

    [sse: "w:m64, r:xmm", avx: "LIG" "w:m64, r:xmm" "WIG" "avx"]
    movsd       "F2 0F"        "11 /r"     "sse2";

    // Halves.
    [sse: "rw:xmm, r:m64", avx: "128" "w:xmm, r:xmm, r:m64" "WIG" "avx"]
    movlps      "0F"           "12 /r"     "sse";
    movlpd      "66 0F"        "12 /r"     "sse2";
    movhps      "0F"           "16 /r"     "sse";
    movhpd      "66 0F"        "16 /r"     "sse2";

    [sse: "w:m64, r:xmm", avx: "128" "w:m64, r:xmm" "WIG" "avx"]
    movlps      "0F"           "13 /r"     "sse";
    movlpd      "66 0F"        "13 /r"     "sse2";
    movhps      "0F"           "17 /r"     "sse";
    movhpd      "66 0F"        "17 /r"     "sse2";

    [sse: "rw:xmm, r:xmm(rm)", avx: "128" "w:xmm, r:xmm, r:xmm(rm)" "WIG" "avx"]
    movhlps     "0F"           "12 /r"     "sse";
    movlhps     "0F"           "16 /r"     "sse";

    [sse: "w:xmm, r:xmm/m64", avx: "128" "w:xmm, r:xmm/m64" "WIG" "avx"]
    movddup     "F2 0F"        "12 /r"     "sse3";
    movq        "F3 0F"        "7E /r"     "sse2";

    [sse: "w:xmm/m64, r:xmm", avx: "128" "w:xmm/m64, r:xmm" "WIG" "avx"]
    movq        "66 0F"        "D6 /r"     "sse2";

    // General registers.
    [sse: "w:xmm, r:r/m32", avx: "128" "w:xmm, r:r/m32" "W0" "avx"]
    movd        "66 0F"        "6E /r"     "sse2";

    [sse: "w:xmm, r:r/m64", avx: "128" "w:xmm, r:r/m64" "W1" "avx"]
    movq        "66 REX.W 0F"  "6E /r"     "sse2";

    [sse: "w:r/m32, r:xmm", avx: "128" "w:r/m32, r:xmm" "W0" "avx"]
    movd        "66 0F"        "7E /r"     "sse2";

    [sse: "w:r/m64, r:xmm", avx: "128" "w:r/m64, r:xmm" "W1" "avx"]
    movq        "66 REX.W 0F"  "7E /r"     "sse2";

    [sse: "w:r32, r:xmm(rm)", avx: "x" "w:r32, r:vx(rm)" "WIG" "avx"]
    movmskps    "0F"           "50 /r"     "sse";
    movmskpd    "66 0F"        "50 /r"     "sse2";

    [sse: "w:r32, r:xmm(rm)", avx: "x" "w:r32, r:vx(rm)" "WIG" "avx|avx2"]
    pmovmskb    "66 0F"        "D7 /r"     "sse2";

    // By a mask, to where rdi points: what it leaves out stays, so it is read as well.
    [sse: "r:xmm, r:xmm(rm), r:<rdi>", avx: "128" "r:xmm, r:xmm(rm), r:<rdi>" "WIG" "loads stores avx"]
    maskmovdqu  "66 0F"        "F7 /r"     "loads stores sse2";

    // The control and status register.
    [sse: "r:m32", avx: "LZ" "r:m32" "WIG" "avx"]
    ldmxcsr     "0F"           "AE /2"     "sse";

    [sse: "w:m32", avx: "LZ" "w:m32" "WIG" "avx"]
    stmxcsr     "0F"           "AE /3"     "sse";
};

#[rustfmt::skip] // One row, one line.
pub(in crate::x64::rows) const ROWS: &[Row] = &[
    //  mnemonic       operands                   encoding                    effects
    // Like the moves above, with the source where VEX has room for xmm8 in two bytes.
    row("vmovss",      "w:xmm(rm), r:xmm, r:xmm",  "VEX.LIG.F3.0F.WIG 11 /r",  "avx"),
    row("vmovsd",      "w:xmm(rm), r:xmm, r:xmm",  "VEX.LIG.F2.0F.WIG 11 /r",  "avx"),
    row("vmovddup",    "w:ymm, r:ymm/m256",       "VEX.256.F2.0F.WIG 12 /r",  "avx"),
];
