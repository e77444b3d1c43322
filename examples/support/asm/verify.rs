//! A template against decoders of other people: iced-x86 reads every instruction, and objdump where it is
//! installed.
//!
//! iced's instruction is compared with the operands as they were written, not with the table that chose the bytes.
//! Holes have no value yet: of them the kind and the width are compared. Of a location hole the longest
//! instruction is looked at, which is the one that the template's bytes are.

use super::Assembled;
use iced_x86::{Decoder, DecoderOptions, Encoder, Instruction, OpKind, Register};
use jit_asm::syntax::{Arg, Insn, Slot, Stmt};
use jit_asm::x64::operand::{Base, Disp, Imm, Index, Mem, Operand, RegClass, Segment};
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::{env, fs, process};

/// Compare, and say with what and what differs. Whether nothing does.
///
/// # Errors
/// If `out` cannot be written.
pub fn verify(assembled: &Assembled, out: &mut impl Write) -> io::Result<bool> {
    writeln!(out)?;
    let iced = Some(against_iced(assembled));
    let mut agrees = true;
    for (name, differences) in [("iced-x86", iced), ("objdump", against_objdump(assembled))] {
        match differences {
            None => writeln!(out, "{name:14} not installed, not compared")?,
            Some(all) if all.is_empty() => writeln!(out, "{name:14} agrees")?,
            Some(all) => {
                agrees = false;
                for difference in all {
                    writeln!(out, "{name:14} differs: {difference}")?;
                }
            }
        }
    }
    Ok(agrees)
}

/// One instruction as it was written and where its bytes are.
struct Written<'a> {
    insn: &'a Insn,
    text: &'a str,
    start: usize,
    end: usize,
}

/// The instructions, and the offset of each label.
fn written(assembled: &Assembled) -> (Vec<Written<'_>>, Vec<(&str, u64)>) {
    let whole = &assembled.laid_out.whole;
    let at = |n: usize| whole.lines.get(n).map_or(whole.bytes.len(), |(at, _)| usize::from(*at));
    let (mut insns, mut labels) = (vec![], vec![]);
    for stmt in &assembled.stmts {
        match stmt {
            Stmt::Label(label) => labels.push((label.name.text.as_str(), at(insns.len()) as u64)),
            Stmt::Insn(insn) => {
                let n = insns.len();
                let text = whole.lines.get(n).map_or("", |(_, text)| text);
                insns.push(Written { insn, text, start: at(n), end: at(n + 1) });
            }
            _ => {}
        }
    }
    (insns, labels)
}

/// What iced reads otherwise.
#[must_use]
pub fn against_iced(assembled: &Assembled) -> Vec<String> {
    let bytes = &assembled.laid_out.whole.bytes;
    let (insns, labels) = written(assembled);
    let mut all = vec![];
    for one in &insns {
        let mut decoder = Decoder::with_ip(64, &bytes[one.start..], one.start as u64, DecoderOptions::NONE);
        let theirs = decoder.decode();
        let mut differs = |what: String| all.push(format!("`{}`: {what}", one.text));
        if theirs.is_invalid() || theirs.len() != one.end - one.start {
            differs(format!("{} bytes are `{theirs}` with {}", one.end - one.start, theirs.len()));
            continue;
        }
        let name = format!("{:?}", theirs.mnemonic()).to_lowercase();
        if !same_name(&one.insn.mnemonic.text, &name) || !same_prefix(&one.insn.mnemonic.text, &theirs) {
            differs(format!("the bytes are `{theirs}`"));
        } else if !same_operands(&one.insn.args, &theirs, &labels) {
            differs(format!("the operands are those of `{theirs}`"));
        }
        match Encoder::new(64).encode(&theirs, theirs.ip()) {
            Ok(length) if length == theirs.len() => {}
            Ok(length) => differs(format!("iced encodes `{theirs}` in {length} bytes")),
            Err(error) => differs(format!("iced does not encode `{theirs}`: {error}")),
        }
    }
    all
}

/// The conditions with several names: the manual's other one, and the one that disassemblers print.
const CONDITIONS: [(&str, &str); 14] = [
    ("c", "b"),
    ("nae", "b"),
    ("nb", "ae"),
    ("nc", "ae"),
    ("z", "e"),
    ("nz", "ne"),
    ("na", "be"),
    ("nbe", "a"),
    ("pe", "p"),
    ("po", "np"),
    ("nge", "l"),
    ("nl", "ge"),
    ("ng", "le"),
    ("nle", "g"),
];

/// The one name among several of an instruction, without its prefix.
fn canonical(name: &str) -> String {
    let name = name.rsplit_once(' ').map_or(name, |(_, name)| name);
    match name {
        "sal" => return "shl".to_owned(),
        "loopz" => return "loope".to_owned(),
        "loopnz" => return "loopne".to_owned(),
        _ => {}
    }
    for stem in ["set", "cmov", "j"] {
        if let Some(condition) = name.strip_prefix(stem)
            && let Some((_, one)) = CONDITIONS.iter().find(|(other, _)| *other == condition)
        {
            return format!("{stem}{one}");
        }
    }
    name.to_owned()
}

