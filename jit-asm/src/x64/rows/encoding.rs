//! Reading the encoding column of a row.

use super::parse::cut;
use super::shape::{NOTHING, RowVex, RowWidth, Shape};
use crate::x64::form::{Map, ModRm, Repeat, Sizing, VexLength, VexW};
use crate::x64::operand::Width;

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
    Repeat,
    RexW,
    Escape,
    Escape2,
    Opcode,
    ModRm,
    Tail,
    SecondTail,
}

/// Read an encoding; `n` is what the letter stands for in the rows of a family.
pub(super) const fn encoding(text: &[u8], n: Option<u8>) -> Shape {
    let mut shape = NOTHING;
    let mut done: Option<Stage> = None;
    let mut rest = Some(text);
    while let Some(text) = rest {
        let (word, next) = cut(text, b' ');
        let stage = encoding_word(word, n, done, next.is_none(), &mut shape);
        rest = next;
        if let Some(done) = done {
            assert!((done as u8) < stage as u8, "the words of an encoding stand in the manual's order");
        }
        done = Some(stage);
    }
    assert!(matches!(done, Some(s) if s as u8 >= Stage::Opcode as u8), "no opcode");
    shape
}

/// Take one word of an encoding into `shape`.
const fn encoding_word(
    word: &[u8],
    n: Option<u8>,
    done: Option<Stage>,
    last: bool,
    shape: &mut Shape,
) -> Stage {
    let have_opcode = matches!(done, Some(s) if s as u8 >= Stage::Opcode as u8);
    if !have_opcode
        && !last
        && let Some(stage) = prefix_word(word, done, shape)
    {
        return stage;
    }
    if let [b'V', b'E', b'X', b'.', rest @ ..] = word {
        assert!(done.is_none(), "VEX stands first");
        vex_word(rest, shape);
        Stage::Escape2
    } else if matches!(word, b"/is4") {
        shape.is4 = true;
        Stage::Tail
    } else if let [b'/', ..] = word {
        assert!(matches!(shape.modrm, ModRm::None), "`+r` and `/` exclude each other");
        shape.modrm = modrm_word(word, n);
        Stage::ModRm
    } else if let Some((width, relative)) = tail_word(word) {
        if matches!(done, Some(Stage::Tail)) {
            assert!(matches!(word, b"ib") && !shape.is4, "a second immediate has 8 bits");
            shape.second_tail = true;
            return Stage::SecondTail;
        }
        shape.tail = width;
        shape.relative = relative;
        Stage::Tail
    } else if matches!(done, Some(Stage::Opcode)) {
        let ([high, low], ModRm::None) = (word, shape.modrm) else {
            panic!("behind the opcode stands /r, /rr, a digit or a byte")
        };
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            panic!("an opcode is two digits of hexadecimal")
        };
        shape.modrm = ModRm::Fixed(high << 4 | low);
        Stage::ModRm
    } else {
        opcode_word(word, n, shape);
        Stage::Opcode
    }
}

/// A word in front of the opcode.
const fn prefix_word(word: &[u8], done: Option<Stage>, shape: &mut Shape) -> Option<Stage> {
    if let Some(sizing) = sizing_word(word) {
        shape.sizing = sizing;
        return Some(Stage::Sizing);
    }
    let escaped = matches!(done, Some(Stage::Escape));
    // Behind an escape the same digits are an opcode.
    let before_escape = match done {
        None => true,
        Some(done) => (done as u8) < Stage::Escape as u8,
    };
    Some(match word {
        b"66" if before_escape => {
            shape.prefix_66 = true;
            Stage::Prefix
        }
        b"F2" if before_escape => {
            shape.repeat = Some(Repeat::F2);
            Stage::Repeat
        }
        b"F3" if before_escape => {
            shape.repeat = Some(Repeat::F3);
            Stage::Repeat
        }
        b"REX.W" => {
            shape.rex_w = true;
            Stage::RexW
        }
        b"0F" if before_escape => {
            shape.map = Map::M0F;
            Stage::Escape
        }
        b"38" if escaped => {
            shape.map = Map::M0F38;
            Stage::Escape2
        }
        b"3A" if escaped => {
            shape.map = Map::M0F3A;
            Stage::Escape2
        }
        _ => return None,
    })
}

/// `128.66.0F38.W0`, behind `VEX.`.
const fn vex_word(text: &[u8], shape: &mut Shape) {
    let (length, rest) = match text {
        [b'1', b'2', b'8', b'.', rest @ ..] => (Some(VexLength::L128), rest),
        [b'2', b'5', b'6', b'.', rest @ ..] => (Some(VexLength::L256), rest),
        [b'L', b'I', b'G', b'.', rest @ ..] => (Some(VexLength::Lig), rest),
        [b'L', b'Z', b'.', rest @ ..] => (Some(VexLength::Lz), rest),
        [b'x', b'.', rest @ ..] => (None, rest),
        _ => panic!("a vector length is one of 128 256 x LIG LZ, with a map behind it"),
    };
    let rest = match rest {
        [b'6', b'6', b'.', rest @ ..] => {
            shape.prefix_66 = true;
            rest
        }
        [b'F', b'2', b'.', rest @ ..] => {
            shape.repeat = Some(Repeat::F2);
            rest
        }
        [b'F', b'3', b'.', rest @ ..] => {
            shape.repeat = Some(Repeat::F3);
            rest
        }
        rest => rest,
    };
    let (map, w) = match rest {
        [b'0', b'F', b'3', b'8', w @ ..] => (Map::M0F38, w),
        [b'0', b'F', b'3', b'A', w @ ..] => (Map::M0F3A, w),
        [b'0', b'F', w @ ..] => (Map::M0F, w),
        _ => panic!("the map of VEX is one of 0F 0F38 0F3A"),
    };
    shape.map = map;
    let w = match w {
        b"" => None,
        b".W0" => Some(VexW::W0),
        b".W1" => Some(VexW::W1),
        b".WIG" => Some(VexW::Wig),
        _ => panic!("VEX ends with W0, W1 or WIG"),
    };
    shape.vex = Some(RowVex { length, w });
}

const fn sizing_word(word: &[u8]) -> Option<Sizing> {
    match word {
        b"d64" => Some(Sizing::Default64),
        b"f64" => Some(Sizing::Forced64),
        b"z32" => Some(Sizing::ZeroExtended),
        _ => None,
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
    if let b"+n" | b"+8n" = plus {
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
