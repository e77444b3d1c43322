//! Lay out one form with its operands: the only place that knows ModRM, SIB and REX.
//!
//! **Problem.** The same instruction has a dozen layouts, by registers, address and displacement; and a
//! hole must get a layout that is right for every value it may be filled with.
//!
//! **Idea.** Parts that are in the text decide by their value, shortest first; holes decide by their kind:
//! a register hole always has its prefix (REX, or three-byte VEX where it is the r/m or the index), a hole as
//! a base always has SIB and a displacement (so rsp, r12, rbp and r13 need nothing special), a displacement
//! hole has its width. What can be patched comes back as [`EncodedField`]s, so nobody downstream counts bytes.
//!
//! **Invariants.** Total on what `select` accepted. The bytes around a register hole are those of register 0,
//! and flipping the bits of another register's number makes them that register's. Address parts are encoded as they are written: a base
//! stays a base and a scaled index an index. The one exception is `[rax + rsp]`, where rsp has to be the
//! base.
//!
//! **Cost.** A few dozen operations and, with fields, one allocation.

use super::form::{Extension, Form, FormOperand, Kind, Map, ModRm, Place, Repeat, Vex, VexLength, VexW};
use super::operand::{Base, Disp, Distance, Imm, Index, Mem, Operand, Reg, RegClass, Scale, Segment, Width};
use crate::reg::Gpr;

/// The bytes of one instruction, and the fields in them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Encoded {
    bytes: [u8; 15],
    len: u8,
    opcode_at: u8,
    fields: Vec<EncodedField>,
}

/// A field of an instruction: of every immediate, displacement and distance, known or not, and of every
/// register hole. Known values are in the bytes already; the others are zero there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EncodedField {
    /// Which operand it belongs to, from 0 in the order of the text.
    pub operand: usize,
    /// Offset of its first byte in the instruction; 0 for a register, which has several places.
    pub at: u8,
    /// What it is.
    pub kind: FieldKind,
}

/// What a field is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// An immediate of this width, little-endian; the instruction may extend it by copies of its sign.
    Imm {
        /// Of the field.
        width: Width,
        /// Whether the instruction uses it wider than it is.
        sign_extended: bool,
    },
    /// A displacement of 8 bits, sign-extended.
    Disp8,
    /// A displacement of 32 bits, sign-extended.
    Disp32,
    /// An 8-bit distance from the end of the instruction.
    Rel8,
    /// A 32-bit distance from the end of the instruction.
    Rel32 {
        /// Bytes between the end of the field and the end of the instruction.
        tail: u8,
        /// Bytes that the instruction reads or writes at the target; 0 where it goes there, or wants the address.
        width: u8,
    },
    /// The four bits of a register number: `low_shift` up in the byte at `low_at`, where the fourth may have
    /// a place of its own. They are combined with what is there by exclusive or.
    Reg {
        /// What the register is in the encoding.
        role: RegRole,
        /// Offset in the instruction of the byte with the low three bits, or all four.
        low_at: u8,
        /// Their place in it: 0, 3 or 4.
        low_shift: u8,
        /// Offset in the instruction of the prefix with the fourth bit, and its place there.
        high: Option<(u8, u8)>,
    },
}

/// What a register is in an encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegRole {
    /// ModRM.reg.
    Reg,
    /// ModRM.rm as a register.
    Rm,
    /// The base of an address, in SIB.
    Base,
    /// The index of an address, in SIB.
    Index,
    /// The low bits of the opcode.
    Opcode,
    /// VEX.vvvv.
    Vvvv,
    /// The high half of the last byte.
    Is4,
}

impl RegRole {
    /// Which bit of REX is the fourth of the number: B, X or R; in VEX it is the same bit, five up and
    /// inverted.
    const fn rex_bit(self) -> Option<u8> {
        match self {
            RegRole::Reg => Some(2),
            RegRole::Index => Some(1),
            RegRole::Rm | RegRole::Base | RegRole::Opcode => Some(0),
            RegRole::Vvvv | RegRole::Is4 => None,
        }
    }
}

