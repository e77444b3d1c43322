//! What stands between the commas of an instruction, holes included.
//!
//! An operand says everything that decides the form and the layout, and nothing else: of a hole its
//! class or width is known, never its value. The syntax makes these; `select` and `encode` read them.

pub use crate::location::Scale;
use crate::reg::{Gpr, Xmm};
use core::fmt;

/// One operand of one instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operand {
    /// A register named in the text.
    Reg(Reg),
    /// `{r: r64}`: any general register, chosen at emission and used at this class.
    RegHole(RegClass),
    /// A vector register named in the text.
    Vector(Vector),
    /// `{x: xmm}`: any vector register, chosen at emission.
    VectorHole(VectorClass),
    /// A memory operand.
    Mem(Mem),
    /// An immediate.
    Imm(Imm),
    /// The target of a jump or call: a label of the template, or a hole for a label or function.
    Target(Distance),
}

/// How a general register is used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RegClass {
    /// al .. r15b, with spl, bpl, sil and dil.
    R8,
    /// ah, ch, dh, bh: bits 8 to 15 of registers 0 to 3. Cannot stand in an instruction with a REX prefix.
    R8High,
    /// ax .. r15w.
    R16,
    /// eax .. r15d. A write clears the upper half.
    R32,
    /// rax .. r15.
    R64,
}

/// A general register at a width. For [`RegClass::R8High`] `gpr` is the register of which it is a part.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Reg {
    /// Which.
    pub gpr: Gpr,
    /// At which width.
    pub class: RegClass,
}

impl RegClass {
    /// How wide the part of the register is.
    #[must_use]
    pub const fn width(self) -> Width {
        match self {
            RegClass::R8 | RegClass::R8High => Width::B8,
            RegClass::R16 => Width::B16,
            RegClass::R32 => Width::B32,
            RegClass::R64 => Width::B64,
        }
    }
}

/// The name: `rax`, `r9d`, `sil`, `ah`.
impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LOW: [&str; 8] = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"];
        let name = self.gpr.to_string();
        let number = usize::from(self.gpr.number());
        let name = match (self.class, number) {
            (RegClass::R64, _) => name,
            (RegClass::R32, 0..8) => name.replacen('r', "e", 1),
            (RegClass::R16, 0..8) => name[1..].to_owned(),
            (RegClass::R8, 0..8) => LOW[number].to_owned(),
            (RegClass::R8High, _) => LOW[number & 3].replacen('l', "h", 1),
            (RegClass::R32, _) => name + "d",
            (RegClass::R16, _) => name + "w",
            (RegClass::R8, _) => name + "b",
        };
        f.pad(&name)
    }
}

/// How a vector register is used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum VectorClass {
    /// xmm0 .. xmm15, 128 bits.
    Xmm,
    /// ymm0 .. ymm15, 256 bits.
    Ymm,
}

/// A vector register at a width.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Vector {
    /// Which.
    pub reg: Xmm,
    /// At which width.
    pub class: VectorClass,
}

impl VectorClass {
    /// How wide the part of the register is.
    #[must_use]
    pub const fn width(self) -> Width {
        match self {
            VectorClass::Xmm => Width::B128,
            VectorClass::Ymm => Width::B256,
        }
    }
}

/// The name: `xmm3`, `ymm12`.
impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stem = match self.class {
            VectorClass::Xmm => "xmm",
            VectorClass::Ymm => "ymm",
        };
        f.pad(&format!("{stem}{}", self.reg.number()))
    }
}

/// The width of an operand in memory or of an immediate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Width {
    /// `byte`, 8 bits.
    B8,
    /// `word`, 16 bits.
    B16,
    /// `dword`, 32 bits.
    B32,
    /// `qword`, 64 bits.
    B64,
    /// `xmmword`, 128 bits.
    B128,
    /// `ymmword`, 256 bits.
    B256,
}

impl Width {
    /// In bytes: 1 to 32.
    #[must_use]
    pub const fn bytes(self) -> u8 {
        1 << self as u8
    }

    /// In bits: 8 to 256.
    #[must_use]
    pub const fn bits(self) -> u32 {
        8 * self.bytes() as u32
    }
}

/// The word in front of a memory operand: `byte`, `word`, `dword`, `qword`, `xmmword`, `ymmword`.
impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Width::B8 => "byte",
            Width::B16 => "word",
            Width::B32 => "dword",
            Width::B64 => "qword",
            Width::B128 => "xmmword",
            Width::B256 => "ymmword",
        })
    }
}

/// A memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mem {
    /// `byte` to `ymmword` in front of the bracket; `None` leaves it to the instruction and its other operands.
    pub width: Option<Width>,
    /// A segment whose base is added to the address.
    pub segment: Option<Segment>,
    /// What the address starts from.
    pub base: Base,
    /// A scaled register added to it.
    pub index: Option<(Index, Scale)>,
    /// A constant added to it.
    pub disp: Disp,
}

impl Mem {
    /// The memory at `base`, of a width that something else decides.
    #[must_use]
    pub const fn at(base: Base) -> Mem {
        Mem { width: None, segment: None, base, index: None, disp: Disp::Literal(0) }
    }
}

/// A segment with a base of its own; those of cs, ds, es and ss are 0 in 64-bit mode.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the names are the manual's
pub enum Segment {
    Fs,
    Gs,
}

/// `fs` or `gs`.
impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Segment::Fs => "fs",
            Segment::Gs => "gs",
        })
    }
}

/// What an address starts from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Base {
    /// Nothing: an absolute 32-bit address, sign-extended.
    None,
    /// A 64-bit register.
    Reg(Gpr),
    /// `{r: r64}`.
    Hole,
    /// `rip`: the address of the next instruction.
    Rip,
    /// `[{l}]` or `[label]`: rip-relative, the displacement is linked. Excludes index and displacement.
    Target,
}

/// A register to be scaled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Index {
    /// A 64-bit register other than rsp.
    Reg(Gpr),
    /// `{r: r64}` where an index stands; never rsp by its type.
    Hole,
    /// A vector register: one address an element, in gathers.
    Vector(Vector),
    /// `{x: xmm}` where an index stands.
    VectorHole(VectorClass),
}

/// The constant part of an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Disp {
    /// Known: the shortest form that holds it is chosen; 0 stands for none.
    Literal(i32),
    /// `{d: i8}`, or a constant expression forced to 8 bits.
    Hole8,
    /// `{d}`, or a constant expression.
    Hole32,
}

/// An immediate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Imm {
    /// Known. Fits a field of w bits when it is from -2^(w-1) to 2^w - 1 and the instruction uses it at w
    /// bits, and from -2^(w-1) to 2^(w-1) - 1 when the instruction sign-extends it further.
    Literal(i128),
    /// A value that comes later. `None`: as wide as the widest form of the instruction has it.
    Hole(Option<Width>),
}

/// How far a jump or call target may be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Distance {
    /// Eight bits: a label of the same template that was found to be near.
    Short,
    /// Thirty-two bits.
    Near,
}
