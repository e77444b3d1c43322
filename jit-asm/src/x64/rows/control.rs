//! Jumps, calls, conditions, and what does nothing or traps.

use super::parse::{Row, row, row_of};

#[rustfmt::skip] // One row, one line.
pub(super) const ROWS: &[Row] = &[
    //  mnemonic   operands                      encoding        effects
    row("jmp",     "r:rel8",                     "f64 EB cb",    "jumps leaves"),
    row("jmp",     "r:rel32",                    "f64 E9 cd",    "jumps leaves"),
    row("jmp",     "r:r/m64",                    "f64 FF /4",    "jumps leaves"),
    row("call",    "r:rel32",                    "f64 E8 cd",    "push calls"),
    row("call",    "r:r/m64",                    "f64 FF /2",    "push calls"),
    row("ret",     "",                           "f64 C3",       "pop jumps leaves"),
    row("ret",     "r:uimm16",                   "f64 C2 iw",    "pop jumps leaves"),
    row("loop",    "r:rel8, rw:<rcx>",           "f64 E2 cb",    "jumps"),
    row("loope",   "r:rel8, rw:<rcx>",           "f64 E1 cb",    "r=z jumps"),
    row("loopz",   "r:rel8, rw:<rcx>",           "f64 E1 cb",    "r=z jumps"),
    row("loopne",  "r:rel8, rw:<rcx>",           "f64 E0 cb",    "r=z jumps"),
    row("loopnz",  "r:rel8, rw:<rcx>",           "f64 E0 cb",    "r=z jumps"),
    row("jrcxz",   "r:rel8, r:<rcx>",            "f64 E3 cb",    "jumps"),
    row("enter",   "r:uimm16, r:imm8, rw:<rbp>", "d64 C8 iw ib", "push"),
    row("leave",   "rw:<rbp>, w:<rsp>",          "d64 C9",       "pop"),
    row("int3",    "",                           "CC",           "traps"),
    row("ud2",     "",                           "0F 0B",        "traps leaves"),
    row("endbr64", "",                           "F3 0F 1E FA",  ""),
    row("nop",     "",                           "90",           ""),
    row("nop",     "n:r/mv",                     "0F 1F /0",     ""),
];

/// The sixteen conditions (SDM vol. 2, appendix B.1.4.7) as `(n, name, effects)`, each name once.
macro_rules! conditions {
    ($stem:literal, $also:literal) => {
        [
            (0, concat!($stem, "o"), concat!("r=o", $also)),
            (1, concat!($stem, "no"), concat!("r=o", $also)),
            (2, concat!($stem, "b"), concat!("r=c", $also)),
            (2, concat!($stem, "c"), concat!("r=c", $also)),
            (2, concat!($stem, "nae"), concat!("r=c", $also)),
            (3, concat!($stem, "ae"), concat!("r=c", $also)),
            (3, concat!($stem, "nb"), concat!("r=c", $also)),
            (3, concat!($stem, "nc"), concat!("r=c", $also)),
            (4, concat!($stem, "e"), concat!("r=z", $also)),
            (4, concat!($stem, "z"), concat!("r=z", $also)),
            (5, concat!($stem, "ne"), concat!("r=z", $also)),
            (5, concat!($stem, "nz"), concat!("r=z", $also)),
            (6, concat!($stem, "be"), concat!("r=zc", $also)),
            (6, concat!($stem, "na"), concat!("r=zc", $also)),
            (7, concat!($stem, "a"), concat!("r=zc", $also)),
            (7, concat!($stem, "nbe"), concat!("r=zc", $also)),
            (8, concat!($stem, "s"), concat!("r=s", $also)),
            (9, concat!($stem, "ns"), concat!("r=s", $also)),
            (10, concat!($stem, "p"), concat!("r=p", $also)),
            (10, concat!($stem, "pe"), concat!("r=p", $also)),
            (11, concat!($stem, "np"), concat!("r=p", $also)),
            (11, concat!($stem, "po"), concat!("r=p", $also)),
            (12, concat!($stem, "l"), concat!("r=os", $also)),
            (12, concat!($stem, "nge"), concat!("r=os", $also)),
            (13, concat!($stem, "ge"), concat!("r=os", $also)),
            (13, concat!($stem, "nl"), concat!("r=os", $also)),
            (14, concat!($stem, "le"), concat!("r=osz", $also)),
            (14, concat!($stem, "ng"), concat!("r=osz", $also)),
            (15, concat!($stem, "g"), concat!("r=osz", $also)),
            (15, concat!($stem, "nle"), concat!("r=osz", $also)),
        ]
    };
}

const NAMES: usize = 30;
const JUMPS: [(u8, &str, &str); NAMES] = conditions!("j", " jumps");
const SETS: [(u8, &str, &str); NAMES] = conditions!("set", "");
const MOVES: [(u8, &str, &str); NAMES] = conditions!("cmov", "");

/// jcc, setcc and cmovcc. A move that does not happen keeps its destination (cleared above bit 31 at 32
/// bits), so the destination is read as well.
pub(super) const CONDITIONAL: &[Row] = &{
    let mut rows = [row_of(0, ["jo", "r:rel8", "f64 70+n cb", "r=o jumps"]); 4 * NAMES];
    let mut i = 0;
    while i < NAMES {
        let (n, name, effects) = JUMPS[i];
        rows[2 * i] = row_of(n, [name, "r:rel8", "f64 70+n cb", effects]);
        rows[2 * i + 1] = row_of(n, [name, "r:rel32", "f64 0F 80+n cd", effects]);
        let (n, name, effects) = SETS[i];
        rows[2 * NAMES + i] = row_of(n, [name, "w:r/m8", "0F 90+n /0", effects]);
        let (n, name, effects) = MOVES[i];
        rows[3 * NAMES + i] = row_of(n, [name, "rw:rv, r:r/mv", "0F 40+n /r", effects]);
        i += 1;
    }
    rows
};
