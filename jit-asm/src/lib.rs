//! The language of assembly templates as a library.
//!
//! **Problem.** A JIT wants machine code that is checked when the JIT is compiled and costs a copy when
//! it runs; the same knowledge of instructions is wanted by a macro, by tests and by printers.
//!
//! **Idea.** One instruction table (feature `table`) written in the manual's own words, from which form
//! selection, the encoder, effects and listings derive; a syntax (feature `syntax`) that reads
//! statements from tokens; and, without any feature, the *contract*: what a finished template is
//! ([`Template`]), what it can be emitted into ([`Sink`]) and the registers. The contract has no
//! dependencies and is all that a user's program links.
//!
//! **Invariants.** No `unsafe`. The contract knows neither the table nor the syntax; the table does not
//! know the syntax. The layout of a template depends on the types of its holes, never on their values.
//!
//! **Cost.** The table lives in the compiler that runs the macro; a user's binary carries only the
//! bytes of its templates.
#![forbid(unsafe_code)]

pub mod cond;
pub mod constant;
pub mod features;
pub mod location;
pub mod padding;
pub mod reg;
pub mod sink;
pub mod template;

#[cfg(feature = "syntax")]
pub mod syntax;
#[cfg(feature = "table")]
pub mod x64;

pub use cond::Cond;
pub use features::Features;
pub use location::{Address, Rm, Rmi, Scale, Xm};
pub use reg::{Gpr, IndexGpr, RegSet, Xmm};
pub use sink::{AlignSink, Field, LinkSink, Sink};
pub use template::{DataRange, Effects, Flags, HighBit, Hole, HoleKind, Line, RegField, StackMove, Template};
