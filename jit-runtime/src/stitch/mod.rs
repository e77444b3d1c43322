//! From templates to published code: a buffer, labels, fixups, veneers, constants, hot and cold sections.
//!
//! **Problem.** Code is emitted front to back, but its jumps go both ways, its rare paths should not
//! stand among the frequent ones, and where it will live is only known when its length is. All of this
//! has to cost little more than copying the bytes.
//!
//! **Idea.** An [`Assembler`] is two buffers, hot and cold. Each keeps one word a label: its offset once it is
//! bound there, and until then the head of a chain that runs *through the fields* that wait for it, so a
//! forward jump allocates nothing. A distance inside a section is final when the later of its ends is emitted;
//! the chains that cross from one section to the other are aimed when the code is sealed and the length of the
//! hot section is known. A call out of the code is a relocation, applied when the address is known, through a
//! veneer if the target is more than 2 GiB away: a jump through a word behind the code, which needs no register, since
//! whether there is one depends on where the code happens to stand. A [`Constant`] is placed behind all code. Which
//! place of the client's program code is for is kept beside it ([`Positions`]).
//!
//! Code is a typestate, each state consumed by the next:
//!
//! ```text
//! Assembler --seal--> Sealed --publish--> Code
//!  emit, bind,         every label          executable, immutable but for patches,
//!  patch               is bound             freed when the last handle is dropped
//! ```
//!
//! **Invariants.**
//! - A [`CodePtr`] is an offset in the code of one assembler; only published code has addresses.
//! - Offsets in the hot section do not change after they are handed out.
//! - What goes wrong while emitting (a section beyond its limit, a label bound twice) is kept and
//!   reported by [`Assembler::seal`]; emission goes on without writing anywhere it should not. A label is a
//!   number and a chain is data: both are checked at every use.
//! - Nothing unsealed can be published, and nothing sealed has an unbound label, or a C function that was not finished.
//!
//! **Cost.** A template costs one capacity check and one copy; a label with one jump to it some thirty
//! instructions (`docs/performance.md` counts them). None of this calls anybody: what is rare, such as more room
//! or a listing, stands apart, and mistakes are noted in line. An assembler keeps its buffers for the next
//! function ([`Sealed::publish_and_recycle`]).

mod about;
mod aside;
mod assembler;
mod code;
mod constant;
mod error;
mod label;
mod life;
mod listing;
mod patch;
mod positions;
mod processor;
mod seal;
mod section;
#[cfg(test)]
mod tests;

pub use crate::memory::Keep;
pub use about::About;
pub use assembler::Assembler;
pub use code::Code;
pub use constant::Constant;
pub use error::StitchError;
pub use label::{CodePtr, Function, Label, Section};
pub(crate) use life::Life;
pub use listing::Listing;
pub use patch::{PatchError, PatchPoint, PatchTarget};
pub use positions::{Positions, SourcePosition};
pub use processor::detected_features;
pub use seal::Sealed;
