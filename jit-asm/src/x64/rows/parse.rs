//! Reading a row. Evaluated in constants: a slip panics in const evaluation, at the row's own line.

use super::encoding::encoding;
use super::kinds;
use super::shape::{MOST_FORMS, RowOperand, Shape, check, forms, letter, place, sizes};
use crate::features::Features;
use crate::template::Flags;
use crate::x64::form::{Access, Acts, FlagEffects, Form, Kind, OPERANDS, Place};

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

/// The forms a row stands for: the first so many.
#[must_use]
pub const fn forms_of(row: &Row) -> ([Form; MOST_FORMS], usize) {
    forms(&row.shape)
}

/// How many forms a row stands for.
pub(super) const fn count_of(row: &Row) -> usize {
    let (_, sizes) = sizes(&row.shape);
    sizes * if row.shape.acts.lock { 2 } else { 1 }
}

const fn read(n: Option<u8>, text: [&'static str; 4]) -> Row {
    let mut shape = encoding(text[2].as_bytes(), n);
    shape.mnemonic = mnemonic(text[0]);
    shape.operands = operands(text[1].as_bytes());
    shape.letter = letter(&shape.operands);
    effects(text[3].as_bytes(), &mut shape);
    place(&mut shape);
    check(&shape);
    Row { n, text, shape }
}

/// `text` up to the first `separator`, and what comes after it (`None` when there is no separator).
///
/// Slice patterns, because const evaluation takes a step of them in a microsecond, and 26 for `split_at`, which
/// is a dozen calls.
pub(super) const fn cut(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    let mut rest = text;
    while let [letter, behind @ ..] = rest {
        if *letter == separator {
            return (without_end(text, rest.len()), Some(behind));
        }
        rest = behind;
    }
    (text, None)
}

/// `text` without its last `count` letters.
const fn without_end(mut text: &[u8], mut count: usize) -> &[u8] {
    while count >= 4
        && let [head @ .., _, _, _, _] = text
    {
        (text, count) = (head, count - 4);
    }
    while count > 0
        && let [head @ .., _] = text
    {
        (text, count) = (head, count - 1);
    }
    text
}

const fn mnemonic(text: &'static str) -> &'static str {
    let mut name = match text.as_bytes() {
        [b'r', b'e', b'p', b' ', name @ ..]
        | [b'r', b'e', b'p', b'e' | b'z', b' ', name @ ..]
        | [b'r', b'e', b'p', b'n', b'e' | b'z', b' ', name @ ..] => name,
        name => name,
    };
    assert!(!name.is_empty(), "a row wants a mnemonic");
    while let [letter, rest @ ..] = name {
        assert!(
            matches!(letter, b'a'..=b'z' | b'0'..=b'9'),
            "mnemonics are lower case, with rep, repe or repne in front of some"
        );
        name = rest;
    }
    text
}

const fn operands(text: &[u8]) -> [Option<RowOperand>; OPERANDS] {
    let mut found = [None; OPERANDS];
    let (mut count, mut implicit) = (0, false);
    let mut rest = if text.is_empty() { None } else { Some(text) };
    while let Some(text) = rest {
        assert!(count < OPERANDS, "six operands at most");
        let (word, next) = cut(text, b',');
        let word = match word {
            [b' ', word @ ..] if count > 0 => word,
            word if count == 0 => word,
            _ => panic!("a comma wants a space and an operand after it"),
        };
        let operand = operand(word);
        assert!(operand.implicit || !implicit, "explicit operands stand before implicit ones");
        implicit = operand.implicit;
        found[count] = Some(operand);
        count += 1;
        rest = next;
    }
    found
}

const fn operand(text: &[u8]) -> RowOperand {
    let (access, kind) = match text {
        [b'r', b':', kind @ ..] => (Access::Read, kind),
        [b'w', b':', kind @ ..] => (Access::Write, kind),
        [b'r', b'w', b':', kind @ ..] => (Access::ReadWrite, kind),
        [b'n', b':', kind @ ..] => (Access::Neither, kind),
        _ => panic!("an operand wants an access: `r:`, `w:`, `rw:` or `n:`"),
    };
    let (name, implicit, in_rm) = match kind {
        [b'<', name @ .., b'>'] => (name, true, false),
        [name @ .., b'(', b'r', b'm', b')'] => (name, false, true),
        name => (name, false, false),
    };
    let Some((kind, width, memory)) = kinds::kind(name) else { panic!("no such kind of operand") };
    let fixed = matches!(kind, Kind::Fixed(_) | Kind::FixedVector(_) | Kind::Ah);
    assert!(!implicit || fixed, "an operand that is not named is a definite register");
    let register = matches!(kind, Kind::Reg | Kind::Vector);
    assert!(!in_rm || register, "`(rm)` stands behind a register");
    RowOperand { kind, width, memory, access, implicit, in_rm, place: Place::None }
}

const fn effects(text: &[u8], shape: &mut Shape) {
    let mut rest = if text.is_empty() { None } else { Some(text) };
    while let Some(text) = rest {
        let (word, next) = cut(text, b' ');
        rest = next;
        if let [which, b'=', letters @ ..] = word {
            let flags: &mut FlagEffects = &mut shape.flags;
            let set = match *which {
                b'r' => &mut flags.read,
                b'w' => &mut flags.written,
                b'0' => &mut flags.cleared,
                b'1' => &mut flags.set,
                b'u' => &mut flags.undefined,
                _ => panic!("a flag effect is one of r= w= 0= 1= u="),
            };
            assert!(set.is_empty(), "each flag effect stands once");
            *set = flag_letters(letters);
        } else if matches!(word, b"avx|avx2") {
            assert!(shape.features.is_empty(), "each effect stands once");
            shape.features = Features::AVX;
            shape.features_256 = Features::AVX2;
        } else if let Some(feature) = Features::named(word) {
            assert!(!shape.features.contains(feature), "each effect stands once");
            shape.features = shape.features.union(feature);
        } else {
            let act = act(word, &mut shape.acts);
            assert!(!*act, "each effect stands once");
            *act = true;
        }
    }
}

const fn act<'a>(word: &[u8], acts: &'a mut Acts) -> &'a mut bool {
    match word {
        b"push" => &mut acts.push,
        b"pop" => &mut acts.pop,
        b"jumps" => &mut acts.jumps,
        b"calls" => &mut acts.calls,
        b"traps" => &mut acts.traps,
        b"leaves" => &mut acts.leaves,
        b"counts" => &mut acts.counts,
        b"loads" => &mut acts.loads,
        b"stores" => &mut acts.stores,
        b"lock" => &mut acts.lock,
        b"vectors" => &mut acts.vectors,
        _ => panic!(
            "an effect is flags, an extension, or one of push pop jumps calls traps leaves counts loads stores lock vectors"
        ),
    }
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
            b'd' => Flags::D,
            _ => panic!("a flag is one of oszapcd"),
        };
        assert!(set.0 & flag.0 == 0, "each flag stands once");
        set = set.union(flag);
        i += 1;
    }
    set
}
