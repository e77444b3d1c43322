//! Reading finished code: what stands where, instruction by instruction.
//!
//! **Problem.** Whoever debugs a JIT wants to see the machine code beside what it came from: the bytecode,
//! and the template that each instruction belongs to.
//!
//! **Idea.** The assembler notes where each template went, if asked to ([`crate::stitch::Listing`]). The
//! bytes are decoded by an independent disassembler, not printed from the templates: a listing that
//! repeated what the assembler believes would hide its mistakes.
//!
//! **Invariants.** Every byte of the code is in exactly one line.
//!
//! **Cost.** Nothing unless a listing is kept; a decoder in the binary if the feature `disassemble` is on.

mod disassembly;
#[cfg(test)]
mod tests;

pub use disassembly::{Instruction, disassemble, disassemble_bytes};
