//! What the three spellings have in common: where the library lives, and which part is the template.

use proc_macro2::{Delimiter, Spacing, Span, TokenStream, TokenTree};
use quote::quote;

/// Take `@crate [path]` off the front: a facade that re-exports the macros says where the library is.
/// Without it, it is `::jit_asm`.
pub(crate) fn library(input: TokenStream) -> (TokenStream, Vec<TokenTree>) {
    let mut tokens: Vec<TokenTree> = input.into_iter().collect();
    if let [TokenTree::Punct(at), TokenTree::Ident(word), TokenTree::Group(path), ..] = &tokens[..]
        && at.as_char() == '@'
        && word == "crate"
        && path.delimiter() == Delimiter::Bracket
    {
        let path = path.stream();
        tokens.drain(..3);
        return (path, tokens);
    }
    (quote!(::jit_asm), tokens)
}

/// Split `sink => template` at its arrow; without one, all of it is the template.
pub(crate) fn sink(tokens: Vec<TokenTree>) -> (Option<TokenStream>, TokenStream) {
    let arrow = tokens.windows(2).position(|pair| {
        matches!(pair, [TokenTree::Punct(eq), TokenTree::Punct(gt)]
            if eq.as_char() == '=' && eq.spacing() == Spacing::Joint && gt.as_char() == '>')
    });
    match arrow {
        Some(at) => {
            let template = tokens[at + 2..].iter().cloned().collect();
            (Some(tokens[..at].iter().cloned().collect()), template)
        }
        None => (None, tokens.into_iter().collect()),
    }
}

/// The same path shown at `span`, so that what rustc says about it stands there; it means what it meant.
pub(crate) fn shown_at(path: &TokenStream, span: Span) -> TokenStream {
    let shown = |mut token: TokenTree| {
        token.set_span(token.span().located_at(span));
        token
    };
    path.clone().into_iter().map(shown).collect()
}

/// A span for generated tokens that is shown where the user wrote something. Lints know by it that the
/// tokens are not the user's.
pub(crate) fn generated_at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}
