//! `templates! { /// doc  pub fn name(parameters) = x64!< .. >; .. }`.
//!
//! An entry becomes a function that emits, and beside it an empty type of the same name that carries the
//! description, so that `name(..)` and `name::TEMPLATE` both work wherever the entry stands, inside a
//! function too. `let acc = rax;` in front of an entry names a register for all entries behind it.

use crate::{emit, input, lint, parts, report, widths, x64};
use jit_asm::syntax::{self, Aliases, Error, Errors, Extent, Hole, LaidOut, Piece, Stmt, Value};
use jit_asm::template::HoleKind;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use std::fmt::Write as _;
use std::rc::Rc;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, LitInt, Token, Type, Visibility};

/// What an entry says before its body.
struct Signature {
    attrs: Vec<Attribute>,
    vis: Visibility,
    name: Ident,
    /// `[32, 64]` behind the name.
    widths: Vec<LitInt>,
    params: Vec<Param>,
}

struct Param {
    name: Ident,
    ty: Type,
}

/// What may stand in the block.
enum Item {
    /// `let acc = rax;`, for the entries behind it.
    Alias(Vec<TokenTree>),
    /// An entry and its template.
    Entry(Signature, TokenStream),
}

/// An entry, at one of its widths, whose template is laid out and whose holes name parameters.
struct Entry {
    signature: Rc<Signature>,
    name: Ident,
    laid_out: LaidOut,
}

/// The expansion, or the errors in its place.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let (library, tokens) = input::library(input);
    match check(tokens.into_iter().collect()) {
        Ok(entries) => entries.iter().map(|entry| item(&library, entry)).collect(),
        Err(errors) => report::compile_errors(&errors),
    }
}

/// Read and lay out all entries; every error of every entry comes back.
fn check(tokens: TokenStream) -> Result<Vec<Entry>, Vec<Error>> {
    let mut errors = Errors::new();
    let mut parsed = vec![];
    let read = |input: ParseStream| {
        for place in 0.. {
            if input.is_empty() {
                break;
            }
            errors.at(place);
            if input.peek(Token![let]) {
                parsed.push((place, Item::Alias(statement(input))));
                continue;
            }
            match signature(input).and_then(|signature| Ok(Item::Entry(signature, body(input)?))) {
                Ok(entry) => parsed.push((place, entry)),
                Err(error) => {
                    report::of_syn(error).for_each(|error| errors.add(error));
                    skip_entry(input);
                }
            }
        }
        Ok(())
    };
    if let Err(error) = Parser::parse2(read, tokens) {
        report::of_syn(error).for_each(|error| errors.add(error));
    }
    let mut entries = vec![];
    let mut aliases = Aliases::new();
    for (place, item) in parsed {
        errors.at(place);
        let (signature, body) = match item {
            Item::Entry(signature, body) => (signature, body),
            Item::Alias(tokens) => {
                errors.keep(aliases.define(&tokens));
                continue;
            }
        };
        let signature = Rc::new(signature);
        for (name, body) in errors.keep(at_widths(&signature, body)).unwrap_or_default() {
            match x64::lay_out(body.clone(), &mut aliases) {
                Ok(laid_out) => {
                    check_params(&signature, &laid_out, &mut errors);
                    entries.push(Entry { signature: signature.clone(), name, laid_out });
                }
                Err(misread) => {
                    misread.errors.into_iter().for_each(|error| errors.add(error));
                    check_words(&signature, &body, &misread.stmts, &mut errors);
                    // What is wrong at one width is mostly wrong at the next.
                    break;
                }
            }
        }
    }
    errors.at(usize::MAX);
    aliases.report_unused(&mut errors);
    errors.barrier(entries)
}

/// The entry by itself, or one for each of its widths: `add32`, `add64`.
fn at_widths(signature: &Signature, body: TokenStream) -> Result<Vec<(Ident, TokenStream)>, Error> {
    if signature.widths.is_empty() {
        return Ok(vec![(signature.name.clone(), body)]);
    }
    let at = |width: &LitInt| {
        let name = format_ident!("{}{}", signature.name, width.base10_digits(), span = signature.name.span());
        let (body, used) = widths::at(body.clone(), width);
        if !used {
            let message = "no hole of this template has its width from here";
            return Err(Error::new(Extent::one(width.span()), message)
                .help("the types `r`, `rm` and `rmi` have: `add {a: r}, {b: rm}`"));
        }
        Ok((name, body))
    };
    signature.widths.iter().map(at).collect()
}

