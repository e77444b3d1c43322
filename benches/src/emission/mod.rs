//! The workload of the emission benchmark: a unit of eight operations of a stack-slot machine, repeated.
//!
//! The unit is 42 instructions in 245 bytes with 24 holes, 6 of them forward jumps. An operation becomes
//! one template, chosen by `match` when the code is made, as in a baseline compiler. The same operations
//! go through [`stitched`] (this project) and [`dynasm`] (dynasm-rs), which must give the same bytes.

pub mod dynasm;
pub mod located;
pub mod stitched;

/// Labels of one unit: every jump has its own, bound at the end of the unit.
pub const LABELS: usize = 6;
/// Instructions of one unit, and of one without its jumps.
pub const INSTRUCTIONS: usize = 42;
/// Instructions of one unit without its jumps.
pub const STRAIGHT_INSTRUCTIONS: usize = INSTRUCTIONS - LABELS;
/// How much code one measurement makes, in bytes, with all jumps in it.
pub const CODE: usize = 1 << 20;

/// An operation. Operands are displacements from rbp; labels are numbers inside the unit.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // the names say it
pub enum Op {
    Constant { dst: i32, value: i64 },
    Add { lhs: i32, rhs: i32, dst: i32, overflow: usize },
    Mul { lhs: i32, rhs: i32, dst: i32, overflow: usize },
    Div { lhs: i32, rhs: i32, special: usize },
    BranchLess { lhs: i32, rhs: i32, target: usize },
    Count { slot: i32, done: usize },
    Mix { src: i32, dst: i32 },
}

/// The operations of one unit.
pub const UNIT: [Op; 8] = [
    Op::Constant { dst: -8, value: 0x1122_3344_5566_7788 },
    Op::Add { lhs: -8, rhs: -16, dst: -24, overflow: 0 },
    Op::BranchLess { lhs: -24, rhs: -32, target: 1 },
    Op::Mul { lhs: -24, rhs: -40, dst: -48, overflow: 2 },
    Op::Div { lhs: -48, rhs: -56, special: 3 },
    Op::Mix { src: -64, dst: -72 },
    Op::Count { slot: -80, done: 4 },
    Op::Add { lhs: -88, rhs: -96, dst: -104, overflow: 5 },
];