impl Encoded {
    /// The bytes, zero where a hole is.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The fields, in the order of the encoding: registers, displacement, immediate or distance.
    #[must_use]
    pub fn fields(&self) -> &[EncodedField] {
        &self.fields
    }

    /// Offset of the opcode, whose low four bits are the condition of jcc, setcc and cmovcc.
    #[must_use]
    pub fn opcode_at(&self) -> u8 {
        self.opcode_at
    }

    /// The same bytes, and nothing to patch.
    pub(super) fn without_fields(mut self) -> Encoded {
        self.fields.clear();
        self
    }

    fn put(&mut self, byte: u8) {
        self.bytes[usize::from(self.len)] = byte;
        self.len += 1;
    }

    fn put_le(&mut self, value: i128, width: Width) {
        for byte in &value.to_le_bytes()[..usize::from(width.bytes())] {
            self.put(*byte);
        }
    }
}

/// A register of the encoding: named, or a hole of an operand.
#[derive(Clone, Copy)]
enum Number {
    Known(u8),
    Hole { operand: usize },
}

impl Number {
    fn of(operand: usize, value: &Operand) -> Option<Number> {
        match value {
            Operand::Reg(Reg { gpr, class: RegClass::R8High }) => Some(Number::Known(gpr.number() + 4)),
            Operand::Reg(reg) => Some(Number::Known(reg.gpr.number())),
            Operand::Vector(vector) => Some(Number::Known(vector.reg.number())),
            Operand::RegHole(_) | Operand::VectorHole(_) => Some(Number::Hole { operand }),
            _ => None,
        }
    }

    /// The bits that are known.
    fn bits(self) -> u8 {
        match self {
            Number::Known(number) => number,
            Number::Hole { .. } => 0,
        }
    }

    fn is_hole(self) -> bool {
        matches!(self, Number::Hole { .. })
    }
}

/// ModRM.rm and what follows it.
#[derive(Clone, Copy)]
enum Rm {
    Reg(Number),
    Mem { operand: usize, address: Address },
}

/// A memory operand, ready for its bytes.
#[derive(Clone, Copy)]
struct Address {
    base: AddressBase,
    index: Option<(Number, u8)>,
    disp: Disp,
}

#[derive(Clone, Copy)]
enum AddressBase {
    None,
    Reg(Number),
    Rip,
    Target,
}

impl Address {
    fn of(operand: usize, mem: &Mem) -> Address {
        let (mut base, mut index) = (mem.base, mem.index);
        if let (Base::Reg(other), Some((Index::Reg(Gpr::Rsp), Scale::X1))) = (base, index) {
            // Addition commutes, and rsp can only be the base.
            (base, index) = (Base::Reg(Gpr::Rsp), Some((Index::Reg(other), Scale::X1)));
        }
        let base = match base {
            Base::None => AddressBase::None,
            Base::Reg(gpr) => AddressBase::Reg(Number::Known(gpr.number())),
            Base::Hole => AddressBase::Reg(Number::Hole { operand }),
            Base::Rip => AddressBase::Rip,
            Base::Target => AddressBase::Target,
        };
        let index = index.map(|(index, scale)| {
            let number = match index {
                Index::Reg(gpr) => Number::Known(gpr.number()),
                Index::Vector(vector) => Number::Known(vector.reg.number()),
                Index::Hole | Index::VectorHole(_) => Number::Hole { operand },
            };
            (number, scale as u8)
        });
        Address { base, index, disp: mem.disp }
    }
}

/// The operands sorted by their place in the encoding.
struct Places {
    reg: Number,
    rm: Option<Rm>,
    opcode: Number,
    vvvv: Number,
    is4: Option<Number>,
    /// Immediates and distances, in order.
    tails: Vec<(usize, FormOperand, Operand)>,
    segment: Option<Segment>,
    /// Whether spl, bpl, sil or dil is among them: without REX their numbers mean ah, ch, dh, bh.
    low_byte: bool,
}

const NONE: Number = Number::Known(0);

