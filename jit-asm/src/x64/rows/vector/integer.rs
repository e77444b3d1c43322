//! Arithmetic, logic, comparison and shifts of integers in vector registers, and cryptography.

use crate::x64::rows::parse::{Row, row};

#[rustfmt::skip] // One row, one line.
pub(in crate::x64::rows) const PAIRS: &[Row] = with_vex! {
    [sse: "rw:xmm, r:xmm/m128", avx: "x" "w:vx, r:vx, r:vx/mx" "WIG" "avx|avx2"]
    punpcklbw    "66 0F"     "60 /r"  "sse2";
    punpcklwd    "66 0F"     "61 /r"  "sse2";
    punpckldq    "66 0F"     "62 /r"  "sse2";
    packsswb     "66 0F"     "63 /r"  "sse2";
    pcmpgtb      "66 0F"     "64 /r"  "sse2";
    pcmpgtw      "66 0F"     "65 /r"  "sse2";
    pcmpgtd      "66 0F"     "66 /r"  "sse2";
    packuswb     "66 0F"     "67 /r"  "sse2";
    punpckhbw    "66 0F"     "68 /r"  "sse2";
    punpckhwd    "66 0F"     "69 /r"  "sse2";
    punpckhdq    "66 0F"     "6A /r"  "sse2";
    packssdw     "66 0F"     "6B /r"  "sse2";
    punpcklqdq   "66 0F"     "6C /r"  "sse2";
    punpckhqdq   "66 0F"     "6D /r"  "sse2";
    pcmpeqb      "66 0F"     "74 /r"  "sse2";
    pcmpeqw      "66 0F"     "75 /r"  "sse2";
    pcmpeqd      "66 0F"     "76 /r"  "sse2";
    paddq        "66 0F"     "D4 /r"  "sse2";
    pmullw       "66 0F"     "D5 /r"  "sse2";
    psubusb      "66 0F"     "D8 /r"  "sse2";
    psubusw      "66 0F"     "D9 /r"  "sse2";
    pminub       "66 0F"     "DA /r"  "sse2";
    pand         "66 0F"     "DB /r"  "sse2";
    paddusb      "66 0F"     "DC /r"  "sse2";
    paddusw      "66 0F"     "DD /r"  "sse2";
    pmaxub       "66 0F"     "DE /r"  "sse2";
    pandn        "66 0F"     "DF /r"  "sse2";
    pavgb        "66 0F"     "E0 /r"  "sse2";
    pavgw        "66 0F"     "E3 /r"  "sse2";
    pmulhuw      "66 0F"     "E4 /r"  "sse2";
    pmulhw       "66 0F"     "E5 /r"  "sse2";
    psubsb       "66 0F"     "E8 /r"  "sse2";
    psubsw       "66 0F"     "E9 /r"  "sse2";
    pminsw       "66 0F"     "EA /r"  "sse2";
    por          "66 0F"     "EB /r"  "sse2";
    paddsb       "66 0F"     "EC /r"  "sse2";
    paddsw       "66 0F"     "ED /r"  "sse2";
    pmaxsw       "66 0F"     "EE /r"  "sse2";
    pxor         "66 0F"     "EF /r"  "sse2";
    pmuludq      "66 0F"     "F4 /r"  "sse2";
    pmaddwd      "66 0F"     "F5 /r"  "sse2";
    psadbw       "66 0F"     "F6 /r"  "sse2";
    psubb        "66 0F"     "F8 /r"  "sse2";
    psubw        "66 0F"     "F9 /r"  "sse2";
    psubd        "66 0F"     "FA /r"  "sse2";
    psubq        "66 0F"     "FB /r"  "sse2";
    paddb        "66 0F"     "FC /r"  "sse2";
    paddw        "66 0F"     "FD /r"  "sse2";
    paddd        "66 0F"     "FE /r"  "sse2";
    pshufb       "66 0F 38"  "00 /r"  "ssse3";
    phaddw       "66 0F 38"  "01 /r"  "ssse3";
    phaddd       "66 0F 38"  "02 /r"  "ssse3";
    phaddsw      "66 0F 38"  "03 /r"  "ssse3";
    pmaddubsw    "66 0F 38"  "04 /r"  "ssse3";
    phsubw       "66 0F 38"  "05 /r"  "ssse3";
    phsubd       "66 0F 38"  "06 /r"  "ssse3";
    phsubsw      "66 0F 38"  "07 /r"  "ssse3";
    psignb       "66 0F 38"  "08 /r"  "ssse3";
    psignw       "66 0F 38"  "09 /r"  "ssse3";
    psignd       "66 0F 38"  "0A /r"  "ssse3";
    pmulhrsw     "66 0F 38"  "0B /r"  "ssse3";
    pmuldq       "66 0F 38"  "28 /r"  "sse4.1";
    pcmpeqq      "66 0F 38"  "29 /r"  "sse4.1";
    packusdw     "66 0F 38"  "2B /r"  "sse4.1";
    pcmpgtq      "66 0F 38"  "37 /r"  "sse4.2";
    pminsb       "66 0F 38"  "38 /r"  "sse4.1";
    pminsd       "66 0F 38"  "39 /r"  "sse4.1";
    pminuw       "66 0F 38"  "3A /r"  "sse4.1";
    pminud       "66 0F 38"  "3B /r"  "sse4.1";
    pmaxsb       "66 0F 38"  "3C /r"  "sse4.1";
    pmaxsd       "66 0F 38"  "3D /r"  "sse4.1";
    pmaxuw       "66 0F 38"  "3E /r"  "sse4.1";
    pmaxud       "66 0F 38"  "3F /r"  "sse4.1";
    pmulld       "66 0F 38"  "40 /r"  "sse4.1";

    [sse: "w:xmm, r:xmm/m128", avx: "x" "w:vx, r:vx/mx" "WIG" "avx|avx2"]
    pabsb        "66 0F 38"  "1C /r"  "ssse3";
    pabsw        "66 0F 38"  "1D /r"  "ssse3";
    pabsd        "66 0F 38"  "1E /r"  "ssse3";

    [sse: "w:xmm, r:xmm/m128", avx: "128" "w:xmm, r:xmm/m128" "WIG" "avx"]
    phminposuw   "66 0F 38"  "41 /r"  "sse4.1";

    [sse: "r:xmm, r:xmm/m128", avx: "x" "r:vx, r:vx/mx" "WIG" "w=zc 0=osap avx"]
    ptest        "66 0F 38"  "17 /r"  "w=zc 0=osap sse4.1";

    // Shifts by the lowest element of an xmm register: of 256 bits below.
    [sse: "rw:xmm, r:xmm/m128", avx: "128" "w:xmm, r:xmm, r:xmm/m128" "WIG" "avx"]
    psrlw        "66 0F"     "D1 /r"  "sse2";
    psrld        "66 0F"     "D2 /r"  "sse2";
    psrlq        "66 0F"     "D3 /r"  "sse2";
    psraw        "66 0F"     "E1 /r"  "sse2";
    psrad        "66 0F"     "E2 /r"  "sse2";
    psllw        "66 0F"     "F1 /r"  "sse2";
    pslld        "66 0F"     "F2 /r"  "sse2";
    psllq        "66 0F"     "F3 /r"  "sse2";

    // Shifts by a number (SDM vol. 2, table A-6, groups 12 to 14).
    [sse: "rw:xmm(rm), r:imm8", avx: "x" "w:vx, r:vx(rm), r:imm8" "WIG" "avx|avx2"]
    psrlw        "66 0F"     "71 /2 ib"  "sse2";
    psraw        "66 0F"     "71 /4 ib"  "sse2";
    psllw        "66 0F"     "71 /6 ib"  "sse2";
    psrld        "66 0F"     "72 /2 ib"  "sse2";
    psrad        "66 0F"     "72 /4 ib"  "sse2";
    pslld        "66 0F"     "72 /6 ib"  "sse2";
    psrlq        "66 0F"     "73 /2 ib"  "sse2";
    psrldq       "66 0F"     "73 /3 ib"  "sse2";
    psllq        "66 0F"     "73 /6 ib"  "sse2";
    pslldq       "66 0F"     "73 /7 ib"  "sse2";

    [sse: "rw:xmm, r:xmm/m128, r:imm8", avx: "x" "w:vx, r:vx, r:vx/mx, r:imm8" "WIG" "avx|avx2"]
    pblendw      "66 0F 3A"  "0E /r ib"  "sse4.1";
    palignr      "66 0F 3A"  "0F /r ib"  "ssse3";
    mpsadbw      "66 0F 3A"  "42 /r ib"  "sse4.1";

    [sse: "w:xmm, r:xmm/m128, r:imm8", avx: "x" "w:vx, r:vx/mx, r:imm8" "WIG" "avx|avx2"]
    pshufd       "66 0F"     "70 /r ib"  "sse2";
    pshufhw      "F3 0F"     "70 /r ib"  "sse2";
    pshuflw      "F2 0F"     "70 /r ib"  "sse2";

    // Cryptography.
    [sse: "rw:xmm, r:xmm/m128", avx: "128" "w:xmm, r:xmm, r:xmm/m128" "WIG" "aes avx"]
    aesenc       "66 0F 38"  "DC /r"  "aes";
    aesenclast   "66 0F 38"  "DD /r"  "aes";
    aesdec       "66 0F 38"  "DE /r"  "aes";
    aesdeclast   "66 0F 38"  "DF /r"  "aes";

    [sse: "w:xmm, r:xmm/m128", avx: "128" "w:xmm, r:xmm/m128" "WIG" "aes avx"]
    aesimc       "66 0F 38"  "DB /r"  "aes";

    [sse: "w:xmm, r:xmm/m128, r:imm8", avx: "128" "w:xmm, r:xmm/m128, r:imm8" "WIG" "aes avx"]
    aeskeygenassist "66 0F 3A" "DF /r ib"  "aes";

    [sse: "rw:xmm, r:xmm/m128, r:imm8", avx: "128" "w:xmm, r:xmm, r:xmm/m128, r:imm8" "WIG" "pclmulqdq avx"]
    pclmulqdq    "66 0F 3A"  "44 /r ib"  "pclmulqdq";
};

