//! Unwind records: call frame information in the form of `.eh_frame` (DWARF 5, 6.4; LSB 5.0, 10.6).

use super::callable::{CALLER_OWNED, FrameWord};
use core::fmt;
use gimli::write::{
    Address, CallFrameInstruction as Cfi, CommonInformationEntry, EhFrame, EndianVec, Expression,
    FrameDescriptionEntry, FrameTable,
};
use gimli::{
    DW_OP_and, DW_OP_dup, DW_OP_eq, DW_OP_ge, DW_OP_lit0, DW_OP_lt, DW_OP_mul, DW_OP_ne, DW_OP_neg,
    DW_OP_plus, DW_OP_shr, Encoding, Format, LittleEndian, Register, X86_64,
};
use jit_asm::Gpr;

/// A record that cannot be written.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RecordError {
    /// The code is longer than a record of ours can say.
    TooLong {
        /// Bytes of code.
        len: usize,
    },
    /// A row that begins before the row in front of it, or behind the code.
    RowOutOfOrder {
        /// Offset of the row in the code.
        at: u32,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            RecordError::TooLong { len } => write!(
                f,
                "unwind record: {len} bytes of code, of which {} can be described: use smaller regions",
                u32::MAX
            ),
            RecordError::RowOutOfOrder { at } => write!(
                f,
                "unwind record: the row at {at:#x} is out of order or behind the code; add rows as you emit"
            ),
        }
    }
}

impl std::error::Error for RecordError {}

/// The record of a region whose code keeps the frame convention. The bytes hold until the list's end mark
/// and contain absolute addresses: they describe `base .. base + len` and nothing else.
///
/// # Errors
/// [`RecordError::TooLong`] for a region of 4 GiB or more.
pub fn region_record(base: usize, len: usize) -> Result<Vec<u8>, RecordError> {
    let mut entry = entry(base, len)?;
    entry.add_instruction(0, Cfi::CfaExpression(by_instruction(frame_address)));
    entry.add_instruction(0, Cfi::ValExpression(X86_64::RBP, by_instruction(caller_rbp)));
    Ok(write(entry))
}

/// The record of a region whose functions have the frames of [`super::CallableFrame`]. As [`region_record`] otherwise.
///
/// # Errors
/// [`RecordError::TooLong`] for a region of 4 GiB or more.
pub fn callable_region_record(base: usize, len: usize) -> Result<Vec<u8>, RecordError> {
    let mut entry = entry(base, len)?;
    entry.add_instruction(0, Cfi::CfaExpression(by_instruction(frame_address)));
    entry.add_instruction(0, Cfi::ValExpression(X86_64::RBP, by_instruction(caller_rbp)));
    for (i, register) in CALLER_OWNED.into_iter().enumerate() {
        let caller_register = by_instruction(|at, e| caller_register(at, e, i));
        entry.add_instruction(0, Cfi::ValExpression(number(register), caller_register));
    }
    Ok(write(entry))
}

/// What the unwinder is told from an offset on, until another row says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Row {
    /// The frame address is a register plus an offset.
    Frame(Gpr, i32),
    /// The frame address is what is in memory at a register plus a first offset, plus a second.
    FrameAt(Gpr, i32, u32),
    /// The caller's value of a register is in memory at the frame address plus an offset.
    Saved(Gpr, i32),
    /// The caller's value of a register is in that register.
    Kept(Gpr),
}

/// A record that is exact for each instruction of a piece of code, built as the code is emitted. It begins
/// with the state at the entry of a function: the frame address is rsp + 8, every register is kept.
#[derive(Clone, Debug)]
pub struct CodeRecord {
    rows: Vec<(u32, Row)>,
}

impl Default for CodeRecord {
    fn default() -> CodeRecord {
        CodeRecord::new()
    }
}

impl CodeRecord {
    /// The state at the entry of a function, for all of the code.
    #[must_use]
    pub fn new() -> CodeRecord {
        CodeRecord { rows: vec![(0, Row::Frame(Gpr::Rsp, 8))] }
    }

