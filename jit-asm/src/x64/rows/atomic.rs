//! Exchanges that are made to be locked, fences, caches, waiting for memory.

use super::parse::{Row, row};

#[rustfmt::skip] // One row, one line.
pub(super) const ROWS: &[Row] = &[
    //  mnemonic       operands                                         encoding          effects
    row("xadd",        "rw:r/m8, rw:r8",                                "0F C0 /r",       "w=oszapc lock"),
    row("xadd",        "rw:r/mv, rw:rv",                                "0F C1 /r",       "w=oszapc lock"),
    row("cmpxchg",     "rw:r/m8, r:r8, rw:<al>",                        "0F B0 /r",       "w=oszapc lock"),
    row("cmpxchg",     "rw:r/mv, r:rv, rw:<axv>",                       "0F B1 /r",       "w=oszapc lock"),
    row("cmpxchg8b",   "rw:m64, rw:<eax>, rw:<edx>, r:<ebx>, r:<ecx>",  "0F C7 /1",       "w=z lock"),
    row("cmpxchg16b",  "rw:m128, rw:<rax>, rw:<rdx>, r:<rbx>, r:<rcx>", "REX.W 0F C7 /1", "w=z lock cx16"),
    row("lfence",      "",                                              "0F AE E8",       "sse2"),
    row("mfence",      "",                                              "0F AE F0",       "sse2"),
    row("sfence",      "",                                              "0F AE F8",       "sse"),
    row("serialize",   "",                                              "0F 01 E8",       "serialize"),
    row("pause",       "",                                              "F3 90",          ""),
    row("prefetchnta", "n:m8",                                          "0F 18 /0",       "sse"),
    row("prefetcht0",  "n:m8",                                          "0F 18 /1",       "sse"),
    row("prefetcht1",  "n:m8",                                          "0F 18 /2",       "sse"),
    row("prefetcht2",  "n:m8",                                          "0F 18 /3",       "sse"),
    row("prefetchw",   "n:m8",                                          "0F 0D /1",       "prefetchw"),
    row("clflush",     "r:m8",                                          "0F AE /7",       ""),
    row("clflushopt",  "r:m8",                                          "66 0F AE /7",    "clflushopt"),
    row("clwb",        "r:m8",                                          "66 0F AE /6",    "clwb"),
    row("cldemote",    "n:m8",                                          "0F 1C /0",       "cldemote"),
    row("umonitor",    "r:r64(rm)",                                     "F3 0F AE /6",    "loads waitpkg"),
    row("umwait",      "r:r32(rm), r:<edx>, r:<eax>",                   "F2 0F AE /6",    "w=c 0=oszap waitpkg"),
    row("tpause",      "r:r32(rm), r:<edx>, r:<eax>",                   "66 0F AE /6",    "w=c 0=oszap waitpkg"),
];
