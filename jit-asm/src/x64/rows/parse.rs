//! Reading a row. Evaluated in constants: a slip panics in const evaluation, at the row's own line.

use super::shape::{NOTHING, RowOperand, RowWidth, Shape, check, forms};
use crate::reg::Gpr;
use crate::template::Flags;
use crate::x64::form::{Access, Acts, Extension, FlagEffects, Form, Kind, ModRm, Sizing};
use crate::x64::operand::Width;

/// A row: its text and what the text means.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What an `n` in the encoding stands for, in the rows of a family.
    pub n: Option<u8>,
    /// The four columns as they are written.
    pub text: [&'static str; 4],
    shape: Shape,
}
/// Read one row: mnemonic, operands, encoding, effects, as [`rows`](super) explains them.
///
/// ```
/// use jit_asm::x64::rows::{Row, row};
/// const DIVISION: Row = row("idiv", "r:r/m8, rw:<ax>", "F6 /7", "u=oszapc traps");
/// # assert_eq!(DIVISION.text[0], "idiv");
/// ```
///
/// A slip is a compile error at the row:
///
/// ```compile_fail,E0080
/// use jit_asm::x64::rows::{Row, row};
/// const SLIP: Row = row("idiv", "r:r/m8, rw:<ax>", "F6 /9", "u=oszapc traps");
/// ```
///
/// # Panics
/// On any slip, and so in const evaluation of the row itself.
#[must_use]
pub const fn row(
    mnemonic: &'static str,
    operands: &'static str,
    encoding: &'static str,
    effects: &'static str,
) -> Row {
    read(None, [mnemonic, operands, encoding, effects])
}