/// The tokens up to `;`, which is taken as well.
fn statement(input: ParseStream) -> Vec<TokenTree> {
    let mut tokens = vec![];
    while let Ok(token) = input.parse::<TokenTree>() {
        match token {
            TokenTree::Punct(p) if p.as_char() == ';' => break,
            token => tokens.push(token),
        }
    }
    tokens
}

/// `/// doc  pub fn name(lhs: i32, special: Label)`.
fn signature(input: ParseStream) -> syn::Result<Signature> {
    let attrs = input.call(Attribute::parse_outer)?;
    let vis = input.parse()?;
    input.parse::<Token![fn]>()?;
    let name = input.parse()?;
    if input.peek(Token![<]) {
        return Err(input.error(
            "a template has no generic parameters; one for several widths is written `fn add[32, 64](..)`",
        ));
    }
    let widths = widths::parse(input)?;
    let content;
    syn::parenthesized!(content in input);
    let params = content.parse_terminated(param, Token![,]);
    content.parse::<TokenStream>()?; // what a mistake left behind is not a second mistake
    let params = params?;
    if input.peek(Token![->]) {
        return Err(input.error("a template returns nothing: it emits code into the sink"));
    }
    Ok(Signature { attrs, vis, name, widths, params: params.into_iter().collect() })
}

fn param(input: ParseStream) -> syn::Result<Param> {
    if input.peek(Token![self]) || input.peek(Token![&]) || input.peek(Token![mut]) {
        return Err(input.error("a parameter is `name: Type`; the sink is added in front of them"));
    }
    let name = input.parse()?;
    input.parse::<Token![:]>()?;
    Ok(Param { name, ty: input.parse()? })
}

const SPELLING: &str = "inside `templates!` the body is `= x64!< .. >;`";

/// `= x64!< .. >;`, and what stands between the angles.
fn body(input: ParseStream) -> syn::Result<TokenStream> {
    let spelled = |input: ParseStream| input.error(SPELLING);
    input.parse::<Token![=]>().map_err(|_| spelled(input))?;
    match input.parse::<Ident>() {
        Ok(word) if word == "x64" => {}
        Ok(word) => return Err(syn::Error::new(word.span(), SPELLING)),
        Err(_) => return Err(spelled(input)),
    }
    input.parse::<Token![!]>().map_err(|_| spelled(input))?;
    let open = input.span();
    input.parse::<Token![<]>().map_err(|_| spelled(input))?;
    let mut body = TokenStream::new();
    let mut turbofish = Turbofish::default();
    loop {
        if input.is_empty() {
            return Err(syn::Error::new(open, "this `<` is never closed: the body ends with `>;`"));
        }
        match input.parse::<TokenTree>()? {
            TokenTree::Punct(p) if p.as_char() == '>' && !turbofish.is_open() => break,
            token => {
                turbofish.read(&token);
                body.extend([token]);
            }
        }
    }
    input.parse::<Token![;]>().map_err(|error| syn::Error::new(error.span(), "expected `;` behind `>`"))?;
    Ok(body)
}

/// Tells the `>` of `size_of::<Ctx>()` from the one that ends a body.
#[derive(Default)]
struct Turbofish {
    open: usize,
    colons: usize,
}

impl Turbofish {
    fn is_open(&self) -> bool {
        self.open > 0
    }

    fn read(&mut self, token: &TokenTree) {
        let ch = if let TokenTree::Punct(p) = token { p.as_char() } else { ' ' };
        match ch {
            '<' if self.is_open() || self.colons == 2 => self.open += 1,
            '>' => self.open -= 1,
            _ => {}
        }
        self.colons = if ch == ':' { self.colons + 1 } else { 0 };
    }
}

/// After a mistake in the frame of an entry: go to where the next one can begin.
fn skip_entry(input: ParseStream) {
    let mut before = ' ';
    while let Ok(token) = input.parse::<TokenTree>() {
        match token {
            TokenTree::Punct(p) if p.as_char() == ';' && before == '>' => return,
            TokenTree::Punct(p) => before = p.as_char(),
            _ => before = ' ',
        }
        if input.peek(Token![pub]) || input.peek(Token![fn]) || input.peek(Token![let]) {
            return;
        }
    }
}

