//! The registers of x86-64 and sets of them.
//!
//! Numbers are the hardware's (Intel SDM vol. 2, table 3-1): 0 to 15 in the order rax, rcx, rdx, rbx,
//! rsp, rbp, rsi, rdi, r8 .. r15. A register chosen at run time is a [`Gpr`], so no number outside this
//! range can reach a register hole; the type of an index hole, [`IndexGpr`], excludes rsp, which the
//! hardware reads as "no index". A vector register chosen at run time is an [`Xmm`].

use core::fmt;

/// A general register. The width it is used at belongs to the instruction, not to the register.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs)] // the names are the manual's
pub enum Gpr {
    Rax = 0,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
}

const NAMES64: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15",
];

impl Gpr {
    /// All sixteen, in the order of their numbers.
    pub const ALL: [Gpr; 16] = [
        Gpr::Rax,
        Gpr::Rcx,
        Gpr::Rdx,
        Gpr::Rbx,
        Gpr::Rsp,
        Gpr::Rbp,
        Gpr::Rsi,
        Gpr::Rdi,
        Gpr::R8,
        Gpr::R9,
        Gpr::R10,
        Gpr::R11,
        Gpr::R12,
        Gpr::R13,
        Gpr::R14,
        Gpr::R15,
    ];

    /// The register with this hardware number, if there is one.
    #[must_use]
    pub const fn new(number: u8) -> Option<Gpr> {
        if number < 16 { Some(Gpr::ALL[number as usize]) } else { None }
    }

    /// The hardware number, 0 to 15.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// This register as an index of a memory operand; `None` for rsp, which cannot be one.
    #[must_use]
    pub const fn index(self) -> Option<IndexGpr> {
        if matches!(self, Gpr::Rsp) { None } else { Some(IndexGpr(self)) }
    }
}

/// The 64-bit name: `rax`.
impl fmt::Display for Gpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(NAMES64[self.number() as usize])
    }
}

/// A general register that can be an index of a memory operand: any but rsp. A hole of an index takes one and no
/// [`Gpr`], from which [`Gpr::index`] makes it:
///
/// ```
/// use jit_asm::{Gpr, IndexGpr};
///
/// let index: IndexGpr = Gpr::R12.index().expect("any but rsp"); // x64!(asm => mov rax, [rdi + {index: r64}*8])
/// assert_eq!(index.gpr(), Gpr::R12);
/// assert_eq!(Gpr::Rsp.index(), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IndexGpr(Gpr);

impl IndexGpr {
    /// The register.
    #[must_use]
    pub const fn gpr(self) -> Gpr {
        self.0
    }

    /// The hardware number, 0 to 15 but never 4.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0.number()
    }
}

/// rsp given where an index is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RspIsNoIndex;

impl fmt::Display for RspIsNoIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rsp cannot be an index; use it as the base, or choose another register")
    }
}

impl core::error::Error for RspIsNoIndex {}

impl TryFrom<Gpr> for IndexGpr {
    type Error = RspIsNoIndex;
    fn try_from(r: Gpr) -> Result<IndexGpr, RspIsNoIndex> {
        r.index().ok_or(RspIsNoIndex)
    }
}

/// A vector register. Whether it is used as xmm or as ymm belongs to the instruction, not to the register.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs)] // the names are the manual's
pub enum Xmm {
    Xmm0 = 0,
    Xmm1,
    Xmm2,
    Xmm3,
    Xmm4,
    Xmm5,
    Xmm6,
    Xmm7,
    Xmm8,
    Xmm9,
    Xmm10,
    Xmm11,
    Xmm12,
    Xmm13,
    Xmm14,
    Xmm15,
}

impl Xmm {
    /// All sixteen, in the order of their numbers.
    pub const ALL: [Xmm; 16] = [
        Xmm::Xmm0,
        Xmm::Xmm1,
        Xmm::Xmm2,
        Xmm::Xmm3,
        Xmm::Xmm4,
        Xmm::Xmm5,
        Xmm::Xmm6,
        Xmm::Xmm7,
        Xmm::Xmm8,
        Xmm::Xmm9,
        Xmm::Xmm10,
        Xmm::Xmm11,
        Xmm::Xmm12,
        Xmm::Xmm13,
        Xmm::Xmm14,
        Xmm::Xmm15,
    ];

    /// The register with this hardware number, if there is one.
    #[must_use]
    pub const fn new(number: u8) -> Option<Xmm> {
        if number < 16 { Some(Xmm::ALL[number as usize]) } else { None }
    }

