//! What [`parse`](super::parse) makes: statements whose operands are those of the table, with the tokens
//! of their holes beside them.

use super::attribute::Attribute;
use super::constant;
use super::error::Extent;
use crate::x64::listing::number;
use crate::x64::operand::{Operand, RegClass, VectorClass, Width};
use proc_macro2::{Span, TokenStream};

/// A word and where it stands.
#[derive(Clone, Debug)]
pub struct Name {
    /// The word.
    pub text: String,
    /// Its place.
    pub span: Span,
    /// Of a label: the alias for a register that may be meant instead, one slip away.
    pub near: Option<String>,
}

/// One statement of a template.
#[derive(Clone, Debug)]
pub enum Stmt {
    /// `name:` in front of an instruction or at the end.
    Label(Label),
    /// An instruction.
    Insn(Insn),
    /// `#![..]` at the start, `#[..]` in front of the next instruction.
    Attribute(Attribute),
    /// Data, or padding.
    Directive(Directive),
}

/// A place in the template that its own jumps may name.
#[derive(Clone, Debug)]
pub struct Label {
    /// Its name.
    pub name: Name,
}

/// `.byte 1, 2`, `.zero 8`, `.align 16`.
#[derive(Clone, Debug)]
pub struct Directive {
    /// What it puts.
    pub effect: Effect,
    /// The whole of it.
    pub extent: Extent,
}

/// What a directive puts.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Items of data.
    Items {
        /// Of each: 8 to 64 bits.
        width: Width,
        /// In order.
        items: Vec<Item>,
    },
    /// So many zero bytes of data.
    Zeros(u16),
    /// Instructions that do nothing, up to a multiple of this power of two.
    Align(u8),
}

/// An item of data. Numbers fit the width.
#[derive(Clone, Debug)]
pub enum Item {
    /// An integer or a character.
    Integer(i128),
    /// A float of 32 bits.
    Single(f32),
    /// A float of 64 bits.
    Double(f64),
    /// Bytes.
    Text(Vec<u8>),
    /// A constant of Rust, or a value chosen when the template is emitted.
    Hole(Hole),
}

/// A mnemonic and its operands.
#[derive(Clone, Debug)]
pub struct Insn {
    /// The first word, with its prefix if it has one: `lock add`. Where the condition is a hole, the mnemonic
    /// of condition 0: `jo`.
    pub mnemonic: Name,
    /// The condition, if it is a hole.
    pub condition: Option<Hole>,
    /// What stands between the commas.
    pub args: Vec<Arg>,
    /// The whole instruction.
    pub extent: Extent,
}

/// One operand as written.
#[derive(Clone, Debug)]
pub struct Arg {
    /// All that decides form and layout; of a location, as if it were a register, or memory where it is memory
    /// alone. A target is [`Near`](crate::x64::operand::Distance::Near) here;
    /// the layout makes it short where it can.
    pub operand: Operand,
    /// The holes in it and which part each fills: at most one a slot.
    pub holes: Vec<(Slot, Hole)>,
    /// The label of the template that it names, as a target or in `[label]`.
    pub label: Option<Name>,
    /// Its tokens.
    pub extent: Extent,
}

impl Stmt {
    /// Its holes, in the order of the text.
    pub fn holes(&self) -> impl Iterator<Item = &Hole> {
        let (condition, args, items): (_, &[Arg], &[Item]) = match self {
            Stmt::Insn(insn) => (insn.condition.as_ref(), &insn.args, &[]),
            Stmt::Directive(Directive { effect: Effect::Items { items, .. }, .. }) => (None, &[], items),
            _ => (None, &[], &[]),
        };
        let args = args.iter().flat_map(|arg| &arg.holes).map(|(_, hole)| hole);
        let items =
            items.iter().filter_map(|item| if let Item::Hole(hole) = item { Some(hole) } else { None });
        condition.into_iter().chain(args).chain(items)
    }
}

impl Directive {
    /// Whether it puts data, which does not run.
    #[must_use]
    pub fn is_data(&self) -> bool {
        !matches!(self.effect, Effect::Align(_))
    }
}

