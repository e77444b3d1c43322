//! What a row says, whether it agrees with itself, and the forms it stands for.

use crate::features::Features;
use crate::reg::Gpr;
use crate::x64::form::{
    Access, Acts, Extension, FlagEffects, Form, FormOperand, Kind, Map, ModRm, OPERANDS, Place, Repeat,
    Sizing, Vex, VexLength, VexW,
};
use crate::x64::operand::Width;

/// The width of an operand in a row: definite, or by the operand size, or (`X`) by the vector length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RowWidth {
    None,
    Is(Width),
    V,
    Y,
    Z,
    X,
}

/// An operand of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowOperand {
    pub(super) kind: Kind,
    pub(super) width: RowWidth,
    pub(super) memory: RowWidth,
    pub(super) access: Access,
    pub(super) implicit: bool,
    /// `(rm)`: a register alone, where others have a register or memory.
    pub(super) in_rm: bool,
    /// Where it goes: known when the whole row has been read.
    pub(super) place: Place,
}

/// The VEX prefix of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowVex {
    /// `None` for `x`: a row that stands for both lengths.
    pub(super) length: Option<VexLength>,
    /// `None` where it follows from the letter `y`.
    pub(super) w: Option<VexW>,
}

/// What a row says, before it is expanded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) mnemonic: &'static str,
    pub(super) operands: [Option<RowOperand>; OPERANDS],
    /// The letter by which it stands for several operand sizes.
    pub(super) letter: RowWidth,
    pub(super) sizing: Sizing,
    pub(super) prefix_66: bool,
    pub(super) repeat: Option<Repeat>,
    pub(super) rex_w: bool,
    pub(super) vex: Option<RowVex>,
    pub(super) map: Map,
    pub(super) opcode: u8,
    pub(super) modrm: ModRm,
    pub(super) plus: RowWidth,
    pub(super) tail: RowWidth,
    pub(super) second_tail: bool,
    pub(super) is4: bool,
    pub(super) relative: bool,
    pub(super) flags: FlagEffects,
    pub(super) acts: Acts,
    pub(super) features: Features,
    /// What the 256-bit form of an `x` row needs, where that differs.
    pub(super) features_256: Features,
}

/// A row of which nothing has been read.
pub(super) const NOTHING: Shape = Shape {
    mnemonic: "",
    operands: [None; OPERANDS],
    letter: RowWidth::None,
    sizing: Sizing::Plain,
    prefix_66: false,
    repeat: None,
    rex_w: false,
    vex: None,
    map: Map::One,
    opcode: 0,
    modrm: ModRm::None,
    plus: RowWidth::None,
    tail: RowWidth::None,
    second_tail: false,
    is4: false,
    relative: false,
    flags: FlagEffects::NONE,
    acts: Acts::NONE,
    features: Features::NONE,
    features_256: Features::NONE,
};

const fn same(a: RowWidth, b: RowWidth) -> bool {
    match (a, b) {
        (RowWidth::Is(a), RowWidth::Is(b)) => a as u8 == b as u8,
        (RowWidth::None, RowWidth::None) | (RowWidth::V, RowWidth::V) | (RowWidth::X, RowWidth::X) => true,
        (RowWidth::Y, RowWidth::Y) | (RowWidth::Z, RowWidth::Z) => true,
        _ => false,
    }
}

/// Give the operands their places: registers in the order of the text (the manual's operand encodings RM, RVM,
/// RMV, MVR, VM, RVMR). What has none in this encoding is refused.
pub(super) const fn place(s: &mut Shape) {
    let (mut registers, mut rms, mut i) = (0, 0, 0);
    while i < OPERANDS
        && let Some(o) = &mut s.operands[i]
    {
        o.place = match o.kind {
            Kind::RegMem | Kind::VectorMem | Kind::Mem | Kind::Vsib(_) => Place::Rm,
            Kind::Reg | Kind::Vector if o.in_rm => Place::Rm,
            Kind::Reg | Kind::Vector => Place::Reg,
            Kind::Imm(_) | Kind::Rel => Place::Tail,
            Kind::Fixed(_) | Kind::FixedVector(_) | Kind::Ah | Kind::One => Place::None,
        };
        match o.place {
            Place::Reg => registers += 1,
            Place::Rm => rms += 1,
            _ => {}
        }
        i += 1;
    }
    match s.modrm {
        ModRm::Reg => assert!(registers > 0 && rms == 1, "/r wants a register and one r/m operand"),
        ModRm::Both => assert!(registers == 1 && rms == 0, "/rr wants one register operand"),
        ModRm::Digit(_) => assert!(rms == 1, "/digit wants one r/m operand"),
        ModRm::Opcode => assert!(registers == 1 && rms == 0, "+r wants one register operand"),
        ModRm::None | ModRm::Fixed(_) => assert!(rms == 0, "an operand has no place in the encoding"),
    }
    assert!(!s.is4 || registers == 3, "/is4 wants a third register");
    if registers > 0 {
        place_registers(s, registers);
    }
}

