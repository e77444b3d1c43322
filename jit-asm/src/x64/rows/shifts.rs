//! Shifts and rotations: one group of digits (SDM vol. 2, table A-6, group 2).

use super::parse::{Row, row, row_of};

/// Digit, mnemonic, effects of the forms by 1, effects of the forms by a count. The manual leaves the
/// overflow flag undefined for counts above 1, and no flag changes when the masked count is 0.
const SHIFTS: [(u8, &str, &str, &str); 8] = [
    (0, "rol", "w=oc", "w=c u=o counts"),
    (1, "ror", "w=oc", "w=c u=o counts"),
    (2, "rcl", "r=c w=oc", "r=c w=c u=o counts"),
    (3, "rcr", "r=c w=oc", "r=c w=c u=o counts"),
    (4, "shl", "w=oszpc u=a", "w=szpc u=oa counts"),
    (4, "sal", "w=oszpc u=a", "w=szpc u=oa counts"),
    (5, "shr", "w=oszpc u=a", "w=szpc u=oa counts"),
    (7, "sar", "w=szpc 0=o u=a", "w=szpc u=oa counts"),
];

/// Operands, encoding, whether the count is 1.
#[rustfmt::skip] // One shape, one line.
const SHAPES: [(&str, &str, bool); 6] = [
    ("rw:r/m8, r:1",    "D0 /n",    true),
    ("rw:r/mv, r:1",    "D1 /n",    true),
    ("rw:r/m8, r:imm8", "C0 /n ib", false),
    ("rw:r/mv, r:imm8", "C1 /n ib", false),
    ("rw:r/m8, r:cl",   "D2 /n",    false),
    ("rw:r/mv, r:cl",   "D3 /n",    false),
];

pub(super) const ROWS: &[Row] = &{
    const COUNT: usize = SHIFTS.len() * SHAPES.len();
    let mut rows = [row_of(0, ["rol", "rw:r/m8, r:1", "D0 /n", "w=oc"]); COUNT];
    let mut i = 0;
    while i < COUNT {
        let (n, mnemonic, by_one, by_count) = SHIFTS[i / SHAPES.len()];
        let (operands, encoding, one) = SHAPES[i % SHAPES.len()];
        rows[i] = row_of(n, [mnemonic, operands, encoding, if one { by_one } else { by_count }]);
        i += 1;
    }
    rows
};

/// Shifts of two registers, and those that leave the flags alone.
#[rustfmt::skip] // One row, one line.
pub(super) const MORE: &[Row] = &[
    //  mnemonic  operands                 encoding                   effects
    row("shld",   "rw:r/mv, r:rv, r:imm8", "0F A4 /r ib",             "w=szpc u=oa counts"),
    row("shld",   "rw:r/mv, r:rv, r:cl",   "0F A5 /r",                "w=szpc u=oa counts"),
    row("shrd",   "rw:r/mv, r:rv, r:imm8", "0F AC /r ib",             "w=szpc u=oa counts"),
    row("shrd",   "rw:r/mv, r:rv, r:cl",   "0F AD /r",                "w=szpc u=oa counts"),
    row("rorx",   "w:ry, r:r/my, r:imm8",  "VEX.LZ.F2.0F3A F0 /r ib", "bmi2"),
    row("sarx",   "w:ry, r:r/my, r:ry",    "VEX.LZ.F3.0F38 F7 /r",    "bmi2"),
    row("shlx",   "w:ry, r:r/my, r:ry",    "VEX.LZ.66.0F38 F7 /r",    "bmi2"),
    row("shrx",   "w:ry, r:r/my, r:ry",    "VEX.LZ.F2.0F38 F7 /r",    "bmi2"),
];