impl Places {
    fn of(form: &Form, operands: &[Operand]) -> Places {
        let mut places = Places {
            reg: NONE,
            rm: None,
            opcode: NONE,
            vvvv: NONE,
            is4: None,
            tails: vec![],
            segment: None,
            low_byte: false,
        };
        if let ModRm::Digit(digit) = form.modrm {
            places.reg = Number::Known(digit);
        }
        for (i, (wanted, given)) in form.explicit().zip(operands).enumerate() {
            if let Operand::Reg(Reg { gpr, class: RegClass::R8 }) = given {
                places.low_byte |= (4..8).contains(&gpr.number());
            }
            places.add(i, wanted, given);
        }
        places
    }

    fn add(&mut self, i: usize, wanted: &FormOperand, given: &Operand) {
        match (wanted.place, Number::of(i, given), given) {
            (Place::Rm, None, Operand::Mem(mem)) => {
                self.rm = Some(Rm::Mem { operand: i, address: Address::of(i, mem) });
                self.segment = mem.segment;
            }
            (Place::Tail, ..) => self.tails.push((i, *wanted, *given)),
            (Place::Rm, Some(number), _) => self.rm = Some(Rm::Reg(number)),
            (Place::Reg, Some(number), _) => self.reg = number,
            (Place::Opcode, Some(number), _) => self.opcode = number,
            (Place::Vvvv, Some(number), _) => self.vvvv = number,
            (Place::Is4, Some(number), _) => self.is4 = Some(number),
            (Place::Both, Some(number), _) => {
                self.reg = number;
                self.rm = Some(Rm::Reg(number));
            }
            // Fixed registers and the constant 1 are in the opcode.
            _ => {}
        }
    }

    /// The registers whose fourth bit is in a prefix, in the order of its bits.
    fn numbers(&self) -> [(Number, RegRole); 3] {
        let reg = (self.reg, RegRole::Reg);
        match self.rm {
            None => [reg, (NONE, RegRole::Index), (self.opcode, RegRole::Opcode)],
            Some(Rm::Reg(rm)) => [reg, (NONE, RegRole::Index), (rm, RegRole::Rm)],
            Some(Rm::Mem { address, .. }) => {
                let index = address.index.map_or(NONE, |(index, _)| index);
                let base = if let AddressBase::Reg(base) = address.base { base } else { NONE };
                [reg, (index, RegRole::Index), (base, RegRole::Base)]
            }
        }
    }

    /// Bytes behind ModRM, SIB and displacement.
    fn tail_bytes(&self) -> u8 {
        let tails: u8 = self.tails.iter().filter_map(|(_, wanted, _)| wanted.width).map(Width::bytes).sum();
        tails + u8::from(self.is4.is_some())
    }
}

/// The bytes and fields of `form` with `operands`, which `select` found to fit.
#[must_use]
pub fn encode(form: &Form, operands: &[Operand]) -> Encoded {
    let places = Places::of(form, operands);
    let mut out = Encoded::default();
    if let Some(segment) = places.segment {
        out.put(match segment {
            Segment::Fs => 0x64,
            Segment::Gs => 0x65,
        });
    }
    let (prefix_at, high_bits) = match form.vex {
        Some(vex) => put_vex(&mut out, form, vex, &places),
        None => put_prefixes(&mut out, form, operands, &places),
    };
    out.opcode_at = out.len;
    out.put(form.opcode | places.opcode.bits() & 7);
    add_register_fields(&mut out, &places, prefix_at, high_bits);
    match (places.rm, form.modrm) {
        (_, ModRm::Fixed(byte)) => out.put(byte),
        (None, _) => {}
        (Some(Rm::Reg(number)), _) => out.put(0xC0 | (places.reg.bits() & 7) << 3 | number.bits() & 7),
        (Some(Rm::Mem { operand, address }), _) => {
            let linked = FieldKind::Rel32 {
                tail: places.tail_bytes(),
                width: form.operands[operand].and_then(|wanted| wanted.memory).map_or(0, Width::bytes),
            };
            put_address(&mut out, operand, &address, places.reg.bits(), linked);
        }
    }
    for (operand, wanted, given) in &places.tails {
        put_tail(&mut out, *operand, wanted, given);
    }
    if let Some(number) = places.is4 {
        if let Number::Hole { operand } = number {
            let kind = FieldKind::Reg { role: RegRole::Is4, low_at: out.len, low_shift: 4, high: None };
            out.fields.push(EncodedField { operand, at: 0, kind });
        }
        out.put(number.bits() << 4);
    }
    out
}

