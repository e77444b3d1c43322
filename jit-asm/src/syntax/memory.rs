//! What stands between two brackets: `[base + index*scale + displacement]`, in any order.

use super::constant;
use super::error::{Error, Extent};
use super::hole;
use super::names;
use super::operand::{reserved, value};
use super::parse::{Known, is_punct, name};
use super::stmt::{Arg, Hole, HoleType, Name, Slot, Sum, SumTerm};
use crate::reg::Gpr;
use crate::x64::operand::{Base, Disp, Index, Mem, Operand, RegClass, Scale, Vector, VectorClass, Width};
use proc_macro2::{Delimiter, Ident, TokenTree};

/// A register of an address: named, or a hole. A vector register can only be the index.
enum Register {
    Named(Gpr),
    Hole(Hole),
    Vector(Vector),
    VectorHole(VectorClass, Hole),
}

impl Register {
    fn is_vector(&self) -> bool {
        matches!(self, Register::Vector(_) | Register::VectorHole(..))
    }
}

/// One summand of an address.
enum Term {
    Register {
        register: Register,
        scale: Option<Scale>,
        extent: Extent,
    },
    Rip(Extent),
    Number(i128),
    /// A constant of Rust, with braces or without.
    Constant(SumTerm, Extent),
    /// A hole that is the whole displacement: of a value, or of a type.
    Displacement(Hole),
    Target(Hole),
    Label(Name),
}

impl Term {
    fn hole(&mut self) -> Option<&mut Hole> {
        match self {
            Term::Register { register: Register::Hole(hole) | Register::VectorHole(_, hole), .. }
            | Term::Displacement(hole)
            | Term::Target(hole) => Some(hole),
            _ => None,
        }
    }
}

/// An address as its terms are added.
#[derive(Default)]
struct Address {
    base: Option<(Register, Extent)>,
    index: Option<(Register, Scale, Extent)>,
    rip: Option<Extent>,
    number: i128,
    displacement: Option<Hole>,
    constants: Vec<SumTerm>,
    /// From the first constant to the last.
    constants_at: Option<Extent>,
}

/// Read the inside of the brackets.
pub(super) fn memory(
    width: Option<Width>,
    tokens: Vec<TokenTree>,
    extent: Extent,
    known: &Known,
) -> Result<Arg, Error> {
    if tokens.is_empty() {
        return Err(Error::new(extent, "this address is empty").help("write `[rax]` or `[rbp + {offset}]`"));
    }
    let mut rest = &tokens[..];
    let mut address = Address::default();
    let mut first = true;
    let mut ordinal = 0;
    while !rest.is_empty() {
        let (negative, after) = sign(rest, first, extent)?;
        let (mut term, after) = term(after, first && after.len() == 1, extent)?;
        if let Some(hole) = term.hole() {
            hole.ordinal = ordinal;
            ordinal += 1;
        }
        if negative && !matches!(term, Term::Number(_) | Term::Constant(..)) {
            return Err(negated(&term, Extent::of(&rest[..rest.len() - after.len()], rest[0].span())));
        }
        match term {
            Term::Target(hole) => return Ok(target(width, vec![(Slot::Target, hole)], None, extent)),
            Term::Label(label) if after.is_empty() && first => {
                let near = known.near_alias(&label.text).map(str::to_owned);
                return Ok(target(width, vec![], Some(Name { near, ..label }), extent));
            }
            Term::Label(label) => {
                return Err(label_in_sum(&label, after, address.rip.is_some(), known));
            }
            Term::Number(n) => address.number += if negative { -n } else { n },
            Term::Constant(constant, at) => address.add_constant(SumTerm { negative, ..constant }, at),
            other => address.add(other)?,
        }
        (rest, first) = (after, false);
    }
    address.finish(width, extent)
}

/// `[label]` and `[{l}]`.
fn target(width: Option<Width>, holes: Vec<(Slot, Hole)>, label: Option<Name>, extent: Extent) -> Arg {
    let mem = Mem { width, ..Mem::at(Base::Target) };
    Arg { operand: Operand::Mem(mem), holes, label, extent }
}

/// The signs before a term; between two terms there is at least one.
fn sign(tokens: &[TokenTree], first: bool, whole: Extent) -> Result<(bool, &[TokenTree]), Error> {
    let mut negative = false;
    let mut rest = tokens;
    while let [token, after @ ..] = rest
        && (is_punct(token, '-') || is_punct(token, '+'))
    {
        negative ^= is_punct(token, '-');
        rest = after;
    }
    if rest.is_empty() {
        let last = tokens.last().map_or(whole, |token| Extent::one(token.span()));
        return Err(Error::new(last, "a term is missing after this"));
    }
    if !first && rest.len() == tokens.len() {
        let at = Extent::of(tokens, tokens[0].span());
        return Err(Error::new(at, "the terms of an address are added or subtracted")
            .help("write `[base + index*scale + displacement]`"));
    }
    Ok((negative, rest))
}