/// The shifts above at 256 bits: the count stays in an xmm register.
macro_rules! shifts_256 {
    ($($name:tt $opcode:tt;)*) => {
        &[$(row($name, "w:ymm, r:ymm, r:xmm/m128", concat!("VEX.256.66.0F.WIG ", $opcode, " /r"), "avx2"),)*]
    };
}

pub(in crate::x64::rows) const SHIFTS_256: &[Row] = shifts_256! {
    "vpsrlw" "D1";
    "vpsrld" "D2";
    "vpsrlq" "D3";
    "vpsraw" "E1";
    "vpsrad" "E2";
    "vpsllw" "F1";
    "vpslld" "F2";
    "vpsllq" "F3";
};

#[rustfmt::skip] // One row, one line.
pub(in crate::x64::rows) const ROWS: &[Row] = &[
    //  mnemonic       operands                          encoding                        effects
    row("pblendvb",    "rw:xmm, r:xmm/m128, r:<xmm0>",   "66 0F 38 10 /r",               "sse4.1"),
    row("vpblendvb",   "w:vx, r:vx, r:vx/mx, r:vx",      "VEX.x.66.0F3A.W0 4C /r /is4",  "avx|avx2"),
    row("sha1nexte",   "rw:xmm, r:xmm/m128",             "0F 38 C8 /r",                  "sha"),
    row("sha1msg1",    "rw:xmm, r:xmm/m128",             "0F 38 C9 /r",                  "sha"),
    row("sha1msg2",    "rw:xmm, r:xmm/m128",             "0F 38 CA /r",                  "sha"),
    row("sha256rnds2", "rw:xmm, r:xmm/m128, r:<xmm0>",   "0F 38 CB /r",                  "sha"),
    row("sha256msg1",  "rw:xmm, r:xmm/m128",             "0F 38 CC /r",                  "sha"),
    row("sha256msg2",  "rw:xmm, r:xmm/m128",             "0F 38 CD /r",                  "sha"),
    row("sha1rnds4",   "rw:xmm, r:xmm/m128, r:imm8",     "0F 3A CC /r ib",               "sha"),
];
