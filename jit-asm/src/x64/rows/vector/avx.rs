//! What AVX and AVX2 have and SSE has not.

use crate::x64::rows::parse::{Row, row};

#[rustfmt::skip] // One row, one line.
pub(in crate::x64::rows) const ROWS: &[Row] = &[
    //  mnemonic          operands                            encoding                        effects
    row("vzeroupper",     "",                                 "VEX.128.0F.WIG 77",            "avx vectors"),
    row("vzeroall",       "",                                 "VEX.256.0F.WIG 77",            "avx vectors"),

    // One value everywhere.
    row("vbroadcastss",   "w:vx, r:m32",                      "VEX.x.66.0F38.W0 18 /r",       "avx"),
    row("vbroadcastss",   "w:vx, r:xmm(rm)",                  "VEX.x.66.0F38.W0 18 /r",       "avx2"),
    row("vbroadcastsd",   "w:ymm, r:m64",                     "VEX.256.66.0F38.W0 19 /r",     "avx"),
    row("vbroadcastsd",   "w:ymm, r:xmm(rm)",                 "VEX.256.66.0F38.W0 19 /r",     "avx2"),
    row("vbroadcastf128", "w:ymm, r:m128",                    "VEX.256.66.0F38.W0 1A /r",     "avx"),
    row("vbroadcasti128", "w:ymm, r:m128",                    "VEX.256.66.0F38.W0 5A /r",     "avx2"),
    row("vpbroadcastb",   "w:vx, r:xmm/m8",                   "VEX.x.66.0F38.W0 78 /r",       "avx2"),
    row("vpbroadcastw",   "w:vx, r:xmm/m16",                  "VEX.x.66.0F38.W0 79 /r",       "avx2"),
    row("vpbroadcastd",   "w:vx, r:xmm/m32",                  "VEX.x.66.0F38.W0 58 /r",       "avx2"),
    row("vpbroadcastq",   "w:vx, r:xmm/m64",                  "VEX.x.66.0F38.W0 59 /r",       "avx2"),

    // Halves of 128 bits.
    row("vinsertf128",    "w:ymm, r:ymm, r:xmm/m128, r:imm8", "VEX.256.66.0F3A.W0 18 /r ib",  "avx"),
    row("vinserti128",    "w:ymm, r:ymm, r:xmm/m128, r:imm8", "VEX.256.66.0F3A.W0 38 /r ib",  "avx2"),
    row("vextractf128",   "w:xmm/m128, r:ymm, r:imm8",        "VEX.256.66.0F3A.W0 19 /r ib",  "avx"),
    row("vextracti128",   "w:xmm/m128, r:ymm, r:imm8",        "VEX.256.66.0F3A.W0 39 /r ib",  "avx2"),
    row("vperm2f128",     "w:ymm, r:ymm, r:ymm/m256, r:imm8", "VEX.256.66.0F3A.W0 06 /r ib",  "avx"),
    row("vperm2i128",     "w:ymm, r:ymm, r:ymm/m256, r:imm8", "VEX.256.66.0F3A.W0 46 /r ib",  "avx2"),

    // Elements in another order.
    row("vpermilps",      "w:vx, r:vx, r:vx/mx",              "VEX.x.66.0F38.W0 0C /r",       "avx"),
    row("vpermilps",      "w:vx, r:vx/mx, r:imm8",            "VEX.x.66.0F3A.W0 04 /r ib",    "avx"),
    row("vpermilpd",      "w:vx, r:vx, r:vx/mx",              "VEX.x.66.0F38.W0 0D /r",       "avx"),
    row("vpermilpd",      "w:vx, r:vx/mx, r:imm8",            "VEX.x.66.0F3A.W0 05 /r ib",    "avx"),
    row("vpermd",         "w:ymm, r:ymm, r:ymm/m256",         "VEX.256.66.0F38.W0 36 /r",     "avx2"),
    row("vpermps",        "w:ymm, r:ymm, r:ymm/m256",         "VEX.256.66.0F38.W0 16 /r",     "avx2"),
    row("vpermq",         "w:ymm, r:ymm/m256, r:imm8",        "VEX.256.66.0F3A.W1 00 /r ib",  "avx2"),
    row("vpermpd",        "w:ymm, r:ymm/m256, r:imm8",        "VEX.256.66.0F3A.W1 01 /r ib",  "avx2"),
    row("vpblendd",       "w:vx, r:vx, r:vx/mx, r:imm8",      "VEX.x.66.0F3A.W0 02 /r ib",    "avx2"),

    // Each element by its own count.
    row("vpsrlvd",        "w:vx, r:vx, r:vx/mx",              "VEX.x.66.0F38.W0 45 /r",       "avx2"),
    row("vpsrlvq",        "w:vx, r:vx, r:vx/mx",              "VEX.x.66.0F38.W1 45 /r",       "avx2"),
    row("vpsravd",        "w:vx, r:vx, r:vx/mx",              "VEX.x.66.0F38.W0 46 /r",       "avx2"),
    row("vpsllvd",        "w:vx, r:vx, r:vx/mx",              "VEX.x.66.0F38.W0 47 /r",       "avx2"),
    row("vpsllvq",        "w:vx, r:vx, r:vx/mx",              "VEX.x.66.0F38.W1 47 /r",       "avx2"),

    // By a mask: what it leaves out is not touched in memory, and 0 in a register.
    row("vmaskmovps",     "w:vx, r:vx, r:mx",                 "VEX.x.66.0F38.W0 2C /r",       "avx"),
    row("vmaskmovpd",     "w:vx, r:vx, r:mx",                 "VEX.x.66.0F38.W0 2D /r",       "avx"),
    row("vmaskmovps",     "rw:mx, r:vx, r:vx",                "VEX.x.66.0F38.W0 2E /r",       "avx"),
    row("vmaskmovpd",     "rw:mx, r:vx, r:vx",                "VEX.x.66.0F38.W0 2F /r",       "avx"),
    row("vpmaskmovd",     "w:vx, r:vx, r:mx",                 "VEX.x.66.0F38.W0 8C /r",       "avx2"),
    row("vpmaskmovq",     "w:vx, r:vx, r:mx",                 "VEX.x.66.0F38.W1 8C /r",       "avx2"),
    row("vpmaskmovd",     "rw:mx, r:vx, r:vx",                "VEX.x.66.0F38.W0 8E /r",       "avx2"),
    row("vpmaskmovq",     "rw:mx, r:vx, r:vx",                "VEX.x.66.0F38.W1 8E /r",       "avx2"),
];

