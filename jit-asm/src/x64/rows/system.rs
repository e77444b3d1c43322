//! What asks the machine or the operating system, as far as a program may.

use super::parse::{Row, row};

#[rustfmt::skip] // One row, one line.
pub(super) const ROWS: &[Row] = &[
    //  mnemonic    operands                                encoding       effects
    row("cpuid",    "rw:<eax>, rw:<ecx>, w:<edx>, w:<ebx>", "0F A2",       ""),
    row("rdtsc",    "w:<eax>, w:<edx>",                     "0F 31",       ""),
    row("rdtscp",   "w:<eax>, w:<edx>, w:<ecx>",            "0F 01 F9",    "rdtscp"),
    row("rdpid",    "w:r64(rm)",                            "F3 0F C7 /7", "rdpid"),
    row("rdrand",   "w:rv(rm)",                             "0F C7 /6",    "w=c 0=oszap rdrand"),
    row("rdseed",   "w:rv(rm)",                             "0F C7 /7",    "w=c 0=oszap rdseed"),
    row("rdfsbase", "w:ry(rm)",                             "F3 0F AE /0", "fsgsbase"),
    row("rdgsbase", "w:ry(rm)",                             "F3 0F AE /1", "fsgsbase"),
    row("wrfsbase", "r:ry(rm)",                             "F3 0F AE /2", "fsgsbase"),
    row("wrgsbase", "r:ry(rm)",                             "F3 0F AE /3", "fsgsbase"),
    row("in",       "w:al, r:imm8",                         "E4 ib",       ""),
    row("in",       "w:axz, r:imm8",                        "E5 ib",       ""),
    row("in",       "w:al, r:dx",                           "EC",          ""),
    row("in",       "w:axz, r:dx",                          "ED",          ""),
    row("out",      "r:imm8, r:al",                         "E6 ib",       ""),
    row("out",      "r:imm8, r:axz",                        "E7 ib",       ""),
    row("out",      "r:dx, r:al",                           "EE",          ""),
    row("out",      "r:dx, r:axz",                          "EF",          ""),
    // The flags go into r11 and some are cleared; what the system returns is a convention of its own.
    row("syscall",  "w:<rcx>, w:<r11>",                     "0F 05",       "r=oszapcd w=oszapcd calls"),
    row("int",      "r:imm8",                               "CD ib",       "traps"),
];
