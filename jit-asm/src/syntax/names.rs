//! The words of the language: registers, widths, and those that are reserved for later. They are known in
//! upper, lower and mixed case.

use crate::reg::{Gpr, Xmm};
use crate::x64::operand::{Reg, RegClass, Segment, Vector, VectorClass, Width};
use std::borrow::Cow;

/// The rows of the manual's register table (vol. 1, 3.4.1): one register a line, by its number, at 64,
/// 32, 16 and 8 bits.
const REGISTERS: [[&str; 4]; 16] = [
    ["rax", "eax", "ax", "al"],
    ["rcx", "ecx", "cx", "cl"],
    ["rdx", "edx", "dx", "dl"],
    ["rbx", "ebx", "bx", "bl"],
    ["rsp", "esp", "sp", "spl"],
    ["rbp", "ebp", "bp", "bpl"],
    ["rsi", "esi", "si", "sil"],
    ["rdi", "edi", "di", "dil"],
    ["r8", "r8d", "r8w", "r8b"],
    ["r9", "r9d", "r9w", "r9b"],
    ["r10", "r10d", "r10w", "r10b"],
    ["r11", "r11d", "r11w", "r11b"],
    ["r12", "r12d", "r12w", "r12b"],
    ["r13", "r13d", "r13w", "r13b"],
    ["r14", "r14d", "r14w", "r14b"],
    ["r15", "r15d", "r15w", "r15b"],
];
const CLASSES: [RegClass; 4] = [RegClass::R64, RegClass::R32, RegClass::R16, RegClass::R8];
const HIGH_BYTES: [&str; 4] = ["ah", "ch", "dh", "bh"];

/// Every register by its name.
fn registers() -> impl Iterator<Item = (&'static str, Reg)> {
    let whole = REGISTERS.iter().zip(Gpr::ALL).flat_map(|(names, gpr)| {
        names.iter().zip(CLASSES).map(move |(&name, class)| (name, Reg { gpr, class }))
    });
    let high =
        HIGH_BYTES.iter().zip(Gpr::ALL).map(|(&name, gpr)| (name, Reg { gpr, class: RegClass::R8High }));
    whole.chain(high)
}

/// The word in small letters, as the tables have it.
pub(super) fn small(word: &str) -> Cow<'_, str> {
    match word.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(word.to_ascii_lowercase()),
        false => Cow::Borrowed(word),
    }
}

/// The register with this name.
pub(super) fn register(name: &str) -> Option<Reg> {
    let name = small(name);
    registers().find(|(n, _)| *n == name).map(|(_, reg)| reg)
}

/// The vector register with this name.
pub(super) fn vector(name: &str) -> Option<Vector> {
    let name = &*small(name);
    let (class, number) = match (name.strip_prefix("xmm"), name.strip_prefix("ymm")) {
        (Some(number), _) => (VectorClass::Xmm, number),
        (None, number) => (VectorClass::Ymm, number?),
    };
    let reg = Xmm::new(number.parse().ok()?)?;
    let vector = Vector { reg, class };
    (vector.to_string() == name).then_some(vector)
}

/// The name of a register at 64 bits.
pub(super) fn name64(gpr: Gpr) -> &'static str {
    REGISTERS[gpr.number() as usize][0]
}

/// `byte`, `word`, `dword`, `qword`, `xmmword` and `ymmword`.
pub(super) fn width(name: &str) -> Option<Width> {
    Some(match &*small(name) {
        "byte" => Width::B8,
        "word" => Width::B16,
        "dword" => Width::B32,
        "qword" => Width::B64,
        "xmmword" => Width::B128,
        "ymmword" => Width::B256,
        _ => return None,
    })
}

/// Whether the word has a meaning in operands, so that nothing else can be named by it.
pub(super) fn is_taken(name: &str) -> bool {
    let named = register(name).is_some() || vector(name).is_some() || width(name).is_some();
    named || small(name) == "rip"
}