/// Every hole names parameters, and every parameter is named.
fn check_params(signature: &Signature, laid_out: &LaidOut, errors: &mut Errors) {
    let mut used = vec![false; signature.params.len()];
    for placed in &laid_out.whole.holes {
        mark(&placed.hole.content, &signature.params, &mut used);
        let known = |word: &Ident| signature.params.iter().any(|param| param.name == *word);
        if let Some(word) = x64::lone_word(&placed.hole.content)
            && !known(&word)
        {
            errors.add(no_parameter(signature, &placed.hole, &word, Some(placed.value)));
        }
    }
    for placed in &laid_out.whole.constants {
        if let Some(word) = x64::lone_word(&placed.hole.content)
            && signature.params.iter().any(|param| param.name == word)
        {
            mark(&placed.hole.content, &signature.params, &mut used);
            errors.add(
                Error::new(
                    Extent::one(placed.hole.span),
                    format!("`{word}` is a parameter, known only when the code is emitted"),
                )
                .help(format!("write `{{{word}}}`")),
            );
        }
    }
    report_unused(signature, &used, errors);
}

/// What is known of holes and parameters where the body has other mistakes.
fn check_words(signature: &Signature, body: &TokenStream, stmts: &[Stmt], errors: &mut Errors) {
    for hole in stmts.iter().flat_map(Stmt::holes).filter(|hole| !hole.constant) {
        if let Some(word) = x64::lone_word(&hole.content)
            && signature.params.iter().all(|param| param.name != word)
        {
            errors.add(no_parameter(signature, hole, &word, None));
        }
    }
    let mut used = vec![false; signature.params.len()];
    mark(body, &signature.params, &mut used);
    report_unused(signature, &used, errors);
}

fn report_unused(signature: &Signature, used: &[bool], errors: &mut Errors) {
    for (param, used) in signature.params.iter().zip(used) {
        if !used {
            errors.add(
                Error::new(
                    Extent::one(param.name.span()),
                    format!("no hole of this template uses `{}`", param.name),
                )
                .help(format!("write `{{{}}}` where its value belongs, or remove the parameter", param.name)),
            );
        }
    }
}

fn no_parameter(signature: &Signature, hole: &Hole, word: &Ident, value: Option<Value>) -> Error {
    let params = || signature.params.iter().map(|param| param.name.to_string());
    let near = params().find(|name| name.len() > 2 && syntax::one_slip(name, &word.to_string()));
    let names: Vec<String> = params().map(|name| format!("`{name}`")).collect();
    let known = match near {
        Some(near) => format!("did you mean `{near}`? otherwise"),
        None if names.is_empty() => "this template has none;".to_owned(),
        None => format!("its parameters are {};", names.join(", ")),
    };
    let parameter = match value {
        Some(value) => format!("{word}: {}", emit::type_of(value).unwrap_or_else(|| "Label".to_owned())),
        None => format!("{word}"),
    };
    Error::new(Extent::one(hole.span), format!("`{word}` is no parameter of `{}`", signature.name))
        .help(format!("{known} add `{parameter}`, or write `{{const {word}}}` for a Rust constant"))
}

/// Mark the parameters that are named anywhere in `tokens`.
fn mark(tokens: &TokenStream, params: &[Param], used: &mut [bool]) {
    for token in tokens.clone() {
        match token {
            TokenTree::Ident(word) => {
                for (param, used) in params.iter().zip(&mut *used) {
                    *used |= param.name == word;
                }
            }
            TokenTree::Group(group) => mark(&group.stream(), params, used),
            _ => {}
        }
    }
}

