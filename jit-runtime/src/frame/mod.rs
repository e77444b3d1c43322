//! The one frame convention of JIT code, and what unwinders are told of it.
//!
//! **Problem.** Panics, profilers and debuggers walk from any instruction of JIT code to its callers. A
//! record for every function would have to be written, registered and searched; ten thousand of them make
//! a panic slow. And walkers of our own (frame maps, invalidation) want to do without records at all.
//!
//! **Idea.** Every body has the same shape:
//!
//! ```text
//! push rbp                16-aligned; the only `55` at the start of an instruction
//! mov rbp, rsp            `48 89 E5`, nowhere else
//! sub rsp, size           a multiple of 16, where the body has slots
//! ..                      slots are [rbp - 8], [rbp - 16], ..; calls happen with rsp 16-aligned
//! leave
//! ret                     the only `C3` at the start of an instruction, always behind `leave`
//! ```
//!
//! JIT code has no callee-saved register but rbp: what is live at a call is in a slot. So the frame address
//! follows from the instruction at rip, and one record for a whole region says how: an expression that
//! looks at the bytes there, as the linker's record of its PLT does.
//!
//! | bytes at rip | the frame address (CFA) is | the caller's rbp is |
//! |---|---|---|
//! | `55` | rsp + 8 | rbp |
//! | `48 89 E5` | rsp + 16 | at \[rsp\] |
//! | `C3` | rsp + 8 | rbp |
//! | anything else | rbp + 16 | at \[rbp\] |
//!
//! The return address is at CFA - 8 (System V AMD64 ABI, 3.2.2 and figure 3.36 for the numbers of
//! registers; DWARF 5, 6.4 for the rules).
//!
//! **Invariants.** A walker that comes from a callee looks at the bytes behind the call, so a call stands
//! neither before a `ret` nor before a body: before `ret` there is `leave`, and a call that does not return
//! is followed by `ud2`. Between `leave` and `ret` there is nothing. [`check`] finds every breach in finished
//! code. The jump of a veneer, which runs in nobody's frame, is not described; it cannot panic.
//! Functions that C calls save more registers, and say in their frames which: [`CallableFrame`]. The entry trampoline
//! has a record of its own, instruction by instruction ([`CodeRecord`]). Both stand in regions of their own.
//!
//! **Cost.** Nothing per function: one registration a region. A step through a JIT frame costs an unwinder
//! some twenty operations of an expression.

mod callable;
#[cfg(feature = "disassemble")]
mod check;
mod record;
mod templates;

pub use callable::{CALLER_OWNED, CALLER_OWNED_SET, CallableFrame, FrameWord, LARGEST_FRAME, LOCALS_BELOW};
#[cfg(feature = "disassemble")]
pub use check::{Breach, check};
pub use record::{CodeRecord, RecordError, Row, callable_region_record, region_record};
pub use templates::{FrameSize, enter_frame, enter_frame_sized, leave_frame};
