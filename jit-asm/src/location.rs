//! Operands whose kind is chosen when the code is emitted: a register, memory, or a constant.
//!
//! `add rax, {src: rmi64}` takes an [`Rmi`]: the macro has encoded the instruction for every kind
//! beforehand, and emission picks one and patches it. Base and index are general registers at 64 bits.

use crate::reg::{Gpr, IndexGpr, Xmm};

/// What an index is multiplied by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the variants are the factors
pub enum Scale {
    X1,
    X2,
    X4,
    X8,
}

impl Scale {
    /// The number in SIB, 0 to 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// Memory at `base + index * scale + disp`: what `{m: m64}` takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    /// The register it starts from.
    pub base: Gpr,
    /// A scaled register added to it.
    pub index: Option<(IndexGpr, Scale)>,
    /// Bytes added to it.
    pub disp: i32,
}

impl Address {
    /// `[base + disp]`.
    ///
    /// ```
    /// use jit_asm::location::{Address, Scale};
    /// use jit_asm::Gpr;
    /// let slot = Address::new(Gpr::Rbp, -16);
    /// let element = Address::new(Gpr::Rdi, 0).with_index(Gpr::Rcx.index().unwrap(), Scale::X8);
    /// assert_ne!(slot, element);
    /// ```
    #[must_use]
    pub const fn new(base: Gpr, disp: i32) -> Address {
        Address { base, index: None, disp }
    }

    /// The same and a scaled register.
    #[must_use]
    pub const fn with_index(self, index: IndexGpr, scale: Scale) -> Address {
        Address { index: Some((index, scale)), ..self }
    }
}

/// A general register or memory: what `{src: rm64}` takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rm {
    /// The register.
    Reg(Gpr),
    /// The memory at an address.
    Mem(Address),
}

/// A general register, memory, or a constant, whose sign is extended: what `{src: rmi64}` takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rmi {
    /// The register.
    Reg(Gpr),
    /// The memory at an address.
    Mem(Address),
    /// The constant.
    Imm(i32),
}

/// A vector register or memory: what `{src: xm}` and `{src: ym}` take.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Xm {
    /// The register.
    Reg(Xmm),
    /// The memory at an address.
    Mem(Address),
}

impl From<Gpr> for Rm {
    fn from(reg: Gpr) -> Rm {
        Rm::Reg(reg)
    }
}

impl From<Address> for Rm {
    fn from(address: Address) -> Rm {
        Rm::Mem(address)
    }
}

impl From<Rm> for Rmi {
    fn from(rm: Rm) -> Rmi {
        match rm {
            Rm::Reg(reg) => Rmi::Reg(reg),
            Rm::Mem(address) => Rmi::Mem(address),
        }
    }
}

impl From<Gpr> for Rmi {
    fn from(reg: Gpr) -> Rmi {
        Rmi::Reg(reg)
    }
}

impl From<Address> for Rmi {
    fn from(address: Address) -> Rmi {
        Rmi::Mem(address)
    }
}

impl From<i32> for Rmi {
    fn from(constant: i32) -> Rmi {
        Rmi::Imm(constant)
    }
}

impl From<Xmm> for Xm {
    fn from(reg: Xmm) -> Xm {
        Xm::Reg(reg)
    }
}

impl From<Address> for Xm {
    fn from(address: Address) -> Xm {
        Xm::Mem(address)
    }
}

/// Whether one byte holds the value: the variants with a short field are for those that do.
#[doc(hidden)]
#[inline(always)]
#[must_use]
pub const fn is_short(value: i32) -> bool {
    value as i8 as i32 == value
}