/// The function and the type of one entry.
fn item(library: &TokenStream, entry: &Entry) -> TokenStream {
    let Entry { signature, name, laid_out } = entry;
    let Signature { attrs, vis, params, .. } = &**signature;
    let text = name.to_string();
    let whole = &laid_out.whole;
    let bytes = emit::bytes(library, whole);
    let len = whole.bytes.len();
    let description = emit::template(library, &text, whole, &quote!(#name::PIECE));
    let listing = listing(whole);
    let warnings = lint::warnings(laid_out);
    let about = format!("The description of [`{text}()`]({text}()).");
    // What switches the function off switches off all of the entry.
    let cfgs: Vec<&Attribute> = attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect();
    let inline =
        if attrs.iter().any(|attr| attr.path().is_ident("inline")) { quote!() } else { quote!(#[inline]) };

    let sink = Ident::new("sink", Span::mixed_site());
    let bounds = bounds(library, whole, params);
    let values = emit::values(library, &whole.holes);
    let gathers = emit::gathers(library, laid_out);
    let put = match laid_out.parts.is_empty() {
        true => {
            let constants = [&quote!(#name::PIECE), &quote!(&#name::TEMPLATE)];
            emit::put(library, whole, &whole.holes, &sink, constants)
        }
        false => parts::put(library, &text, laid_out, &sink),
    };
    let params = params.iter().map(|Param { name, ty }| quote!(#name: #ty));
    quote! {
        #(#attrs)*
        #[doc = #listing]
        #inline
        #[allow(clippy::too_many_arguments)]
        #vis fn #name(#sink: &mut (impl #bounds), #(#params),*) {
            #warnings
            #values
            #gathers
            #put
        }

        #(#cfgs)*
        #[doc = #about]
        #[allow(non_camel_case_types, dead_code)]
        #vis enum #name {}

        #(#cfgs)*
        #[allow(dead_code)]
        impl #name {
            const PIECE: &'static [u8; #len] = #bytes;
            /// Bytes, holes, text and effects.
            pub const TEMPLATE: #library::Template = #description;
        }
    }
}

/// What the sink must be: `LinkSink<T>` for the type of each parameter that is a target, or a plain `Sink`.
fn bounds(library: &TokenStream, laid_out: &Piece, params: &[Param]) -> TokenStream {
    let mut bounds: Vec<(String, TokenStream)> = vec![];
    for placed in laid_out.holes.iter().filter(|placed| placed.value == Value::Target) {
        let mut used = vec![false; params.len()];
        mark(&placed.hole.content, params, &mut used);
        for (Param { ty, .. }, _) in params.iter().zip(used).filter(|(_, used)| *used) {
            let text = ty.to_token_stream().to_string();
            if bounds.iter().all(|(known, _)| *known != text) {
                bounds.push((text, quote!(#library::LinkSink<#ty>)));
            }
        }
    }
    let aligned =
        laid_out.align > 1 || laid_out.holes.iter().any(|placed| placed.kind == HoleKind::Patchable);
    let align = aligned.then(|| (String::new(), quote!(#library::AlignSink)));
    let sink = (bounds.is_empty() && !aligned).then(|| (String::new(), quote!(#library::Sink)));
    let bounds = bounds.into_iter().chain(align).chain(sink).map(|(_, bound)| bound);
    quote!(#(#bounds)+*)
}

/// How many bytes a row of a listing has at most.
const ROW: usize = 16;

/// The code with its bytes, for the documentation; bytes that are filled in are dots.
fn listing(laid_out: &Piece) -> String {
    let mut shown: Vec<String> = laid_out.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let fields =
        laid_out.holes.iter().filter_map(|placed| Some((placed.at, emit::field_bytes(placed.kind)?)));
    let constants = laid_out.constants.iter().map(|placed| (placed.at, emit::width_bytes(placed.width)));
    for (at, bytes) in fields.chain(constants) {
        shown[usize::from(at)..usize::from(at) + bytes].fill("..".into());
    }
    let lines = || laid_out.lines.iter().map(|(at, _)| usize::from(*at));
    // Which instruction a location makes of its line is not known.
    for location in laid_out.holes.iter().filter(|placed| placed.kind == HoleKind::Location) {
        let at = usize::from(location.at);
        let end = lines().find(|line| *line > at).unwrap_or(shown.len());
        shown[at..end].fill("..".into());
    }
    let ends = lines().skip(1).chain([shown.len()]);
    let mut rows: Vec<(usize, String, &str)> = vec![];
    for ((at, line), end) in laid_out.lines.iter().zip(ends) {
        let at = usize::from(*at);
        // Data can be long; no instruction is.
        let mut chunks = shown[at..end].chunks(ROW);
        rows.push((at, chunks.next().unwrap_or_default().join(" "), line));
        rows.extend(chunks.enumerate().map(|(n, bytes)| (at + ROW * (n + 1), bytes.join(" "), "")));
    }
    let width = rows.iter().map(|(_, bytes, _)| bytes.len()).max().unwrap_or(0);
    let mut text = String::from("\n```text\n");
    for (at, bytes, line) in rows {
        let row = format!("{at:4}  {bytes:width$}  {line}");
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text + "```"
}
