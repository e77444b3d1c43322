//! `x64!` and `templates!`: assembly templates checked and encoded while Rust compiles.
//!
//! **Problem.** A macro should give its user bytes, or every mistake under the operand that is wrong.
//!
//! **Idea.** `jit_asm::syntax` reads, checks and lays out; this crate only finds the template in what the
//! user wrote and writes the result as Rust. parse, barrier, check, barrier, quote: the last stage cannot
//! fail.
//!
//! **Invariants.** What comes out is straight-line code: one copy, one store per hole at a constant
//! offset, one call per label. Expressions of the user stand in it once, with their own places, before
//! the sink is borrowed.
//!
//! **Cost.** What `jit_asm::syntax` costs, and the tokens of one constant and a few stores.

mod emit;
mod input;
mod report;
mod templates;
#[cfg(test)]
mod tests;
mod x64;

use proc_macro::TokenStream;

/// Assembles a template: `x64! { mov rax, [rbp - 16]; cqo; idiv rcx }` is a constant
/// `Template`, `x64!(sink => mov rax, {value}; jo {label})` emits into a sink.
#[proc_macro]
pub fn x64(input: TokenStream) -> TokenStream {
    x64::expand(input.into()).into()
}

/// Declares functions that emit templates: `pub fn div(lhs: i32, special: Label) = x64!< .. >;`.
#[proc_macro]
pub fn templates(input: TokenStream) -> TokenStream {
    templates::expand(input.into()).into()
}
