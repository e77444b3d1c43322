//! Directives: `.byte`, `.word`, `.dword`, `.qword`, `.zero`, `.align`.

use super::constant;
use super::error::{Error, Errors, Extent};
use super::hole;
use super::names;
use super::operand::value;
use super::parse::is_punct;
use super::stmt::{Directive, Effect, Hole, HoleType, Item};
use super::text;
use crate::x64::operand::Width;
use proc_macro2::{Delimiter, Group, Literal, TokenTree};

/// Read one directive from all of `tokens`, which begin with its dot.
pub(super) fn directive(tokens: &[TokenTree], errors: &mut Errors) -> Option<Directive> {
    let extent = Extent::of(tokens, tokens[0].span());
    let [_, TokenTree::Ident(word), rest @ ..] = tokens else {
        errors.add(Error::new(extent, "a directive is missing behind this dot").help(DIRECTIVES));
        return None;
    };
    let name = Extent { start: extent.start, end: word.span() };
    let text = names::small(&word.to_string()).into_owned();
    let effect = match text.as_str() {
        "byte" => items(Width::B8, rest, name, errors),
        "word" => items(Width::B16, rest, name, errors),
        "dword" => items(Width::B32, rest, name, errors),
        "qword" => items(Width::B64, rest, name, errors),
        "zero" => errors.keep(number(rest, name).and_then(zeros)).map(Effect::Zeros),
        "align" => errors.keep(number(rest, name).and_then(alignment)).map(Effect::Align),
        _ => {
            errors.add(unknown(&text, rest, name));
            None
        }
    };
    effect.map(|effect| Directive { effect, extent })
}

const DIRECTIVES: &str = "the directives are .byte, .word, .dword, .qword, .zero and .align";

/// The answer to a directive of another assembler, or of none.
fn unknown(text: &str, rest: &[TokenTree], at: Extent) -> Error {
    let error = Error::new(at, format!("`.{text}` is no directive"));
    let instead = match text {
        "db" | "ascii" => ".byte",
        "string" | "asciz" => return error.help("write `.byte \"text\", 0`"),
        "p2align" => return error.help("write `.align 16`: in bytes, not in powers of two"),
        "octa" => return error.help("write `.qword`, the lower half first"),
        "dw" | "short" | "value" | "hword" | "half" | "2byte" => ".word",
        "dd" | "long" | "int" | "float" | "single" | "4byte" => ".dword",
        "dq" | "quad" | "double" | "8byte" => ".qword",
        "space" | "skip" | "fill" | "resb" => ".zero",
        "balign" => ".align",
        _ if rest.first().is_some_and(|token| is_punct(token, ':')) => {
            return error.help("a local label has no dot: write `name:`");
        }
        _ => return error.help(DIRECTIVES),
    };
    error.help(format!("write `{instead}`"))
}

/// What stands between the commas.
fn items(width: Width, rest: &[TokenTree], name: Extent, errors: &mut Errors) -> Option<Effect> {
    if rest.is_empty() {
        let example = if width == Width::B8 { "`.byte 1, 'a', \"text\"`" } else { "`.dword 1, {value}`" };
        errors.add(Error::new(name, "items are missing behind this").help(format!("write {example}")));
        return None;
    }
    let mut items = vec![];
    let mut whole = true;
    let mut rest = rest;
    while !rest.is_empty() {
        let comma = constant::comma(rest);
        let (tokens, after) = rest.split_at(comma.unwrap_or(rest.len()));
        let read = match (tokens, after) {
            ([], [comma, ..]) => Err(gap(comma, "before")),
            (_, [comma]) => Err(gap(comma, "behind")),
            _ => item(width, tokens),
        };
        match errors.keep(read) {
            Some(Item::Hole(hole)) => items.push(Item::Hole(Hole { ordinal: items.len(), ..hole })),
            Some(item) => items.push(item),
            None => whole = false,
        }
        rest = after.get(1..).unwrap_or_default();
    }
    whole.then_some(Effect::Items { width, items })
}

fn gap(comma: &TokenTree, place: &str) -> Error {
    Error::new(Extent::one(comma.span()), format!("an item is missing {place} this comma"))
}

/// One item from all of `tokens`, of which there is at least one.
fn item(width: Width, tokens: &[TokenTree]) -> Result<Item, Error> {
    if let [TokenTree::Group(group), rest @ ..] = tokens
        && group.delimiter() == Delimiter::Brace
    {
        nothing_behind(rest)?;
        return hole_item(width, group);
    }
    let word = matches!(tokens, [TokenTree::Ident(_), ..]) && constant::product(tokens).is_none();
    if !word && let Some((hole, taken)) = constant::sum(tokens_of_numbers(tokens))? {
        nothing_behind(&tokens[taken..])?;
        return Ok(Item::Hole(hole));
    }
    let signs = tokens.iter().take_while(|token| is_punct(token, '-')).count();
    match &tokens[signs..] {
        [TokenTree::Literal(literal), rest @ ..] => {
            nothing_behind(rest)?;
            let extent = Extent { start: tokens[0].span(), end: literal.span() };
            literal_item(width, literal, signs % 2 == 1, extent)
        }
        [TokenTree::Ident(word), ..] if names::is_taken(&word.to_string()) => {
            Err(Error::new(Extent::one(word.span()), format!("`{word}` is no item of data")).help(ITEMS))
        }
        [TokenTree::Ident(word), ..] => {
            Err(Error::new(Extent::one(word.span()), format!("`{word}` is no item of data")).help(format!(
                "a Rust constant is written `{{const {word}}}`; the address of a label is taken by `lea rax, [{word}]`"
            )))
        }
        [first, ..] => Err(Error::new(Extent::one(first.span()), "no item of data begins here").help(ITEMS)),
        [] => Err(Error::new(Extent::of(tokens, tokens[0].span()), "a number is missing behind this")),
    }
}