fn same_name(ours: &str, theirs: &str) -> bool {
    canonical(ours) == canonical(theirs)
}

fn same_prefix(ours: &str, theirs: &Instruction) -> bool {
    let prefix = ours.split_once(' ').map_or("", |(prefix, _)| prefix);
    let found = (theirs.has_lock_prefix(), theirs.has_rep_prefix(), theirs.has_repne_prefix());
    match prefix {
        "lock" => found == (true, false, false),
        "rep" | "repe" | "repz" => found == (false, true, false),
        "repne" | "repnz" => found == (false, false, true),
        _ => found == (false, false, false),
    }
}

/// Whether what is written stands among iced's operands in this order; those that it has besides are implied by
/// the mnemonic. The two of xchg and test commute.
fn same_operands(args: &[Arg], theirs: &Instruction, labels: &[(&str, u64)]) -> bool {
    let among = |mut order: &mut dyn Iterator<Item = u32>| {
        args.iter().all(|arg| Iterator::any(&mut order, |n| same_operand(arg, theirs, n, labels)))
    };
    let count = theirs.op_count();
    among(&mut (0..count))
        || matches!(canonical(&format!("{:?}", theirs.mnemonic()).to_lowercase()).as_str(), "xchg" | "test")
            && among(&mut (0..count).rev())
}

fn same_operand(arg: &Arg, theirs: &Instruction, n: u32, labels: &[(&str, u64)]) -> bool {
    let kind = theirs.op_kind(n);
    let register = if kind == OpKind::Register { theirs.op_register(n) } else { Register::None };
    let label = arg.label.as_ref().map(|name| labels.iter().find(|(label, _)| *label == name.text));
    // Undefined labels were refused, so a name has a place.
    let reaches = |address: u64| label.is_none_or(|place| place.is_some_and(|(_, at)| *at == address));
    match arg.operand {
        _ if arg.hole(Slot::Location).is_some() => true,
        Operand::Reg(reg) => {
            general(register, reg.class) && register.full_register().number() == usize::from(reg.gpr.number())
        }
        Operand::RegHole(class) => general(register, class),
        Operand::Vector(vector) => {
            register.size() == usize::from(vector.class.width().bytes())
                && register.number() == usize::from(vector.reg.number())
        }
        Operand::VectorHole(class) => register.size() == usize::from(class.width().bytes()),
        Operand::Imm(Imm::Literal(value)) => immediate_bits(kind).is_some_and(|bits| {
            let pattern = |value: i128| value & ((1 << bits) - 1);
            value >= -(1 << (bits - 1))
                && value < 1 << bits
                && pattern(value) == pattern(theirs.immediate(n).into())
        }),
        Operand::Imm(Imm::Hole(_)) => immediate_bits(kind).is_some(),
        Operand::Target(_) => kind == OpKind::NearBranch64 && reaches(theirs.near_branch_target()),
        Operand::Mem(mem) => {
            kind == OpKind::Memory
                && same_address(&mem, theirs)
                && (mem.base != Base::Target || reaches(theirs.memory_displacement64()))
        }
    }
}

/// Whether it is a register of the class. A 64-bit one may be written by its lower half.
fn general(register: Register, class: RegClass) -> bool {
    let high = matches!(register, Register::AH | Register::BH | Register::CH | Register::DH);
    let size = usize::from(class.width().bytes());
    let fits = register.size() == size || class == RegClass::R64 && register.size() == 4;
    register.is_gpr() && fits && high == (class == RegClass::R8High)
}

/// How wide the operand is that the immediate is extended to.
fn immediate_bits(kind: OpKind) -> Option<u32> {
    Some(match kind {
        OpKind::Immediate8 | OpKind::Immediate8_2nd => 8,
        OpKind::Immediate16 | OpKind::Immediate8to16 => 16,
        OpKind::Immediate32 | OpKind::Immediate8to32 => 32,
        OpKind::Immediate64 | OpKind::Immediate8to64 | OpKind::Immediate32to64 => 64,
        _ => return None,
    })
}

