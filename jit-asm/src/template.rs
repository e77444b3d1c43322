//! What a finished template is: the contract between the macro that makes it and whoever emits it.
//!
//! A [`Template`] is bytes that were known when Rust compiled, and a description of the [`Hole`]s in
//! them. Emission itself never reads the description: the macro expands to one copy and one store per
//! hole at constant offsets. Listings, checks and the operand-stack cache read it.

use crate::features::Features;
use crate::reg::RegSet;
use core::fmt;

/// A run of instructions whose bytes are known apart from their holes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Template {
    /// The name it was given in `templates!`, or the empty string.
    pub name: &'static str,
    /// The bytes, with zeros where a hole is filled at emission. Where a location is chosen, those of the
    /// longest instruction it may become.
    pub bytes: &'static [u8],
    /// The holes, in the order of their places.
    pub holes: &'static [Hole],
    /// One entry an instruction or directive, in order: where it starts and how it reads.
    pub lines: &'static [Line],
    /// Which of the bytes are data, not instructions, in order.
    pub data: &'static [DataRange],
    /// What its place must be a multiple of: a power of two, 1 for most. Emission sees to it.
    pub align: u8,
    /// What running it does to registers, flags, memory and the stack.
    pub effects: Effects,
}

/// Bytes of a template that are data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataRange {
    /// Offset of the first.
    pub start: u16,
    /// Offset of what follows the last.
    pub end: u16,
}

/// One instruction of a template, or one directive; `.align` may have no bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Offset of its first byte in the template.
    pub at: u16,
    /// Its text in Intel syntax, holes in braces, labels of the template in front.
    pub text: &'static str,
}

/// A place in a template that is filled when it is emitted. Analogous to a relocation record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hole {
    /// Offset in the template of the first byte of the field; for a register, of the instruction; for a
    /// condition, of the opcode.
    pub at: u16,
    /// What is patched.
    pub kind: HoleKind,
    /// The name between the braces, or the text of the expression.
    pub name: &'static str,
}

/// What a hole patches. Closed: a new kind is a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoleKind {
    /// An immediate of 1, 2, 4 or 8 bytes, little-endian, or an item of data.
    Imm(u8),
    /// A displacement of 1 or 4 bytes, signed.
    Disp(u8),
    /// A 32-bit distance from the end of the instruction to a label or function; `tail` bytes of the
    /// instruction follow the field.
    Rel32 {
        /// Bytes between the end of the field and the end of the instruction.
        tail: u8,
        /// Bytes that the instruction reads or writes at the target; 0 where it goes there, or wants the address.
        width: u8,
    },
    /// The same with `tail` 0, in a field that is 4-aligned, so that it can be rewritten by one store while other
    /// threads run the code (Intel SDM vol. 3, 9.1.1).
    Patchable,
    /// A register number, in up to two places.
    Reg(RegField),
    /// A condition, in the low four bits of the opcode byte at `at`.
    Cond,
    /// What the index of an address is multiplied by, in the high two bits of the byte at `at`.
    Scale,
    /// A register, memory or a constant: the instruction at `at` is one of several, and the bytes here are
    /// those of the longest.
    Location,
}

/// Where the four bits of a register number go: three into ModRM, SIB or the opcode and one into a prefix,
/// or all four into one byte. The template's bytes are those of register 0, and the bits are patched by
/// exclusive or, since VEX has some of them inverted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegField {
    /// Offset in the template of the byte that takes bits 0 to 2, or all four.
    pub low_at: u16,
    /// How far they are shifted: 0 (rm, base, opcode), 3 (reg, index, VEX.vvvv) or 4 (in an immediate).
    pub low_shift: u8,
    /// Where bit 3 goes, if not to the others.
    pub high: Option<HighBit>,
    /// Whether it is a vector register, not a general one.
    pub vector: bool,
    /// Whether the instruction reads the register.
    pub reads: bool,
    /// Whether it writes the register.
    pub writes: bool,
}

/// The place of bit 3 of a register number: in a REX or VEX prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HighBit {
    /// Offset in the template of the byte.
    pub at: u16,
    /// Its place there.
    pub bit: u8,
}