/// One term, and what follows it. `alone`: nothing else stands in the brackets.
fn term(tokens: &[TokenTree], alone: bool, whole: Extent) -> Result<(Term, &[TokenTree]), Error> {
    if let Some(taken) = constant::product(tokens) {
        let (constant, rest) = tokens.split_at(taken);
        let extent = Extent::of(constant, tokens[0].span());
        return Ok((Term::Constant(SumTerm::new(constant, false), extent), rest));
    }
    match tokens {
        [TokenTree::Ident(word), rest @ ..] if names::small(&word.to_string()) == "rip" => {
            Ok((Term::Rip(Extent::one(word.span())), rest))
        }
        [TokenTree::Ident(word), rest @ ..] => word_term(word, rest),
        [TokenTree::Literal(number), star, TokenTree::Ident(word), rest @ ..] if is_punct(star, '*') => {
            let register = Register::Named(register64(word)?);
            let extent = Extent { start: number.span(), end: word.span() };
            Ok((Term::Register { register, scale: Some(scale(number)?), extent }, rest))
        }
        [TokenTree::Literal(number), rest @ ..] => Ok((Term::Number(value(number)?), rest)),
        [TokenTree::Group(group), rest @ ..] if group.delimiter() == Delimiter::Brace => {
            let hole = hole::hole(group)?;
            hole_term(hole, rest, alone)
        }
        [other, ..] => Err(Error::new(Extent::one(other.span()), "no term of an address begins here")
            .help("terms are registers, numbers and holes: `[rbx + rcx*8 + {offset}]`")),
        [] => Err(Error::new(whole, "a term is missing here")),
    }
}

fn word_term<'a>(word: &Ident, rest: &'a [TokenTree]) -> Result<(Term, &'a [TokenTree]), Error> {
    let text = word.to_string();
    if let Some(vector) = names::vector(&text) {
        return scaled(Register::Vector(vector), Extent::one(word.span()), rest);
    }
    if names::register(&text).is_none() {
        if let Some(meaning) = names::reserved(&text) {
            return Err(reserved(word, meaning));
        }
        return Ok((Term::Label(name(word)), rest));
    }
    let register = Register::Named(register64(word)?);
    scaled(register, Extent::one(word.span()), rest)
}

fn hole_term(hole: Hole, rest: &[TokenTree], alone: bool) -> Result<(Term, &[TokenTree]), Error> {
    let extent = Extent::one(hole.span);
    match hole.ty {
        Some(HoleType::Register(RegClass::R64)) => scaled(Register::Hole(hole), extent, rest),
        Some(HoleType::Vector(class)) => scaled(Register::VectorHole(class, hole), extent, rest),
        Some(HoleType::Register(class)) => {
            let message = format!(
                "addresses are made of 64-bit registers, this hole is `{}`",
                HoleType::Register(class)
            );
            Err(Error::new(extent, message).help(format!("write `{{{}: r64}}`", hole.content)))
        }
        Some(HoleType::Integer { width: Width::B8 | Width::B32, signed: true }) => {
            Ok((Term::Displacement(hole), rest))
        }
        Some(ty @ HoleType::Location(_)) => Err(Error::new(extent, format!("`{ty}` is a whole operand"))
            .help(format!("write `{{{}: {ty}}}` without brackets", hole.content))),
        Some(ty @ (HoleType::Patchable | HoleType::Variadic)) => {
            Err(Error::new(extent, format!("`{ty}` is what a jump or call goes to"))
                .help(format!("the place of a label or function is `[{{{}}}]`", hole.content)))
        }
        Some(ty) => Err(Error::new(extent, format!("a displacement is `i8` or `i32`, not `{ty}`"))
            .help(format!("write `{{{}{}: i32}}`", if hole.constant { "const " } else { "" }, hole.content))),
        None if rest.first().is_some_and(|token| is_punct(token, '*')) => {
            Err(Error::new(extent, "only registers are scaled")
                .help(format!("an index chosen at emission is `{{{}: r64}}*8`", hole.content)))
        }
        None if hole.constant => {
            let constant = SumTerm { negative: false, content: hole.content, braces: true };
            Ok((Term::Constant(constant, extent), rest))
        }
        None if alone => Ok((Term::Target(hole), rest)),
        None => Ok((Term::Displacement(hole), rest)),
    }
}