    /// From the code offset `at` on, `row` holds.
    pub fn row(&mut self, at: u32, row: Row) {
        self.rows.push((at, row));
    }

    /// The record for this code at `base .. base + len`.
    ///
    /// # Errors
    /// Rows out of order, or code that is too long.
    pub fn write(&self, base: usize, len: usize) -> Result<Vec<u8>, RecordError> {
        let mut entry = entry(base, len)?;
        let mut last = 0;
        for &(at, row) in &self.rows {
            if at < last || at as usize > len {
                return Err(RecordError::RowOutOfOrder { at });
            }
            last = at;
            entry.add_instruction(at, instruction(row));
        }
        Ok(write(entry))
    }
}

fn instruction(row: Row) -> Cfi {
    match row {
        Row::Frame(register, offset) => Cfi::Cfa(number(register), offset),
        Row::FrameAt(register, at, plus) => {
            let mut expression = Expression::new();
            expression.op_breg(number(register), i64::from(at));
            expression.op_deref();
            expression.op_plus_uconst(u64::from(plus));
            Cfi::CfaExpression(expression)
        }
        Row::Saved(register, offset) => Cfi::Offset(number(register), offset),
        Row::Kept(register) => Cfi::SameValue(number(register)),
    }
}

/// The number of a register in DWARF, which is not the hardware's (System V AMD64 ABI, figure 3.36).
fn number(register: Gpr) -> Register {
    match register {
        Gpr::Rax => X86_64::RAX,
        Gpr::Rcx => X86_64::RCX,
        Gpr::Rdx => X86_64::RDX,
        Gpr::Rbx => X86_64::RBX,
        Gpr::Rsp => X86_64::RSP,
        Gpr::Rbp => X86_64::RBP,
        Gpr::Rsi => X86_64::RSI,
        Gpr::Rdi => X86_64::RDI,
        // From r8 on both agree.
        _ => Register(u16::from(register.number())),
    }
}

fn entry(base: usize, len: usize) -> Result<FrameDescriptionEntry, RecordError> {
    let short = u32::try_from(len).map_err(|_| RecordError::TooLong { len })?;
    Ok(FrameDescriptionEntry::new(Address::Constant(base as u64), short))
}

/// The bytes of one entry with its common part, and the mark that ends the list.
fn write(entry: FrameDescriptionEntry) -> Vec<u8> {
    let encoding = Encoding { format: Format::Dwarf32, version: 1, address_size: 8 };
    let mut common = CommonInformationEntry::new(encoding, 1, -8, X86_64::RA);
    common.add_instruction(Cfi::Cfa(X86_64::RSP, 8));
    common.add_instruction(Cfi::Offset(X86_64::RA, -8));
    let mut table = FrameTable::default();
    let common = table.add_cie(common);
    table.add_fde(common, entry);
    let mut section = EhFrame(EndianVec::new(LittleEndian));
    table
        .write_eh_frame(&mut section)
        .expect("version 1, constant addresses, ordered rows: all can be written");
    let mut bytes = section.0.into_vec();
    bytes.extend([0; 4]);
    bytes
}

/// Where in a body an instruction stands, as its bytes tell.
#[derive(Clone, Copy)]
enum At {
    /// At `push rbp` or at `ret`: only the return address has been pushed.
    Edge,
    /// At `mov rbp, rsp`: rbp has been pushed too.
    Pushed,
    /// Anywhere else: rbp is the frame's.
    Frame,
}

/// The frame address.
fn frame_address(at: At, e: &mut Expression) {
    match at {
        At::Edge => e.op_breg(X86_64::RSP, 8),
        At::Pushed => e.op_breg(X86_64::RSP, 16),
        At::Frame => e.op_breg(X86_64::RBP, 16),
    }
}