    /// The hardware number, 0 to 15.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// The 128-bit name: `xmm9`.
impl fmt::Display for Xmm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("xmm{}", self.number()))
    }
}

/// A set of registers: bits 0 to 15 are the general ones, bits 16 to 31 the vector registers. The bits
/// above are left for the other vector registers of AVX-512 and its masks.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct RegSet(u64);

impl RegSet {
    /// No register.
    pub const EMPTY: RegSet = RegSet(0);

    /// The set of the given registers.
    #[must_use]
    pub const fn of(registers: &[Gpr]) -> RegSet {
        let mut set = RegSet::EMPTY;
        let mut i = 0;
        while i < registers.len() {
            set = set.with(registers[i]);
            i += 1;
        }
        set
    }

    /// The set of the given vector registers.
    #[must_use]
    pub const fn of_vectors(registers: &[Xmm]) -> RegSet {
        let mut set = RegSet::EMPTY;
        let mut i = 0;
        while i < registers.len() {
            set = set.with_vector(registers[i]);
            i += 1;
        }
        set
    }

    /// The set whose bits are given; bit n is the general register with number n, bit 16 + n the vector
    /// register.
    #[must_use]
    pub const fn from_bits(bits: u64) -> RegSet {
        RegSet(bits)
    }

    /// Bit n is the general register with number n, bit 16 + n the vector register.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// This set and one more register.
    #[must_use]
    pub const fn with(self, r: Gpr) -> RegSet {
        RegSet(self.0 | 1 << r.number())
    }

    /// This set and one more vector register.
    #[must_use]
    pub const fn with_vector(self, r: Xmm) -> RegSet {
        RegSet(self.0 | 1 << (16 + r.number()))
    }

    /// Whether the vector register `r` is a member.
    #[must_use]
    pub const fn contains_vector(self, r: Xmm) -> bool {
        self.0 >> (16 + r.number()) & 1 != 0
    }

    /// This set without one register.
    #[must_use]
    pub const fn without(self, r: Gpr) -> RegSet {
        RegSet(self.0 & !(1 << r.number()))
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: RegSet) -> RegSet {
        RegSet(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: RegSet) -> RegSet {
        RegSet(self.0 & other.0)
    }

    /// What is here and not in `other`.
    #[must_use]
    pub const fn difference(self, other: RegSet) -> RegSet {
        RegSet(self.0 & !other.0)
    }

    /// Whether `r` is a member.
    #[must_use]
    pub const fn contains(self, r: Gpr) -> bool {
        self.0 >> r.number() & 1 != 0
    }

    /// Whether nothing is.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The general register in it with the lowest number.
    #[must_use]
    pub const fn first(self) -> Option<Gpr> {
        Gpr::new((self.0 | 1 << 16).trailing_zeros() as u8)
    }

    /// The general registers in it, by number.
    pub fn iter(self) -> impl Iterator<Item = Gpr> {
        let mut rest = self;
        core::iter::from_fn(move || {
            let r = rest.first()?;
            rest = rest.without(r);
            Some(r)
        })
    }

    /// The vector registers in it, by number.
    pub fn vectors(self) -> impl Iterator<Item = Xmm> {
        let mut rest = self.0 >> 16;
        core::iter::from_fn(move || {
            let r = Xmm::new(rest.trailing_zeros() as u8)?;
            rest &= rest - 1;
            Some(r)
        })
    }
}

/// `{rax, rdx, xmm0}`.
impl fmt::Debug for RegSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let general = self.iter().map(|r| r.to_string());
        let all: Vec<String> = general.chain(self.vectors().map(|r| r.to_string())).collect();
        write!(f, "{{{}}}", all.join(", "))
    }
}

/// What the emission of a gather asks first: its destination, index and mask are three registers, or the processor
/// raises #UD when the code runs (SDM vol. 2, VGATHERDPS).
///
/// # Panics
/// If a register stands there twice.
///
/// ```should_panic
/// jit_asm::reg::assert_apart(&[jit_asm::Xmm::Xmm1, jit_asm::Xmm::Xmm2, jit_asm::Xmm::Xmm1]);
/// ```
#[track_caller]
#[inline]
pub fn assert_apart(registers: &[Xmm]) {
    let mut seen = 0_u16;
    for reg in registers {
        let bit = 1 << reg.number();
        assert!(seen & bit == 0, "xmm{} stands in a gather twice, whose registers must differ", reg.number());
        seen |= bit;
    }
}