fn same_address(mem: &Mem, theirs: &Instruction) -> bool {
    let (base, index) = (theirs.memory_base(), theirs.memory_index());
    let segment = match mem.segment {
        None => Register::None,
        Some(Segment::Fs) => Register::FS,
        Some(Segment::Gs) => Register::GS,
    };
    let is = |register: Register, number: u8| register.is_gpr64() && register.number() == usize::from(number);
    let same_base = |register: Register| match mem.base {
        Base::None => register == Register::None,
        Base::Reg(gpr) => is(register, gpr.number()),
        Base::Hole => register.is_gpr64(),
        Base::Rip | Base::Target => register == Register::RIP,
    };
    let same_index = |register: Register| match mem.index {
        None => register == Register::None,
        Some((Index::Reg(gpr), _)) => is(register, gpr.number()),
        // Register 4 is not an index, and stands for a hole until it is filled.
        Some((Index::Hole, _)) => register.is_gpr64(),
        Some((Index::Vector(vector), _)) => {
            register.size() == usize::from(vector.class.width().bytes())
                && register.number() == usize::from(vector.reg.number())
        }
        Some((Index::VectorHole(class), _)) => register.size() == usize::from(class.width().bytes()),
    };
    let scale = mem.index.map_or(1, |(_, scale)| 1 << scale as u32);
    let swapped = scale == 1 && same_base(index) && same_index(base);
    let displacement = match base {
        Register::RIP => theirs.memory_displacement64().wrapping_sub(theirs.next_ip()),
        _ => theirs.memory_displacement64(),
    };
    let gathers = matches!(mem.index, Some((Index::Vector(_) | Index::VectorHole(_), _)));
    let bytes = theirs.memory_size().size();
    let same_width = gathers || bytes == 0 || mem.width.is_none_or(|w| usize::from(w.bytes()) == bytes);
    (same_base(base) && same_index(index) || swapped)
        && theirs.memory_index_scale() == scale
        && theirs.segment_prefix() == segment
        && (mem.base == Base::Target
            || match mem.disp {
                Disp::Literal(value) => i64::from(value) as u64 == displacement,
                Disp::Hole8 | Disp::Hole32 => true,
            })
        && same_width
}

/// What objdump reads otherwise: other lengths, other mnemonics. `None` where there is none.
#[must_use]
pub fn against_objdump(assembled: &Assembled) -> Option<Vec<String>> {
    let bytes = &assembled.laid_out.whole.bytes;
    let theirs = match disassembled(bytes) {
        Ok(lines) => lines,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(vec![format!("it could not be run: {error}")]),
    };
    let (insns, _) = written(assembled);
    let mut all = vec![];
    for one in &insns {
        let same = |(at, length, name): &&(usize, usize, String)| {
            *at == one.start && *length == one.end - one.start && printed_as(&one.insn.mnemonic.text, name)
        };
        if !theirs.iter().any(|line| same(&line)) {
            let there = theirs.iter().find(|(at, ..)| *at == one.start);
            let reads = there.map_or("no instruction begins there".to_owned(), |(_, length, name)| {
                format!("`{name}` with {length} bytes")
            });
            all.push(format!("`{}` with {} bytes: {reads}", one.text, one.end - one.start));
        }
    }
    Some(all)
}

/// Offset, length and mnemonic of each instruction that objdump finds.
fn disassembled(bytes: &[u8]) -> io::Result<Vec<(usize, usize, String)>> {
    if bytes.is_empty() {
        return Ok(vec![]);
    }
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let file = env::temp_dir().join(format!("jit-asm-{}-{number}.bin", process::id()));
    fs::write(&file, bytes)?;
    let arguments = ["-D", "-w", "-z", "-b", "binary", "-m", "i386:x86-64", "-M", "intel"];
    let output = Command::new("objdump").args(arguments).arg(&file).stderr(Stdio::null()).output();
    let _ = fs::remove_file(&file);
    let text = String::from_utf8_lossy(&output?.stdout).into_owned();
    Ok(text.lines().filter_map(line_of).collect())
}

/// `  4:\t48 99 \tcqo`.
fn line_of(line: &str) -> Option<(usize, usize, String)> {
    let mut columns = line.split('\t');
    let at = usize::from_str_radix(columns.next()?.trim().strip_suffix(':')?, 16).ok()?;
    let length = columns.next()?.split_whitespace().count();
    let prefixes = ["lock", "rep", "repz", "repnz", "fs", "gs", "ds", "data16"];
    let is_prefix = |word: &&str| prefixes.contains(word) || word.starts_with("rex");
    let name = columns.next()?.split_whitespace().find(|word| !is_prefix(word))?;
    Some((at, length, name.to_owned()))
}

/// Whether objdump prints the mnemonic so: it has names of its own for a few.
fn printed_as(ours: &str, theirs: &str) -> bool {
    let ours = canonical(ours);
    let strings = ["movs", "cmps", "scas", "lods", "stos", "ins", "outs"];
    // The predicate and the halves that an immediate chooses are put into the name.
    let within = ["cmp", "vcmp", "pclmul", "vpclmul"];
    let chosen = |stem: &&str| {
        let rest = ours.strip_prefix(*stem).filter(|rest| !rest.is_empty());
        rest.is_some_and(|rest| theirs.starts_with(*stem) && theirs.ends_with(rest))
    };
    same_name(&ours, theirs)
        || matches!(
            (ours.as_str(), theirs),
            ("mov", "movabs") | ("xlatb", "xlat") | ("pushfq", "pushf") | ("popfq", "popf")
        )
        || within.iter().any(chosen)
        || strings.contains(&theirs) && ours.len() == theirs.len() + 1 && ours.starts_with(theirs)
}