/// As it is written: `.dword 1, {x}`.
impl core::fmt::Display for Directive {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match &self.effect {
            Effect::Align(to) => write!(f, ".align {to}"),
            Effect::Zeros(count) => write!(f, ".zero {count}"),
            Effect::Items { width, items } => {
                write!(f, ".{width} ")?;
                for (at, item) in items.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    match item {
                        Item::Integer(value) => f.write_str(&number(*value))?,
                        Item::Single(value) => write!(f, "{value:?}")?,
                        Item::Double(value) => write!(f, "{value:?}")?,
                        Item::Text(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii())?,
                        Item::Hole(hole) => write!(f, "{hole}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl Insn {
    /// The mnemonic as it is written: `lock add`, `j{c}`.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.condition {
            Some(hole) => format!("{}{hole}", self.mnemonic.text.trim_end_matches('o')),
            None => self.mnemonic.text.clone(),
        }
    }
}

impl Arg {
    /// The hole that fills one part of the operand.
    #[must_use]
    pub fn hole(&self, slot: Slot) -> Option<&Hole> {
        self.holes.iter().find(|(s, _)| *s == slot).map(|(_, hole)| hole)
    }
}

/// The part of an operand that a hole fills.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    /// `add {r: r64}, 1`.
    Register,
    /// `add rax, {src: rm64}`: all of the operand.
    Location,
    /// `[{r: r64} + 8]`.
    Base,
    /// `[rax + {i: r64}*8]`.
    Index,
    /// `[rbp + {d}]`.
    Displacement,
    /// `add rax, {n}`.
    Immediate,
    /// `jmp {l}`, `lea rax, [{l}]`.
    Target,
}

/// What stands between two braces.
#[derive(Clone, Debug)]
pub struct Hole {
    /// The Rust expression, without `const` and without the type. Never empty.
    pub content: TokenStream,
    /// `{const E}`: known when Rust compiles.
    pub constant: bool,
    /// What stands behind the colon.
    pub ty: Option<HoleType>,
    /// The terms of a constant that is a sum, or has no braces. `content` is then only a name for it.
    pub sum: Option<Sum>,
    /// The braces and all between them, or the first token of a sum.
    pub span: Span,
    /// The last token.
    pub end: Span,
    /// How many holes stand before it in its operand.
    pub ordinal: usize,
}

/// A constant that is added up, each term in its own type: `offset_of!(Ctx, top) + 8`.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// The constants of Rust, at least one.
    pub terms: Vec<SumTerm>,
    /// The numbers among the terms.
    pub number: i128,
}

/// One constant of Rust in a sum.
#[derive(Clone, Debug)]
pub struct SumTerm {
    /// Whether it is subtracted.
    pub negative: bool,
    /// The expression.
    pub content: TokenStream,
    /// Whether it is written `{const ..}`.
    pub braces: bool,
}

/// What may stand behind the colon of a hole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoleType {
    /// `i8` .. `i64`, `u8` .. `u64`.
    Integer {
        /// How wide.
        width: Width,
        /// `i`, not `u`.
        signed: bool,
    },
    /// `r8` .. `r64`.
    Register(RegClass),
    /// `xmm`, `ymm`.
    Vector(VectorClass),
    /// `rm64`, `rmi64`, `m64`, `xm`: what the operand is is chosen when the code is emitted.
    Location(Location),
    /// `patchable`: a target that changes later.
    Patchable,
    /// `variadic`: a function whose vector arguments al counts.
    Variadic,
}

/// What a location hole may become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Location {
    /// `rm8` .. `rm64`: a general register or memory.
    RegMem(RegClass),
    /// `rmi32`, `rmi64`: these or a constant.
    RegMemImm(RegClass),
    /// `m`, `m8` .. `m256`: memory.
    Mem(Option<Width>),
    /// `xm`, `ym`: a vector register or memory.
    VectorMem(VectorClass),
}

impl core::fmt::Display for Location {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Location::RegMem(class) => write!(f, "rm{}", class.width().bits()),
            Location::RegMemImm(class) => write!(f, "rmi{}", class.width().bits()),
            Location::Mem(None) => f.write_str("m"),
            Location::Mem(Some(width)) => write!(f, "m{}", width.bits()),
            Location::VectorMem(VectorClass::Xmm) => f.write_str("xm"),
            Location::VectorMem(VectorClass::Ymm) => f.write_str("ym"),
        }
    }
}

/// As it is written: `i32`, `r64`, `xmm`.
impl core::fmt::Display for HoleType {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            HoleType::Integer { width, signed } => {
                write!(f, "{}{}", if *signed { "i" } else { "u" }, width.bits())
            }
            HoleType::Register(class) => write!(f, "r{}", class.width().bits()),
            HoleType::Vector(VectorClass::Xmm) => f.write_str("xmm"),
            HoleType::Vector(VectorClass::Ymm) => f.write_str("ymm"),
            HoleType::Location(location) => write!(f, "{location}"),
            HoleType::Patchable => f.write_str("patchable"),
            HoleType::Variadic => f.write_str("variadic"),
        }
    }
}

impl Sum {
    /// Whether it has no braces.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.terms.iter().all(|term| !term.braces)
    }
}

impl Hole {
    /// All its tokens.
    #[must_use]
    pub fn extent(&self) -> Extent {
        Extent { start: self.span, end: self.end }
    }
}

/// As it is written, signs between the terms: `offset_of!(Ctx, top) - {const SIZE} + 8`.
impl core::fmt::Display for Sum {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (at, SumTerm { negative, content, braces }) in self.terms.iter().enumerate() {
            f.write_str(match (at, negative) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => " + ",
                (_, true) => " - ",
            })?;
            match braces {
                true => write!(f, "{{const {content}}}")?,
                false => f.write_str(&constant::text(content))?,
            }
        }
        match self.number {
            0 => Ok(()),
            number => write!(f, " {} {}", if number < 0 { '-' } else { '+' }, number.unsigned_abs()),
        }
    }
}

/// As it is written, braces included: `{const SIZE: i8}`.
impl core::fmt::Display for Hole {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if let Some(sum) = &self.sum {
            return write!(f, "{sum}");
        }
        write!(f, "{{{}{}", if self.constant { "const " } else { "" }, self.content)?;
        if let Some(ty) = self.ty {
            write!(f, ": {ty}")?;
        }
        f.write_str("}")
    }
}