/// Legacy prefixes, REX and escapes; where REX is, and how far up in it the bits B, X, R are.
fn put_prefixes(out: &mut Encoded, form: &Form, operands: &[Operand], places: &Places) -> (u8, u8) {
    if form.lock {
        out.put(0xF0);
    }
    if form.prefix_66 {
        out.put(0x66);
    }
    if let Some(repeat) = form.repeat {
        out.put(repeat as u8);
    }
    let numbers = places.numbers();
    let rex_at = out.len;
    let high_bit = |(number, role): &(Number, RegRole)| number.bits() >> 3 << role.rex_bit().unwrap_or(0);
    let rex = numbers.iter().map(high_bit).fold(u8::from(form.rex_w) << 3, |rex, bit| rex | bit);
    let high = operands.iter().any(|o| matches!(o, Operand::Reg(Reg { class: RegClass::R8High, .. })));
    debug_assert!(!high || rex == 0, "select refuses ah, ch, dh, bh beside a REX prefix");
    if rex != 0 || places.low_byte || numbers.iter().any(|(number, _)| number.is_hole()) {
        out.put(0x40 | rex);
    }
    let escape: &[u8] = match form.map {
        Map::One => &[],
        Map::M0F => &[0x0F],
        Map::M0F38 => &[0x0F, 0x38],
        Map::M0F3A => &[0x0F, 0x3A],
    };
    escape.iter().for_each(|byte| out.put(*byte));
    (rex_at, 0)
}

/// VEX (SDM vol. 2, 2.3.5), in two bytes where that says everything; where the byte with R, X and B is, and
/// how far up in it the bits B, X, R are.
fn put_vex(out: &mut Encoded, form: &Form, vex: Vex, places: &Places) -> (u8, u8) {
    let [reg, index, base] = places.numbers().map(|(number, _)| number);
    let pp = match (form.prefix_66, form.repeat) {
        (true, _) => 1,
        (false, None) => 0,
        (false, Some(Repeat::F3)) => 2,
        (false, Some(Repeat::F2)) => 3,
    };
    let map = match form.map {
        Map::One | Map::M0F => 1,
        Map::M0F38 => 2,
        Map::M0F3A => 3,
    };
    let long = u8::from(vex.length == VexLength::L256);
    let w = u8::from(vex.w == VexW::W1);
    let last = (!places.vvvv.bits() & 15) << 3 | long << 2 | pp;
    let bit = |number: Number, place: u8| (!number.bits() >> 3 & 1) << place;
    let known_low = |number: Number| !number.is_hole() && number.bits() < 8;
    if map == 1 && w == 0 && known_low(index) && known_low(base) {
        out.put(0xC5);
        out.put(bit(reg, 7) | last);
        return (out.len - 1, 5);
    }
    out.put(0xC4);
    out.put(bit(reg, 7) | bit(index, 6) | bit(base, 5) | map);
    out.put(w << 7 | last);
    (out.len - 2, 5)
}

/// The fields of registers in ModRM, SIB, the opcode and VEX.vvvv. The opcode has just been put.
fn add_register_fields(out: &mut Encoded, places: &Places, prefix_at: u8, high_bits: u8) {
    let sib = matches!(places.rm, Some(Rm::Mem { .. }));
    for (number, role) in places.numbers() {
        if let Number::Hole { operand } = number {
            let low_at = match role {
                RegRole::Opcode => out.opcode_at,
                RegRole::Base | RegRole::Index => out.opcode_at + 2,
                _ => out.opcode_at + 1,
            };
            debug_assert!(sib || !matches!(role, RegRole::Base | RegRole::Index), "addresses are memory");
            let low_shift = if matches!(role, RegRole::Reg | RegRole::Index) { 3 } else { 0 };
            let high = role.rex_bit().map(|bit| (prefix_at, high_bits + bit));
            let kind = FieldKind::Reg { role, low_at, low_shift, high };
            out.fields.push(EncodedField { operand, at: 0, kind });
        }
    }
    if let Number::Hole { operand } = places.vvvv {
        let low_at = out.opcode_at - 1;
        let kind = FieldKind::Reg { role: RegRole::Vvvv, low_at, low_shift: 3, high: None };
        out.fields.push(EncodedField { operand, at: 0, kind });
    }
}