/// The caller's rbp.
fn caller_rbp(at: At, e: &mut Expression) {
    match at {
        At::Edge => e.op_breg(X86_64::RBP, 0),
        At::Pushed => {
            e.op_breg(X86_64::RSP, 0);
            e.op_deref();
        }
        At::Frame => {
            e.op_breg(X86_64::RBP, 0);
            e.op_deref();
        }
    }
}

/// The caller's value of number `i` of the [`CALLER_OWNED`]: in its place in a callable frame, if it has one and is
/// there already, else in the register.
fn caller_register(at: At, e: &mut Expression, i: usize) {
    let register = number(CALLER_OWNED[i]);
    if !matches!(at, At::Frame) {
        return e.op_breg(register, 0);
    }
    // The word has not been pushed.
    e.op_breg(X86_64::RSP, 0);
    e.op_breg(X86_64::RBP, 0);
    e.op(DW_OP_ge);
    let no_word = e.op_bra();
    // Its bits are the number of the place, 0 for none.
    e.op_breg(X86_64::RBP, FrameWord::DISP.into());
    e.op_deref();
    e.op_constu(u64::from(FrameWord::BITS) * i as u64);
    e.op(DW_OP_shr);
    e.op_constu((1 << FrameWord::BITS) - 1);
    e.op(DW_OP_and);
    e.op(DW_OP_dup);
    e.op(DW_OP_lit0);
    e.op(DW_OP_eq);
    let no_place = e.op_bra();
    // Eight bytes a place, below the word.
    e.op_constu(8);
    e.op(DW_OP_mul);
    e.op(DW_OP_neg);
    e.op_breg(X86_64::RBP, FrameWord::DISP.into());
    e.op(DW_OP_plus);
    e.op(DW_OP_dup);
    e.op_breg(X86_64::RSP, 0);
    e.op(DW_OP_lt);
    let not_pushed = e.op_bra();
    e.op_deref();
    let done = e.op_skip();
    for branch in [no_word, no_place, not_pushed] {
        let here = e.next_index();
        e.set_target(branch, here);
    }
    e.op_breg(register, 0);
    let end = e.next_index();
    e.set_target(done, end);
}

/// An expression that looks at the instruction at rip and leaves what `value` computes for its place on
/// the stack. Below it may lie what was looked at: only the top counts.
fn by_instruction(value: impl Fn(At, &mut Expression)) -> Expression {
    const PUSH_RBP: u64 = 0x55;
    const RET: u64 = 0xC3;
    const REX_W: u64 = 0x48;
    /// The two bytes of `mov rbp, rsp` behind its prefix, as they are read.
    const MOV_RBP_RSP: u64 = 0xE589;

    let mut e = Expression::new();
    let byte_is = |e: &mut Expression, byte, relation| {
        e.op_breg(X86_64::RA, 0);
        e.op_deref_size(1);
        e.op_constu(byte);
        e.op(relation);
        e.op_bra()
    };
    let is_push = byte_is(&mut e, PUSH_RBP, DW_OP_eq);
    let is_ret = byte_is(&mut e, RET, DW_OP_eq);
    let no_prefix = byte_is(&mut e, REX_W, DW_OP_ne);
    // Two more bytes are read only behind a prefix: what follows it is mapped.
    e.op_breg(X86_64::RA, 1);
    e.op_deref_size(2);
    e.op_constu(MOV_RBP_RSP);
    e.op(DW_OP_ne);
    let no_mov = e.op_bra();

    value(At::Pushed, &mut e);
    let done = e.op_skip();
    for branch in [is_push, is_ret] {
        let here = e.next_index();
        e.set_target(branch, here);
    }
    value(At::Edge, &mut e);
    let done_too = e.op_skip();
    for branch in [no_prefix, no_mov] {
        let here = e.next_index();
        e.set_target(branch, here);
    }
    value(At::Frame, &mut e);
    for skip in [done, done_too] {
        let end = e.next_index();
        e.set_target(skip, end);
    }
    e
}
