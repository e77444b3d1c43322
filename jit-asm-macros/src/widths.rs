//! One definition for several widths: `fn add[32, 64](a: Gpr, b: Gpr) = x64!< add {a: r}, {b: r} >;`.
//!
//! A hole whose type is `r`, `rm` or `rmi` gets the width; the rest of the text is the same at every one.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use syn::parse::ParseStream;
use syn::{LitInt, Token};

/// `[32, 64]` behind the name of an entry, if it is there.
pub(crate) fn parse(input: ParseStream) -> syn::Result<Vec<LitInt>> {
    if !input.peek(syn::token::Bracket) {
        return Ok(vec![]);
    }
    let content;
    let bracket = syn::bracketed!(content in input);
    let widths: Vec<LitInt> = content.parse_terminated(width, Token![,])?.into_iter().collect();
    for (i, width) in widths.iter().enumerate() {
        if widths[..i].iter().any(|other| other.base10_digits() == width.base10_digits()) {
            return Err(syn::Error::new(width.span(), "this width stands here a second time"));
        }
    }
    match widths.is_empty() {
        true => Err(syn::Error::new(bracket.span.join(), "which widths? write `[32, 64]`")),
        false => Ok(widths),
    }
}

fn width(input: ParseStream) -> syn::Result<LitInt> {
    let width: LitInt = input.parse()?;
    match width.base10_digits() {
        "8" | "16" | "32" | "64" if width.suffix().is_empty() => Ok(width),
        _ => Err(syn::Error::new(width.span(), "a width is 8, 16, 32 or 64")),
    }
}

/// The text at one width, and whether the width matters in it.
pub(crate) fn at(text: TokenStream, width: &LitInt) -> (TokenStream, bool) {
    let mut tokens: Vec<TokenTree> = text.into_iter().collect();
    let mut used = false;
    for token in &mut tokens {
        let TokenTree::Group(group) = token else { continue };
        let (inside, inside_used) = match group.delimiter() {
            Delimiter::Brace => hole_at(group.stream(), width),
            _ => at(group.stream(), width),
        };
        let mut changed = Group::new(group.delimiter(), inside);
        changed.set_span(group.span());
        used |= inside_used;
        *token = TokenTree::Group(changed);
    }
    (tokens.into_iter().collect(), used)
}

/// `a: r` at 32 bits is `a: r32`.
fn hole_at(inside: TokenStream, width: &LitInt) -> (TokenStream, bool) {
    let mut tokens: Vec<TokenTree> = inside.into_iter().collect();
    let used = match &mut tokens[..] {
        [.., TokenTree::Punct(colon), TokenTree::Ident(ty)]
            if colon.as_char() == ':' && (*ty == "r" || *ty == "rm" || *ty == "rmi") =>
        {
            *ty = Ident::new(&format!("{ty}{}", width.base10_digits()), ty.span());
            true
        }
        _ => false,
    };
    (tokens.into_iter().collect(), used)
}
