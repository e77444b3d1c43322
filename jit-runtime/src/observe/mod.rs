//! Looking at code from outside: listings, profilers, debuggers, counts.
//!
//! **Problem.** Whoever debugs or measures a JIT wants to see the machine code beside what it came from, and its
//! functions by name in the tools that show everything else. Whoever does not wants to pay nothing for it.
//!
//! **Idea.** A heap tells observers what happens to its code ([`crate::memory::CodeHeap::observe`]), and an
//! assembler what it knows of it: a name, positions, templates. Each tool is an observer of its own: [`PerfMap`],
//! [`JitDump`], [`Gdb`], [`Statistics`]. Listings ([`disassemble`]) are made of bytes by an independent
//! disassembler, not printed from the templates: a listing that repeated what the assembler believes would hide its
//! mistakes.
//!
//! **Invariants.** Every byte of code is in exactly one line of its listing and has exactly one name. Observers see
//! publication before anybody can run the code, and its end before the memory is used again.
//!
//! **Cost.** Without an observer one comparison for each publication, patch and end, and nothing where code is
//! emitted. Templates have names only if the assembler keeps a listing. A decoder is in the binary if the
//! feature `disassemble` is on, the interface of gdb if `gdb` is.
//!
//! This module is unsafe room 4: `jitdump.rs` asks the system for a mapping and the time, `gdb/interface.rs` has the
//! list that gdb reads.

#[cfg(feature = "disassemble")]
mod disassembly;
#[cfg(all(feature = "gdb", target_os = "linux"))]
mod gdb;
#[cfg(target_os = "linux")]
mod jitdump;
#[cfg(unix)]
mod log;
#[cfg(unix)]
mod perf_map;
mod source;
mod statistics;
mod symbols;
#[cfg(all(test, feature = "disassemble"))]
mod tests;

#[cfg(feature = "disassemble")]
pub use disassembly::{Instruction, disassemble, disassemble_bytes};
#[cfg(all(feature = "gdb", target_os = "linux"))]
pub use gdb::Gdb;
#[cfg(target_os = "linux")]
pub use jitdump::JitDump;
#[cfg(unix)]
pub use perf_map::PerfMap;
pub use source::SourceFile;
pub use statistics::{Count, Statistics};
pub use symbols::Detail;
