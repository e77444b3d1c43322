//! The nets under the instruction table.
//!
//! **Problem.** A wrong row is silent: the bytes of another instruction run without complaint, and a
//! forgotten clobber only shows when an allocator believes it.
//!
//! **Idea.** Every fact has a second authority, compared as structure and by enumeration: the rows with
//! iced-x86's tables ([`facts`]), the bytes with its decoder and encoder ([`bytes`], [`holes`]) and with GNU
//! as and llvm-mc where they are installed ([`assemblers`]), effects of whole instructions with its
//! instruction info ([`bytes`]). The nets are measured: [`slips`] plants every one-character slip in every
//! row. What the table says in all is a text to review ([`golden`]).

mod assemblers;
mod bytes;
mod facts;
mod golden;
mod holes;
mod iced;
mod left_out;
mod mismatches;
mod samples;
mod slips;