const ITEMS: &str = "items are numbers, characters, strings in `.byte`, and holes";

/// Tokens that may be a sum of constants: floats and strings are none, and are read as they are.
fn tokens_of_numbers(tokens: &[TokenTree]) -> &[TokenTree] {
    let number = |token: &TokenTree| match token {
        TokenTree::Literal(literal) => literal_of(literal).is_none(),
        _ => true,
    };
    if tokens.iter().all(number) { tokens } else { &[] }
}

fn nothing_behind(rest: &[TokenTree]) -> Result<(), Error> {
    match rest.first() {
        None => Ok(()),
        Some(first) => Err(Error::new(Extent::of(rest, first.span()), "expected `,` or `;` before this")),
    }
}

fn hole_item(width: Width, group: &Group) -> Result<Item, Error> {
    let hole = hole::hole(group)?;
    match hole.ty {
        None => Ok(Item::Hole(hole)),
        Some(HoleType::Integer { width: given, .. }) if given == width => Ok(Item::Hole(hole)),
        Some(ty) => {
            let message = format!("an item of `.{width}` has {} bits, and this hole is `{ty}`", width.bits());
            let (bits, constant) = (width.bits(), if hole.constant { "const " } else { "" });
            Err(Error::new(hole.extent(), message)
                .help(format!("write `{{{constant}{}: i{bits}}}` or `: u{bits}`", hole.content)))
        }
    }
}

/// What a literal is if it is no integer.
enum Special {
    Text(Vec<u8>),
    Float(String),
}

fn literal_of(literal: &Literal) -> Option<Special> {
    let spelled = literal.to_string();
    if let Some(bytes) = text::string(&spelled) {
        return Some(Special::Text(bytes));
    }
    let digits = spelled.replace('_', "");
    let float =
        !digits.starts_with("0x") && digits.contains(['.', 'e', 'E']) && digits.parse::<f64>().is_ok();
    float.then_some(Special::Float(digits))
}

fn literal_item(width: Width, literal: &Literal, negative: bool, extent: Extent) -> Result<Item, Error> {
    let error = |message: String| Error::new(extent, message);
    match literal_of(literal) {
        Some(Special::Text(_)) if negative => Err(error("a string has no sign".to_owned())),
        Some(Special::Text(bytes)) if width == Width::B8 => Ok(Item::Text(bytes)),
        Some(Special::Text(_)) => Err(error(format!("a string is an item of `.byte`, not of `.{width}`"))
            .help("write one character as `'a'`")),
        Some(Special::Float(digits)) => {
            let digits = if negative { format!("-{digits}") } else { digits };
            float(width, &digits).map_err(error)
        }
        None => {
            let value = value(literal)? * if negative { -1 } else { 1 };
            let (least, most) = (-1_i128 << (width.bits() - 1), (1_i128 << width.bits()) - 1);
            match (least..=most).contains(&value) {
                true => Ok(Item::Integer(value)),
                false => Err(error(format!("{value} does not fit an item of `.{width}`"))
                    .help(format!("it must be from {least} to {most}"))),
            }
        }
    }
}

/// A float in the width of the item. One too large for it is refused, not made infinite.
fn float(width: Width, digits: &str) -> Result<Item, String> {
    let too_large = || format!("{digits} is too large for a float of {} bits", width.bits());
    match width {
        Width::B32 => match digits.parse::<f32>() {
            Ok(value) if value.is_finite() => Ok(Item::Single(value)),
            _ => Err(too_large()),
        },
        Width::B64 => match digits.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Item::Double(value)),
            _ => Err(too_large()),
        },
        _ => Err(format!("a float is an item of `.dword` or `.qword`, not of `.{width}`")),
    }
}

/// The one number of a directive, and its place.
fn number(rest: &[TokenTree], name: Extent) -> Result<(i128, Extent), Error> {
    match rest {
        [TokenTree::Literal(literal)] => Ok((value(literal)?, Extent::one(literal.span()))),
        [] => Err(Error::new(name, "a number is missing behind this")),
        [first, ..] => {
            Err(Error::new(Extent::of(rest, first.span()), "here stands one number, as a literal"))
        }
    }
}

fn zeros((count, at): (i128, Extent)) -> Result<u16, Error> {
    u16::try_from(count).map_err(|_| Error::new(at, "a template has at most 65535 bytes"))
}

/// Code begins at a multiple of 16, wherever it is put: more cannot be kept.
fn alignment((to, at): (i128, Extent)) -> Result<u8, Error> {
    match u8::try_from(to) {
        Ok(to) if to.is_power_of_two() && to <= 16 => Ok(to),
        _ => Err(Error::new(at, format!("nothing is aligned to {to}")).help("write 1, 2, 4, 8 or 16")),
    }
}
