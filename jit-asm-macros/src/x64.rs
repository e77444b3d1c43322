//! `x64! { .. }` and `x64!(sink => ..)`.

use crate::{emit, input, lint, parts, report};
use jit_asm::syntax::{self, Aliases, Error, Errors, Extent, Hole, LaidOut, Misread, PlacedHole, Stmt};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};

/// The expansion, or the errors in its place.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let (library, tokens) = input::library(input);
    let (sink, template) = input::sink(tokens);
    let result = match &sink {
        Some(sink) => emission(&library, sink, template),
        None => constant(&library, template),
    };
    result.unwrap_or_else(|errors| {
        let errors = report::compile_errors(&errors);
        quote!({ #errors })
    })
}

/// Statements in, where some registers may have names, and template out, with every hole known to be one expression.
pub(crate) fn lay_out(tokens: TokenStream, aliases: &mut Aliases) -> Result<LaidOut, Misread> {
    let (stmts, laid_out) = match syntax::parse_with(tokens, aliases) {
        Ok(stmts) => {
            let laid_out = syntax::lay_out(&stmts);
            (stmts, laid_out)
        }
        Err(misread) => (misread.stmts, Err(misread.errors)),
    };
    let mut errors = Errors::new();
    for hole in stmts.iter().flat_map(Stmt::holes) {
        match &hole.sum {
            None => one_expression(&hole.content, hole.extent(), &mut errors),
            Some(sum) => {
                sum.terms.iter().for_each(|term| one_expression(&term.content, hole.extent(), &mut errors));
            }
        }
    }
    let laid_out = match laid_out {
        Ok(laid_out) => {
            one_type_each(&laid_out.whole.holes, &mut errors);
            Some(laid_out)
        }
        Err(more) => {
            more.into_iter().for_each(|error| errors.add(error));
            None
        }
    };
    match errors.barrier(laid_out) {
        Ok(Some(laid_out)) => Ok(laid_out),
        Ok(None) => unreachable!("what is not laid out has errors"),
        Err(errors) => Err(Misread { errors, stmts }),
    }
}

/// A word that two holes name has one type: rustc says so too, but knows neither of the holes.
fn one_type_each(holes: &[PlacedHole], errors: &mut Errors) {
    let mut written: Vec<&PlacedHole> = holes.iter().collect();
    written.sort_by_key(|placed| placed.order);
    let mut known: Vec<(String, String)> = vec![];
    for placed in written {
        let (Some(word), Some(ty)) = (lone_word(&placed.hole.content), emit::type_of(placed.value)) else {
            continue;
        };
        let word = word.to_string();
        match known.iter().find(|(name, _)| *name == word) {
            None => known.push((word, ty)),
            Some((_, first)) if *first == ty => {}
            Some((_, first)) => {
                let message = format!("`{word}` is of type `{first}` in a hole before, and of `{ty}` here");
                let help = "a value of Rust has one type: give one of the holes another value";
                errors.add(Error::new(placed.hole.extent(), message).help(help));
            }
        }
    }
}

/// The word, if the tokens are one word.
pub(crate) fn lone_word(tokens: &TokenStream) -> Option<Ident> {
    let mut tokens = tokens.clone().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Ident(word)), None) => Some(word),
        _ => None,
    }
}

/// Whether the tokens are one Rust expression. A lone word or literal needs no parser.
fn one_expression(tokens: &TokenStream, extent: Extent, errors: &mut Errors) {
    let mut all = tokens.clone().into_iter();
    let first = all.next();
    if matches!(first, Some(TokenTree::Ident(_) | TokenTree::Literal(_))) && all.next().is_none() {
        return;
    }
    if let Err(error) = syn::parse2::<syn::Expr>(tokens.clone()) {
        errors.add(Error::new(extent, format!("this is not one Rust expression: {error}")));
    }
}

/// `x64! { .. }`: an expression of type `Template`.
fn constant(library: &TokenStream, tokens: TokenStream) -> Result<TokenStream, Vec<Error>> {
    let mut errors = Errors::new();
    let mut no_value = |hole: &Hole| {
        errors.add(
            Error::new(Extent::one(hole.span), "a constant template has no holes but `{const ..}`")
                .help("emit it with `x64!(sink => ..)`, or declare it in `templates! { .. }`"),
        );
    };
    let laid_out = match lay_out(tokens, &mut Aliases::new()) {
        Ok(laid_out) => {
            laid_out.whole.holes.iter().for_each(|placed| no_value(&placed.hole));
            errors.barrier(laid_out)?
        }
        Err(misread) => {
            misread.stmts.iter().flat_map(Stmt::holes).filter(|hole| !hole.constant).for_each(no_value);
            misread.errors.into_iter().for_each(|error| errors.add(error));
            return errors.barrier(()).map(|()| TokenStream::new());
        }
    };
    let piece = &laid_out.whole;
    let bytes = emit::bytes(library, piece);
    let template = emit::template(library, "", piece, &quote!(const { #bytes }));
    let warnings = lint::warnings(&laid_out);
    Ok(if warnings.is_empty() { template } else { quote!({ #warnings #template }) })
}

/// `x64!(sink => ..)`: a statement. The user's expressions run first, the sink is borrowed after them.
fn emission(
    library: &TokenStream,
    sink: &TokenStream,
    tokens: TokenStream,
) -> Result<TokenStream, Vec<Error>> {
    let mut errors = Errors::new();
    if sink.is_empty() {
        errors.add(
            Error::new(Extent::one(Span::call_site()), "the sink is missing before `=>`")
                .help("write `x64!(sink => ..)`, or `x64! { .. }` for a constant template"),
        );
    } else {
        one_expression(sink, report::extent(sink), &mut errors);
    }
    let laid_out = lay_out(tokens, &mut Aliases::new()).map_err(|misread| misread.errors);
    let laid_out = match (errors.barrier(()), laid_out) {
        (Ok(()), laid_out) => laid_out?,
        (Err(first), Ok(_)) => return Err(first),
        (Err(mut first), Err(second)) => {
            first.extend(second);
            return Err(first);
        }
    };
    let values = emit::values(library, &laid_out.whole.holes);
    let gathers = emit::gathers(library, &laid_out);
    let into = Ident::new("sink", Span::mixed_site());
    let put = parts::put(library, "", &laid_out, &into);
    let span = input::generated_at(report::extent(sink).start);
    let borrowed = quote_spanned!(span=> (#sink).as_sink());
    // `match` keeps temporaries of the sink's expression, such as a guard, to the end.
    let warnings = lint::warnings(&laid_out);
    Ok(quote! {{
        #warnings
        #values
        #gathers
        {
            use #library::Sink as _;
            match #borrowed {
                #into => {
                    #put
                }
            }
        }
    }})
}