/// What running a template does, as far as its bytes tell. Registers chosen at emission are not in the
/// sets: they are in the [`RegField`]s of the holes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effects {
    /// Registers whose value on entry can matter.
    pub reads: RegSet,
    /// Registers that may be changed.
    pub writes: RegSet,
    /// Flags whose value on entry can matter.
    pub reads_flags: Flags,
    /// Flags that may be changed: written, cleared or left undefined.
    pub writes_flags: Flags,
    /// Whether memory is read (the stack included).
    pub reads_memory: bool,
    /// Whether memory is written (the stack included).
    pub writes_memory: bool,
    /// How the stack pointer moves from the first instruction to the end.
    pub stack: StackMove,
    /// How far above where it was the stack pointer comes at most on the way: 0 for what only pushes, or pops what it
    /// has pushed. Unknown where some instruction may run with a stack pointer that is not known.
    pub highest: StackMove,
    /// How far the stack pointer has moved where it calls: `None` where nothing is called that wants an aligned stack, as
    /// `syscall` does not. Unknown where calls differ, or where the template does not tell.
    pub called_at: Option<StackMove>,
    /// Whether what stands behind it may run next: not behind a jump, a return or `ud2` that ends it.
    pub falls_through: bool,
    /// Whether it contains a call: the callee's own effects are not in the sets.
    pub calls: bool,
    /// Whether it contains a jump, conditional or not, or a return.
    pub jumps: bool,
    /// Whether an instruction of it can fault by its operand's value (division) or on purpose.
    pub traps: bool,
    /// Whether it writes a ymm register: upper halves may be in use behind it, which slows down whoever uses
    /// xmm registers the old way until `vzeroupper` (Intel Optimization Manual, "Mixing AVX Code with SSE Code").
    pub ymm: bool,
    /// The extensions of the instruction set that it needs.
    pub features: Features,
}

impl Effects {
    /// Nothing at all.
    pub const NONE: Effects = Effects {
        reads: RegSet::EMPTY,
        writes: RegSet::EMPTY,
        reads_flags: Flags::NONE,
        writes_flags: Flags::NONE,
        reads_memory: false,
        writes_memory: false,
        stack: StackMove::By(0),
        highest: StackMove::By(0),
        called_at: None,
        falls_through: true,
        calls: false,
        jumps: false,
        traps: false,
        ymm: false,
        features: Features::NONE,
    };

    /// What running one of two may do.
    #[must_use]
    pub fn either(self, other: Effects) -> Effects {
        Effects {
            reads: self.reads.union(other.reads),
            writes: self.writes.union(other.writes),
            reads_flags: self.reads_flags.union(other.reads_flags),
            writes_flags: self.writes_flags.union(other.writes_flags),
            reads_memory: self.reads_memory || other.reads_memory,
            writes_memory: self.writes_memory || other.writes_memory,
            stack: if self.stack == other.stack { self.stack } else { StackMove::Unknown },
            highest: self.highest.or_higher(other.highest),
            called_at: match (self.called_at, other.called_at) {
                (Some(one), Some(two)) if one != two => Some(StackMove::Unknown),
                (one, two) => one.or(two),
            },
            falls_through: self.falls_through || other.falls_through,
            calls: self.calls || other.calls,
            jumps: self.jumps || other.jumps,
            traps: self.traps || other.traps,
            ymm: self.ymm || other.ymm,
            features: self.features.union(other.features),
        }
    }
}

/// How a template moves the stack pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StackMove {
    /// By this many bytes; a push is -8.
    By(i32),
    /// By an amount that its bytes do not tell (`leave`, `mov rsp, rax`, a jump past a push).
    Unknown,
}

impl StackMove {
    /// The move of this and then another.
    #[must_use]
    pub fn then(self, next: StackMove) -> StackMove {
        match (self, next) {
            (StackMove::By(a), StackMove::By(b)) => {
                a.checked_add(b).map_or(StackMove::Unknown, StackMove::By)
            }
            _ => StackMove::Unknown,
        }
    }

    /// The higher of two, if both are known.
    #[must_use]
    pub fn or_higher(self, other: StackMove) -> StackMove {
        match (self, other) {
            (StackMove::By(a), StackMove::By(b)) => StackMove::By(a.max(b)),
            _ => StackMove::Unknown,
        }
    }
}

/// A set of the six status flags and the direction flag.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// None of them.
    pub const NONE: Flags = Flags(0);
    /// Overflow.
    pub const O: Flags = Flags(1);
    /// Sign.
    pub const S: Flags = Flags(2);
    /// Zero.
    pub const Z: Flags = Flags(4);
    /// Auxiliary carry.
    pub const A: Flags = Flags(8);
    /// Parity.
    pub const P: Flags = Flags(16);
    /// Carry.
    pub const C: Flags = Flags(32);
    /// Direction.
    pub const D: Flags = Flags(64);

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// What is here and not in `other`.
    #[must_use]
    pub const fn difference(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// Whether nothing is.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The letters of the manual, `oszapcd`, of those in the set.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in "oszapcd".chars().enumerate() {
            if self.0 >> bit & 1 != 0 {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}