const fn place_registers(s: &mut Shape, registers: usize) {
    let rm_first = matches!(s.operands[0], Some(RowOperand { place: Place::Rm, .. }));
    let none = Place::None;
    let (places, count) = match (s.modrm, s.vex) {
        (ModRm::Reg, Some(_)) if rm_first && registers == 2 => ([Place::Vvvv, Place::Reg, none], 2),
        (ModRm::Reg, Some(_)) => ([Place::Reg, Place::Vvvv, Place::Is4], if s.is4 { 3 } else { 2 }),
        (ModRm::Reg, None) => ([Place::Reg, none, none], 1),
        (ModRm::Digit(_), Some(_)) => ([Place::Vvvv, none, none], 1),
        (ModRm::Opcode, _) => ([Place::Opcode, none, none], 1),
        (ModRm::Both, _) => ([Place::Both, none, none], 1),
        (ModRm::None | ModRm::Digit(_) | ModRm::Fixed(_), _) => ([none; 3], 0),
    };
    assert!(registers <= count, "an operand has no place in the encoding");
    let (mut next, mut i) = (0, 0);
    while i < OPERANDS
        && let Some(o) = &mut s.operands[i]
    {
        if matches!(o.place, Place::Reg) {
            o.place = places[next];
            next += 1;
        }
        i += 1;
    }
}

/// What the columns of a row say twice must agree.
pub(super) const fn check(s: &Shape) {
    let (mut tails, mut wide, mut narrow) = (0, false, false);
    let mut i = 0;
    while i < OPERANDS
        && let Some(o) = &s.operands[i]
    {
        let general = matches!(o.kind, Kind::Reg | Kind::RegMem | Kind::Fixed(_));
        wide |= general && matches!(o.width, RowWidth::Is(Width::B64));
        narrow |= general && matches!(o.width, RowWidth::Is(Width::B32));
        tails += matches!(o.place, Place::Tail) as usize;
        check_operand(s, o, tails);
        i += 1;
    }
    let fields = !matches!(s.tail, RowWidth::None) as usize + s.second_tail as usize;
    assert!(tails == fields, "one immediate or distance for one field");
    check_size(s, wide, narrow);
    check_effects(s);
}

const fn check_operand(s: &Shape, o: &RowOperand, tail: usize) {
    let whole = matches!(o.width, RowWidth::Is(Width::B64)) || !(o.implicit && o.access.writes());
    assert!(!s.rex_w || whole || s.acts.stores, "with REX.W a register is written whole");
    let plain = matches!(s.sizing, Sizing::Plain) && s.vex.is_none();
    let rax = matches!(o.kind, Kind::Fixed(Gpr::Rax)) && matches!(o.width, RowWidth::Is(Width::B64));
    assert!(!(plain && rax) || s.rex_w, "rax wants REX.W");
    let narrow = o.implicit && !matches!(o.width, RowWidth::Is(Width::B64));
    assert!(!(plain && s.acts.calls && narrow), "what a call to the system changes has 64 bits");
    match o.kind {
        Kind::Reg => {
            let zero = matches!(s.sizing, Sizing::ZeroExtended);
            let plus = if zero { RowWidth::Is(Width::B64) } else { s.plus };
            let agree = same(plus, o.width) || !matches!(s.modrm, ModRm::Opcode);
            assert!(agree, "the letter of `+r` and the width of the register differ");
        }
        Kind::Imm(_) | Kind::Rel => {
            assert!(matches!(o.access, Access::Read), "an immediate is read");
            let relative = matches!(o.kind, Kind::Rel);
            let field = if tail == 2 { RowWidth::Is(Width::B8) } else { s.tail };
            assert!(
                same(o.width, field) && relative == s.relative,
                "the immediate or distance and its field differ"
            );
        }
        Kind::One => assert!(matches!(o.access, Access::Read), "an immediate is read"),
        Kind::Mem => {
            let address = matches!(o.memory, RowWidth::None);
            assert!(!address || matches!(o.access, Access::Neither), "of `m` only the address counts");
        }
        _ => {}
    }
    let x = matches!(o.width, RowWidth::X) || matches!(o.memory, RowWidth::X);
    assert!(!x || stands_for_two_lengths(s), "`x` wants VEX.x");
}

