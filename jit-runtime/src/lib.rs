//! The runtime of a template JIT.

pub mod deopt;
pub mod frame;
pub mod memory;
#[cfg(feature = "disassemble")]
pub mod observe;
pub mod registers;
pub mod stitch;
pub mod tier;
pub mod transition;

pub use jit_asm::{Gpr, IndexGpr, LinkSink, RegSet, Sink, Template};

#[doc(hidden)]
pub use jit_asm;

/// What the macros below expand to, which is not to be named.
#[doc(hidden)]
pub mod __macros {
    pub use jit_asm_macros::{templates, x64};
}

/// Assembly, checked and encoded while Rust compiles.
///
/// `x64! { .. }` is a constant [`Template`](jit_asm::Template); `x64!(sink => ..)` emits into a
/// [`Sink`](jit_asm::Sink): a `Vec<u8>`, or an assembler when there are labels and functions to link. The
/// grammar and the kinds of holes are described at [`jit_asm_macros::x64!`].
///
/// ```
/// use jit_runtime::{jit_asm::Template, x64};
///
/// const QUOTIENT: Template = x64! { mov rax, [rbp - 16]; cqo; idiv rcx };
/// assert_eq!(QUOTIENT.bytes.len(), 9);
///
/// let (mut code, slot) = (vec![], -16);
/// x64!(code => mov rax, [rbp + {slot}]; add rax, {slot * 2});
/// assert_eq!(code, b"\x48\x8b\x85\xf0\xff\xff\xff\x48\x05\xe0\xff\xff\xff");
/// ```
#[macro_export]
macro_rules! x64 {
    ($($template:tt)*) => { $crate::__macros::x64! { @crate [$crate::jit_asm] $($template)* } };
}

/// Functions that emit templates, with names, types and documentation; see [`jit_asm_macros::templates!`].
///
/// ```
/// use jit_runtime::templates;
///
/// templates! {
///     /// Adds a frame slot to rax.
///     pub fn add_slot(slot: i32) = x64!< add rax, [rbp + {slot}] >;
/// }
///
/// let mut code = vec![];
/// add_slot(&mut code, 16);
/// assert_eq!(code, b"\x48\x03\x85\x10\0\0\0");
/// assert_eq!(add_slot::TEMPLATE.name, "add_slot");
/// ```
#[macro_export]
macro_rules! templates {
    ($($entries:tt)*) => { $crate::__macros::templates! { @crate [$crate::jit_asm] $($entries)* } };
}
