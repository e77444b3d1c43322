//! Integer arithmetic and logic.

use super::parse::{Row, row, row_of};

/// Name, effects, and effects where the first operand may be memory: then it may be locked.
macro_rules! operation {
    ($name:literal, $effects:literal) => {
        ($name, $effects, concat!($effects, " lock"))
    };
}

/// The eight operations that share their shapes: the opcode is `8n +` that of `add`, the digit of the
/// immediate forms is `n` (SDM vol. 2, tables A-2 and A-6, group 1). They differ in flags, and `cmp` does
/// not write.
const OPERATIONS: [(&str, &str, &str); 8] = [
    operation!("add", "w=oszapc"),
    operation!("or", "w=szp 0=oc u=a"),
    operation!("adc", "r=c w=oszapc"),
    operation!("sbb", "r=c w=oszapc"),
    operation!("and", "w=szp 0=oc u=a"),
    operation!("sub", "w=oszapc"),
    operation!("xor", "w=szp 0=oc u=a"),
    ("cmp", "w=oszapc", "w=oszapc"),
];

/// Operands (when the first is written, when it is only read), encoding, whether the first may be memory.
#[rustfmt::skip] // One shape, one line.
const SHAPES: [(&str, &str, &str, bool); 9] = [
    ("rw:al, r:imm8",    "r:al, r:imm8",    "04+8n ib", false),
    ("rw:r/m8, r:imm8",  "r:r/m8, r:imm8",  "80 /n ib", true),
    ("rw:r/mv, r:simm8", "r:r/mv, r:simm8", "83 /n ib", true),
    ("rw:axv, r:immz",   "r:axv, r:immz",   "05+8n iz", false),
    ("rw:r/mv, r:immz",  "r:r/mv, r:immz",  "81 /n iz", true),
    ("rw:r/m8, r:r8",    "r:r/m8, r:r8",    "00+8n /r", true),
    ("rw:r/mv, r:rv",    "r:r/mv, r:rv",    "01+8n /r", true),
    ("rw:r8, r:r/m8",    "r:r8, r:r/m8",    "02+8n /r", false),
    ("rw:rv, r:r/mv",    "r:rv, r:r/mv",    "03+8n /r", false),
];

/// add, or, adc, sbb, and, sub, xor, cmp.
pub(super) const EIGHT: &[Row] = &{
    const COUNT: usize = OPERATIONS.len() * SHAPES.len();
    let mut rows = [row("add", "rw:al, r:imm8", "04 ib", "w=oszapc"); COUNT];
    let mut i = 0;
    while i < COUNT {
        let n = i / SHAPES.len();
        let (mnemonic, effects, in_memory) = OPERATIONS[n];
        let (writes, reads, encoding, memory) = SHAPES[i % SHAPES.len()];
        let (operands, effects) =
            (if n == 7 { reads } else { writes }, if memory { in_memory } else { effects });
        rows[i] = row_of(n as u8, [mnemonic, operands, encoding, effects]);
        i += 1;
    }
    rows
};

#[rustfmt::skip] // One row, one line.
pub(super) const ROWS: &[Row] = &[
    //  mnemonic  operands                       encoding                effects
    row("test",   "r:al, r:imm8",                "A8 ib",                "w=szp 0=oc u=a"),
    row("test",   "r:axv, r:immz",               "A9 iz",                "w=szp 0=oc u=a"),
    row("test",   "r:r/m8, r:imm8",              "F6 /0 ib",             "w=szp 0=oc u=a"),
    row("test",   "r:r/mv, r:immz",              "F7 /0 iz",             "w=szp 0=oc u=a"),
    row("test",   "r:r/m8, r:r8",                "84 /r",                "w=szp 0=oc u=a"),
    row("test",   "r:r/mv, r:rv",                "85 /r",                "w=szp 0=oc u=a"),
    row("test",   "r:r8, r:r/m8",                "84 /r",                "w=szp 0=oc u=a"),
    row("test",   "r:rv, r:r/mv",                "85 /r",                "w=szp 0=oc u=a"),
    row("adcx",   "rw:ry, r:r/my",               "66 0F 38 F6 /r",       "r=c w=c adx"),
    row("adox",   "rw:ry, r:r/my",               "F3 0F 38 F6 /r",       "r=o w=o adx"),
    row("inc",    "rw:r/m8",                     "FE /0",                "w=oszap lock"),
    row("inc",    "rw:r/mv",                     "FF /0",                "w=oszap lock"),
    row("dec",    "rw:r/m8",                     "FE /1",                "w=oszap lock"),
    row("dec",    "rw:r/mv",                     "FF /1",                "w=oszap lock"),
    row("not",    "rw:r/m8",                     "F6 /2",                "lock"),
    row("not",    "rw:r/mv",                     "F7 /2",                "lock"),
    row("neg",    "rw:r/m8",                     "F6 /3",                "w=oszapc lock"),
    row("neg",    "rw:r/mv",                     "F7 /3",                "w=oszapc lock"),
    row("mul",    "r:r/m8, r:<al>, w:<ax>",      "F6 /4",                "w=oc u=szap"),
    row("mul",    "r:r/mv, rw:<axv>, w:<dxv>",   "F7 /4",                "w=oc u=szap"),
    row("imul",   "r:r/m8, r:<al>, w:<ax>",      "F6 /5",                "w=oc u=szap"),
    row("imul",   "r:r/mv, rw:<axv>, w:<dxv>",   "F7 /5",                "w=oc u=szap"),
    row("imul",   "rw:rv, r:r/mv",               "0F AF /r",             "w=oc u=szap"),
    row("imul",   "rw:rv, r:simm8",              "6B /rr ib",            "w=oc u=szap"),
    row("imul",   "rw:rv, r:immz",               "69 /rr iz",            "w=oc u=szap"),
    row("imul",   "w:rv, r:r/mv, r:simm8",       "6B /r ib",             "w=oc u=szap"),
    row("imul",   "w:rv, r:r/mv, r:immz",        "69 /r iz",             "w=oc u=szap"),
    row("mulx",   "w:ry, w:ry, r:r/my, r:<dxy>", "VEX.LZ.F2.0F38 F6 /r", "bmi2"),
    row("div",    "r:r/m8, rw:<ax>",             "F6 /6",                "u=oszapc traps"),
    row("div",    "r:r/mv, rw:<axv>, rw:<dxv>",  "F7 /6",                "u=oszapc traps"),
    row("idiv",   "r:r/m8, rw:<ax>",             "F6 /7",                "u=oszapc traps"),
    row("idiv",   "r:r/mv, rw:<axv>, rw:<dxv>",  "F7 /7",                "u=oszapc traps"),
];
