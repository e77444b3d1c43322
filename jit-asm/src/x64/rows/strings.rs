//! String instructions, which address with rsi and rdi: alone, and repeated as often as rcx says.

use super::parse::{Row, row};

/// The rows of a list as they are. `66` stands apart in it, since `F2` and `F3` come between it and the rest.
macro_rules! alone {
    (; $($name:literal, $operands:literal, $word:literal, $opcode:literal, $effects:literal;)*) => {
        &[$(row($name, $operands, concat!($word, $opcode), $effects)),*]
    };
}

/// The rows of a list with a prefix that repeats them; `more` is what that adds to the effects.
macro_rules! repeated {
    ($prefix:literal, $byte:literal, $more:literal;
     $($name:literal, $operands:literal, $word:literal, $opcode:literal, $effects:literal;)*) => {
        &[$(row(
            concat!($prefix, " ", $name),
            concat!($operands, ", rw:<rcx>"),
            concat!($word, $byte, " ", $opcode),
            concat!($effects, $more),
        )),*]
    };
}

/// What is repeated until the count is 0, apart from lods.
macro_rules! counted {
    ($rows:ident $($head:literal),*) => {
        $rows! { $($head),*;
            "movsb", "rw:<rdi>, rw:<rsi>", "",    "A4",       "r=d loads stores";
            "movsw", "rw:<rdi>, rw:<rsi>", "66 ", "A5",       "r=d loads stores";
            "movsd", "rw:<rdi>, rw:<rsi>", "",    "A5",       "r=d loads stores";
            "movsq", "rw:<rdi>, rw:<rsi>", "",    "REX.W A5", "r=d loads stores";
            "stosb", "rw:<rdi>, r:<al>",   "",    "AA",       "r=d stores";
            "stosw", "rw:<rdi>, r:<ax>",   "66 ", "AB",       "r=d stores";
            "stosd", "rw:<rdi>, r:<eax>",  "",    "AB",       "r=d stores";
            "stosq", "rw:<rdi>, r:<rax>",  "",    "REX.W AB", "r=d stores";
            "insb",  "rw:<rdi>, r:<dx>",   "",    "6C",       "r=d stores";
            "insw",  "rw:<rdi>, r:<dx>",   "66 ", "6D",       "r=d stores";
            "insd",  "rw:<rdi>, r:<dx>",   "",    "6D",       "r=d stores";
            "outsb", "r:<dx>, rw:<rsi>",   "",    "6E",       "r=d loads";
            "outsw", "r:<dx>, rw:<rsi>",   "66 ", "6F",       "r=d loads";
            "outsd", "r:<dx>, rw:<rsi>",   "",    "6F",       "r=d loads";
        }
    };
}

/// What is repeated until the count is 0 or the comparison says stop.
macro_rules! compared {
    ($rows:ident $($head:literal),*) => {
        $rows! { $($head),*;
            "cmpsb", "rw:<rsi>, rw:<rdi>", "",    "A6",       "r=d w=oszapc loads";
            "cmpsw", "rw:<rsi>, rw:<rdi>", "66 ", "A7",       "r=d w=oszapc loads";
            "cmpsd", "rw:<rsi>, rw:<rdi>", "",    "A7",       "r=d w=oszapc loads";
            "cmpsq", "rw:<rsi>, rw:<rdi>", "",    "REX.W A7", "r=d w=oszapc loads";
            "scasb", "r:<al>, rw:<rdi>",   "",    "AE",       "r=d w=oszapc loads";
            "scasw", "r:<ax>, rw:<rdi>",   "66 ", "AF",       "r=d w=oszapc loads";
            "scasd", "r:<eax>, rw:<rdi>",  "",    "AF",       "r=d w=oszapc loads";
            "scasq", "r:<rax>, rw:<rdi>",  "",    "REX.W AF", "r=d w=oszapc loads";
        }
    };
}

/// lods. Repeated no times it loads nothing, so its register is then read as well.
#[rustfmt::skip] // One row, one line.
pub(super) const LOADS: &[Row] = &[
    //  mnemonic     operands                        encoding       effects
    row("lodsb",     "w:<al>, rw:<rsi>",             "AC",          "r=d loads"),
    row("lodsw",     "w:<ax>, rw:<rsi>",             "66 AD",       "r=d loads"),
    row("lodsd",     "w:<eax>, rw:<rsi>",            "AD",          "r=d loads"),
    row("lodsq",     "w:<rax>, rw:<rsi>",            "REX.W AD",    "r=d loads"),
    row("rep lodsb", "rw:<al>, rw:<rsi>, rw:<rcx>",  "F3 AC",       "r=d loads"),
    row("rep lodsw", "rw:<ax>, rw:<rsi>, rw:<rcx>",  "66 F3 AD",    "r=d loads"),
    row("rep lodsd", "rw:<eax>, rw:<rsi>, rw:<rcx>", "F3 AD",       "r=d loads"),
    row("rep lodsq", "rw:<rax>, rw:<rsi>, rw:<rcx>", "F3 REX.W AD", "r=d loads"),
];

/// movs, stos, ins, outs.
pub(super) const COUNTED: &[Row] = counted!(alone);
/// The same behind `rep`.
pub(super) const REP: &[Row] = counted!(repeated "rep", "F3", "");
/// cmps, scas.
pub(super) const COMPARED: &[Row] = compared!(alone);
/// The same behind `repe`: as long as they are equal.
pub(super) const REPE: &[Row] = compared!(repeated "repe", "F3", " counts");
/// The same, spelled `repz`.
pub(super) const REPZ: &[Row] = compared!(repeated "repz", "F3", " counts");
/// The same behind `repne`: as long as they differ.
pub(super) const REPNE: &[Row] = compared!(repeated "repne", "F2", " counts");
/// The same, spelled `repnz`.
pub(super) const REPNZ: &[Row] = compared!(repeated "repnz", "F2", " counts");
