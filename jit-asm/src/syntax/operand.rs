//! What stands between two commas.

use super::constant;
use super::error::{Error, Extent};
use super::hole;
use super::memory;
use super::names;
use super::parse::{Known, flatten, is_punct, name};
use super::stmt::{Arg, Hole, HoleType, Location, Name, Slot};
use super::text;
use crate::x64::operand::{Base, Disp, Distance, Imm, Mem, Operand, Width};
use crate::x64::select;
use proc_macro2::{Delimiter, Ident, Literal, Span, TokenTree};

/// Read one operand from all of `tokens`, of which there is at least one.
pub(super) fn operand(tokens: &[TokenTree], known: &Known) -> Result<Arg, Error> {
    if let Some((constant, taken)) = constant(tokens)? {
        return match tokens.get(taken) {
            None => Ok(constant),
            Some(first) => Err(left_over(&constant, first, &tokens[taken..])),
        };
    }
    let (arg, rest) = match tokens {
        [TokenTree::Ident(word), rest @ ..] if names::width(&word.to_string()).is_some() => {
            sized_memory(word, rest, known)?
        }
        [TokenTree::Ident(word), colon, ..] if is_segment(word, colon) => {
            memory_operand(None, word.span(), tokens, known)?
        }
        [TokenTree::Ident(word), rest @ ..]
            if names::is_segment(&word.to_string())
                && !rest.first().is_some_and(|next| is_punct(next, ':')) =>
        {
            let message = format!("`{word}`: segment registers are no operands in this version");
            return Err(Error::new(Extent::one(word.span()), message)
                .help("fs and gs stand in front of an address: `fs:[rax]`, `qword ptr gs:[16]`"));
        }
        [TokenTree::Ident(word), rest @ ..] => (word_operand(word, known)?, rest),
        [TokenTree::Group(group), rest @ ..] => (group_operand(group, known)?, rest),
        _ => {
            let (value, used) = integer(tokens)?;
            let extent = Extent::of(&tokens[..used], tokens[0].span());
            (plain(Operand::Imm(Imm::Literal(value)), extent), &tokens[used..])
        }
    };
    match rest.first() {
        None => Ok(arg),
        Some(first) => Err(left_over(&arg, first, rest)),
    }
}

/// A constant of Rust without braces, and how many tokens it took.
fn constant(tokens: &[TokenTree]) -> Result<Option<(Arg, usize)>, Error> {
    let sum = match tokens {
        [TokenTree::Ident(_), ..] if constant::product(tokens).is_none() => None,
        [TokenTree::Group(_), ..] => None,
        _ => constant::sum(tokens)?,
    };
    Ok(sum.map(|(hole, taken)| {
        let extent = hole.extent();
        (hole_operand(hole, extent), taken)
    }))
}

/// An operand without holes.
fn plain(operand: Operand, extent: Extent) -> Arg {
    Arg { operand, holes: vec![], label: None, extent }
}

fn is_segment(word: &Ident, colon: &TokenTree) -> bool {
    is_punct(colon, ':') && names::segment(&word.to_string()).is_some()
}

fn sized_memory<'a>(
    word: &Ident,
    rest: &'a [TokenTree],
    known: &Known,
) -> Result<(Arg, &'a [TokenTree]), Error> {
    let width = names::width(&word.to_string());
    let rest = match rest {
        [TokenTree::Ident(ptr), rest @ ..] if names::small(&ptr.to_string()) == "ptr" => rest,
        rest => rest,
    };
    let segment = matches!(rest, [TokenTree::Ident(word), colon, ..] if is_segment(word, colon));
    let bracket = matches!(rest, [TokenTree::Group(group), ..] if group.delimiter() == Delimiter::Bracket);
    if segment || bracket {
        return memory_operand(width, word.span(), rest, known);
    }
    let help = match rest {
        [TokenTree::Ident(register), ..] if names::is_taken(&register.to_string()) => {
            format!("a register has its width: write `{register}`, or `{word} [{register}]` for memory")
        }
        [TokenTree::Literal(number), ..] => {
            format!("the width of a number follows from the instruction: write `{number}`")
        }
        [TokenTree::Group(group), ..] if group.delimiter() == Delimiter::Brace => {
            let hole = hole::hole(group)?;
            let bits = width.map_or(0, Width::bits);
            format!(
                "the width of a hole is its type: `{{{0}: m{bits}}}` is memory, `{{{0}: r{bits}}}` a register, `{{{0}: i{bits}}}` a number",
                hole.content
            )
        }
        _ => format!("write `{word} [..]`; the width of a hole is its type: `{{value: i8}}`"),
    };
    Err(Error::new(
        Extent { start: word.span(), end: rest.first().map_or(word.span(), TokenTree::span) },
        format!("`{word}` says the width of a memory operand, and none follows"),
    )
    .help(help))
}