const fn stands_for_two_lengths(s: &Shape) -> bool {
    matches!(s.vex, Some(RowVex { length: None, .. }))
}

const fn check_size(s: &Shape, wide: bool, narrow: bool) {
    let letter = s.letter;
    let several = !matches!(letter, RowWidth::None);
    if let Some(vex) = s.vex {
        assert!(!s.rex_w && matches!(s.sizing, Sizing::Plain), "VEX has its own W");
        assert!(!several || matches!(letter, RowWidth::Y), "VEX is of 32 or 64 bits");
        assert!(several == vex.w.is_none(), "W follows from y, and is said elsewhere");
        if let Some(w) = vex.w {
            let addresses = s.acts.loads || s.acts.stores;
            assert!(!wide || matches!(w, VexW::W1) || addresses, "64 bits want W1");
            assert!(!narrow || !matches!(w, VexW::W1), "32 bits want W0");
        }
        assert!(!several || vex.length.is_some(), "a row stands for sizes or for lengths");
        return;
    }
    let mandatory = matches!(letter, RowWidth::Y);
    assert!(!several || !(s.prefix_66 && !mandatory || s.rex_w), "66 and REX.W follow from v, y and z");
    match s.sizing {
        Sizing::Plain => assert!(
            several || wide == s.rex_w || sized_by_itself(s),
            "64 bits want REX.W, and the other way round"
        ),
        Sizing::ZeroExtended => assert!(wide && !several && !s.rex_w, "z32 wants a 64-bit register"),
        Sizing::Default64 | Sizing::Forced64 => {
            assert!(!s.rex_w && !s.prefix_66, "d64 and f64 say the operand size");
        }
    }
}

/// Whether nothing but REX.W says the size, or nothing at all: `cmpxchg16b`; the string instructions, which
/// name no operand; `syscall`; `rdpid`, whose one register has 64 bits as if it were an address.
const fn sized_by_itself(s: &Shape) -> bool {
    s.acts.loads
        || s.acts.stores
        || s.acts.calls
        || matches!(
            s.operands[0],
            Some(
                RowOperand { memory: RowWidth::Is(Width::B128), kind: Kind::Mem, .. }
                    | RowOperand { kind: Kind::Reg, in_rm: true, .. }
            )
        )
}

const fn check_effects(s: &Shape) {
    let FlagEffects { read: _, written, cleared, set, undefined } = s.flags;
    let (w, c, t, u) = (written.0, cleared.0, set.0, undefined.0);
    assert!(
        w & (c | t | u) == 0 && c & (t | u) == 0 && t & u == 0,
        "a flag is written, cleared, set or undefined, not two of these"
    );
    let acts = &s.acts;
    assert!(!(acts.push && acts.pop), "push and pop exclude each other");
    let sized = !matches!(s.sizing, Sizing::Plain);
    assert!(!(acts.push || acts.pop) || sized, "what pushes or pops is d64 or f64");
    assert!(!(acts.calls && acts.jumps), "a call is no jump");
    assert!(!acts.counts || w != 0, "counts speaks of written flags");
    let in_memory = matches!(s.operands[0], Some(RowOperand { kind: Kind::RegMem | Kind::Mem, .. }));
    assert!(!acts.lock || in_memory, "what may be locked begins with memory");
    assert!(s.vex.is_none() || !s.features.is_empty(), "VEX belongs to an extension");
    assert!(s.features_256.is_empty() || stands_for_two_lengths(s), "avx|avx2 wants VEX.x");
}

/// The letter of the operands together.
pub(super) const fn letter(operands: &[Option<RowOperand>; OPERANDS]) -> RowWidth {
    let mut letter = RowWidth::None;
    let mut i = 0;
    while i < OPERANDS
        && let Some(o) = &operands[i]
    {
        let width = if matches!(o.width, RowWidth::None) { o.memory } else { o.width };
        letter = match (width, letter) {
            (RowWidth::V, _) => RowWidth::V,
            (RowWidth::Y, RowWidth::None | RowWidth::Z) => RowWidth::Y,
            (RowWidth::Z, RowWidth::None) if !matches!(o.kind, Kind::Imm(_)) => RowWidth::Z,
            _ => letter,
        };
        i += 1;
    }
    letter
}

/// The most forms that a row stands for: three sizes, plain and locked.
pub(super) const MOST_FORMS: usize = 6;

