//! What a row of the table means: one encodable form.
//!
//! **Problem.** Selection, the encoder, effects and listings all need the facts of an instruction, at one
//! definite width. The manual states them once for 16, 32 and 64 bits.
//!
//! **Idea.** A [`Form`] is a row expanded at one width. Everything that follows from the row (the `66` and
//! `REX.W` prefixes, the width of an immediate) has been derived by then, so nobody downstream knows rows.
//!
//! **Invariants.** A form that exists can be encoded: `rows` refuses, while this crate compiles, any row
//! whose operands have no place in its encoding or the other way round.
//!
//! **Cost.** Plain constant data, some sixty bytes a form, in whoever assembles; a user's program
//! does not carry it.

use super::operand::Width;
use crate::features::Features;
use crate::reg::{Gpr, Xmm};
use crate::template::Flags;
use core::fmt;

/// The most operands that an instruction has, implicit ones included.
pub const OPERANDS: usize = 6;

/// One encodable form of an instruction, at one operand size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Form {
    /// The name it is written with; aliases (`jz`, `je`) are forms of their own.
    pub mnemonic: &'static str,
    /// Explicit operands in the order of the text, then the implicit ones.
    pub operands: [Option<FormOperand>; OPERANDS],
    /// The operand size, for a row that stands for several; `None` for a row that fixes its own.
    pub size: Option<Width>,
    /// What the manual's `d64`, `f64` say about the operand size.
    pub sizing: Sizing,
    /// Whether `lock` stands in front: the locked form of an instruction that has one.
    pub lock: bool,
    /// Whether the prefix `66` is there, for the operand size or as a part of the opcode.
    pub prefix_66: bool,
    /// Whether the prefix `F2` or `F3` is there, as a part of the opcode or as a repetition.
    pub repeat: Option<Repeat>,
    /// Whether `REX.W` is set.
    pub rex_w: bool,
    /// The VEX prefix, which then stands for the prefixes above and for the escape.
    pub vex: Option<Vex>,
    /// The opcode map.
    pub map: Map,
    /// The opcode byte, low bits clear where a register is added.
    pub opcode: u8,
    /// Where registers and memory go.
    pub modrm: ModRm,
    /// The width of the immediate or relative field at the end.
    pub tail: Option<Width>,
    /// The width of a second immediate behind it; `enter` alone has one.
    pub second_tail: Option<Width>,
    /// What happens to the status flags.
    pub flags: FlagEffects,
    /// What happens besides registers, flags and named memory.
    pub acts: Acts,
    /// The extensions of the instruction set that have it.
    pub features: Features,
}

/// The prefixes `F2` and `F3`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the variants are the bytes
pub enum Repeat {
    F2 = 0xF2,
    F3 = 0xF3,
}

/// An opcode map, by what stands in front of the opcode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the variants are the escapes
pub enum Map {
    One,
    M0F,
    M0F38,
    M0F3A,
}

/// What a VEX prefix says by itself (SDM vol. 2, 2.3.5); `66`, `F2`, `F3` and the map are in it too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vex {
    /// The vector length.
    pub length: VexLength,
    /// What VEX.W means.
    pub w: VexW,
}

/// VEX.L (SDM vol. 2, 3.1.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VexLength {
    /// 0, xmm registers.
    L128,
    /// 1, ymm registers.
    L256,
    /// Ignored, 0 here.
    Lig,
    /// 0, no vector registers.
    Lz,
}

/// VEX.W (SDM vol. 2, 3.1.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the variants are the values
pub enum VexW {
    W0,
    W1,
    /// Ignored, 0 here.
    Wig,
}

/// What a form wants of an operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FormOperand {
    /// What may stand here.
    pub kind: Kind,
    /// Its width: of a register; of an immediate or a distance, that of its field. `None` for memory alone.
    pub width: Option<Width>,
    /// The width of the operand when it is in memory, if it can be. `None` for an address as such too.
    pub memory: Option<Width>,
    /// Where it goes in the encoding.
    pub place: Place,
    /// What the instruction does to it.
    pub access: Access,
    /// Whether the text of the instruction does not name it.
    pub implicit: bool,
}

