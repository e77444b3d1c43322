//! Warnings out of a macro.
//!
//! A macro cannot warn on stable Rust. It can use something deprecated: rustc's `deprecated` lint shows the
//! note under the tokens that the use is made of, obeys `#[allow(deprecated)]` around the macro and is reported
//! out of macros of other crates too. What is used is a macro, because of a macro's path the whole is
//! underlined, and so both ends of an instruction can be given their own places. Nothing of it is left when the
//! code is compiled.

use jit_asm::syntax::{LaidOut, Warning};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

/// Items that make rustc show the warnings of a template; none for a good one.
pub(crate) fn warnings(laid_out: &LaidOut) -> TokenStream {
    laid_out.warnings.iter().map(warning).collect()
}

fn warning(warning: &Warning) -> TokenStream {
    let note = warning.to_string();
    let name = format_ident!("{}", warning.lint.name());
    // The path in the message reads `x64::dead_flags`.
    let start = Ident::new("x64", warning.extent.start);
    let end = Ident::new(warning.lint.name(), warning.extent.end);
    quote! {
        const _: () = {
            mod x64 {
                #[deprecated(note = #note)]
                macro_rules! #name { () => { () } }
                #[allow(deprecated)]
                pub(super) use #name;
            }
            #start::#end!()
        };
    }
}