/// A register and the factor behind it, if there is one.
fn scaled(register: Register, at: Extent, rest: &[TokenTree]) -> Result<(Term, &[TokenTree]), Error> {
    match rest {
        [star, TokenTree::Literal(factor), after @ ..] if is_punct(star, '*') => {
            let extent = Extent { start: at.start, end: factor.span() };
            Ok((Term::Register { register, scale: Some(scale(factor)?), extent }, after))
        }
        [star, after @ ..] if is_punct(star, '*') => {
            let end = after.first().map_or(star.span(), TokenTree::span);
            Err(Error::new(Extent { start: at.start, end }, "an index is scaled by a literal")
                .help("the scales are 1, 2, 4 and 8"))
        }
        _ => Ok((Term::Register { register, scale: None, extent: at }, rest)),
    }
}

fn scale(factor: &proc_macro2::Literal) -> Result<Scale, Error> {
    match value(factor)? {
        1 => Ok(Scale::X1),
        2 => Ok(Scale::X2),
        4 => Ok(Scale::X4),
        8 => Ok(Scale::X8),
        n => Err(Error::new(Extent::one(factor.span()), format!("an index cannot be scaled by {n}"))
            .help("the scales are 1, 2, 4 and 8")),
    }
}

fn register64(word: &Ident) -> Result<Gpr, Error> {
    let text = word.to_string();
    match names::register(&text) {
        Some(reg) if reg.class == RegClass::R64 => Ok(reg.gpr),
        Some(reg) => Err(Error::new(
            Extent::one(word.span()),
            format!("addresses are made of 64-bit registers, not `{text}`"),
        )
        .help(format!("write `{}`", names::name64(reg.gpr)))),
        None => Err(Error::new(Extent::one(word.span()), format!("`{text}` is no register"))),
    }
}

/// The answer to a minus before something that cannot be subtracted.
fn negated(term: &Term, extent: Extent) -> Error {
    match term {
        Term::Displacement(hole) | Term::Target(hole) => {
            let constant = if hole.constant { "const " } else { "" };
            let ty = hole.ty.map_or(String::new(), |ty| format!(": {ty}"));
            Error::new(extent, "a hole is added, never subtracted")
                .help(format!("write `+ {{{constant}-({}){ty}}}`", hole.content))
        }
        _ => Error::new(extent, "a register is added, never subtracted"),
    }
}

/// The answer to a word beside other terms: a label, a slip, or a word of Rust. `after`: what follows it.
fn label_in_sum(label: &Name, after: &[TokenTree], beside_rip: bool, known: &Known) -> Error {
    let at = Extent::one(label.span);
    let text = &label.text;
    if known.labels.contains(text) {
        let error = Error::new(at, "a label stands alone in its brackets");
        return match beside_rip {
            true => error.help(format!("it is relative to rip by itself: write `[{text}]`")),
            false => error.help(format!("take its address first: `lea rax, [{text}]`, then `[rax + ..]`")),
        };
    }
    if let Some(alias) = known.near_alias(text) {
        return Error::new(at, format!("`{text}` is no register"))
            .help(format!("did you mean the alias `{alias}`?"));
    }
    match after {
        [dot, TokenTree::Ident(field), ..] if is_punct(dot, '.') => {
            return Error::new(Extent { end: field.span(), ..at }, "a Rust expression stands in braces").help(format!(
                "a value is written `{{{text}.{field}}}`, the place of a field `offset_of!({text}, {field})`"
            ));
        }
        [TokenTree::Group(called), ..] if called.delimiter() == Delimiter::Parenthesis => {
            return Error::new(Extent { end: called.span(), ..at }, "a Rust expression stands in braces")
                .help(format!(
                    "a macro is called with `!`: `{text}!(..)`; a value is written `{{{text}(..)}}`"
                ));
        }
        _ => {}
    }
    match names::nearest_register(&label.text) {
        Some(register) => Error::new(at, format!("`{}` is no register", label.text))
            .help(format!("did you mean `{register}`?")),
        None => Error::new(
            at,
            format!("`{}` is no register, and a label stands alone in its brackets", label.text),
        )
        .help(format!(
            "a Rust value is written `{{{}}}`, a Rust constant `{{const {}}}`",
            label.text, label.text
        )),
    }
}

impl Address {
    /// Add a register, `rip` or a hole that is the whole displacement.
    fn add(&mut self, term: Term) -> Result<(), Error> {
        match term {
            Term::Register { register, scale: None, extent }
                if self.base.is_none() && !register.is_vector() =>
            {
                self.base = Some((register, extent));
            }
            Term::Register { register, scale, extent } => match self.index {
                None => self.index = Some((register, scale.unwrap_or(Scale::X1), extent)),
                // An unscaled register may come after the scaled one; here the base is taken too.
                Some(_) => {
                    return Err(Error::new(extent, "an address has one base and one index")
                        .help("compute the rest with `lea` first"));
                }
            },
            Term::Rip(extent) => match self.rip {
                None => self.rip = Some(extent),
                Some(_) => return Err(Error::new(extent, "`rip` stands in this address twice")),
            },
            Term::Displacement(hole) => match &self.displacement {
                None => self.displacement = Some(hole),
                Some(other) => return Err(two_displacements(&hole, &other.content.to_string())),
            },
            Term::Number(_) | Term::Constant(..) => unreachable!("what has a sign is added by the caller"),
            Term::Target(_) | Term::Label(_) => unreachable!("targets end the address where they are read"),
        }
        Ok(())
    }

