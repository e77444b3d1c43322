//! Our forms and operands in iced's terms.

use iced_x86::{Code, Instruction, OpCodeOperandKind as K, OpKind, Register};
use jit_asm::Gpr;
use jit_asm::x64::form::{Access, Extension, Form, FormOperand, Kind, ModRm, Place, Repeat, Sizing};
use jit_asm::x64::operand::{
    Base, Disp, Imm, Index, Mem, Operand, Reg, RegClass, Scale, Segment, Vector, VectorClass, Width,
};
use std::collections::HashMap;

/// Where test code stands.
pub(crate) const IP: u64 = 0x7000_0000;

/// How an instruction is written here, beside iced's way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Spelling {
    /// The same operands.
    Same,
    /// Two operands that commute, in the other order.
    Swapped,
    /// The first operand stands for two: `imul rax, 5`.
    Doubled,
    /// The 32-bit instruction, written for what it does to all 64 bits.
    Widened,
}

/// Which part of an operand that is a register or memory a form takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Part {
    /// All that iced's instruction takes.
    All,
    /// The register alone: the manual has another row for memory, with another access.
    Register,
    /// The memory alone.
    Memory,
}

/// A form's counterpart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Joined {
    pub(crate) code: Code,
    pub(crate) spelling: Spelling,
    pub(crate) part: Part,
    pub(crate) prefix: Prefix,
}

/// What iced has as a prefix of any instruction and we as forms of their own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Prefix {
    None,
    Lock,
    Rep,
    Repne,
}

/// iced's instructions of 64-bit mode by mnemonic and opcode.
pub(crate) struct Oracle(HashMap<(String, Opcode), Vec<Code>>);

/// The words of an opcode text that stand for prefixes, sorted, and the rest.
type Opcode = (Vec<String>, String);

