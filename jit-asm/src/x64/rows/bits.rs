//! Single bits, counts of bits, fields of bits (BMI1, BMI2), checksums.

use super::parse::{Row, row};

#[rustfmt::skip] // One row, one line.
pub(super) const ROWS: &[Row] = &[
    //  mnemonic  operands              encoding                effects
    // In memory a bit number in a register is not cut to the operand's width: what is accessed may lie up to
    // 2^63 bits from the address that is written (SDM vol. 2, BT). Effects have memory as one thing.
    row("bt",     "r:r/mv, r:imm8",     "0F BA /4 ib",          "w=c u=osap"),
    row("bt",     "r:r/mv, r:rv",       "0F A3 /r",             "w=c u=osap"),
    row("bts",    "rw:r/mv, r:imm8",    "0F BA /5 ib",          "w=c u=osap lock"),
    row("bts",    "rw:r/mv, r:rv",      "0F AB /r",             "w=c u=osap lock"),
    row("btr",    "rw:r/mv, r:imm8",    "0F BA /6 ib",          "w=c u=osap lock"),
    row("btr",    "rw:r/mv, r:rv",      "0F B3 /r",             "w=c u=osap lock"),
    row("btc",    "rw:r/mv, r:imm8",    "0F BA /7 ib",          "w=c u=osap lock"),
    row("btc",    "rw:r/mv, r:rv",      "0F BB /r",             "w=c u=osap lock"),
    // Of 0 there is no first bit: the destination may stay as it was.
    row("bsf",    "rw:rv, r:r/mv",      "0F BC /r",             "w=z u=osapc"),
    row("bsr",    "rw:rv, r:r/mv",      "0F BD /r",             "w=z u=osapc"),
    row("tzcnt",  "w:rv, r:r/mv",       "F3 0F BC /r",          "w=zc u=osap bmi1"),
    row("lzcnt",  "w:rv, r:r/mv",       "F3 0F BD /r",          "w=zc u=osap lzcnt"),
    row("popcnt", "w:rv, r:r/mv",       "F3 0F B8 /r",          "w=z 0=osapc popcnt"),
    row("andn",   "w:ry, r:ry, r:r/my", "VEX.LZ.0F38 F2 /r",    "w=sz 0=oc u=ap bmi1"),
    row("bextr",  "w:ry, r:r/my, r:ry", "VEX.LZ.0F38 F7 /r",    "w=z 0=oc u=sap bmi1"),
    row("blsr",   "w:ry, r:r/my",       "VEX.LZ.0F38 F3 /1",    "w=szc 0=o u=ap bmi1"),
    row("blsmsk", "w:ry, r:r/my",       "VEX.LZ.0F38 F3 /2",    "w=sc 0=oz u=ap bmi1"),
    row("blsi",   "w:ry, r:r/my",       "VEX.LZ.0F38 F3 /3",    "w=szc 0=o u=ap bmi1"),
    row("bzhi",   "w:ry, r:r/my, r:ry", "VEX.LZ.0F38 F5 /r",    "w=szc 0=o u=ap bmi2"),
    row("pdep",   "w:ry, r:ry, r:r/my", "VEX.LZ.F2.0F38 F5 /r", "bmi2"),
    row("pext",   "w:ry, r:ry, r:r/my", "VEX.LZ.F3.0F38 F5 /r", "bmi2"),
    row("crc32",  "rw:r32, r:r/m8",     "F2 0F 38 F0 /r",       "sse4.2"),
    row("crc32",  "rw:r32, r:r/m16",    "66 F2 0F 38 F1 /r",    "sse4.2"),
    row("crc32",  "rw:r32, r:r/m32",    "F2 0F 38 F1 /r",       "sse4.2"),
    row("crc32",  "rw:r64, r:r/m8",     "F2 REX.W 0F 38 F0 /r", "sse4.2"),
    row("crc32",  "rw:r64, r:r/m64",    "F2 REX.W 0F 38 F1 /r", "sse4.2"),
];
