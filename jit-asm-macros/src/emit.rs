//! A laid-out template as Rust.

use crate::input::{generated_at, shown_at};
use crate::parts;
use jit_asm::syntax::{Component, Integer, LaidOut, Piece, PlacedConstant, PlacedHole, Sum, SumTerm, Value};
use jit_asm::template::{Effects, HighBit, HoleKind, RegField, StackMove};
use jit_asm::x64::operand::Width;
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

/// The bytes as an expression of type `&[u8; N]` for a constant, constants patched.
pub(crate) fn bytes(library: &TokenStream, piece: &Piece) -> TokenStream {
    let plain = Literal::byte_string(&piece.bytes);
    if piece.constants.is_empty() {
        return quote!(#plain);
    }
    let patched =
        piece.constants.iter().fold(quote!(*#plain), |bytes, constant| patch(library, &bytes, constant));
    quote!(&#patched)
}

/// `bytes` with one constant in its place. The call stands at the hole: what does not fit is shown there.
fn patch(library: &TokenStream, bytes: &TokenStream, constant: &PlacedConstant) -> TokenStream {
    let PlacedConstant { at, width, sign_extended, hole } = constant;
    let at = Literal::usize_unsuffixed(usize::from(*at));
    let width = Literal::usize_unsuffixed(width_bytes(*width));
    let shown = shown_at(library, hole.span);
    let value = match &hole.sum {
        None => constant_value(&shown, hole.span, &hole.content),
        Some(sum) => constant_sum(&shown, hole.span, sum),
    };
    let field = quote_spanned! {generated_at(hole.span)=>
        #shown::constant::field::<#width>(#value, #sign_extended)
    };
    quote!(#library::constant::patch(#bytes, #at, #field))
}

fn constant_value(shown: &TokenStream, span: Span, content: &TokenStream) -> TokenStream {
    quote_spanned!(generated_at(span)=> #shown::constant::integer(#content) as i128)
}

/// The terms are added where none of them overflows: each may have a type of its own.
fn constant_sum(shown: &TokenStream, span: Span, sum: &Sum) -> TokenStream {
    let terms = sum.terms.iter().enumerate().map(|(at, SumTerm { negative, content, .. })| {
        let value = constant_value(shown, span, content);
        match (at, negative) {
            (0, false) => value,
            (0, true) => quote!(-(#value)),
            (_, false) => quote!(+ #value),
            (_, true) => quote!(- (#value)),
        }
    });
    let terms: TokenStream = terms.collect();
    match sum.number {
        0 => terms,
        number => {
            let number = Literal::i128_suffixed(number);
            quote!(#terms + (#number))
        }
    }
}

/// `let`s for the bytes, `out`, and their description, `template`. Constant expressions of the user stand in it
/// once, which takes a block for both; without any the bytes are a literal that can stand twice, which is quicker to
/// compile.
pub(crate) fn constants(
    library: &TokenStream,
    name: &str,
    piece: &Piece,
    out: &Ident,
    template: &Ident,
) -> TokenStream {
    let bytes = bytes(library, piece);
    let len = piece.bytes.len();
    if piece.constants.is_empty() {
        let description = self::template(library, name, piece, &bytes);
        return quote! {
            let #out: &'static [u8; #len] = #bytes;
            let #template: &'static #library::Template = const { &#description };
        };
    }
    let description = self::template(library, name, piece, &quote!(#out));
    quote! {
        let (#out, #template): (&'static [u8; #len], &'static #library::Template) = const {
            let #out: &'static [u8; #len] = const { #bytes };
            (#out, &#description)
        };
    }
}

/// The description as a `Template` expression whose bytes are `bytes`, a `&'static [u8]`.
pub(crate) fn template(library: &TokenStream, name: &str, piece: &Piece, bytes: &TokenStream) -> TokenStream {
    let holes = piece.holes.iter().map(|placed| hole(library, placed));
    let lines = piece.lines.iter().map(|(at, text)| {
        let at = Literal::u16_unsuffixed(*at);
        quote!(#library::Line { at: #at, text: #text })
    });
    let effects = effects(library, &piece.effects);
    let align = Literal::u8_unsuffixed(piece.align);
    let data = piece.data.iter().map(|(start, end)| {
        let (start, end) = (Literal::u16_unsuffixed(*start), Literal::u16_unsuffixed(*end));
        quote!(#library::DataRange { start: #start, end: #end })
    });
    quote! {
        #library::Template {
            name: #name,
            bytes: #bytes,
            holes: &[#(#holes),*],
            lines: &[#(#lines),*],
            data: &[#(#data),*],
            align: #align,
            effects: #effects,
        }
    }
}

fn hole(library: &TokenStream, placed: &PlacedHole) -> TokenStream {
    let at = Literal::u16_unsuffixed(placed.at);
    let name = placed.hole.content.to_string();
    let kind = match placed.kind {
        HoleKind::Imm(width) => quote!(Imm(#width)),
        HoleKind::Disp(width) => quote!(Disp(#width)),
        HoleKind::Rel32 { tail, width } => quote!(Rel32 { tail: #tail, width: #width }),
        HoleKind::Patchable => quote!(Patchable),
        HoleKind::Cond => quote!(Cond),
        HoleKind::Scale => quote!(Scale),
        HoleKind::Location => quote!(Location),
        HoleKind::Reg(RegField { low_at, low_shift, high, vector, reads, writes }) => {
            let high = match high {
                Some(HighBit { at, bit }) => quote!(Some(#library::HighBit { at: #at, bit: #bit })),
                None => quote!(None),
            };
            quote! {
                Reg(#library::RegField {
                    low_at: #low_at, low_shift: #low_shift, high: ::core::option::Option::#high,
                    vector: #vector, reads: #reads, writes: #writes,
                })
            }
        }
    };
    quote!(#library::Hole { at: #at, kind: #library::HoleKind::#kind, name: #name })
}

fn effects(library: &TokenStream, effects: &Effects) -> TokenStream {
    let Effects { reads, writes, reads_flags, writes_flags, .. } = effects;
    let Effects { reads_memory, writes_memory, falls_through, calls, jumps, traps, ymm, features, .. } =
        effects;
    let features = features.bits();
    let (reads, writes) = (reads.bits(), writes.bits());
    let (reads_flags, writes_flags) = (reads_flags.0, writes_flags.0);
    let moved = |moved| match moved {
        StackMove::By(bytes) => quote!(#library::StackMove::By(#bytes)),
        StackMove::Unknown => quote!(#library::StackMove::Unknown),
    };
    let [stack, highest] = [effects.stack, effects.highest].map(moved);
    let called_at = effects.called_at.map(moved).map_or(quote!(None), |at| quote!(Some(#at)));
    quote! {
        #library::Effects {
            reads: #library::RegSet::from_bits(#reads),
            writes: #library::RegSet::from_bits(#writes),
            reads_flags: #library::Flags(#reads_flags),
            writes_flags: #library::Flags(#writes_flags),
            reads_memory: #reads_memory,
            writes_memory: #writes_memory,
            stack: #stack,
            highest: #highest,
            called_at: ::core::option::Option::#called_at,
            falls_through: #falls_through,
            calls: #calls,
            jumps: #jumps,
            traps: #traps,
            ymm: #ymm,
            features: #library::Features::from_bits(#features),
        }
    }
}

/// The holes in the order in which they are written, which is that of evaluation; one that fills two fields
/// once.
fn written(holes: &[PlacedHole]) -> Vec<&PlacedHole> {
    let mut written: Vec<&PlacedHole> = holes.iter().collect();
    written.sort_by_key(|placed| placed.order);
    written.dedup_by_key(|placed| placed.order);
    written
}

/// The variable that holds the value of one of `all` the holes of a template.
pub(crate) fn variable(all: &[PlacedHole], placed: &PlacedHole) -> Ident {
    hole_variable(all, placed.order)
}

fn hole_variable(all: &[PlacedHole], order: (usize, usize, usize)) -> Ident {
    let number = written(all).partition_point(|other| other.order < order);
    format_ident!("hole{number}", span = Span::mixed_site())
}

/// One `let` per hole, its type beside the user's expression, so that a mismatch is shown there.
pub(crate) fn values(library: &TokenStream, holes: &[PlacedHole]) -> TokenStream {
    let written = written(holes);
    let lets = written.iter().map(|placed| {
        let variable = variable(holes, placed);
        let content = &placed.hole.content;
        let span = generated_at(placed.hole.span);
        let shown = shown_at(library, span);
        let ty = match placed.value {
            Value::Integer(integer) => {
                let name = Ident::new(&integer_name(integer), span);
                quote_spanned!(span=> : ::core::primitive::#name)
            }
            Value::Register => quote_spanned!(span=> : #shown::Gpr),
            Value::Index => quote_spanned!(span=> : #shown::IndexGpr),
            Value::Vector => quote_spanned!(span=> : #shown::Xmm),
            Value::Condition => quote_spanned!(span=> : #shown::Cond),
            Value::Location(location) => {
                let name = Ident::new(parts::location_type(location), span);
                quote_spanned!(span=> : #shown::#name)
            }
            Value::Target | Value::Component(_) => TokenStream::new(),
        };
        quote!(let #variable #ty = #content;)
    });
    quote!(#(#lets)*)
}

/// That no gather gets a register twice. The call stands at the instruction, and so does its panic.
pub(crate) fn gathers(library: &TokenStream, laid_out: &LaidOut) -> TokenStream {
    let gathers = laid_out.gathers.iter().map(|gather| {
        let span = generated_at(gather.extent.start);
        let shown = shown_at(library, span);
        let named = gather.named.iter().map(|reg| {
            let name = format_ident!("Xmm{}", reg.number(), span = span);
            quote_spanned!(span=> #shown::Xmm::#name)
        });
        let chosen = gather.chosen.iter().map(|order| hole_variable(&laid_out.whole.holes, *order));
        quote_spanned!(span=> #shown::reg::assert_apart(&[#(#named,)* #(#chosen),*]);)
    });
    gathers.collect()
}

/// Copy a piece into `sink` and fill its holes with the variables of [`values`] for `all` the holes of the
/// template. `bytes` is a `&'static [u8; N]`, `template` a `&'static Template`.
pub(crate) fn put(
    library: &TokenStream,
    piece: &Piece,
    all: &[PlacedHole],
    sink: &Ident,
    [bytes, template]: [&TokenStream; 2],
) -> TokenStream {
    let out = Ident::new("out", Span::mixed_site());
    let mut stores = TokenStream::new();
    let mut links = TokenStream::new();
    for placed in &piece.holes {
        let value = variable(all, placed);
        stores.extend(match placed.value {
            Value::Integer(integer) => store(library, placed, integer, &out, &value),
            Value::Register | Value::Index | Value::Vector => merge(library, placed, &out, &value),
            Value::Condition => {
                let at = Literal::usize_unsuffixed(placed.at.into());
                quote!(#out[#at] ^= #library::Cond::number(#value);)
            }
            Value::Component(component) => parts::store(library, placed, component, &out),
            Value::Location(_) => unreachable!("a location is put in parts"),
            Value::Target => {
                links.extend(link(library, placed, sink, &value));
                fill(library, placed.at, 4, &out, &quote!(#value))
            }
        });
    }
    stores.extend(piece.crossings.iter().map(|crossing| parts::cross(library, crossing, &out)));
    let len = Literal::usize_unsuffixed(piece.bytes.len());
    let bind = if stores.is_empty() { quote!() } else { quote!(let #out: &mut [u8; #len] =) };
    let place = place(library, piece, sink);
    quote! {
        #place
        #links
        #bind #library::Sink::put_template::<#len>(#sink, #bytes, #template);
        #stores
    }
}

/// What a field that is rewritten while other threads run it is aligned to.
const PATCHABLE: u8 = 4;

/// What the sink is told of the place of a piece: that it is aligned, which of its fields are patchable, and that
/// there is data in it.
fn place(library: &TokenStream, piece: &Piece, sink: &Ident) -> TokenStream {
    let patchable = || piece.holes.iter().filter(|placed| placed.kind == HoleKind::Patchable);
    let align = match patchable().next() {
        // The layout has seen to it that the field is aligned by `.align` too.
        Some(placed) if piece.align < PATCHABLE => {
            let ahead = u32::from(placed.at);
            let span = generated_at(placed.hole.span);
            let shown = shown_at(library, span);
            quote_spanned!(span=> #shown::AlignSink::align(#sink, 4, #ahead);)
        }
        _ if piece.align > 1 => {
            let to = u32::from(piece.align);
            quote!(#library::AlignSink::align(#sink, #to, 0);)
        }
        _ => quote!(),
    };
    let patchable = patchable().map(|placed| {
        let ahead = u32::from(placed.at);
        quote!(#library::AlignSink::note_patchable(#sink, #ahead);)
    });
    let data = piece.data.iter().map(|(start, end)| {
        let (start, len) = (Literal::u16_unsuffixed(*start), Literal::u16_unsuffixed(end - start));
        quote!(#library::Sink::note_data(#sink, #start, #len);)
    });
    quote!(#align #(#patchable)* #(#data)*)
}

/// How many bytes a hole replaces; `None` for one that only adds bits.
pub(crate) fn field_bytes(kind: HoleKind) -> Option<usize> {
    match kind {
        HoleKind::Imm(bytes) | HoleKind::Disp(bytes) => Some(usize::from(bytes)),
        HoleKind::Rel32 { .. } | HoleKind::Patchable => Some(4),
        HoleKind::Reg(_) | HoleKind::Cond | HoleKind::Scale | HoleKind::Location => None,
    }
}

/// A value of its own bytes.
fn store(
    library: &TokenStream,
    placed: &PlacedHole,
    integer: Integer,
    out: &Ident,
    value: &Ident,
) -> TokenStream {
    let name = Ident::new(&integer_name(integer), Span::call_site());
    let bytes = quote!(::core::primitive::#name::to_le_bytes(#value));
    fill(library, placed.at, width_bytes(integer.width), out, &bytes)
}

/// An array in the place of a hole.
pub(crate) fn fill(
    library: &TokenStream,
    at: u16,
    width: usize,
    out: &Ident,
    bytes: &TokenStream,
) -> TokenStream {
    let fill = format_ident!("fill{width}");
    let at = Literal::usize_unsuffixed(usize::from(at));
    quote!(#library::sink::#fill(#out, #at, #bytes);)
}

/// A register number: three bits here and the fourth in a prefix, or all four here. The piece has those of
/// register 0, which VEX has inverted in places: the others differ from them in the bits of their number.
pub(crate) fn merge(library: &TokenStream, placed: &PlacedHole, out: &Ident, value: &Ident) -> TokenStream {
    let HoleKind::Reg(RegField { low_at, low_shift, high, vector, .. }) = placed.kind else {
        return TokenStream::new();
    };
    let ty = match placed.value {
        Value::Index | Value::Component(Component::Index) => quote!(IndexGpr),
        _ if vector => quote!(Xmm),
        _ => quote!(Gpr),
    };
    let low_at = Literal::usize_unsuffixed(low_at.into());
    let number = quote!(#library::#ty::number(#value));
    match high {
        Some(HighBit { at, bit }) => {
            let at = Literal::usize_unsuffixed(at.into());
            quote! {
                #out[#low_at] ^= (#number & 7) << #low_shift;
                #out[#at] ^= (#number >> 3) << #bit;
            }
        }
        None => quote!(#out[#low_at] ^= #number << #low_shift;),
    }
}

/// A label or function is the sink's business: its variable becomes the bytes that the sink gives for it.
fn link(library: &TokenStream, placed: &PlacedHole, sink: &Ident, value: &Ident) -> TokenStream {
    let (tail, width) =
        if let HoleKind::Rel32 { tail, width } = placed.kind { (tail, width) } else { (0, 0) };
    let ahead = u32::from(placed.at);
    let (tail, width) = (u32::from(tail), u32::from(width));
    let field = quote!(#library::Field { ahead: #ahead, tail: #tail, width: #width });
    let span = generated_at(placed.hole.span);
    let shown = shown_at(library, span);
    quote_spanned!(span=> let #value: [::core::primitive::u8; 4] = #shown::LinkSink::link_rel32(#sink, #field, #value);)
}

pub(crate) fn width_bytes(width: Width) -> usize {
    width.bytes().into()
}

/// The name of the type that a hole takes. A target may have any.
pub(crate) fn type_of(value: Value) -> Option<String> {
    Some(match value {
        Value::Integer(integer) => integer_name(integer),
        Value::Register => "Gpr".to_owned(),
        Value::Index => "IndexGpr".to_owned(),
        Value::Vector => "Xmm".to_owned(),
        Value::Condition => "Cond".to_owned(),
        Value::Location(location) => parts::location_type(location).to_owned(),
        Value::Component(_) | Value::Target => return None,
    })
}

fn integer_name(integer: Integer) -> String {
    format!("{}{}", if integer.signed { "i" } else { "u" }, integer.width.bits())
}
