//! Moves, conversions of width, the stack.

use super::parse::{Row, row};

#[rustfmt::skip] // One row, one line.
pub(super) const ROWS: &[Row] = &[
    //  mnemonic  operands                  encoding          effects
    row("mov",    "w:r8, r:imm8",           "B0+rb ib",       ""),
    row("mov",    "w:rz, r:immz",           "B8+rz iz",       ""),
    row("mov",    "w:r64, r:uimm32",        "z32 B8+rd id",   ""),
    row("mov",    "w:r/m8, r:imm8",         "C6 /0 ib",       ""),
    row("mov",    "w:r/mv, r:immz",         "C7 /0 iz",       ""),
    row("mov",    "w:r64, r:imm64",         "REX.W B8+ro io", ""),
    row("mov",    "w:r/m8, r:r8",           "88 /r",          ""),
    row("mov",    "w:r/mv, r:rv",           "89 /r",          ""),
    row("mov",    "w:r8, r:r/m8",           "8A /r",          ""),
    row("mov",    "w:rv, r:r/mv",           "8B /r",          ""),
    row("movzx",  "w:rv, r:r/m8",           "0F B6 /r",       ""),
    row("movzx",  "w:ry, r:r/m16",          "0F B7 /r",       ""),
    row("movsx",  "w:rv, r:r/m8",           "0F BE /r",       ""),
    row("movsx",  "w:ry, r:r/m16",          "0F BF /r",       ""),
    row("movsxd", "w:r64, r:r/m32",         "REX.W 63 /r",    ""),
    row("lea",    "w:rv, n:m",              "8D /r",          ""),
    row("xchg",   "rw:axv, rw:rv",          "90+rv",          ""),
    row("xchg",   "rw:rv, rw:axv",          "90+rv",          ""),
    row("xchg",   "rw:r/m8, rw:r8",         "86 /r",          ""),
    row("xchg",   "rw:r/mv, rw:rv",         "87 /r",          ""),
    row("xchg",   "rw:r8, rw:r/m8",         "86 /r",          ""),
    row("xchg",   "rw:rv, rw:r/mv",         "87 /r",          ""),
    row("push",   "r:rv",                   "d64 50+rv",      "push"),
    row("push",   "r:r/mv",                 "d64 FF /6",      "push"),
    row("push",   "r:simm8",                "d64 6A ib",      "push"),
    row("push",   "r:simm32",               "d64 68 id",      "push"),
    row("pop",    "w:rv",                   "d64 58+rv",      "pop"),
    row("pop",    "w:r/mv",                 "d64 8F /0",      "pop"),
    row("cbw",    "r:<al>, w:<ah>",         "66 98",          ""),
    row("cwde",   "r:<ax>, w:<eax>",        "98",             ""),
    row("cdqe",   "r:<eax>, w:<rax>",       "REX.W 98",       ""),
    row("cwd",    "r:<ax>, w:<dx>",         "66 99",          ""),
    row("cdq",    "r:<eax>, w:<edx>",       "99",             ""),
    row("cqo",    "r:<rax>, w:<rdx>",       "REX.W 99",       ""),
];
