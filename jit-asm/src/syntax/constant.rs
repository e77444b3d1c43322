//! Constants of Rust without braces: `offset_of!(Ctx, top)`, `Ctx::TOP * 8`, `size_of::<Ctx>()`.
//!
//! A macro call or a path with `::` can be nothing else, so it needs no `{const ..}`. A lone word does: it
//! may be a label or a slip.

use super::error::{Error, Extent};
use super::operand::value;
use super::parse::is_punct;
use super::stmt::{Hole, Sum, SumTerm};
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// Read a sum with at least one constant of Rust in it; also how many tokens it took.
pub(super) fn sum(tokens: &[TokenTree]) -> Result<Option<(Hole, usize)>, Error> {
    let mut sum = Sum::default();
    let mut at = 0;
    loop {
        let signs = signs(&tokens[at..]);
        let negative = tokens[at..at + signs].iter().filter(|sign| is_punct(sign, '-')).count() % 2 == 1;
        if at > 0 && signs == 0 {
            break;
        }
        let rest = &tokens[at + signs..];
        if let Some(taken) = product(rest) {
            sum.terms.push(SumTerm::new(&rest[..taken], negative));
            at += signs + taken;
        } else if let [TokenTree::Literal(number), ..] = rest {
            let number = value(number)?;
            sum.number += if negative { -number } else { number };
            at += signs + 1;
        } else {
            break;
        }
    }
    if sum.terms.is_empty() {
        return Ok(None);
    }
    let extent = Extent::of(&tokens[..at], tokens[0].span());
    Ok(Some((Hole::of_sum(sum, extent), at)))
}

fn signs(tokens: &[TokenTree]) -> usize {
    tokens.iter().take_while(|token| is_punct(token, '-') || is_punct(token, '+')).count()
}

/// How many tokens the product at the front takes, if a constant of Rust is a factor of it.
pub(super) fn product(tokens: &[TokenTree]) -> Option<usize> {
    let factor = |tokens: &[TokenTree]| match (expression(tokens), tokens.first()) {
        (0, Some(TokenTree::Literal(_))) => 1,
        (taken, _) => taken,
    };
    let mut constant = expression(tokens) > 0;
    let mut at = factor(tokens);
    while at > 0 && tokens.get(at).is_some_and(|star| is_punct(star, '*')) {
        let rest = &tokens[at + 1..];
        let more = factor(rest);
        if more == 0 {
            break;
        }
        constant |= expression(rest) > 0;
        at += 1 + more;
    }
    constant.then_some(at)
}

/// How many tokens the macro call, path, or call of a path at the front takes: 0 if none is there.
fn expression(tokens: &[TokenTree]) -> usize {
    let mut at = if is_double_colon(tokens) { 2 } else { 0 };
    let mut path = at > 0;
    loop {
        match &tokens[at..] {
            [TokenTree::Ident(_), bang, TokenTree::Group(_), ..] if is_punct(bang, '!') => return at + 3,
            [TokenTree::Ident(_), ..] => at += 1,
            _ => return 0,
        }
        if !is_double_colon(&tokens[at..]) {
            break;
        }
        path = true;
        at += 2;
        if tokens.get(at).is_some_and(|token| is_punct(token, '<')) {
            at += angles(&tokens[at..]);
            if !is_double_colon(&tokens[at..]) {
                break;
            }
            at += 2;
        }
    }
    let called =
        matches!(tokens.get(at), Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Parenthesis);
    match path {
        true => at + usize::from(called),
        false => 0,
    }
}

pub(super) fn is_double_colon(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(a), b, ..]
        if a.as_char() == ':' && a.spacing() == Spacing::Joint && is_punct(b, ':'))
}

/// Where the first comma stands that separates operands, not the types of `f::<A, B>()`.
pub(super) fn comma(tokens: &[TokenTree]) -> Option<usize> {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += match token {
            TokenTree::Punct(p) if p.as_char() == ',' => return Some(at),
            _ if is_double_colon(&tokens[at..]) => match tokens.get(at + 2) {
                Some(angle) if is_punct(angle, '<') => 2 + angles(&tokens[at + 2..]),
                _ => 2,
            },
            _ => 1,
        };
    }
    None
}

/// How many tokens stand from a `<` to its `>`, or to the end.
fn angles(tokens: &[TokenTree]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Punct(p) if p.as_char() == '<' => depth += 1,
            TokenTree::Punct(p) if p.as_char() == '>' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The text of an expression: spaces only where two words meet, behind commas, and around `*`.
pub(super) fn text(content: &TokenStream) -> String {
    let mut text = String::new();
    for token in content.clone() {
        match token {
            TokenTree::Punct(p) if p.as_char() == '*' => text += " * ",
            TokenTree::Punct(p) if p.as_char() == ',' => text += ", ",
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
                text += &format!("({})", self::text(&group.stream()));
            }
            token => {
                let word = !matches!(token, TokenTree::Punct(_));
                if word && text.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    text.push(' ');
                }
                text += &token.to_string();
            }
        }
    }
    text
}

impl SumTerm {
    /// An expression without braces.
    pub(super) fn new(tokens: &[TokenTree], negative: bool) -> SumTerm {
        SumTerm { negative, content: tokens.iter().cloned().collect(), braces: false }
    }
}

impl Hole {
    /// A constant that is written as a sum.
    pub(super) fn of_sum(sum: Sum, extent: Extent) -> Hole {
        let content: TokenStream = sum.terms.iter().flat_map(|term| term.content.clone()).collect();
        Hole {
            content,
            constant: true,
            ty: None,
            sum: Some(sum),
            span: extent.start,
            end: extent.end,
            ordinal: 0,
        }
    }
}