/// The operand sizes or vector lengths that a row stands for: whether the length is 256 bits, and how many.
pub(super) const fn sizes(s: &Shape) -> ([(Option<Width>, bool); 3], usize) {
    use Width::{B16, B32, B64};
    if stands_for_two_lengths(s) {
        return ([(None, false), (None, true), (None, false)], 2);
    }
    let (sizes, count) = match (s.letter, s.sizing) {
        (RowWidth::V, Sizing::Default64) => ([Some(B16), Some(B64), None], 2),
        (RowWidth::V, _) => ([Some(B16), Some(B32), Some(B64)], 3),
        (RowWidth::Y, _) => ([Some(B32), Some(B64), None], 2),
        (RowWidth::Z, _) => ([Some(B16), Some(B32), None], 2),
        _ => ([None; 3], 1),
    };
    ([(sizes[0], false), (sizes[1], false), (sizes[2], false)], count)
}

/// The forms a row stands for: the first so many.
pub(super) const fn forms(s: &Shape) -> ([Form; MOST_FORMS], usize) {
    let (sizes, count) = sizes(s);
    let mut all = [form(s, sizes[0].0, false); MOST_FORMS];
    let mut i = 1;
    while i < count {
        all[i] = form(s, sizes[i].0, sizes[i].1);
        i += 1;
    }
    if !s.acts.lock {
        return (all, count);
    }
    i = 0;
    while i < count {
        all[count + i] = locked(all[i]);
        i += 1;
    }
    (all, 2 * count)
}

/// The form with `lock`: its first operand is memory.
const fn locked(mut form: Form) -> Form {
    form.lock = true;
    if let Some(o) = &mut form.operands[0] {
        o.kind = Kind::Mem;
        o.width = None;
    }
    form
}

const fn width_at(width: RowWidth, size: Option<Width>, long: bool) -> Option<Width> {
    match (width, size) {
        (RowWidth::None, _) => None,
        (RowWidth::Is(width), _) => Some(width),
        (RowWidth::X, _) => Some(if long { Width::B256 } else { Width::B128 }),
        (RowWidth::Z, Some(Width::B64)) => Some(Width::B32),
        (_, size) => size,
    }
}

const fn vex(row: Option<RowVex>, size: Option<Width>, long: bool) -> Option<Vex> {
    let Some(row) = row else { return None };
    let length = match row.length {
        Some(length) => length,
        None if long => VexLength::L256,
        None => VexLength::L128,
    };
    let w = match (row.w, size) {
        (Some(w), _) => w,
        (None, Some(Width::B64)) => VexW::W1,
        (None, _) => VexW::W0,
    };
    Some(Vex { length, w })
}

/// The elements that a gather loads, which VEX.W tells (SDM vol. 2, VGATHERDPS, VGATHERDPD).
const fn gathered(s: &Shape) -> Width {
    if matches!(s.vex, Some(RowVex { w: Some(VexW::W1), .. })) { Width::B64 } else { Width::B32 }
}

/// The operands of a row at one size, each with its place.
const fn operands(s: &Shape, size: Option<Width>, long: bool) -> [Option<FormOperand>; OPERANDS] {
    let (mut operands, mut i) = ([None; OPERANDS], 0);
    while i < OPERANDS
        && let Some(o) = &s.operands[i]
    {
        let RowOperand { access, implicit, place, .. } = *o;
        let kind = match (o.kind, o.width, size) {
            (Kind::Imm(_), RowWidth::Z, Some(Width::B64)) => Kind::Imm(Extension::Sign),
            (kind, ..) => kind,
        };
        let width = width_at(o.width, size, long);
        let memory = match kind {
            Kind::Vsib(_) => Some(gathered(s)),
            _ => width_at(o.memory, size, long),
        };
        operands[i] = Some(FormOperand { kind, width, memory, place, access, implicit });
        i += 1;
    }
    operands
}

/// The form of a row at one operand size or vector length.
const fn form(s: &Shape, size: Option<Width>, long: bool) -> Form {
    let rex_w = matches!(size, Some(Width::B64)) && matches!(s.sizing, Sizing::Plain) && s.vex.is_none();
    Form {
        mnemonic: s.mnemonic,
        operands: operands(s, size, long),
        size,
        sizing: s.sizing,
        lock: false,
        prefix_66: s.prefix_66 || matches!(size, Some(Width::B16)),
        repeat: s.repeat,
        rex_w: s.rex_w || rex_w,
        vex: vex(s.vex, size, long),
        map: s.map,
        opcode: s.opcode,
        modrm: s.modrm,
        tail: width_at(s.tail, size, long),
        second_tail: if s.second_tail { Some(Width::B8) } else { None },
        flags: s.flags,
        acts: s.acts,
        features: if long && !s.features_256.is_empty() { s.features_256 } else { s.features },
    }
}
