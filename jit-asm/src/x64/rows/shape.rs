//! What a row says, whether it agrees with itself, and the forms it stands for.

use crate::x64::form::{Access, Acts, Extension, FlagEffects, Form, FormOperand, Kind, ModRm, Sizing};
use crate::x64::operand::Width;

/// The width of an operand in a row: definite, or by the operand size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RowWidth {
    None,
    Is(Width),
    V,
    Y,
    Z,
}

/// An operand of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowOperand {
    pub(super) kind: Kind,
    pub(super) width: RowWidth,
    pub(super) access: Access,
    pub(super) implicit: bool,
}

/// What a row says, before it is expanded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) mnemonic: &'static str,
    pub(super) operands: [Option<RowOperand>; 4],
    pub(super) sizing: Sizing,
    pub(super) prefix_66: bool,
    pub(super) rex_w: bool,
    pub(super) escape_0f: bool,
    pub(super) opcode: u8,
    pub(super) modrm: ModRm,
    pub(super) plus: RowWidth,
    pub(super) tail: RowWidth,
    pub(super) relative: bool,
    pub(super) flags: FlagEffects,
    pub(super) acts: Acts,
}

/// A row of which nothing has been read.
pub(super) const NOTHING: Shape = Shape {
    mnemonic: "",
    operands: [None; 4],
    sizing: Sizing::Plain,
    prefix_66: false,
    rex_w: false,
    escape_0f: false,
    opcode: 0,
    modrm: ModRm::None,
    plus: RowWidth::None,
    tail: RowWidth::None,
    relative: false,
    flags: FlagEffects::NONE,
    acts: Acts::NONE,
};

const fn same(a: RowWidth, b: RowWidth) -> bool {
    match (a, b) {
        (RowWidth::Is(a), RowWidth::Is(b)) => a as u8 == b as u8,
        (RowWidth::None, RowWidth::None) | (RowWidth::V, RowWidth::V) => true,
        (RowWidth::Y, RowWidth::Y) | (RowWidth::Z, RowWidth::Z) => true,
        _ => false,
    }
}

/// What the columns of a row say twice must agree.
pub(super) const fn check(s: &Shape) {
    let (mut regs, mut rms, mut tails, mut wide) = (0, 0, 0, false);
    let mut i = 0;
    while i < 4 {
        if let Some(o) = s.operands[i] {
            wide |= same(o.width, RowWidth::Is(Width::B64)) && !matches!(o.kind, Kind::Imm(_));
            let whole = same(o.width, RowWidth::Is(Width::B64)) || !(o.implicit && o.access.writes());
            assert!(!s.rex_w || whole, "with REX.W a register is written whole");
            match o.kind {
                Kind::Reg => {
                    regs += 1;
                    let zero = matches!(s.sizing, Sizing::ZeroExtended);
                    let plus = if zero { RowWidth::Is(Width::B64) } else { s.plus };
                    let agree = same(plus, o.width) || !matches!(s.modrm, ModRm::Opcode);
                    assert!(agree, "the letter of `+r` and the width of the register differ");
                }
                Kind::RegMem | Kind::Mem => rms += 1,
                Kind::Imm(_) | Kind::Rel => {
                    tails += 1;
                    assert!(matches!(o.access, Access::Read), "an immediate is read");
                    let relative = matches!(o.kind, Kind::Rel);
                    assert!(
                        same(o.width, s.tail) && relative == s.relative,
                        "the immediate or distance and its field differ"
                    );
                }
                Kind::One => assert!(matches!(o.access, Access::Read), "an immediate is read"),
                Kind::Fixed(_) => {}
            }
            let address = matches!(o.kind, Kind::Mem);
            assert!(!address || matches!(o.access, Access::Neither), "of `m` only the address counts");
        }
        i += 1;
    }
    assert!((tails == 1) != same(s.tail, RowWidth::None), "one immediate or distance for one field");
    match s.modrm {
        ModRm::Reg => assert!(regs == 1 && rms == 1, "/r wants one register and one r/m operand"),
        ModRm::Both => assert!(regs == 1 && rms == 0, "/rr wants one register operand"),
        ModRm::Digit(_) => assert!(regs == 0 && rms == 1, "/digit wants one r/m operand and no register"),
        ModRm::Opcode => assert!(regs == 1 && rms == 0, "+r wants one register operand"),
        ModRm::None => assert!(regs == 0 && rms == 0, "an operand has no place in the encoding"),
    }
    check_size(s, wide);
    check_effects(s);
}

