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
//! ```text
//! operands   access:kind   access r, w, rw, n (neither: the address alone counts)
//!            kind          r8 .. r64 rv ry rz, r/m8 .. r/mv, m, immN (used at its own width),
//!                          simmN (sign-extended), uimmN (zero-extended; literals only), relN, 1,
//!                          al ax eax rax axv cl dx edx rdx dxv rbp rsp
//! encoding   [d64|f64|z32] [66] [REX.W] [0F] opcode[+rX|+n|+8n] [/r|/rr|/0../7|/n] [ib..io|iz|cb|cd]
//! effects    r= w= 0= u=   flags read, written, cleared, undefined, as letters of oszapc
//!            push pop jumps calls traps leaves counts      see `form::Acts`
//! ```
//!
//! **Invariants.** Rows of one mnemonic stand together, in order of preference: the first that takes the
//! operands wins, so the shorter encoding stands first (a test tries it).
//!
//! **Cost.** Parsed in const evaluation, in [`row`] itself, so that a slip is a compile error that points
//! at its row; well under a second for the table.

mod arithmetic;
mod control;
mod moves;
mod parse;
mod shape;
mod shifts;

use super::form::Form;
pub use parse::{Row, forms_of, row, row_of};

/// All rows, by family.
pub const FAMILIES: &[&[Row]] =
    &[moves::ROWS, arithmetic::EIGHT, arithmetic::ROWS, shifts::ROWS, control::ROWS, control::CONDITIONAL];

const COUNT: usize = {
    let mut count = 0;
    let mut family = 0;
    while family < FAMILIES.len() {
        let mut i = 0;
        while i < FAMILIES[family].len() {
            count += forms_of(&FAMILIES[family][i]).1;
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
