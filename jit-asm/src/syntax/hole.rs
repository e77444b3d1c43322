//! Braces: what a hole says about itself.

use super::error::{Error, Extent};
use super::names;
use super::stmt::{Hole, HoleType, Location};
use crate::x64::operand::{RegClass, VectorClass, Width};
use proc_macro2::{Group, Spacing, Span, TokenStream, TokenTree};

/// Read `{content}`, `{content: type}` or `{const content}`.
pub(super) fn hole(group: &Group) -> Result<Hole, Error> {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    let whole = Extent::one(group.span());
    let (constant, tokens) = match tokens.split_first() {
        Some((TokenTree::Ident(word), rest)) if word == "const" => (true, rest),
        _ => (false, &tokens[..]),
    };
    let (content, ty) = split_type(tokens);
    if content.is_empty() {
        let example =
            if constant { "`{const SIZE * 8}`" } else { "`{value}`, `{value: i8}` or `{const SIZE}`" };
        return Err(Error::new(whole, "this hole is empty").help(format!("write {example}")));
    }
    if let (Some(TokenTree::Punct(last)), Some((colon, _))) = (content.last(), ty)
        && last.as_char() == ':'
    {
        let extent = Extent { start: last.span(), end: colon };
        return Err(Error::new(extent, "one colon stands between a hole and its type"));
    }
    let ty = match ty {
        Some((colon, tokens)) => {
            Some(hole_type(colon, tokens).map_err(|error| turned(content, tokens, error))?)
        }
        None => None,
    };
    if constant && let Some(ty @ (HoleType::Patchable | HoleType::Variadic)) = ty {
        return Err(Error::new(whole, "a target cannot be a `const` hole")
            .help(format!("write `{{{}: {ty}}}`", content.iter().cloned().collect::<TokenStream>())));
    }
    if constant && matches!(ty, Some(HoleType::Location(_))) {
        return Err(Error::new(whole, "a location cannot be a `const` hole")
            .help("what is known when Rust compiles is written in the text"));
    }
    if constant && matches!(ty, Some(HoleType::Register(_) | HoleType::Vector(_))) {
        return Err(Error::new(whole, "a register cannot be a `const` hole").help(
            "name the register in the text, or leave `const` away to choose it when the code is emitted",
        ));
    }
    let content: TokenStream = content.iter().cloned().collect();
    Ok(Hole { content, constant, ty, sum: None, span: group.span(), end: group.span(), ordinal: 0 })
}

/// The answer to a type that is none, unless it stands in front of the colon.
fn turned(content: &[TokenTree], ty: &[TokenTree], error: Error) -> Error {
    let [TokenTree::Ident(word), ..] = content else { return error };
    let (true, Ok(ty_first)) = (content.len() == 1, hole_type(word.span(), content)) else { return error };
    let value: TokenStream = ty.iter().cloned().collect();
    error.help(format!("the type stands behind the colon: `{{{value}: {ty_first}}}`"))
}

/// Split at the last lone colon; `::` belongs to the expression.
fn split_type(tokens: &[TokenTree]) -> (&[TokenTree], Option<(Span, &[TokenTree])>) {
    let mut found = None;
    let mut at = 0;
    while at < tokens.len() {
        if let TokenTree::Punct(p) = &tokens[at]
            && p.as_char() == ':'
        {
            let double = p.spacing() == Spacing::Joint
                && matches!(tokens.get(at + 1), Some(TokenTree::Punct(q)) if q.as_char() == ':');
            if double {
                at += 1;
            } else {
                found = Some((at, p.span()));
            }
        }
        at += 1;
    }
    match found {
        Some((colon, span)) => (&tokens[..colon], Some((span, &tokens[colon + 1..]))),
        None => (tokens, None),
    }
}

const TYPES: &str = "integers are i8 i16 i32 i64 u8 u16 u32 u64, registers r8 r16 r32 r64 xmm ymm, and \
                     locations rm8 .. rm64, rmi32 rmi64, m8 .. m256, xm ym; a target is `patchable`, \
                     `variadic` or has no type";

fn hole_type(colon: Span, tokens: &[TokenTree]) -> Result<HoleType, Error> {
    let extent = Extent::of(tokens, colon);
    let [TokenTree::Ident(word)] = tokens else {
        return Err(Error::new(extent, "behind the colon of a hole stands one type").help(TYPES));
    };
    let integer = |width, signed| Ok(HoleType::Integer { width, signed });
    match word.to_string().as_str() {
        "i8" => integer(Width::B8, true),
        "i16" => integer(Width::B16, true),
        "i32" => integer(Width::B32, true),
        "i64" => integer(Width::B64, true),
        "u8" => integer(Width::B8, false),
        "u16" => integer(Width::B16, false),
        "u32" => integer(Width::B32, false),
        "u64" => integer(Width::B64, false),
        "r8" => Ok(HoleType::Register(RegClass::R8)),
        "r16" => Ok(HoleType::Register(RegClass::R16)),
        "r32" => Ok(HoleType::Register(RegClass::R32)),
        "r64" => Ok(HoleType::Register(RegClass::R64)),
        "xmm" => Ok(HoleType::Vector(VectorClass::Xmm)),
        "ymm" => Ok(HoleType::Vector(VectorClass::Ymm)),
        "patchable" => Ok(HoleType::Patchable),
        "variadic" => Ok(HoleType::Variadic),
        other => match location(other) {
            Some(location) => Ok(HoleType::Location(location)),
            None => Err(no_type(extent, other)),
        },
    }
}

