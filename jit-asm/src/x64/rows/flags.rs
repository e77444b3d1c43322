//! Flags by themselves.

use super::parse::{Row, row};

#[rustfmt::skip] // One row, one line.
pub(super) const ROWS: &[Row] = &[
    //  mnemonic  operands  encoding  effects
    row("clc",    "",       "F8",     "0=c"),
    row("stc",    "",       "F9",     "1=c"),
    row("cmc",    "",       "F5",     "r=c w=c"),
    row("cld",    "",       "FC",     "0=d"),
    row("std",    "",       "FD",     "1=d"),
    row("lahf",   "w:<ah>", "9F",     "r=szapc"),
    row("sahf",   "r:<ah>", "9E",     "w=szapc"),
    row("pushfq", "",       "d64 9C", "r=oszapcd push"),
    row("popfq",  "",       "d64 9D", "w=oszapcd pop"),
];