/// What a word means that this version knows and refuses.
pub(super) fn reserved(name: &str) -> Option<&'static str> {
    let name = &*small(name);
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    Some(match name {
        _ if vector(name).is_some() => return None,
        _ if numbered("xmm") || numbered("ymm") || numbered("zmm") => {
            "vector registers are xmm0 to xmm15 and ymm0 to ymm15; AVX-512 is not supported in this version"
        }
        _ if is_apx(name) => "general registers are rax to rdi and r8 to r15; APX is not supported",
        _ if numbered("mm") || numbered("st") || name == "st" => "x87 and MMX registers are not supported",
        _ if numbered("k") && name.len() == 2 => "mask registers are not supported in this version",
        _ if numbered("cr") || numbered("dr") => "control and debug registers are not supported",
        "fs" | "gs" => "a segment stands in front of an address: `fs:[rax]`, `qword ptr gs:[16]`",
        "cs" | "ds" | "es" | "ss" => "the segments cs, ds, es and ss do nothing in 64-bit mode: leave it out",
        "rip" => "`rip` can only be the base of an address: `[rip + 16]`",
        "eip" => "addresses are 64 bits wide: write `rip`",
        "tbyte" | "zmmword" | "oword" => {
            "memory operands are `byte`, `word`, `dword`, `qword`, `xmmword` or `ymmword`"
        }
        "short" | "near" | "far" => "the distance of a jump is chosen for you: write the label alone",
        "abs" => "a number alone in brackets is an absolute address: `[0x1000]`",
        "rel" => "the address of a label is relative to rip by itself: `[label]`",
        "offset" => "the address of a label is `lea rax, [label]`",
        "ptr" => "a width stands before `ptr`: `qword ptr [..]`, or `qword [..]`",
        _ => return None,
    })
}

/// r16 to r31, which APX has.
fn is_apx(name: &str) -> bool {
    let number = name.strip_prefix('r').unwrap_or_default().trim_end_matches(['d', 'w', 'b']);
    number.len() == 2 && number.parse().is_ok_and(|number: u8| number > 15)
}

/// `cs` to `gs`.
pub(super) fn is_segment(name: &str) -> bool {
    matches!(&*small(name), "cs" | "ds" | "es" | "fs" | "gs" | "ss")
}

/// The prefixes with which the table has forms.
pub(super) fn is_prefix_of_the_table(name: &str) -> bool {
    matches!(name, "lock" | "rep" | "repe" | "repz" | "repne" | "repnz")
}

/// `fs` and `gs`.
pub(super) fn segment(name: &str) -> Option<Segment> {
    match &*small(name) {
        "fs" => Some(Segment::Fs),
        "gs" => Some(Segment::Gs),
        _ => None,
    }
}

/// The prefixes that assemblers take as words of their own.
pub(super) fn is_prefix(name: &str) -> bool {
    is_prefix_of_the_table(name)
        || matches!(name, "data16" | "addr32" | "bnd" | "notrack" | "xacquire" | "xrelease")
}

/// The register whose name is one slip away from `word`.
pub(super) fn nearest_register(word: &str) -> Option<&'static str> {
    let mut letters = word.chars();
    if letters.next().is_some_and(char::is_uppercase) && letters.any(char::is_lowercase) {
        return None; // A type of Rust.
    }
    let word = word.to_ascii_lowercase();
    // Others say r8l for r8b.
    if let Some(byte) = word.strip_suffix('l').and_then(|stem| Some(register(&format!("{stem}b"))?.gpr)) {
        return registers()
            .find(|(_, reg)| reg.gpr == byte && reg.class == RegClass::R8)
            .map(|(name, _)| name);
    }
    let names: Vec<&str> = registers().map(|(name, _)| name).collect();
    names.iter().find(|name| word.len() > 2 && one_slip(name, &word)).copied()
}

/// Whether one changed, missing, added or swapped character turns one word into the other.
#[must_use]
pub fn one_slip(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let front = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[front..], &b[front..]);
    match (a, b) {
        ([_, rest @ ..], [_, other @ ..]) if rest == other => true,
        ([x, y, rest @ ..], [v, w, other @ ..]) if x == w && y == v && rest == other => true,
        ([_, rest @ ..], _) if rest == b => true,
        (_, [_, other @ ..]) if a == other => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let all: Vec<&str> = registers().map(|(name, _)| name).collect();
        assert_eq!(all.len(), 68);
        for name in &all {
            assert_eq!(all.iter().filter(|n| n == &name).count(), 1, "{name}");
            assert!(reserved(name).is_none() && width(name).is_none(), "{name}");
        }
        assert_eq!(register("dil"), Some(Reg { gpr: Gpr::Rdi, class: RegClass::R8 }));
        assert_eq!(register("bh"), Some(Reg { gpr: Gpr::Rbx, class: RegClass::R8High }));
        assert_eq!(register("r16"), None);
    }

    #[test]
    fn a_slip_finds_its_register() {
        for (word, register) in
            [("raz", "rax"), ("RAZ", "rax"), ("rxa", "rax"), ("rx8", "r8"), ("r15q", "r15")]
        {
            assert_eq!(nearest_register(word), Some(register), "{word}");
        }
        assert_eq!(nearest_register("overflow"), None);
    }
}
