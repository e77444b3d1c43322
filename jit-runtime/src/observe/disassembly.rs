//! Bytes to lines.

use crate::stitch::{Code, CodePtr, SourcePosition};
use core::fmt;
use core::ops::Range;
use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter, Mnemonic};
use jit_asm::Template;

/// One instruction of published code, or a gap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// Where it starts.
    pub at: CodePtr,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its text in Intel syntax; targets of jumps are offsets in the code.
    pub text: String,
    /// The position of the client's program that begins here, if one does.
    pub position: Option<SourcePosition>,
    /// The templates that were emitted here, if a listing was kept.
    pub templates: Vec<&'static Template>,
}

/// `0010  48 8b 43 08          mov rax,[rbx+8]`.
impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<String> = self.bytes.iter().map(|b| format!("{b:02x}")).collect();
        write!(f, "{:04x}  {:32} {}", self.at.0, bytes.join(" "), self.text)
    }
}

/// Every instruction of `code`, in order, the data of its templates among them, then its constants. Runs of unwritten
/// bytes are one line.
#[must_use]
pub fn disassemble(code: &Code) -> Vec<Instruction> {
    let bytes = &code.block().bytes()[..code.len()];
    let mut lines = vec![];
    let mut start = 0;
    for data in code.data().iter().cloned().chain(std::iter::once(code.code_len()..code.len())) {
        lines.extend(disassemble_run(bytes, start..data.start, code.address() as u64));
        start = data.end;
        lines.extend(words(bytes, data));
    }
    let line_at = |at| lines.binary_search_by_key(&at, |line| line.at);
    let templates = code.listing().into_iter().flat_map(|listing| listing.templates());
    let templates: Vec<_> =
        templates.filter_map(|&(at, template)| Some((line_at(at).ok()?, template))).collect();
    let positions = code.positions().into_iter().flat_map(|positions| positions.iter());
    let positions: Vec<_> =
        positions.filter_map(|(at, position)| Some((line_at(at).ok()?, position))).collect();
    templates.into_iter().for_each(|(line, template)| lines[line].templates.push(template));
    positions.into_iter().for_each(|(line, position)| lines[line].position = position);
    lines
}

/// Data, in words of eight bytes and what is left.
fn words(bytes: &[u8], range: Range<usize>) -> impl Iterator<Item = Instruction> {
    let start = range.start;
    let word = move |(n, word): (usize, &[u8])| {
        Instruction::new(CodePtr((start + 8 * n) as u32), word.to_vec(), text_of_word(word))
    };
    bytes[range].chunks(8).enumerate().map(word)
}

impl Instruction {
    fn new(at: CodePtr, bytes: Vec<u8>, text: String) -> Instruction {
        Instruction { at, bytes, text, position: None, templates: vec![] }
    }
}

fn text_of_word(word: &[u8]) -> String {
    let directive = match word.len() {
        8 => "dq",
        4 => "dd",
        _ => {
            let bytes: Vec<String> = word.iter().map(|byte| format!("0x{byte:02x}")).collect();
            return format!("db {}", bytes.join(", "));
        }
    };
    let digits: String = word.iter().rev().map(|byte| format!("{byte:02x}")).collect();
    format!("{directive} 0x{digits}")
}

/// Every instruction of bytes that stand, or will stand, at `address`.
#[must_use]
pub fn disassemble_bytes(bytes: &[u8], address: u64) -> Vec<Instruction> {
    disassemble_run(bytes, 0..bytes.len(), address)
}

/// The same of a part of the bytes, in which there is no data.
fn disassemble_run(bytes: &[u8], run: Range<usize>, address: u64) -> Vec<Instruction> {
    let from = address + run.start as u64;
    let mut decoder = Decoder::with_ip(64, &bytes[run], from, DecoderOptions::NONE);
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
        lines.push(Instruction::new(CodePtr(at as u32), own, text));
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