/// What may stand at an operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A general register.
    Reg,
    /// A general register or memory.
    RegMem,
    /// Memory; without a width, only its address counts.
    Mem,
    /// A vector register.
    Vector,
    /// A vector register or memory.
    VectorMem,
    /// Memory at addresses whose index is a vector register, of the operand's width, with elements of this one.
    Vsib(Width),
    /// An immediate.
    Imm(Extension),
    /// A distance from the end of the instruction.
    Rel,
    /// This register and no other.
    Fixed(Gpr),
    /// This vector register and no other.
    FixedVector(Xmm),
    /// ah: bits 8 to 15 of rax.
    Ah,
    /// The number 1, which stands in the opcode.
    One,
}

/// Where an operand goes in the encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Nowhere: the opcode says it.
    None,
    /// ModRM.reg.
    Reg,
    /// ModRM.rm, with SIB and a displacement if it is memory.
    Rm,
    /// ModRM.reg and ModRM.rm at once.
    Both,
    /// VEX.vvvv.
    Vvvv,
    /// The low bits of the opcode.
    Opcode,
    /// The high half of a byte at the end.
    Is4,
    /// The immediate or distance at the end.
    Tail,
}

/// How an immediate field reaches the width it is used at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extension {
    /// It has that width.
    None,
    /// By copies of its highest bit.
    Sign,
    /// By zeros.
    Zero,
}

/// What an instruction does to an operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reads it.
    Read,
    /// Writes all of it without having read it.
    Write,
    /// Reads and writes it, or may leave it as it was.
    ReadWrite,
    /// Neither: only its address is computed, or nothing happens to it at all.
    Neither,
}

impl Access {
    /// Whether the operand's value matters.
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, Access::Read | Access::ReadWrite)
    }

    /// Whether the operand may change.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Access::Write | Access::ReadWrite)
    }
}

/// How the operand size comes about (SDM vol. 2, table A-1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sizing {
    /// 32 bits; 16 with `66`, 64 with `REX.W`.
    Plain,
    /// The manual's `d64`: 64 bits without `REX.W`, 16 with `66`.
    Default64,
    /// The manual's `f64`: 64 bits whatever the prefixes say.
    Forced64,
    /// A 32-bit instruction written for its 64-bit result: the processor clears the upper half (SDM
    /// vol. 1, 3.4.1.1).
    ZeroExtended,
}

/// Where registers and memory go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModRm {
    /// Nowhere.
    None,
    /// `/r`: one register in ModRM.reg, the r/m operand in ModRM.rm.
    Reg,
    /// `/rr`: one register operand in both (`imul rax, 5` is `imul rax, rax, 5`).
    Both,
    /// `/0` to `/7`: the r/m operand in ModRM.rm, the digit extends the opcode.
    Digit(u8),
    /// A byte in the place of ModRM that belongs to the opcode.
    Fixed(u8),
    /// `+r`: in the low bits of the opcode.
    Opcode,
}

/// What an instruction does to the flags: five sets, the last four without a common member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlagEffects {
    /// Tested.
    pub read: Flags,
    /// Set by the result.
    pub written: Flags,
    /// Always 0 afterwards.
    pub cleared: Flags,
    /// Always 1 afterwards.
    pub set: Flags,
    /// Left with no defined value.
    pub undefined: Flags,
}

impl FlagEffects {
    /// None at all.
    pub const NONE: FlagEffects = FlagEffects {
        read: Flags::NONE,
        written: Flags::NONE,
        cleared: Flags::NONE,
        set: Flags::NONE,
        undefined: Flags::NONE,
    };

    /// Every flag that does not keep its value.
    #[must_use]
    pub const fn changed(self) -> Flags {
        self.written.union(self.cleared).union(self.set).union(self.undefined)
    }
}

/// What an instruction does besides reading and writing its operands and flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acts {
    /// Pushes a value of the operand size.
    pub push: bool,
    /// Pops a value of the operand size.
    pub pop: bool,
    /// Jumps or returns, always or on a condition.
    pub jumps: bool,
    /// Calls.
    pub calls: bool,
    /// Can fault by its operand's value, or always does.
    pub traps: bool,
    /// The next instruction in memory is not the next to run.
    pub leaves: bool,
    /// A count of zero leaves the flags as they were.
    pub counts: bool,
    /// Reads memory that no operand names.
    pub loads: bool,
    /// Writes memory that no operand names.
    pub stores: bool,
    /// May have `lock` in front when its first operand is memory.
    pub lock: bool,
    /// Changes the upper halves, or all, of the sixteen vector registers.
    pub vectors: bool,
}

impl Acts {
    /// Nothing of the kind.
    pub const NONE: Acts = Acts {
        push: false,
        pop: false,
        jumps: false,
        calls: false,
        traps: false,
        leaves: false,
        counts: false,
        loads: false,
        stores: false,
        lock: false,
        vectors: false,
    };
}