/// Gathers by integers and floats of one shape. W is the width of an element; the index has 32 or 64 bits, so the
/// one of the two registers may be half as long as the other. The mask is cleared on the way.
macro_rules! gathers {
    ($($integer:tt $float:tt $length:tt $element:tt $operands:tt $index:tt;)*) => {
        &[$(
            row($integer, $operands, concat!("VEX.", $length, ".66.0F38.", $element, gathers!(integer $index)), "avx2"),
            row($float, $operands, concat!("VEX.", $length, ".66.0F38.", $element, gathers!(float $index)), "avx2"),
        )*]
    };
    (integer "d") => { " 90 /r" };
    (integer "q") => { " 91 /r" };
    (float "d") => { " 92 /r" };
    (float "q") => { " 93 /r" };
}

#[rustfmt::skip] // One entry, one line.
pub(in crate::x64::rows) const GATHERS: &[Row] = gathers! {
    "vpgatherdd"  "vgatherdps"  "128"  "W0"  "rw:xmm, r:vm32x, rw:xmm"  "d";
    "vpgatherdd"  "vgatherdps"  "256"  "W0"  "rw:ymm, r:vm32y, rw:ymm"  "d";
    "vpgatherdq"  "vgatherdpd"  "128"  "W1"  "rw:xmm, r:vm32x, rw:xmm"  "d";
    "vpgatherdq"  "vgatherdpd"  "256"  "W1"  "rw:ymm, r:vm32x, rw:ymm"  "d";
    "vpgatherqd"  "vgatherqps"  "128"  "W0"  "rw:xmm, r:vm64x, rw:xmm"  "q";
    "vpgatherqd"  "vgatherqps"  "256"  "W0"  "rw:xmm, r:vm64y, rw:xmm"  "q";
    "vpgatherqq"  "vgatherqpd"  "128"  "W1"  "rw:xmm, r:vm64x, rw:xmm"  "q";
    "vpgatherqq"  "vgatherqpd"  "256"  "W1"  "rw:ymm, r:vm64y, rw:ymm"  "q";
};
