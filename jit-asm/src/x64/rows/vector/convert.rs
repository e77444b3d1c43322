//! Conversions between integers, singles, doubles and halves.

use crate::x64::rows::parse::{Row, row};

#[rustfmt::skip] // One row, one line.
pub(in crate::x64::rows) const PAIRS: &[Row] = with_vex! {
    [sse: "w:xmm, r:xmm/m128", avx: "x" "w:vx, r:vx/mx" "WIG" "avx"]
    cvtdq2ps    "0F"     "5B /r"  "sse2";
    cvtps2dq    "66 0F"  "5B /r"  "sse2";
    cvttps2dq   "F3 0F"  "5B /r"  "sse2";

    // Of other widths: the forms of 256 bits are below.
    [sse: "w:xmm, r:xmm/m128", avx: "128" "w:xmm, r:xmm/m128" "WIG" "avx"]
    cvtpd2ps    "66 0F"  "5A /r"  "sse2";
    cvtpd2dq    "F2 0F"  "E6 /r"  "sse2";
    cvttpd2dq   "66 0F"  "E6 /r"  "sse2";

    [sse: "w:xmm, r:xmm/m64", avx: "128" "w:xmm, r:xmm/m64" "WIG" "avx"]
    cvtps2pd    "0F"     "5A /r"  "sse2";
    cvtdq2pd    "F3 0F"  "E6 /r"  "sse2";

    // Scalars: the rest of the destination stays.
    [sse: "rw:xmm, r:xmm/m32", avx: "LIG" "w:xmm, r:xmm, r:xmm/m32" "WIG" "avx"]
    cvtss2sd    "F3 0F"  "5A /r"  "sse2";

    [sse: "rw:xmm, r:xmm/m64", avx: "LIG" "w:xmm, r:xmm, r:xmm/m64" "WIG" "avx"]
    cvtsd2ss    "F2 0F"  "5A /r"  "sse2";

    [sse: "rw:xmm, r:r/my", avx: "LIG" "w:xmm, r:xmm, r:r/my" "y" "avx"]
    cvtsi2ss    "F3 0F"  "2A /r"  "sse";
    cvtsi2sd    "F2 0F"  "2A /r"  "sse2";

    [sse: "w:ry, r:xmm/m32", avx: "LIG" "w:ry, r:xmm/m32" "y" "avx"]
    cvttss2si   "F3 0F"  "2C /r"  "sse";
    cvtss2si    "F3 0F"  "2D /r"  "sse";

    [sse: "w:ry, r:xmm/m64", avx: "LIG" "w:ry, r:xmm/m64" "y" "avx"]
    cvttsd2si   "F2 0F"  "2C /r"  "sse2";
    cvtsd2si    "F2 0F"  "2D /r"  "sse2";
};

#[rustfmt::skip] // One row, one line.
pub(in crate::x64::rows) const ROWS: &[Row] = &[
    //  mnemonic       operands                        encoding                       effects
    row("vcvtpd2ps",   "w:xmm, r:ymm/m256",            "VEX.256.66.0F.WIG 5A /r",     "avx"),
    row("vcvtpd2dq",   "w:xmm, r:ymm/m256",            "VEX.256.F2.0F.WIG E6 /r",     "avx"),
    row("vcvttpd2dq",  "w:xmm, r:ymm/m256",            "VEX.256.66.0F.WIG E6 /r",     "avx"),
    row("vcvtps2pd",   "w:ymm, r:xmm/m128",            "VEX.256.0F.WIG 5A /r",        "avx"),
    row("vcvtdq2pd",   "w:ymm, r:xmm/m128",            "VEX.256.F3.0F.WIG E6 /r",     "avx"),
    row("vcvtph2ps",   "w:xmm, r:xmm/m64",             "VEX.128.66.0F38.W0 13 /r",    "f16c"),
    row("vcvtph2ps",   "w:ymm, r:xmm/m128",            "VEX.256.66.0F38.W0 13 /r",    "f16c"),
    row("vcvtps2ph",   "w:xmm/m64, r:xmm, r:imm8",     "VEX.128.66.0F3A.W0 1D /r ib", "f16c"),
    row("vcvtps2ph",   "w:xmm/m128, r:ymm, r:imm8",    "VEX.256.66.0F3A.W0 1D /r ib", "f16c"),
];
