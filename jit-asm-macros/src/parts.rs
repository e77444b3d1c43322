//! The emission of a template with location holes: its parts one behind the other, of a choice the variant that
//! the value asks for.

use crate::emit;
use jit_asm::syntax::{
    Choice, Component, Crossing, LaidOut, Location, Part, Piece, PlacedHole, Value, Variant,
};
use jit_asm::template::HoleKind;
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote};

/// Emit all parts into `sink`. The variables of the holes are there.
pub(crate) fn put(library: &TokenStream, name: &str, laid_out: &LaidOut, sink: &Ident) -> TokenStream {
    let all = &laid_out.whole.holes;
    if laid_out.parts.is_empty() {
        return put_piece(library, name, &laid_out.whole, all, sink);
    }
    let choices = laid_out.parts.iter().filter_map(|part| match part {
        Part::Choice(choice) => Some(choice),
        Part::Piece(_) => None,
    });
    let lengths =
        choices.enumerate().filter(|(number, _)| is_crossed(laid_out, *number)).map(|(number, choice)| {
            let length = length(number);
            let arms = choice.variants.iter().map(|(variant, piece)| {
                let pattern = pattern(library, location(choice), *variant);
                let len = Literal::i32_unsuffixed(piece.bytes.len() as i32);
                quote!(#pattern => #len,)
            });
            let value = emit::variable(all, &choice.hole);
            quote! {
                #[allow(unused_variables)]
                let #length: ::core::primitive::i32 = match #value { #(#arms)* };
            }
        });
    let parts = laid_out.parts.iter().map(|part| match part {
        Part::Piece(piece) => put_piece(library, name, piece, all, sink),
        Part::Choice(choice) => {
            let arms = choice.variants.iter().map(|(variant, piece)| {
                let pattern = pattern(library, location(choice), *variant);
                let put = put_piece(library, name, piece, all, sink);
                quote!(#pattern => { #put })
            });
            let value = emit::variable(all, &choice.hole);
            quote!(match #value { #(#arms)* })
        }
    });
    quote!(#(#lengths)* #({ #parts })*)
}

/// Copy one piece and fill it.
fn put_piece(
    library: &TokenStream,
    name: &str,
    piece: &Piece,
    all: &[PlacedHole],
    sink: &Ident,
) -> TokenStream {
    let (bytes, template) =
        (Ident::new("piece", Span::mixed_site()), Ident::new("template", Span::mixed_site()));
    let constants = emit::constants(library, name, piece, &bytes, &template);
    let put = emit::put(library, piece, all, sink, [&quote!(#bytes), &quote!(#template)]);
    quote!(#constants #put)
}

fn pieces(laid_out: &LaidOut) -> impl Iterator<Item = &Piece> {
    laid_out.parts.iter().flat_map(|part| match part {
        Part::Piece(piece) => vec![piece],
        Part::Choice(choice) => choice.variants.iter().map(|(_, piece)| piece).collect(),
    })
}

/// Whether a jump goes across a choice.
fn is_crossed(laid_out: &LaidOut, choice: usize) -> bool {
    let over = |crossing: &Crossing| (crossing.over.0..crossing.over.1).contains(&choice);
    pieces(laid_out).any(|piece| piece.crossings.iter().any(over))
}

/// The variable with the length of what was chosen.
fn length(choice: usize) -> Ident {
    format_ident!("length{choice}", span = Span::mixed_site())
}

fn location(choice: &Choice) -> Location {
    match choice.hole.value {
        Value::Location(location) => location,
        _ => unreachable!("a choice is a location's"),
    }
}

/// The contract's type of what a location takes.
pub(crate) fn location_type(location: Location) -> &'static str {
    match location {
        Location::RegMem(_) => "Rm",
        Location::RegMemImm(_) => "Rmi",
        Location::VectorMem(_) => "Xm",
        Location::Mem(_) => "Address",
    }
}

/// The variable with a component of what was chosen.
fn variable(component: Component) -> Ident {
    let name = match component {
        Component::Register => "register",
        Component::Base => "base",
        Component::Index => "index",
        Component::Scale => "scale",
        Component::Displacement => "displacement",
        Component::Constant => "constant",
    };
    Ident::new(name, Span::mixed_site())
}

/// The pattern of the values that a variant is for, and what else must hold of them.
fn pattern(library: &TokenStream, location: Location, variant: Variant) -> TokenStream {
    let ty = Ident::new(location_type(location), Span::mixed_site());
    let short = |component| {
        let value = variable(component);
        quote!(if #library::location::is_short(#value))
    };
    match variant {
        Variant::Register => {
            let register = variable(Component::Register);
            quote!(#library::#ty::Reg(#register))
        }
        Variant::Constant { short: is_short } => {
            let constant = variable(Component::Constant);
            let guard = is_short.then(|| short(Component::Constant));
            quote!(#library::#ty::Imm(#constant) #guard)
        }
        Variant::Address { indexed, short: is_short } => {
            let [base, index, scale, disp] =
                [Component::Base, Component::Index, Component::Scale, Component::Displacement].map(variable);
            let index = match indexed {
                true => quote!(::core::option::Option::Some((#index, #scale))),
                false => quote!(::core::option::Option::None),
            };
            let address = quote!(#library::Address { base: #base, index: #index, disp: #disp });
            let guard = is_short.then(|| short(Component::Displacement));
            match location {
                Location::Mem(_) => quote!(#address #guard),
                _ => quote!(#library::#ty::Mem(#address) #guard),
            }
        }
    }
}

/// Fill a component of what was chosen. What goes into a byte was found to fit by the pattern.
pub(crate) fn store(
    library: &TokenStream,
    placed: &PlacedHole,
    component: Component,
    out: &Ident,
) -> TokenStream {
    let value = variable(component);
    match (component, placed.kind) {
        (Component::Scale, _) => {
            let at = Literal::usize_unsuffixed(placed.at.into());
            quote!(#out[#at] ^= #library::Scale::number(#value) << 6;)
        }
        (_, HoleKind::Disp(width) | HoleKind::Imm(width)) => {
            fill_i32(library, placed.at, width, out, &quote!(#value))
        }
        _ => emit::merge(library, placed, out, &value),
    }
}

/// The distance of a jump across choices: known up to the lengths taken.
pub(crate) fn cross(library: &TokenStream, crossing: &Crossing, out: &Ident) -> TokenStream {
    let Crossing { at, width, fixed, over, backward } = *crossing;
    let lengths = (over.0..over.1).map(length);
    let distance = match backward {
        true => quote!((#fixed #(- #lengths)*)),
        false => quote!((#fixed #(+ #lengths)*)),
    };
    fill_i32(library, at, width, out, &distance)
}

/// An `i32` that fits `width` bytes.
fn fill_i32(library: &TokenStream, at: u16, width: u8, out: &Ident, value: &TokenStream) -> TokenStream {
    let ty = if width == 1 { quote!(i8) } else { quote!(i32) };
    let cast = if width == 1 { quote!(#value as ::core::primitive::i8) } else { quote!(#value) };
    let bytes = quote!(::core::primitive::#ty::to_le_bytes(#cast));
    emit::fill(library, at, width.into(), out, &bytes)
}