/// `[..]` or `fs:[..]`, of which the segment or the bracket is there. The operand begins at `start`.
fn memory_operand<'a>(
    width: Option<Width>,
    start: Span,
    tokens: &'a [TokenTree],
    known: &Known,
) -> Result<(Arg, &'a [TokenTree]), Error> {
    let (segment, tokens) = match tokens {
        [TokenTree::Ident(word), colon, rest @ ..] if is_segment(word, colon) => {
            (names::segment(&word.to_string()), rest)
        }
        tokens => (None, tokens),
    };
    match tokens {
        [TokenTree::Group(group), rest @ ..] if group.delimiter() == Delimiter::Bracket => {
            let extent = Extent { start, end: group.span() };
            let mut arg = memory::memory(width, flatten(group.stream()), extent, known)?;
            if let Operand::Mem(mem) = &mut arg.operand {
                mem.segment = segment;
            }
            Ok((arg, rest))
        }
        _ => {
            let end = tokens.first().map_or(start, TokenTree::span);
            Err(Error::new(Extent { start, end }, "an address is missing behind this segment")
                .help("write `fs:[..]`"))
        }
    }
}

fn word_operand(word: &Ident, known: &Known) -> Result<Arg, Error> {
    let text = word.to_string();
    let extent = Extent::one(word.span());
    if let Some(reg) = names::register(&text) {
        return Ok(plain(Operand::Reg(reg), extent));
    }
    if let Some(vector) = names::vector(&text) {
        return Ok(plain(Operand::Vector(vector), extent));
    }
    if let Some(meaning) = names::reserved(&text) {
        return Err(reserved(word, meaning));
    }
    let label = Name { near: known.near_alias(&text).map(str::to_owned), ..name(word) };
    Ok(Arg { operand: Operand::Target(Distance::Near), holes: vec![], label: Some(label), extent })
}

/// The answer to a reserved word, which in capitals may be a constant of Rust.
pub(super) fn reserved(word: &Ident, meaning: &str) -> Error {
    let error = Error::new(Extent::one(word.span()), format!("`{word}`: {meaning}"));
    match word.to_string().contains(|c: char| c.is_ascii_lowercase()) {
        true => error,
        false => error.help(format!("a Rust constant is written `{{const {word}}}`")),
    }
}

fn group_operand(group: &proc_macro2::Group, known: &Known) -> Result<Arg, Error> {
    let extent = Extent::one(group.span());
    match group.delimiter() {
        Delimiter::Bracket => memory::memory(None, flatten(group.stream()), extent, known),
        Delimiter::Brace => Ok(hole_operand(hole::hole(group)?, extent)),
        _ if names_a_register(group) => Err(address_in_parentheses(extent)),
        _ => Err(Error::new(extent, "parentheses mean nothing here")
            .help("a Rust value stands in braces: `{value * 8}`; a constant is `{const SIZE * 8}`")),
    }
}

/// Whether there is a register in AT&T's parentheses.
fn names_a_register(group: &proc_macro2::Group) -> bool {
    let mut tokens = group.stream().into_iter();
    tokens
        .any(|token| matches!(token, TokenTree::Ident(word) if names::register(&word.to_string()).is_some()))
}

fn address_in_parentheses(extent: Extent) -> Error {
    Error::new(extent, "an address stands in brackets").help("write `[base + index*scale + displacement]`")
}

/// A hole that is a whole operand: a register, or an immediate until the mnemonic tells that it is a
/// target.
fn hole_operand(hole: Hole, extent: Extent) -> Arg {
    let (operand, slot) = match hole.ty {
        Some(HoleType::Register(class)) => (Operand::RegHole(class), Slot::Register),
        Some(HoleType::Vector(class)) => (Operand::VectorHole(class), Slot::Register),
        Some(HoleType::Location(location)) => (stand_in(location), Slot::Location),
        Some(HoleType::Patchable | HoleType::Variadic) => (Operand::Target(Distance::Near), Slot::Target),
        Some(HoleType::Integer { width, .. }) => (Operand::Imm(Imm::Hole(Some(width))), Slot::Immediate),
        None => (Operand::Imm(Imm::Hole(None)), Slot::Immediate),
    };
    Arg { operand, holes: vec![(slot, hole)], label: None, extent }
}