/// Read one row of a family, in which `n` has this value.
///
/// # Panics
/// On any slip, and so in const evaluation of the row itself.
#[must_use]
pub const fn row_of(n: u8, text: [&'static str; 4]) -> Row {
    read(Some(n), text)
}

/// The forms a row stands for: the first so many of three.
#[must_use]
pub const fn forms_of(row: &Row) -> ([Form; 3], usize) {
    forms(&row.shape)
}

const fn read(n: Option<u8>, text: [&'static str; 4]) -> Row {
    let mut shape = encoding(text[2].as_bytes(), n);
    shape.mnemonic = mnemonic(text[0]);
    shape.operands = operands(text[1].as_bytes());
    (shape.flags, shape.acts) = effects(text[3].as_bytes());
    check(&shape);
    Row { n, text, shape }
}

/// `text` up to the first `separator`, and what comes after it (`None` when there is no separator).
const fn cut(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    let mut i = 0;
    while i < text.len() {
        if text[i] == separator {
            let (head, rest) = text.split_at(i);
            return (head, Some(rest.split_at(1).1));
        }
        i += 1;
    }
    (text, None)
}

const fn is(text: &[u8], word: &str) -> bool {
    let word = word.as_bytes();
    if text.len() != word.len() {
        return false;
    }
    let mut i = 0;
    while i < word.len() {
        if text[i] != word[i] {
            return false;
        }
        i += 1;
    }
    true
}

const fn mnemonic(text: &'static str) -> &'static str {
    let bytes = text.as_bytes();
    assert!(!bytes.is_empty(), "a row wants a mnemonic");
    let mut i = 0;
    while i < bytes.len() {
        assert!(matches!(bytes[i], b'a'..=b'z' | b'0'..=b'9'), "mnemonics are lower case");
        i += 1;
    }
    text
}

const fn operands(text: &[u8]) -> [Option<RowOperand>; 4] {
    let mut found = [None; 4];
    let mut count = 0;
    let mut rest = if text.is_empty() { None } else { Some(text) };
    while let Some(text) = rest {
        let (word, next) = cut(text, b',');
        assert!(count == 0 || word[0] == b' ', "a comma wants a space and an operand after it");
        assert!(count < 4, "four operands at most");
        let operand = operand(word.trim_ascii());
        if let (false, Some(RowOperand { implicit: true, .. })) =
            (operand.implicit, if count == 0 { None } else { found[count - 1] })
        {
            panic!("explicit operands stand before implicit ones");
        }
        found[count] = Some(operand);
        count += 1;
        rest = next;
    }
    found
}

const fn operand(text: &[u8]) -> RowOperand {
    let (access, Some(kind)) = cut(text, b':') else {
        panic!("an operand wants an access: `r:`, `w:`, `rw:` or `n:`")
    };
    let access = if is(access, "r") {
        Access::Read
    } else if is(access, "w") {
        Access::Write
    } else if is(access, "rw") {
        Access::ReadWrite
    } else if is(access, "n") {
        Access::Neither
    } else {
        panic!("access is one of r, w, rw, n")
    };
    let implicit = kind[0] == b'<';
    let name = if implicit {
        let (name, Some([])) = cut(kind.split_at(1).1, b'>') else { panic!("`<` wants its `>`") };
        name
    } else {
        kind
    };
    let mut i = 0;
    while i < KINDS.len() {
        let (word, kind, width) = KINDS[i];
        if is(name, word) {
            let fixed = matches!(kind, Kind::Fixed(_));
            assert!(!implicit || fixed, "an operand that is not named is a definite register");
            return RowOperand { kind, width, access, implicit };
        }
        i += 1;
    }
    panic!("no such kind of operand")
}

/// The words for kinds of operands.
#[rustfmt::skip] // A table.
const KINDS: &[(&str, Kind, RowWidth)] = {
    use Extension as E;
    use Kind::{Fixed, Imm, Mem, One, Reg, RegMem, Rel};
    use RowWidth::{Is, None, V, Y, Z};
    use Width::{B8, B16, B32, B64};
    &[
        ("r8", Reg, Is(B8)), ("r16", Reg, Is(B16)), ("r32", Reg, Is(B32)), ("r64", Reg, Is(B64)),
        ("rv", Reg, V), ("ry", Reg, Y), ("rz", Reg, Z),
        ("r/m8", RegMem, Is(B8)), ("r/m16", RegMem, Is(B16)), ("r/m32", RegMem, Is(B32)),
        ("r/m64", RegMem, Is(B64)), ("r/mv", RegMem, V), ("m", Mem, None),
        ("imm8", Imm(E::None), Is(B8)), ("imm64", Imm(E::None), Is(B64)), ("immz", Imm(E::None), Z),
        ("simm8", Imm(E::Sign), Is(B8)), ("simm32", Imm(E::Sign), Is(B32)),
        ("uimm16", Imm(E::Zero), Is(B16)), ("uimm32", Imm(E::Zero), Is(B32)),
        ("rel8", Rel, Is(B8)), ("rel32", Rel, Is(B32)), ("1", One, None),
        ("al", Fixed(Gpr::Rax), Is(B8)), ("ax", Fixed(Gpr::Rax), Is(B16)),
        ("eax", Fixed(Gpr::Rax), Is(B32)), ("rax", Fixed(Gpr::Rax), Is(B64)), ("axv", Fixed(Gpr::Rax), V),
        ("dx", Fixed(Gpr::Rdx), Is(B16)), ("edx", Fixed(Gpr::Rdx), Is(B32)),
        ("rdx", Fixed(Gpr::Rdx), Is(B64)), ("dxv", Fixed(Gpr::Rdx), V), ("cl", Fixed(Gpr::Rcx), Is(B8)),
        ("rsp", Fixed(Gpr::Rsp), Is(B64)), ("rbp", Fixed(Gpr::Rbp), Is(B64)),
    ]
};

const fn effects(text: &[u8]) -> (FlagEffects, Acts) {
    let (mut flags, mut acts) = (FlagEffects::NONE, Acts::NONE);
    let mut rest = if text.is_empty() { None } else { Some(text) };
    while let Some(text) = rest {
        let (word, next) = cut(text, b' ');
        rest = next;
        if let [which, b'=', letters @ ..] = word {
            let set = match *which {
                b'r' => &mut flags.read,
                b'w' => &mut flags.written,
                b'0' => &mut flags.cleared,
                b'u' => &mut flags.undefined,
                _ => panic!("a flag effect is one of r= w= 0= u="),
            };
            assert!(set.is_empty(), "each flag effect stands once");
            *set = flag_letters(letters);
            continue;
        }
        let act = if is(word, "push") {
            &mut acts.push
        } else if is(word, "pop") {
            &mut acts.pop
        } else if is(word, "jumps") {
            &mut acts.jumps
        } else if is(word, "calls") {
            &mut acts.calls
        } else if is(word, "traps") {
            &mut acts.traps
        } else if is(word, "leaves") {
            &mut acts.leaves
        } else if is(word, "counts") {
            &mut acts.counts
        } else {
            panic!("an effect is flags, or one of push pop jumps calls traps leaves counts")
        };
        assert!(!*act, "each effect stands once");
        *act = true;
    }
    (flags, acts)
}

const fn flag_letters(letters: &[u8]) -> Flags {
    assert!(!letters.is_empty(), "which flags?");
    let mut set = Flags::NONE;
    let mut i = 0;
    while i < letters.len() {
        let flag = match letters[i] {
            b'o' => Flags::O,
            b's' => Flags::S,
            b'z' => Flags::Z,
            b'a' => Flags::A,
            b'p' => Flags::P,
            b'c' => Flags::C,
            _ => panic!("a flag is one of oszapc"),
        };
        assert!(set.0 & flag.0 == 0, "each flag stands once");
        set = set.union(flag);
        i += 1;
    }
    set
}

const fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'A'..=b'F' => Some(c - b'A' + 10),
        _ => None,
    }
}

/// How far an encoding has been read; its words stand in this order.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
#[repr(u8)]
enum Stage {
    Sizing,
    Prefix,
    RexW,
    Escape,
    Opcode,
    ModRm,
    Tail,
}

const fn encoding(text: &[u8], n: Option<u8>) -> Shape {
    let mut shape = NOTHING;
    let mut done: Option<Stage> = None;
    let mut rest = Some(text);
    while let Some(text) = rest {
        let (word, next) = cut(text, b' ');
        rest = next;
        let stage =
            encoding_word(word, n, matches!(done, Some(s) if s as u8 >= Stage::Opcode as u8), &mut shape);
        if let Some(done) = done {
            assert!((done as u8) < stage as u8, "the words of an encoding stand in the manual's order");
        }
        done = Some(stage);
    }
    assert!(matches!(done, Some(s) if s as u8 >= Stage::Opcode as u8), "no opcode");
    shape
}

/// Take one word of an encoding into `shape`.
const fn encoding_word(word: &[u8], n: Option<u8>, have_opcode: bool, shape: &mut Shape) -> Stage {
    let (sizing, tail) = (sizing_word(word), tail_word(word));
    if let Some(sizing) = sizing {
        shape.sizing = sizing;
        Stage::Sizing
    } else if is(word, "66") && !have_opcode {
        shape.prefix_66 = true;
        Stage::Prefix
    } else if is(word, "REX.W") {
        shape.rex_w = true;
        Stage::RexW
    } else if is(word, "0F") && !have_opcode {
        shape.escape_0f = true;
        Stage::Escape
    } else if let [b'/', ..] = word {
        assert!(matches!(shape.modrm, ModRm::None), "`+r` and `/` exclude each other");
        shape.modrm = modrm_word(word, n);
        Stage::ModRm
    } else if let Some((width, relative)) = tail {
        shape.tail = width;
        shape.relative = relative;
        Stage::Tail
    } else {
        opcode_word(word, n, shape);
        Stage::Opcode
    }
}

const fn sizing_word(word: &[u8]) -> Option<Sizing> {
    if is(word, "d64") {
        Some(Sizing::Default64)
    } else if is(word, "f64") {
        Some(Sizing::Forced64)
    } else if is(word, "z32") {
        Some(Sizing::ZeroExtended)
    } else {
        None
    }
}

const fn modrm_word(word: &[u8], n: Option<u8>) -> ModRm {
    match word {
        b"/r" => ModRm::Reg,
        b"/rr" => ModRm::Both,
        [b'/', c @ b'0'..=b'7'] => ModRm::Digit(*c - b'0'),
        b"/n" => {
            let Some(n) = n else { panic!("`/n` stands in the rows of a family only") };
            assert!(n < 8, "/n is 0 to 7");
            ModRm::Digit(n)
        }
        _ => panic!("behind the opcode stands /r, /rr or a digit from 0 to 7"),
    }
}

const fn tail_word(word: &[u8]) -> Option<(RowWidth, bool)> {
    Some(match word {
        b"ib" => (RowWidth::Is(Width::B8), false),
        b"iw" => (RowWidth::Is(Width::B16), false),
        b"id" => (RowWidth::Is(Width::B32), false),
        b"io" => (RowWidth::Is(Width::B64), false),
        b"iz" => (RowWidth::Z, false),
        b"cb" => (RowWidth::Is(Width::B8), true),
        b"cd" => (RowWidth::Is(Width::B32), true),
        _ => return None,
    })
}

const fn opcode_word(word: &[u8], n: Option<u8>, shape: &mut Shape) {
    let [high, low, plus @ ..] = word else { panic!("an opcode is two digits of hexadecimal") };
    let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
        panic!("an opcode is two digits of hexadecimal")
    };
    let base = high << 4 | low;
    shape.opcode = base;
    if plus.is_empty() {
        return;
    }
    if is(plus, "+n") || is(plus, "+8n") {
        let Some(n) = n else { panic!("`+n` stands in the rows of a family only") };
        let (step, count) = if plus.len() == 2 { (1, 16) } else { (8, 8) };
        assert!(n < count && base & (step * (count - 1)) == 0, "`+n` wants the opcode of n = 0");
        shape.opcode = base + step * n;
        return;
    }
    shape.plus = match plus {
        b"+rb" => RowWidth::Is(Width::B8),
        b"+rd" => RowWidth::Is(Width::B32),
        b"+ro" => RowWidth::Is(Width::B64),
        b"+rv" => RowWidth::V,
        b"+rz" => RowWidth::Z,
        _ => panic!("behind the opcode stands +rb, +rd, +ro, +rv, +rz, +n or +8n"),
    };
    assert!(base & 7 == 0, "`+r` wants an opcode with its low bits clear");
    shape.modrm = ModRm::Opcode;
}