impl Form {
    /// The operands that stand in the text, in its order.
    pub fn explicit(&self) -> impl Iterator<Item = &FormOperand> + Clone {
        self.operands.iter().flatten().filter(|o| !o.implicit)
    }

    /// The operands that the text does not name.
    pub fn implicit(&self) -> impl Iterator<Item = &FormOperand> + Clone {
        self.operands.iter().flatten().filter(|o| o.implicit)
    }

    /// How many operands stand in the text.
    #[must_use]
    pub fn arity(&self) -> usize {
        self.explicit().count()
    }

    /// The width at which an immediate is used, its field extended.
    #[must_use]
    pub fn use_width(&self, imm: &FormOperand) -> Option<Width> {
        match (imm.kind, self.size) {
            (Kind::Imm(Extension::Sign), None) => Some(Width::B64),
            (Kind::Imm(Extension::Sign), size) => size,
            (Kind::Imm(Extension::Zero), _) => Some(Width::B64),
            _ => imm.width,
        }
    }
}

/// The manual's word for a width: 8, 16, 32, 64, ..; nothing for none.
fn bits(width: Option<Width>) -> String {
    width.map_or(String::new(), |width| width.bits().to_string())
}

/// The manual's word for a vector register.
fn vector_word(width: Option<Width>) -> &'static str {
    if width == Some(Width::B256) { "ymm" } else { "xmm" }
}

/// A part of a register at a width, by its name; 64 bits where there is no width.
pub(super) fn register_name(gpr: Gpr, width: Option<Width>) -> String {
    use super::operand::{Reg, RegClass};
    let class = match width {
        Some(Width::B8) => RegClass::R8,
        Some(Width::B16) => RegClass::R16,
        Some(Width::B32) => RegClass::R32,
        _ => RegClass::R64,
    };
    Reg { gpr, class }.to_string()
}

/// The manual's word: `r/m64`, `imm8`, `rel32`, `cl`.
impl fmt::Display for FormOperand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = bits(self.width);
        let memory = bits(self.memory);
        match self.kind {
            Kind::Reg => write!(f, "r{width}"),
            Kind::RegMem if self.memory == self.width => write!(f, "r/m{width}"),
            Kind::RegMem => write!(f, "r{width}/m{memory}"),
            Kind::Mem => write!(f, "m{memory}"),
            Kind::Vector => f.write_str(vector_word(self.width)),
            Kind::VectorMem => write!(f, "{}/m{memory}", vector_word(self.width)),
            Kind::Vsib(index) => write!(f, "vm{}{}", index.bits(), &vector_word(self.width)[..1]),
            Kind::FixedVector(reg) => write!(f, "{reg}"),
            Kind::Ah => f.write_str("ah"),
            Kind::Imm(Extension::None) => write!(f, "imm{width}"),
            Kind::Imm(Extension::Sign) => write!(f, "simm{width}"),
            Kind::Imm(Extension::Zero) => write!(f, "uimm{width}"),
            Kind::Rel => write!(f, "rel{width}"),
            Kind::Fixed(gpr) => f.write_str(&register_name(gpr, self.width)),
            Kind::One => f.write_str("1"),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Read => "r",
            Access::Write => "w",
            Access::ReadWrite => "rw",
            Access::Neither => "n",
        })
    }
}

/// `r=c w=oszapc`, in the letters of the rows.
impl fmt::Display for FlagEffects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (set, cleared) = (("1", self.set), ("0", self.cleared));
        let sets = [("r", self.read), ("w", self.written), cleared, set, ("u", self.undefined)];
        let mut first = true;
        for (letter, set) in sets.into_iter().filter(|(_, set)| !set.is_empty()) {
            write!(f, "{}{letter}={set:?}", if first { "" } else { " " })?;
            first = false;
        }
        Ok(())
    }
}

/// The words of the rows.
impl fmt::Display for Acts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.push, "push"),
            (self.pop, "pop"),
            (self.jumps, "jumps"),
            (self.calls, "calls"),
            (self.traps, "traps"),
            (self.leaves, "leaves"),
            (self.counts, "counts"),
            (self.loads, "loads"),
            (self.stores, "stores"),
            (self.lock, "lock"),
            (self.vectors, "vectors"),
        ];
        let said: Vec<&str> = words.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
        f.write_str(&said.join(" "))
    }
}