/// The mnemonics that are another name of the same instruction: (ours, iced's).
const CONDITION_ALIASES: [(&str, &str); 14] = [
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

/// The name iced has for our mnemonic.
pub(crate) fn iced_name(mnemonic: &str) -> String {
    let mnemonic = mnemonic.rsplit_once(' ').map_or(mnemonic, |(_, name)| name);
    match mnemonic {
        "sal" => return "shl".to_owned(),
        "loopz" => return "loope".to_owned(),
        "loopnz" => return "loopne".to_owned(),
        _ => {}
    }
    for stem in ["set", "cmov", "j"] {
        if let Some(condition) = mnemonic.strip_prefix(stem)
            && let Some((_, name)) = CONDITION_ALIASES.iter().find(|(alias, _)| *alias == condition)
        {
            return format!("{stem}{name}");
        }
    }
    mnemonic.to_owned()
}

pub(crate) fn mnemonic_of(code: Code) -> String {
    format!("{:?}", code.mnemonic()).to_lowercase()
}

impl Oracle {
    pub(crate) fn new() -> Oracle {
        let mut index: HashMap<_, Vec<Code>> = HashMap::new();
        for code in Code::values().filter(|c| c.op_code().mode64()) {
            let opcode = opcode_of(code.op_code().op_code_string());
            index.entry((mnemonic_of(code), opcode)).or_default().push(code);
        }
        Oracle(index)
    }

    /// The iced instruction with the form's name, opcode and operands.
    pub(crate) fn join(&self, form: &Form) -> Result<Joined, String> {
        let spelling = spelling(form);
        let ours = in_iced_order(form, spelling);
        let key = (iced_name(form.mnemonic), opcode_of_form(form));
        let mut near = vec![];
        let same = self.0.get(&key);
        let narrow = same.is_none().then(|| self.0.get(&narrow(&key))).flatten();
        for &code in same.or(narrow).into_iter().flatten() {
            let theirs: Vec<String> = named(code, form).map(|n| kind(code, n)).collect();
            let same = theirs.len() == ours.len();
            let parts: Option<Vec<Part>> =
                theirs.iter().zip(&ours).map(|(theirs, ours)| part(theirs, &ours.kind)).collect();
            if let (true, Some(parts)) = (same, parts) {
                let part = parts.into_iter().find(|part| *part != Part::All).unwrap_or(Part::All);
                return Ok(Joined { code, spelling, part, prefix: prefix(form) });
            }
            near.push(theirs);
        }
        let kinds: Vec<&String> = ours.iter().map(|o| &o.kind).collect();
        Err(format!("{form}: {key:?} {kinds:?} is not in iced, which has {near:?}"))
    }
}

/// The opcode with W0. Where the manual has W ignored, iced tells a 32-bit register (W0) from a 64-bit one.
fn narrow((name, (prefixes, opcode)): &(String, Opcode)) -> (String, Opcode) {
    (name.clone(), (prefixes.clone(), opcode.replace(".WIG ", ".W0 ")))
}

fn kind(code: Code, n: u32) -> String {
    format!("{:?}", code.op_code().op_kind(n))
}

/// Which part of iced's operand ours is, if it is one.
fn part(theirs: &str, ours: &str) -> Option<Part> {
    let both = theirs.strip_suffix("_or_mem");
    match (both, ours.strip_suffix("_rm")) {
        _ if theirs == ours => Some(Part::All),
        (Some(theirs), Some(ours)) if theirs == ours => Some(Part::Register),
        (Some(_), _) if ours == "mem" => Some(Part::Memory),
        _ => None,
    }
}

fn prefix(form: &Form) -> Prefix {
    let word = form.mnemonic.split_once(' ').map(|(word, _)| word);
    match (form.lock, word, form.repeat) {
        (true, ..) => Prefix::Lock,
        (_, Some("rep" | "repe" | "repz"), Some(Repeat::F3)) => Prefix::Rep,
        (_, Some("repne" | "repnz"), Some(Repeat::F2)) => Prefix::Repne,
        (_, Some(_), _) => panic!("{form}: the prefix is not the one of its name"),
        _ => Prefix::None,
    }
}

/// The numbers of iced's operands that stand in our text: it counts what string instructions address, and
/// the accumulator of theirs.
pub(crate) fn named(code: Code, form: &Form) -> impl Iterator<Item = u32> {
    let count = code.op_code().op_count();
    let silent = form.arity() == 0;
    let hidden = move |n: u32| {
        let address = [K::es_rDI, K::seg_rSI, K::seg_rDI, K::seg_rBX_al];
        silent || address.contains(&code.op_code().op_kind(n))
    };
    (0..count).filter(move |n| !hidden(*n))
}

fn spelling(form: &Form) -> Spelling {
    let kinds: Vec<Kind> = form.explicit().map(|o| o.kind).collect();
    let commutes = matches!(form.mnemonic, "xchg" | "test");
    match kinds[..] {
        _ if form.modrm == ModRm::Both => Spelling::Doubled,
        _ if form.sizing == Sizing::ZeroExtended => Spelling::Widened,
        [Kind::Reg, Kind::RegMem] | [Kind::Fixed(_), Kind::Reg] if commutes => Spelling::Swapped,
        _ => Spelling::Same,
    }
}

/// An opcode text without what follows from the operands or says that there is nothing: `o32`, `a64` and `NP`.
fn opcode_of(text: &str) -> Opcode {
    let is_prefix =
        |word: &&str| matches!(*word, "NP" | "a64" | "o16" | "o32" | "o64" | "66" | "F2" | "F3" | "REX.W");
    let words: Vec<&str> = text.split(' ').collect();
    let count = words.iter().take(words.len() - 1).take_while(|word| is_prefix(word)).count();
    let mut prefixes: Vec<String> = words[..count]
        .iter()
        .filter(|word| !matches!(**word, "NP" | "a64" | "o32"))
        .map(|word| word.replace("o16", "66").replace("o64", "REX.W"))
        .collect();
    prefixes.sort();
    (prefixes, words[count..].join(" "))
}

/// The opcode as iced has it.
fn opcode_of_form(form: &Form) -> Opcode {
    let text = form.encoding();
    let text = text.trim_start_matches("F0 ");
    let (mut prefixes, rest) = opcode_of(text);
    if matches!(form.sizing, Sizing::Default64 | Sizing::Forced64) && !form.prefix_66 {
        prefixes.push("REX.W".to_owned());
    }
    if matches!(prefix(form), Prefix::Rep | Prefix::Repne) {
        prefixes.retain(|word| !matches!(word.as_str(), "F2" | "F3"));
    }
    prefixes.sort();
    let rest = rest.replace("/rr", "/r");
    // The register field of setcc is not used; iced writes the form with a register there.
    let rest = if form.mnemonic.starts_with("set") { rest.replace("/0", "/r") } else { rest };
    (prefixes, rest)
}

/// One operand of iced's form in our terms.
pub(crate) struct InOrder {
    /// Which of our operands it is.
    pub(crate) ours: usize,
    /// Its kind by iced's name.
    pub(crate) kind: String,
    pub(crate) access: Access,
}

/// Our operands in the order of iced's.
pub(crate) fn in_iced_order(form: &Form, spelling: Spelling) -> Vec<InOrder> {
    let ours: Vec<(usize, &FormOperand)> = form.explicit().enumerate().collect();
    let plain =
        |(i, o): &(usize, &FormOperand)| InOrder { ours: *i, kind: kind_name(form, o), access: o.access };
    match (spelling, &ours[..]) {
        (Spelling::Swapped, [a, b]) => vec![plain(b), plain(a)],
        (Spelling::Doubled, [(0, reg), imm]) => {
            let bits = reg.width.map_or(0, Width::bits);
            let read = if reg.access.reads() { Access::Read } else { reg.access };
            let written = if reg.access.writes() { Access::Write } else { reg.access };
            vec![
                InOrder { ours: 0, kind: format!("r{bits}_reg"), access: written },
                InOrder { ours: 0, kind: format!("r{bits}_or_mem"), access: read },
                plain(imm),
            ]
        }
        _ => ours.iter().map(plain).collect(),
    }
}

fn kind_name(form: &Form, o: &FormOperand) -> String {
    let bits = o.width.map_or(0, Width::bits);
    let vector = if o.width == Some(Width::B256) { "ymm" } else { "xmm" };
    let place = match o.place {
        Place::Reg | Place::Both => "reg",
        Place::Rm => "rm",
        Place::Vvvv => "vvvv",
        Place::Is4 => "is4",
        Place::Opcode => "opcode",
        Place::None | Place::Tail => "none",
    };
    match o.kind {
        Kind::Reg if form.sizing == Sizing::ZeroExtended => "r32_opcode".to_owned(),
        Kind::Reg => format!("r{bits}_{place}"),
        Kind::RegMem => format!("r{bits}_or_mem"),
        Kind::Vector => format!("{vector}_{place}"),
        Kind::VectorMem => format!("{vector}_or_mem"),
        Kind::Mem => "mem".to_owned(),
        Kind::Vsib(index) => format!("mem_vsib{}{}", index.bits(), &vector[..1]),
        Kind::Imm(Extension::Sign) => {
            format!("imm{bits}sex{}", form.use_width(o).map_or(0, Width::bits))
        }
        Kind::Imm(Extension::Zero) if (form.sizing == Sizing::ZeroExtended) != (bits == 32) => {
            "no such immediate".to_owned()
        }
        Kind::Imm(_) => format!("imm{bits}"),
        Kind::Rel => format!("br64_{}", bits / 8),
        Kind::Fixed(_) | Kind::FixedVector(_) | Kind::Ah => o.to_string(),
        Kind::One => "imm8_const_1".to_owned(),
    }
}

pub(crate) fn vector(vector: Vector) -> Register {
    let first = if vector.class == VectorClass::Ymm { Register::YMM0 } else { Register::XMM0 };
    first + u32::from(vector.reg.number())
}

pub(crate) fn register(reg: Reg) -> Register {
    let number = u32::from(reg.gpr.number());
    match reg.class {
        RegClass::R8 => [
            Register::AL,
            Register::CL,
            Register::DL,
            Register::BL,
            Register::SPL,
            Register::BPL,
            Register::SIL,
            Register::DIL,
        ]
        .get(number as usize)
        .copied()
        .unwrap_or(Register::R8L + number.saturating_sub(8)),
        RegClass::R8High => Register::AH + number,
        RegClass::R16 => Register::AX + number,
        RegClass::R32 => Register::EAX + number,
        RegClass::R64 => Register::RAX + number,
    }
}

/// The instruction that `operands` with their values are, `len` bytes long; distances are 0.
pub(crate) fn instruction(form: &Form, joined: Joined, operands: &[Operand], len: usize) -> Instruction {
    let mut insn = Instruction::default();
    insn.set_code(joined.code);
    insn.set_len(len);
    insn.set_ip(IP);
    let next = IP + len as u64;
    let op = joined.code.op_code();
    set_prefix(&mut insn, joined.prefix);
    for n in 0..op.op_count() {
        set_hidden(&mut insn, n, op.op_kind(n));
    }
    for (n, InOrder { ours, .. }) in named(joined.code, form).zip(in_iced_order(form, joined.spelling)) {
        match operands[ours] {
            Operand::Vector(reg) => {
                insn.set_op_kind(n, OpKind::Register);
                insn.set_op_register(n, vector(reg));
            }
            Operand::Reg(mut reg) => {
                if joined.spelling == Spelling::Widened {
                    reg.class = RegClass::R32;
                }
                insn.set_op_kind(n, OpKind::Register);
                insn.set_op_register(n, register(reg));
            }
            Operand::Mem(mem) => set_memory(&mut insn, n, &mem, next),
            Operand::Imm(Imm::Literal(value)) => set_immediate(&mut insn, n, op.op_kind(n), value),
            Operand::Target(_) => {
                insn.set_op_kind(n, OpKind::NearBranch64);
                insn.set_near_branch64(next);
            }
            other => panic!("{other:?} has no value"),
        }
    }
    insn
}

fn set_prefix(insn: &mut Instruction, prefix: Prefix) {
    match prefix {
        Prefix::None => {}
        Prefix::Lock => insn.set_has_lock_prefix(true),
        Prefix::Rep => insn.set_has_rep_prefix(true),
        Prefix::Repne => insn.set_has_repne_prefix(true),
    }
}

/// What string instructions address, and their accumulator.
fn set_hidden(insn: &mut Instruction, n: u32, kind: K) {
    let mut accumulator = |reg| {
        insn.set_op_kind(n, OpKind::Register);
        insn.set_op_register(n, reg);
    };
    match kind {
        K::al => accumulator(Register::AL),
        K::ax => accumulator(Register::AX),
        K::eax => accumulator(Register::EAX),
        K::rax => accumulator(Register::RAX),
        K::dx => accumulator(Register::DX),
        K::es_rDI => insn.set_op_kind(n, OpKind::MemoryESRDI),
        K::seg_rSI => insn.set_op_kind(n, OpKind::MemorySegRSI),
        K::seg_rDI => insn.set_op_kind(n, OpKind::MemorySegRDI),
        K::seg_rBX_al => {
            insn.set_op_kind(n, OpKind::Memory);
            insn.set_memory_base(Register::RBX);
            insn.set_memory_index(Register::AL);
        }
        _ => {}
    }
}

fn set_memory(insn: &mut Instruction, n: u32, mem: &Mem, next: u64) {
    let r64 = |gpr| register(Reg { gpr, class: RegClass::R64 });
    insn.set_op_kind(n, OpKind::Memory);
    match mem.segment {
        None => {}
        Some(Segment::Fs) => insn.set_segment_prefix(Register::FS),
        Some(Segment::Gs) => insn.set_segment_prefix(Register::GS),
    }
    let Disp::Literal(disp) = mem.disp else { panic!("{mem:?} has no value") };
    let mut mem = *mem;
    if let (Base::Reg(base), Some((Index::Reg(Gpr::Rsp), scale))) = (mem.base, mem.index) {
        // rsp can only be the base.
        (mem.base, mem.index) = (Base::Reg(Gpr::Rsp), Some((Index::Reg(base), scale)));
    }
    let mut displacement = i64::from(disp) as u64;
    let mut size = u32::from(disp != 0);
    match mem.base {
        Base::None => size = 8,
        Base::Reg(gpr) => insn.set_memory_base(r64(gpr)),
        Base::Rip => {
            insn.set_memory_base(Register::RIP);
            displacement = next.wrapping_add(displacement);
            size = 8;
        }
        Base::Hole | Base::Target => panic!("{mem:?} has no value"),
    }
    if let Some((index, scale)) = mem.index {
        insn.set_memory_index(match index {
            Index::Reg(gpr) => r64(gpr),
            Index::Vector(reg) => vector(reg),
            Index::Hole | Index::VectorHole(_) => panic!("{mem:?} has no value"),
        });
        insn.set_memory_index_scale(match scale {
            Scale::X1 => 1,
            Scale::X2 => 2,
            Scale::X4 => 4,
            Scale::X8 => 8,
        });
    }
    insn.set_memory_displacement64(displacement);
    insn.set_memory_displ_size(size);
}

fn set_immediate(insn: &mut Instruction, n: u32, kind: K, value: i128) {
    // The second immediate of `enter`.
    if n == 1 && kind == K::imm8 && insn.op0_kind() == OpKind::Immediate16 {
        insn.set_op_kind(n, OpKind::Immediate8_2nd);
        return insn.set_immediate8_2nd(value as u8);
    }
    let kind = match kind {
        K::imm8 | K::imm8_const_1 => OpKind::Immediate8,
        K::imm16 => OpKind::Immediate16,
        K::imm32 => OpKind::Immediate32,
        K::imm64 => OpKind::Immediate64,
        K::imm8sex16 => OpKind::Immediate8to16,
        K::imm8sex32 => OpKind::Immediate8to32,
        K::imm8sex64 => OpKind::Immediate8to64,
        K::imm32sex64 => OpKind::Immediate32to64,
        other => panic!("no immediate: {other:?}"),
    };
    insn.set_op_kind(n, kind);
    insn.set_immediate_u64(n, value as u64);
}

/// What iced has as prefixes.
type Prefixes = (bool, bool, bool, Register);

/// What an instruction is, apart from its bytes.
pub(crate) fn structure(insn: &Instruction) -> (Code, [(OpKind, u64); 5], [u64; 4], Prefixes) {
    let mut operands = [(OpKind::Register, 0); 5];
    let mut memory = [0; 4];
    for n in 0..insn.op_count() {
        let kind = insn.op_kind(n);
        let value = match kind {
            OpKind::Register => insn.op_register(n) as u64,
            OpKind::NearBranch64 => insn.near_branch64(),
            OpKind::Memory => {
                memory = [
                    insn.memory_base() as u64,
                    insn.memory_index() as u64,
                    u64::from(insn.memory_index_scale()),
                    insn.memory_displacement64(),
                ];
                0
            }
            OpKind::MemoryESRDI | OpKind::MemorySegRSI | OpKind::MemorySegRDI => 0,
            _ => insn.immediate(n),
        };
        operands[n as usize] = (kind, value);
    }
    let prefixes =
        (insn.has_lock_prefix(), insn.has_rep_prefix(), insn.has_repne_prefix(), insn.segment_prefix());
    (insn.code(), operands, memory, prefixes)
}
