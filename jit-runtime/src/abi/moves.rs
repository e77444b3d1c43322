//! Values into the places of arguments and results.

use super::body::{Body, SCRATCH};
use super::kind::Kind;
use super::value::Place;
use crate::registers::Moves;
use crate::stitch::Constant;
use crate::x64;
use jit_asm::{Address, Gpr, Rm, Xmm};

/// Where a value is moved to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Destination {
    Gpr(Gpr),
    Vector(Xmm),
    /// A word of the stack in which an argument is passed, at this distance from rsp. All of it is ours.
    Word(i32),
    /// An object in memory, of which only the bytes of its kind are ours.
    Object(Address),
}

/// A value to be moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) kind: Kind,
    pub(super) place: Place,
}

/// Moves as instructions of a body. What goes to memory goes through [`SCRATCH`], and is never waited for: so it is
/// done before a value stands aside there.
impl Moves for Body<'_> {
    type Place = Destination;
    type Source = Source;

    fn reads(&self, source: Source, place: Destination) -> bool {
        match (source.place, place) {
            (Place::Gpr(register) | Place::Memory(register, _), Destination::Gpr(to)) => register == to,
            (Place::Vector(register), Destination::Vector(to)) => register == to,
            _ => false,
        }
    }

    fn emit(&mut self, to: Destination, Source { kind, place }: Source) {
        match to {
            Destination::Gpr(register) => to_register(self, register, kind, place),
            Destination::Vector(register) => to_vector(self, register, kind, place),
            Destination::Word(disp) => to_word(self, Address::new(Gpr::Rsp, disp), kind, place),
            Destination::Object(object) => to_object(self, object, kind, place),
        }
    }

    fn set_aside(&mut self, from: Source) -> Source {
        match from.place {
            Place::Vector(register) => x64!(self => movq {SCRATCH: r64}, {register: xmm}),
            Place::Memory(base, disp) if from.kind == Kind::F32 => {
                x64!(self => mov {SCRATCH: r32}, [{base: r64} + {disp}]);
            }
            Place::Memory(base, disp) if from.kind == Kind::F64 => {
                x64!(self => mov {SCRATCH: r64}, [{base: r64} + {disp}]);
            }
            place => to_register(self, SCRATCH, from.kind, place),
        }
        Source { place: SCRATCH.into(), ..from }
    }
}

/// What 32 bits hold of a constant that is narrower, extended as its kind says; others as they are.
fn extended(kind: Kind, bits: u64) -> u64 {
    match kind {
        Kind::I8 => u64::from(i32::from(bits as i8) as u32),
        Kind::I16 => u64::from(i32::from(bits as i16) as u32),
        _ => bits,
    }
}

/// A whole register, by instructions that leave the flags alone.
fn constant(body: &mut Body<'_>, register: Gpr, bits: u64) {
    if let Ok(short) = u32::try_from(bits) {
        x64!(body => mov {register: r32}, {short as i32});
    } else if let Ok(short) = i32::try_from(bits as i64) {
        x64!(body => mov {register: r64}, {short: i32});
    } else {
        x64!(body => mov {register: r64}, {bits as i64});
    }
}

/// An integer, extended to 32 bits where it is narrower.
fn to_register(body: &mut Body<'_>, to: Gpr, kind: Kind, from: Place) {
    let from = match from {
        Place::Gpr(register) => Rm::Reg(register),
        Place::Memory(base, disp) => Rm::Mem(Address::new(base, disp)),
        Place::Constant(bits) => return constant(body, to, extended(kind, bits)),
        Place::Vector(_) => unreachable!("floats are not moved to general registers"),
    };
    match kind {
        Kind::I8 => x64!(body => movsx {to: r32}, {from: rm8}),
        Kind::U8 => x64!(body => movzx {to: r32}, {from: rm8}),
        Kind::I16 => x64!(body => movsx {to: r32}, {from: rm16}),
        Kind::U16 => x64!(body => movzx {to: r32}, {from: rm16}),
        _ if from == Rm::Reg(to) => {}
        Kind::W32 | Kind::F32 => x64!(body => mov {to: r32}, {from: rm32}),
        Kind::W64 | Kind::F64 => x64!(body => mov {to: r64}, {from: rm64}),
    }
}

fn to_vector(body: &mut Body<'_>, to: Xmm, kind: Kind, from: Place) {
    match (from, kind) {
        (Place::Vector(from), _) if from == to => {}
        (Place::Vector(from), _) => x64!(body => movaps {to: xmm}, {from: xmm}),
        (Place::Gpr(from), _) => x64!(body => movq {to: xmm}, {from: r64}),
        (Place::Memory(base, disp), Kind::F32) => x64!(body => movss {to: xmm}, [{base: r64} + {disp}]),
        (Place::Memory(base, disp), _) => x64!(body => movsd {to: xmm}, [{base: r64} + {disp}]),
        (Place::Constant(0), _) => x64!(body => xorps {to: xmm}, {to: xmm}),
        (Place::Constant(bits), Kind::F32) => {
            x64!(body => movss {to: xmm}, [{Constant::u32(bits as u32)}]);
        }
        (Place::Constant(bits), _) => x64!(body => movsd {to: xmm}, [{Constant::u64(bits)}]),
    }
}

/// An argument on the stack: integers are extended as in registers.
fn to_word(body: &mut Body<'_>, word: Address, kind: Kind, from: Place) {
    match from {
        Place::Constant(bits) => {
            let bits = extended(kind, bits);
            if let Ok(short) = i32::try_from(bits as i64) {
                x64!(body => mov {word: m64}, {short: i32});
            } else {
                constant(body, SCRATCH, bits);
                x64!(body => mov {word: m64}, {SCRATCH: r64});
            }
        }
        Place::Vector(from) => x64!(body => movq {word: m64}, {from: xmm}),
        Place::Gpr(from) if kind.bytes() >= 4 => x64!(body => mov {word: m64}, {from: r64}),
        _ => {
            to_register(body, SCRATCH, kind, from);
            x64!(body => mov {word: m64}, {SCRATCH: r64});
        }
    }
}

/// As many bytes as the kind has.
fn to_object(body: &mut Body<'_>, object: Address, kind: Kind, from: Place) {
    let from = match from {
        Place::Vector(from) if kind == Kind::F32 => return x64!(body => movss {object: m32}, {from: xmm}),
        Place::Vector(from) => return x64!(body => movsd {object: m64}, {from: xmm}),
        Place::Gpr(from) => from,
        Place::Memory(..) | Place::Constant(_) => {
            to_register(body, SCRATCH, kind, from);
            SCRATCH
        }
    };
    match kind.bytes() {
        1 => x64!(body => mov {object: m8}, {from: r8}),
        2 => x64!(body => mov {object: m16}, {from: r16}),
        4 => x64!(body => mov {object: m32}, {from: r32}),
        _ => x64!(body => mov {object: m64}, {from: r64}),
    }
}