/// `rm64`, `rmi64`, `m64`, `xm`, ..
fn location(word: &str) -> Option<Location> {
    Some(match word {
        "rm8" => Location::RegMem(RegClass::R8),
        "rm16" => Location::RegMem(RegClass::R16),
        "rm32" => Location::RegMem(RegClass::R32),
        "rm64" => Location::RegMem(RegClass::R64),
        "rmi32" => Location::RegMemImm(RegClass::R32),
        "rmi64" => Location::RegMemImm(RegClass::R64),
        "m" => Location::Mem(None),
        "m8" => Location::Mem(Some(Width::B8)),
        "m16" => Location::Mem(Some(Width::B16)),
        "m32" => Location::Mem(Some(Width::B32)),
        "m64" => Location::Mem(Some(Width::B64)),
        "m128" => Location::Mem(Some(Width::B128)),
        "m256" => Location::Mem(Some(Width::B256)),
        "xm" => Location::VectorMem(VectorClass::Xmm),
        "ym" => Location::VectorMem(VectorClass::Ymm),
        _ => return None,
    })
}

/// What somebody may mean by a type that is none.
fn meant(word: &str) -> Option<String> {
    let spelled = |ty: &str| Some(format!("write `{ty}`"));
    let bits =
        |prefix: &str| word.strip_prefix(prefix).filter(|bits| matches!(*bits, "8" | "16" | "32" | "64"));
    if let Some(bits) = bits("imm").or_else(|| bits("disp")).or_else(|| bits("simm")) {
        return spelled(&format!("i{bits}"));
    }
    if let Some(bits) = bits("uimm") {
        return spelled(&format!("u{bits}"));
    }
    if let Some(bits) = bits("reg").or_else(|| bits("gpr")).or_else(|| bits("R")) {
        return spelled(&format!("r{bits}"));
    }
    if let Some(bits) = bits("mem") {
        return spelled(&format!("m{bits}"));
    }
    match word {
        "Gpr" | "reg" | "gpr" => Some("a register of 64 bits is `r64`, its lower half `r32`".to_owned()),
        "imm" | "int" => Some("numbers are `i8`, `i32`, `i64`, or have no type".to_owned()),
        "Xmm" => spelled("xmm"),
        "Address" | "mem" => spelled("m64"),
        "Rm" => spelled("rm64"),
        "Rmi" => spelled("rmi64"),
        "label" | "Label" | "target" | "func" | "function" | "ptr" => {
            Some("a label or function has no type: `call {f}`".to_owned())
        }
        "Cond" => Some("a condition has no type: `j{c} {l}`".to_owned()),
        "bool" | "char" => spelled("u8"),
        "i128" | "u128" => Some(format!("an instruction holds at most 64 bits: `{}64`", &word[..1])),
        _ => {
            let near = NAMES.split_whitespace().find(|ty| ty.len() > 2 && names::one_slip(ty, word));
            near.map(|ty| format!("did you mean `{ty}`?"))
        }
    }
}

const NAMES: &str = "i16 i32 i64 u16 u32 u64 r16 r32 r64 xmm ymm rm8 rm16 rm32 rm64 rmi32 rmi64 m16 m32 m64 m128 m256 \
                     patchable variadic";

/// The answer to a type that holes do not have, or do not have yet.
fn no_type(extent: Extent, word: &str) -> Error {
    let later = |what: &str, instead: &str| {
        Error::new(extent, format!("{what} are not supported in this version")).help(instead.to_owned())
    };
    match word {
        "rmi8" | "rmi16" => {
            Error::new(extent, "a constant of a location has 32 bits, which this operand cannot hold")
                .help(format!("write `rm{}`, and emit another template for a constant", &word[3..]))
        }
        "r" | "rm" | "rmi" => Error::new(extent, format!("`{word}` wants a width"))
            .help(format!("write `{word}32` or `{word}64`; in `templates!`, widths may stand behind the name of an entry: `fn add[32, 64](..)`")),
        "zmm" | "mm" | "k" => {
            later("holes for these registers", "holes take registers: r8 r16 r32 r64, xmm ymm")
        }
        "cc" | "cond" => later("condition holes", "name the condition: `jz {l}`"),
        "f32" | "f64" => Error::new(extent, "a hole takes the bits of a float, not the float").help(format!(
            "write `{{x.to_bits(): u{}}}` among data; code reads floats from memory",
            &word[1..]
        )),
        "usize" | "isize" => Error::new(extent, format!("the width of `{word}` depends on the machine"))
            .help(format!("write `{}64`", &word[..1])),
        _ => {
            let error = Error::new(extent, format!("`{word}` is no type of a hole"));
            match meant(word) {
                Some(help) => error.help(help),
                None => error.help(TYPES),
            }
        }
    }
}