const fn check_size(s: &Shape, wide: bool) {
    let several = !same(size_letter(s), RowWidth::None);
    assert!(!several || !(s.prefix_66 || s.rex_w), "66 and REX.W follow from v, y and z");
    assert!(!(s.prefix_66 && s.rex_w), "66 and REX.W exclude each other");
    match s.sizing {
        Sizing::Plain => assert!(several || wide == s.rex_w, "64 bits want REX.W, and the other way round"),
        Sizing::ZeroExtended => assert!(wide && !several && !s.rex_w, "z32 wants a 64-bit register"),
        Sizing::Default64 | Sizing::Forced64 => {
            assert!(!s.rex_w && !s.prefix_66, "d64 and f64 say the operand size");
        }
    }
}

const fn check_effects(s: &Shape) {
    let (w, c, u) = (s.flags.written.0, s.flags.cleared.0, s.flags.undefined.0);
    assert!(
        w & c == 0 && w & u == 0 && c & u == 0,
        "a flag is written, cleared or undefined, not two of these"
    );
    let acts = &s.acts;
    assert!(!(acts.push && acts.pop), "push and pop exclude each other");
    let sized = !matches!(s.sizing, Sizing::Plain);
    assert!(!(acts.push || acts.pop) || sized, "what pushes or pops is d64 or f64");
    assert!(!(acts.calls && acts.jumps), "a call is no jump");
    assert!(!acts.counts || w != 0, "counts speaks of written flags");
}

/// The letter by which a row stands for several operand sizes.
const fn size_letter(s: &Shape) -> RowWidth {
    let mut letter = RowWidth::None;
    let mut i = 0;
    while i < 4 {
        if let Some(RowOperand { kind, width, .. }) = s.operands[i] {
            let strong = !matches!(kind, Kind::Imm(_));
            letter = match width {
                RowWidth::V => RowWidth::V,
                RowWidth::Y if !same(letter, RowWidth::V) => RowWidth::Y,
                RowWidth::Z if strong && same(letter, RowWidth::None) => RowWidth::Z,
                _ => letter,
            };
        }
        i += 1;
    }
    letter
}

/// The forms a row stands for: the first so many of three.
pub(super) const fn forms(s: &Shape) -> ([Form; 3], usize) {
    use Width::{B16, B32, B64};
    match (size_letter(s), s.sizing) {
        (RowWidth::V, Sizing::Default64) => ([form(s, Some(B16)), form(s, Some(B64)), form(s, Some(B64))], 2),
        (RowWidth::V, _) => ([form(s, Some(B16)), form(s, Some(B32)), form(s, Some(B64))], 3),
        (RowWidth::Y, _) => ([form(s, Some(B32)), form(s, Some(B64)), form(s, Some(B64))], 2),
        (RowWidth::Z, _) => ([form(s, Some(B16)), form(s, Some(B32)), form(s, Some(B32))], 2),
        _ => ([form(s, None); 3], 1),
    }
}

const fn width_at(width: RowWidth, size: Option<Width>) -> Option<Width> {
    match (width, size) {
        (RowWidth::None, _) => None,
        (RowWidth::Is(width), _) => Some(width),
        (RowWidth::Z, Some(Width::B64)) => Some(Width::B32),
        (_, size) => size,
    }
}

/// The form of a row at one operand size.
const fn form(s: &Shape, size: Option<Width>) -> Form {
    let mut operands = [None; 4];
    let mut i = 0;
    while i < 4 {
        if let Some(o) = s.operands[i] {
            let extended = matches!((o.kind, o.width, size), (Kind::Imm(_), RowWidth::Z, Some(Width::B64)));
            let kind = if extended { Kind::Imm(Extension::Sign) } else { o.kind };
            let width = width_at(o.width, size);
            operands[i] = Some(FormOperand { kind, width, access: o.access, implicit: o.implicit });
        }
        i += 1;
    }
    Form {
        mnemonic: s.mnemonic,
        operands,
        size,
        sizing: s.sizing,
        prefix_66: s.prefix_66 || matches!(size, Some(Width::B16)),
        rex_w: s.rex_w || (matches!(size, Some(Width::B64)) && matches!(s.sizing, Sizing::Plain)),
        escape_0f: s.escape_0f,
        opcode: s.opcode,
        modrm: s.modrm,
        tail: width_at(s.tail, size),
        flags: s.flags,
        acts: s.acts,
    }
}