/// A location as if it were a register, or memory where it can be nothing else.
pub(super) fn stand_in(location: Location) -> Operand {
    match location {
        Location::RegMem(class) | Location::RegMemImm(class) => Operand::RegHole(class),
        Location::VectorMem(class) => Operand::VectorHole(class),
        Location::Mem(width) => Operand::Mem(Mem { width, disp: Disp::Hole32, ..Mem::at(Base::Hole) }),
    }
}

/// Read an integer with its sign; also how many tokens it took.
pub(super) fn integer(tokens: &[TokenTree]) -> Result<(i128, usize), Error> {
    match tokens {
        [TokenTree::Literal(literal), ..] => Ok((value(literal)?, 1)),
        [minus, TokenTree::Literal(literal), ..] if is_punct(minus, '-') => Ok((-value(literal)?, 2)),
        [first, rest @ ..] => Err(no_operand(first, rest)),
        [] => unreachable!("the caller has at least one token"),
    }
}

/// The value of a literal: a number, or a character's code.
pub(super) fn value(literal: &Literal) -> Result<i128, Error> {
    let text = literal.to_string();
    let error = |message: String| Error::new(Extent::one(literal.span()), message);
    if let Some(code) = text::character(&text) {
        return Ok(code);
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return Err(error(format!("`{text}` is no operand")).help("literals are integers and characters"));
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.as_str()),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        _ => (10, digits),
    };
    let digits = digits.replace('_', "");
    if let Some(end) = digits.find(|c: char| !c.is_digit(radix)) {
        let message = match &digits[end..] {
            _ if is_hex_h(&text) => {
                let digits = text.trim_start_matches('0').trim_end_matches(['h', 'H']);
                format!("hexadecimal numbers are written `0x{digits}`")
            }
            "b" if radix == 10 && digits[..end].bytes().all(|b| matches!(b, b'0' | b'1')) => {
                return Err(error(format!("`{text}` is no integer")).help(format!(
                    "a binary number is `0b{}`, and a label has a name: `again:`",
                    &digits[..end]
                )));
            }
            "f" | "b" if radix == 10 => {
                return Err(error(format!("`{text}` is no integer"))
                    .help("a label has a name: `again: .. jmp again`"));
            }
            tail if tail.starts_with(['i', 'u', 'f']) => {
                let plain = text.strip_suffix(tail).unwrap_or(&text);
                return Err(error(format!("a literal takes no suffix: write `{plain}`"))
                    .help("its width follows from the instruction"));
            }
            _ if digits.replace(['.', 'e', 'E'], "").bytes().all(|b| b.is_ascii_digit()) => {
                return Err(error(format!("`{text}` is no integer"))
                    .help("code reads floats from memory: `movsd xmm0, [half]; ret; half: .qword 0.5`"));
            }
            _ => format!("`{text}` is no integer"),
        };
        return Err(error(message));
    }
    match i128::from_str_radix(&digits, radix) {
        Ok(value) if value <= i128::from(u64::MAX) => Ok(if negative { -value } else { value }),
        _ => Err(error(format!("`{text}` is no integer of 64 bits"))),
    }
}

/// Whether this is the `0FFh` of other assemblers.
fn is_hex_h(digits: &str) -> bool {
    let digits = digits.strip_suffix(['h', 'H']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The answer to a token with which no operand begins.
fn no_operand(first: &TokenTree, rest: &[TokenTree]) -> Error {
    let extent = Extent::one(first.span());
    let error = |message: &str, help: &str| Error::new(extent, message).help(help);
    match first {
        TokenTree::Punct(p) => match p.as_char() {
            '%' => match rest.first() {
                Some(TokenTree::Ident(word)) => error(
                    "registers are written without `%`",
                    &format!("write `{word}`; the syntax is Intel's, where the destination stands first"),
                ),
                _ => error("registers are written without `%`", "the syntax is Intel's: `mov rax, rbx`"),
            },
            '$' | '#' => match rest {
                [TokenTree::Literal(number), ..] => {
                    error("numbers are written without a sign in front", &format!("write `{number}`"))
                }
                [minus, TokenTree::Literal(number), ..] if is_punct(minus, '-') => {
                    error("numbers are written without a sign in front", &format!("write `-{number}`"))
                }
                [TokenTree::Ident(word), ..] => error(
                    "numbers are written without a sign in front",
                    &format!(
                        "a Rust constant is written `{{const {word}}}`; the address of a label is `lea rax, [{word}]`"
                    ),
                ),
                _ => {
                    error("a place in the code has a name", "write `again:` in front of it and `again` here")
                }
            },
            '+' => error("`+` is no operand", "a number is written without it"),
            '&' | '*' | '!' | '~' => error(
                &format!("`{}` is no operand", p.as_char()),
                "a Rust value stands in braces: `{value}`, `{const VALUE}`",
            ),
            '\'' => error("this character has no end", "write `'a'`"),
            '=' => error("`=>` is no operand", "a label or function is written `{target}`"),
            '-' => error("`-` stands before a number only", "the negative of a Rust value is `{-value}`"),
            '<' => error(
                "`<` is no operand",
                "a constant of Rust stands in braces: `{const <T as Trait>::SIZE}`",
            ),
            '.' => error("local labels have no dot", "write `name:` and `jmp name`"),
            c => Error::new(extent, format!("`{c}` is no operand")),
        },
        _ => Error::new(extent, "no operand begins here"),
    }
}

/// Whether the braces are `{k1}`, `{z}`, `{1to16}`, `{rn-sae}` and the like.
fn is_decoration(braces: &proc_macro2::Group) -> bool {
    let text = names::small(&braces.stream().to_string()).replace(' ', "");
    let mask = text.strip_prefix('k').is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()));
    mask || text == "z" || text.starts_with("1to") || text.ends_with("sae")
}

