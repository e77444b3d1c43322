//! The dumb checker of the frame convention: reads finished code and finds every breach.

use core::fmt;
use core::ops::Range;
use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, Register};

/// A place where code does not keep the frame convention.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breach {
    /// Offset of the instruction.
    pub at: usize,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {:#x}: {}", self.at, self.rule)
    }
}

/// Every breach of the frame convention in `code`, which is instructions from its first byte to its last but for
/// the ranges of `data`, which are in order; `int3` may fill gaps.
#[must_use]
pub fn check(code: &[u8], data: &[Range<usize>]) -> Vec<Breach> {
    let mut breaches = vec![];
    let mut start = 0;
    for range in data.iter().cloned().chain(std::iter::once(code.len()..code.len())) {
        let end = range.start.min(code.len());
        check_run(code, start..end, &mut breaches);
        start = range.end.min(code.len());
    }
    breaches
}

/// The same in a run of instructions without data.
fn check_run(code: &[u8], run: Range<usize>, breaches: &mut Vec<Breach>) {
    let mut decoder = Decoder::with_ip(64, &code[run.clone()], run.start as u64, DecoderOptions::NONE);
    let instructions: Vec<Instruction> = decoder.iter().collect();
    for (i, instruction) in instructions.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| &instructions[i]);
        let after = instructions.get(i + 1);
        let bytes = &code[instruction.ip() as usize..instruction.next_ip() as usize];
        breaches.extend(
            rule_broken(instruction, bytes, before, after)
                .map(|rule| Breach { at: instruction.ip() as usize, rule }),
        );
    }
}

fn rule_broken(
    instruction: &Instruction,
    bytes: &[u8],
    before: Option<&Instruction>,
    after: Option<&Instruction>,
) -> Option<&'static str> {
    let is = |other: Option<&Instruction>, wanted: fn(&Instruction) -> bool| other.is_some_and(wanted);
    match instruction.mnemonic() {
        Mnemonic::INVALID => Some("this is no instruction"),
        Mnemonic::Push if is_push_rbp(instruction) => match () {
            () if bytes[0] != 0x55 => Some("`push rbp` has another encoding than 55"),
            () if !instruction.ip().is_multiple_of(16) => Some("a body is not 16-aligned"),
            () if !is(after, is_mov_rbp_rsp) => Some("`push rbp` is not followed by `mov rbp, rsp`"),
            () => None,
        },
        Mnemonic::Mov if is_mov_rbp_rsp(instruction) => match () {
            () if bytes != [0x48, 0x89, 0xE5] => Some("`mov rbp, rsp` has another encoding than 48 89 E5"),
            () if !is(before, is_push_rbp) => Some("`mov rbp, rsp` is not behind `push rbp`"),
            () => None,
        },
        Mnemonic::Leave if !is(after, |i| i.code() == Code::Retnq) => {
            Some("`leave` is not followed by `ret`")
        }
        Mnemonic::Ret | Mnemonic::Retf => match () {
            () if bytes != [0xC3] => Some("a return has another encoding than C3"),
            () if !is(before, |i| i.mnemonic() == Mnemonic::Leave) => Some("`ret` is not behind `leave`"),
            () => None,
        },
        Mnemonic::Call if !is(after, |i| i.mnemonic() != Mnemonic::Int3 && !is_push_rbp(i)) => {
            Some("a call stands at the end of its code; a call that does not return is followed by `ud2`")
        }
        Mnemonic::Call if is(after, |i| i.mnemonic() == Mnemonic::Ret) => {
            Some("a call is followed by `ret`; `leave` stands between")
        }
        _ if moves_rbp(instruction) => Some("rbp changes inside a body"),
        _ => None,
    }
}

fn is_push_rbp(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Push && instruction.op0_register() == Register::RBP
}

fn is_mov_rbp_rsp(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Mov
        && instruction.op0_register() == Register::RBP
        && instruction.op1_register() == Register::RSP
}

/// Whether its first operand is rbp and is written: comparisons, pushes and stores only read theirs.
fn moves_rbp(instruction: &Instruction) -> bool {
    let reads_only = matches!(
        instruction.mnemonic(),
        Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Push | Mnemonic::Jmp | Mnemonic::Call
    );
    let parts = [Register::RBP, Register::EBP, Register::BP, Register::BPL];
    !reads_only && parts.contains(&instruction.op0_register())
        || instruction.mnemonic() == Mnemonic::Xchg && parts.contains(&instruction.op1_register())
}
