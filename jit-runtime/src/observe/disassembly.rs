//! Bytes to lines.

use crate::stitch::{Code, CodePtr, Note};
use core::fmt;
use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter, Mnemonic};

/// One instruction of published code, or a gap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// Where it starts.
    pub at: CodePtr,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its text in Intel syntax; targets of jumps are offsets in the code.
    pub text: String,
    /// The notes that the assembler made at this place.
    pub notes: Vec<Note>,
}

/// `0010  48 8b 43 08          mov rax,[rbx+8]`.
impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<String> = self.bytes.iter().map(|b| format!("{b:02x}")).collect();
        write!(f, "{:04x}  {:32} {}", self.at.0, bytes.join(" "), self.text)
    }
}

/// Every instruction of `code`, in order, then its constants. Runs of unwritten bytes are one line.
#[must_use]
pub fn disassemble(code: &Code) -> Vec<Instruction> {
    let bytes = &code.block().bytes()[..code.len()];
    let notes = code.listing().map_or(&[][..], |listing| listing.notes());
    let mut lines = disassemble_bytes(&bytes[..code.code_len()], code.address() as u64, notes);
    lines.extend(constants(bytes, code.code_len()));
    lines
}

/// What stands behind the instructions, in words of eight bytes; the last may have four.
fn constants(bytes: &[u8], code_len: usize) -> impl Iterator<Item = Instruction> {
    bytes[code_len..].chunks(8).enumerate().map(move |(n, word)| {
        let digits: String = word.iter().rev().map(|byte| format!("{byte:02x}")).collect();
        let directive = if word.len() == 8 { "dq" } else { "dd" };
        let at = CodePtr((code_len + 8 * n) as u32);
        Instruction { at, bytes: word.to_vec(), text: format!("{directive} 0x{digits}"), notes: vec![] }
    })
}

/// Every instruction of bytes that stand, or will stand, at `address`. The notes are ordered by place.
#[must_use]
pub fn disassemble_bytes(bytes: &[u8], address: u64, notes: &[(CodePtr, Note)]) -> Vec<Instruction> {
    let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
    let mut formatter = formatter();
    let mut lines: Vec<Instruction> = vec![];
    while decoder.can_decode() {
        let mut instruction = decoder.decode();
        let at = (instruction.ip() - address) as usize;
        let own = bytes[at..at + instruction.len()].to_vec();
        if instruction.mnemonic() == Mnemonic::Int3
            && let Some(gap) = lines.last_mut().filter(|line| line.text == GAP)
        {
            gap.bytes.extend(own);
            continue;
        }
        let mut text = String::new();
        if instruction.mnemonic() == Mnemonic::Int3 {
            text.push_str(GAP);
        } else {
            relative(&mut instruction, address, bytes.len() as u64);
            formatter.format(&instruction, &mut text);
        }
        let at = CodePtr(at as u32);
        let first = notes.partition_point(|(place, _)| *place < at);
        let notes = notes[first..].iter().take_while(|(place, _)| *place == at).map(|&(_, n)| n).collect();
        lines.push(Instruction { at, bytes: own, text, notes });
    }
    lines
}

/// How a run of `int3` reads: code memory that nothing was written to, or a trap.
const GAP: &str = "int3";

/// Print a target inside the code as its offset, so that listings of two runs are the same.
fn relative(instruction: &mut iced_x86::Instruction, address: u64, len: u64) {
    let target = instruction.near_branch_target();
    if target.wrapping_sub(address) < len {
        instruction.set_near_branch64(target - address);
    }
}

fn formatter() -> IntelFormatter {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_space_after_operand_separator(true);
    options.set_branch_leading_zeros(false);
    options.set_rip_relative_addresses(true);
    options.set_show_branch_size(false);
    formatter
}