/// The answer to tokens that follow a complete operand.
fn left_over(arg: &Arg, first: &TokenTree, rest: &[TokenTree]) -> Error {
    let extent = Extent::of(rest, first.span());
    match first {
        TokenTree::Ident(word) if select::is_mnemonic(&word.to_string()) => {
            Error::new(Extent::one(word.span()), format!("expected `;` before `{word}`"))
                .help("a line end does not separate statements")
        }
        TokenTree::Group(g) if g.delimiter() == Delimiter::Brace && is_decoration(g) => Error::new(
            extent,
            "braces behind an operand are AVX-512's decorations, which are not supported in this version",
        )
        .help("if this is an operand of its own, write `,` before it"),
        TokenTree::Group(g)
            if g.delimiter() == Delimiter::Bracket && matches!(arg.operand, Operand::Mem(_)) =>
        {
            Error::new(extent, "brackets stand directly behind an operand")
                .help("an address is one sum in one pair of brackets: `[rbx + rcx + 8]`")
        }
        TokenTree::Group(g) if g.delimiter() == Delimiter::Parenthesis && names_a_register(g) => {
            address_in_parentheses(Extent { start: arg.extent.start, ..extent })
        }
        TokenTree::Ident(word) if word == "as" => {
            Error::new(extent, "a Rust expression stands in braces").help("write `{value as i32}`")
        }
        TokenTree::Punct(p) if matches!(p.as_char(), '#' | '@') => {
            Error::new(extent, format!("`{}` begins no comment", p.as_char()))
                .help("comments are written `// ..`")
        }
        TokenTree::Group(g) if g.delimiter() == Delimiter::Parenthesis && arg.label.is_some() => {
            Error::new(Extent { start: arg.extent.start, ..extent }, "a call of Rust stands in braces")
                .help("write `{f(x)}`, or `{const f(x)}` for a constant")
        }
        TokenTree::Ident(word) if !names::is_taken(&word.to_string()) => {
            Error::new(extent, "expected `,` or `;` before this")
        }
        TokenTree::Ident(_) | TokenTree::Group(_) | TokenTree::Literal(_) => {
            Error::new(Extent::one(first.span()), "a comma is missing before this")
                .help("operands are separated by `,`")
        }
        TokenTree::Punct(_) if constant::is_double_colon(rest) => Error::new(extent, "this path has no end")
            .help("a constant of Rust is `Ctx::SIZE` or `{const SIZE}`"),
        TokenTree::Punct(p) if p.as_char() == ':' && arg.label.is_none() => {
            Error::new(extent, "far addresses are not supported")
                .help("the segments fs and gs stand in front of an address: `fs:[rax]`")
        }
        TokenTree::Punct(p) if p.as_char() == ':' => {
            Error::new(extent, "a label begins a statement").help("write `;` before the label")
        }
        TokenTree::Punct(_) if matches!(arg.operand, Operand::Imm(_)) => {
            Error::new(extent, "operands are not computed in the text of a template")
                .help("a computed constant is `{const A + B}`, a computed value `{a + b}`")
        }
        TokenTree::Punct(p) if p.as_char() == '=' => {
            Error::new(extent, "`=` means nothing here").help("the sink stands first: `x64!(sink => ..)`")
        }
        TokenTree::Punct(p) => {
            Error::new(extent, format!("`{}` means nothing behind this operand", p.as_char()))
                .help("addresses are computed in brackets, Rust values in braces")
        }
    }
}
