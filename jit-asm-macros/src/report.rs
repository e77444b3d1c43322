//! Errors as tokens that make rustc report them.

use jit_asm::syntax::{Error, Extent};
use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::quote_spanned;

/// One `compile_error!` per error. rustc underlines from the first token's place to the last one's, which
/// is how a range of tokens is shown where spans cannot be joined.
pub(crate) fn compile_errors(errors: &[Error]) -> TokenStream {
    errors.iter().map(compile_error).collect()
}

fn compile_error(error: &Error) -> TokenStream {
    let message = error.to_string();
    let end = error.extent.end;
    let mut body = Group::new(Delimiter::Brace, quote_spanned!(end=> #message));
    body.set_span(end);
    quote_spanned!(error.extent.start=> ::core::compile_error! #body)
}

/// What syn says, as an error of ours.
pub(crate) fn of_syn(error: syn::Error) -> impl Iterator<Item = Error> {
    error.into_iter().map(|error| Error::new(Extent::one(error.span()), error.to_string()))
}

/// The place of tokens that a user wrote.
pub(crate) fn extent(tokens: &TokenStream) -> Extent {
    let tokens: Vec<_> = tokens.clone().into_iter().collect();
    Extent::of(&tokens, Span::call_site())
}