/// How many bytes a displacement takes, and so ModRM.mod.
#[derive(Clone, Copy, PartialEq)]
enum Mod {
    NoDisp = 0x00,
    Disp8 = 0x40,
    Disp32 = 0x80,
}

/// ModRM, SIB and displacement (SDM vol. 2, 2.1.5 and 2.2.1.2 to 2.2.1.6). The displacement is `linked` where the
/// address is that of a target.
fn put_address(out: &mut Encoded, operand: usize, address: &Address, reg: u8, linked: FieldKind) {
    const SIB: u8 = 4; // in ModRM.rm
    const NO_INDEX: u8 = 4; // in SIB.index
    const DISP32: u8 = 5; // in ModRM.rm (rip-relative) or SIB.base (absolute) with mod 00
    let reg = (reg & 7) << 3;
    let (scaled, has_index) = match address.index {
        Some((number, scale)) => (scale << 6 | (number.bits() & 7) << 3, true),
        None => (NO_INDEX << 3, false),
    };
    let base = match address.base {
        AddressBase::Rip | AddressBase::Target => {
            out.put(reg | DISP32);
            let target = matches!(address.base, AddressBase::Target);
            let kind = if target { linked } else { FieldKind::Disp32 };
            return put_disp(out, operand, address.disp, kind, Width::B32);
        }
        AddressBase::None => {
            out.put(reg | SIB);
            out.put(scaled | DISP32);
            return put_disp(out, operand, address.disp, FieldKind::Disp32, Width::B32);
        }
        AddressBase::Reg(base) => base,
    };
    let low = base.bits() & 7;
    let mode = match address.disp {
        // With mod 00 the number of rbp and r13 means something else, and a hole may be one of them.
        Disp::Literal(0) if low != 5 && !base.is_hole() => Mod::NoDisp,
        Disp::Literal(disp) if i8::try_from(disp).is_ok() => Mod::Disp8,
        Disp::Hole8 => Mod::Disp8,
        Disp::Literal(_) | Disp::Hole32 => Mod::Disp32,
    };
    // The number of rsp and r12 in ModRM.rm means that SIB follows, and a hole may be one of them.
    if has_index || low == 4 || base.is_hole() {
        out.put(mode as u8 | reg | SIB);
        out.put(scaled | low);
    } else {
        out.put(mode as u8 | reg | low);
    }
    match mode {
        Mod::NoDisp => {}
        Mod::Disp8 => put_disp(out, operand, address.disp, FieldKind::Disp8, Width::B8),
        Mod::Disp32 => put_disp(out, operand, address.disp, FieldKind::Disp32, Width::B32),
    }
}

fn put_disp(out: &mut Encoded, operand: usize, disp: Disp, kind: FieldKind, width: Width) {
    out.fields.push(EncodedField { operand, at: out.len, kind });
    let value = if let Disp::Literal(value) = disp { value } else { 0 };
    out.put_le(i128::from(value), width);
}

/// The immediate or the distance at the end.
fn put_tail(out: &mut Encoded, operand: usize, wanted: &FormOperand, given: &Operand) {
    let Some(width) = wanted.width else { return };
    let kind = match (wanted.kind, given) {
        (_, Operand::Target(Distance::Short)) => FieldKind::Rel8,
        (_, Operand::Target(Distance::Near)) => FieldKind::Rel32 { tail: 0, width: 0 },
        (kind, _) => FieldKind::Imm { width, sign_extended: kind == Kind::Imm(Extension::Sign) },
    };
    out.fields.push(EncodedField { operand, at: out.len, kind });
    let value = if let Operand::Imm(Imm::Literal(value)) = given { *value } else { 0 };
    out.put_le(value, width);
}
