//! x86-64: operands, the instruction table, form selection, the encoder, effects and listings.
//!
//! Data goes one way: operands and a mnemonic are matched against the table by [`select()`], which gives a
//! [`form::Form`] or the near misses; [`encode()`] lays the form out and says where its fields stand.

pub mod effects;
pub mod encode;
pub mod form;
pub mod lint;
pub mod listing;
mod nops;
pub mod operand;
pub mod rows;
pub mod select;

pub use encode::{Encoded, EncodedField, FieldKind, RegRole, encode};
pub use nops::nops;
pub use select::{Mismatch, select};
