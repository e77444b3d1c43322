//! The instruction table, one row per line of the manual's opcode tables (Intel SDM vol. 2).
//!
//! **Problem.** An instruction set is thousands of facts; each must be right, findable and stated once.
//!
//! **Idea.** A row is read aloud as the manual's line. `v` is the manual's own letter for "16, 32 or 64
//! bits", `y` for "32 or 64" and `z` for "16 or 32" (vol. 2, appendix A.2.2); such a row stands for
//! several forms, and the `66` and `REX.W` they need are derived. `d64` and `f64` are the manual's
//! superscripts for instructions that are 64 bits wide without `REX.W` (table A-1). `<..>` is an operand
//! that the text of the instruction does not name. Families that the opcode map itself makes regular are
//! loops over rows with an `n` in them. Two words are our own: `z32` is a 32-bit instruction written for
//! its 64-bit result, and `/rr` puts one register in both places of ModRM.
//!
//! Registers take their places in the order of the text: ModRM.reg, VEX.vvvv, `/is4`; behind an r/m operand
//! that stands first, VEX.vvvv comes before ModRM.reg (the manual's RVM, RMV, MVR, RVMR). `x` is the manual's
//! letter for 128 or 256 bits: a row with `VEX.x` stands for both. With `y`, VEX.W is derived; of a gather, VEX.W
//! is the width in memory. A row with `lock` stands for its locked forms too.
//!
//! ```text
//! operands   access:kind   access r, w, rw, n (neither: the address alone counts)
//!            kind          r8 .. r64 rv ry rz, r/m8 .. r/mv r/my, r32/m8 r32/m16,
//!                          m (any width), m8 .. m256 mv my mx,
//!                          xmm ymm vx, xmm/m8 .. xmm/m128 ymm/m256 vx/mx, vm32x vm32y vm64x vm64y,
//!                          immN (used at its own width), simmN (sign-extended), uimmN (zero-extended;
//!                          literals only), relN, 1, al ah ax eax rax axv cl dx edx .. rsp, xmm0
//!            (rm)          behind a register: it alone stands in ModRM.rm
//! encoding   [d64|f64|z32] [66] [F2|F3] [REX.W] [0F [38|3A]] opcode[+rX|+n|+8n] [/r|/rr|/0../7|/n|byte]
//!            [ib..io|iz|cb|cd|/is4]
//!            VEX.128|256|x|LIG|LZ[.66|F2|F3].0F|0F38|0F3A[.W0|W1|WIG] instead of the prefixes
//! effects    r= w= 0= 1= u=   flags read, written, cleared, set, undefined, as letters of oszapcd
//!            push pop jumps calls traps leaves counts loads stores lock vectors      see `form::Acts`
//!            sse .. cldemote   the extension (`Features`); avx|avx2: avx at 128 bits, avx2 at 256
//! ```
//!
//! **Invariants.** Rows of one mnemonic are in order of preference: the first that takes the operands wins,
//! so the shorter encoding stands first (a test tries it).
//!
//! **Cost.** Parsed in const evaluation, in [`row`] itself, so that a slip is a compile error that points
//! at its row, or has its name where a macro makes two rows of one entry; about a second for the table.

mod arithmetic;
mod atomic;
mod bits;
mod control;
mod encoding;
mod flags;
mod kinds;
mod moves;
mod parse;
mod shape;
mod shifts;
mod strings;
mod system;
mod vector;

use super::form::Form;
use parse::count_of;
pub use parse::{Row, forms_of, row, row_of};

/// All rows, by family.
pub const FAMILIES: &[&[Row]] = &[
    moves::ROWS,
    arithmetic::EIGHT,
    arithmetic::ROWS,
    shifts::ROWS,
    shifts::MORE,
    bits::ROWS,
    control::ROWS,
    control::CONDITIONAL,
    strings::LOADS,
    strings::COUNTED,
    strings::REP,
    strings::COMPARED,
    strings::REPE,
    strings::REPZ,
    strings::REPNE,
    strings::REPNZ,
    flags::ROWS,
    atomic::ROWS,
    system::ROWS,
    vector::moves::PAIRS,
    vector::moves::ROWS,
    vector::float::ARITHMETIC,
    vector::float::PAIRS,
    vector::float::ROWS,
    vector::convert::PAIRS,
    vector::convert::ROWS,
    vector::integer::PAIRS,
    vector::integer::SHIFTS_256,
    vector::integer::ROWS,
    vector::lanes::PAIRS,
    vector::lanes::WIDENING,
    vector::avx::ROWS,
    vector::avx::GATHERS,
    vector::fma::PACKED,
    vector::fma::SCALAR,
];

const COUNT: usize = {
    let mut count = 0;
    let mut family = 0;
    while family < FAMILIES.len() {
        let mut i = 0;
        while i < FAMILIES[family].len() {
            count += count_of(&FAMILIES[family][i]);
            i += 1;
        }
        family += 1;
    }
    count
};

/// Every form, in the order of the rows.
pub static FORMS: [Form; COUNT] = {
    let mut forms = [forms_of(&FAMILIES[0][0]).0[0]; COUNT];
    let mut count = 0;
    let mut family = 0;
    while family < FAMILIES.len() {
        let mut i = 0;
        while i < FAMILIES[family].len() {
            let (expanded, n) = forms_of(&FAMILIES[family][i]);
            let mut k = 0;
            while k < n {
                forms[count] = expanded[k];
                count += 1;
                k += 1;
            }
            i += 1;
        }
        family += 1;
    }
    forms
};