    fn add_constant(&mut self, constant: SumTerm, at: Extent) {
        let start = self.constants_at.map_or(at.start, |all| all.start);
        self.constants_at = Some(Extent { start, end: at.end });
        self.constants.push(constant);
    }

    /// The displacement, and the hole in it.
    fn displacement(&mut self, extent: Extent) -> Result<(Disp, Option<Hole>), Error> {
        let (number, constants) = (self.number, core::mem::take(&mut self.constants));
        match (self.displacement.take(), self.constants_at) {
            (Some(hole), None) if number == 0 => {
                let short = matches!(hole.ty, Some(HoleType::Integer { width: Width::B8, .. }));
                Ok((if short { Disp::Hole8 } else { Disp::Hole32 }, Some(hole)))
            }
            (Some(hole), None) => Err(two_displacements(&hole, &number.to_string())),
            (Some(hole), Some(_)) => {
                Err(two_displacements(&hole, &Sum { terms: constants, number }.to_string()))
            }
            (None, Some(at)) => Ok((Disp::Hole32, Some(Hole::of_sum(Sum { terms: constants, number }, at)))),
            (None, None) => match i32::try_from(number) {
                Ok(number) => Ok((Disp::Literal(number), None)),
                Err(_) => {
                    let message = format!("the displacement {number} does not fit 32 bits");
                    Err(Error::new(extent, message)
                        .help("a displacement is from -0x8000_0000 to 0x7fff_ffff"))
                }
            },
        }
    }

    fn finish(mut self, width: Option<Width>, extent: Extent) -> Result<Arg, Error> {
        self.keep_rsp_out_of_the_index();
        let (disp, displacement) = self.displacement(extent)?;
        let mut holes = vec![];
        let index = match self.index {
            None => None,
            Some((Register::Named(Gpr::Rsp), _, at)) => {
                return Err(
                    Error::new(at, "rsp cannot be an index").help("make it the base: `[rsp + rax*8]`")
                );
            }
            Some((Register::Named(gpr), scale, _)) => Some((Index::Reg(gpr), scale)),
            Some((Register::Vector(vector), scale, _)) => Some((Index::Vector(vector), scale)),
            Some((Register::VectorHole(class, hole), scale, _)) => {
                holes.push((Slot::Index, hole));
                Some((Index::VectorHole(class), scale))
            }
            Some((Register::Hole(hole), scale, _)) => {
                holes.push((Slot::Index, hole));
                Some((Index::Hole, scale))
            }
        };
        let base = match (self.base, self.rip) {
            (Some((_, at)), Some(_)) => return Err(rip_alone(at)),
            (None, Some(rip)) if index.is_some() => return Err(rip_alone(rip)),
            (None, Some(_)) => Base::Rip,
            (Some((Register::Named(gpr), _)), None) => Base::Reg(gpr),
            (Some((Register::Hole(hole), _)), None) => {
                holes.insert(0, (Slot::Base, hole));
                Base::Hole
            }
            (Some((Register::Vector(_) | Register::VectorHole(..), _)), None) | (None, None) => Base::None,
        };
        holes.extend(displacement.map(|hole| (Slot::Displacement, hole)));
        let mem = Mem { width, segment: None, base, index, disp };
        Ok(Arg { operand: Operand::Mem(mem), holes, label: None, extent })
    }

    /// rsp has no encoding as an index; where its factor is one, it can change places with the base.
    fn keep_rsp_out_of_the_index(&mut self) {
        if let (Some((base, _)), Some((index @ Register::Named(Gpr::Rsp), Scale::X1, _))) =
            (&mut self.base, &mut self.index)
            && !matches!(base, Register::Named(Gpr::Rsp))
        {
            core::mem::swap(base, index);
        }
    }
}

fn two_displacements(hole: &Hole, other: &str) -> Error {
    let constant = if hole.constant { "const " } else { "" };
    Error::new(Extent::one(hole.span), "a hole is the whole displacement of its address")
        .help(format!("write the sum in the braces: `{{{constant}{} + {other}}}`", hole.content))
}

fn rip_alone(at: Extent) -> Error {
    Error::new(at, "an address that starts from `rip` takes no other register")
        .help("write `[rip + 16]`, or take the address first: `lea rax, [label]`")
}