impl Form {
    /// The mnemonic with its prefix: `lock add`.
    #[must_use]
    pub fn name(&self) -> String {
        if self.lock { format!("lock {}", self.mnemonic) } else { self.mnemonic.to_owned() }
    }

    /// Prefixes and escape as the manual spells them: `REX.W 0F`, `VEX.128.66.0F38.W0`.
    fn prefixes(&self) -> Vec<&'static str> {
        let escape: &[&str] = match self.map {
            Map::One => &[],
            Map::M0F => &["0F"],
            Map::M0F38 => &["0F", "38"],
            Map::M0F3A => &["0F", "3A"],
        };
        let mut words = vec![];
        words.extend(self.lock.then_some("F0"));
        words.extend(self.prefix_66.then_some("66"));
        words.extend(self.repeat.map(|repeat| if repeat == Repeat::F2 { "F2" } else { "F3" }));
        words.extend(self.rex_w.then_some("REX.W"));
        words.extend(escape);
        words
    }

    /// `VEX.128.66.0F38.W0`.
    fn vex_word(&self, vex: Vex) -> String {
        let length = match vex.length {
            VexLength::L128 => "128",
            VexLength::L256 => "256",
            VexLength::Lig => "LIG",
            VexLength::Lz => "LZ",
        };
        let w = match vex.w {
            VexW::W0 => "W0",
            VexW::W1 => "W1",
            VexW::Wig => "WIG",
        };
        format!("VEX.{length}.{}.{w}", self.prefixes().join(".").replace("0F.3", "0F3"))
    }

    /// The encoding as the manual spells it: `REX.W 0F AF /r`.
    #[must_use]
    pub fn encoding(&self) -> String {
        let mut words: Vec<String> = match self.vex {
            Some(vex) => vec![self.vex_word(vex)],
            None => self.prefixes().into_iter().map(str::to_owned).collect(),
        };
        let plus = match (self.modrm, self.explicit().find(|o| o.kind == Kind::Reg)) {
            (ModRm::Opcode, Some(FormOperand { width: Some(width), .. })) => match width {
                Width::B8 => "+rb",
                Width::B16 => "+rw",
                Width::B64 if self.sizing != Sizing::ZeroExtended => "+ro",
                _ => "+rd",
            },
            _ => "",
        };
        words.push(format!("{:02X}{plus}", self.opcode));
        match self.modrm {
            ModRm::Reg => words.push("/r".into()),
            ModRm::Both => words.push("/rr".into()),
            ModRm::Digit(n) => words.push(format!("/{n}")),
            ModRm::Fixed(byte) => words.push(format!("{byte:02X}")),
            ModRm::None | ModRm::Opcode => {}
        }
        let relative = self.explicit().any(|o| o.kind == Kind::Rel);
        match (self.tail, relative) {
            (None, _) => {}
            (Some(Width::B8), true) => words.push("cb".into()),
            (Some(_), true) => words.push("cd".into()),
            (Some(Width::B8), false) => words.push("ib".into()),
            (Some(Width::B16), false) => words.push("iw".into()),
            (Some(Width::B32), false) => words.push("id".into()),
            (Some(_), false) => words.push("io".into()),
        }
        words.extend(self.second_tail.map(|_| "ib".to_owned()));
        if self.explicit().any(|o| o.place == Place::Is4) {
            words.push("/is4".into());
        }
        words.join(" ")
    }

    /// Mnemonic and operands as the manual spells them: `IMUL r64, r/m64, simm8`.
    #[must_use]
    pub fn instruction(&self) -> String {
        let operands: Vec<String> = self.explicit().map(ToString::to_string).collect();
        format!("{} {}", self.name().to_uppercase(), operands.join(", ")).trim_end().to_owned()
    }
}

/// The long spelling: encoding, instruction, access of each operand, flags, the rest.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = self.explicit().map(|o| o.access.to_string()).collect::<Vec<_>>().join(" ");
        let implicit: Vec<String> = self.implicit().map(|o| format!("{}:<{o}>", o.access)).collect();
        let (flags, acts) = (self.flags.to_string(), self.acts.to_string());
        let rest = [access, implicit.join(" "), flags, acts, self.features.to_string()];
        let rest: Vec<&str> = rest.iter().map(String::as_str).filter(|s| !s.is_empty()).collect();
        let line = format!("{:<30} {:<40} {}", self.encoding(), self.instruction(), rest.join(" | "));
        f.write_str(line.trim_end())
    }
}
