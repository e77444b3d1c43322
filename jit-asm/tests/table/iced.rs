//! Our forms and operands in iced's terms.

use iced_x86::{Code, Instruction, OpCodeOperandKind as K, OpKind, Register};
use jit_asm::Gpr;
use jit_asm::x64::form::{Access, Extension, Form, FormOperand, Kind, ModRm, Sizing};
use jit_asm::x64::operand::{Base, Disp, Imm, Index, Mem, Operand, Reg, RegClass, Scale, Width};
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

/// A form's counterpart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Joined {
    pub(crate) code: Code,
    pub(crate) spelling: Spelling,
}

/// iced's instructions of 64-bit mode by mnemonic and opcode text.
pub(crate) struct Oracle(HashMap<(String, String), Vec<Code>>);

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
    if mnemonic == "sal" {
        return "shl".to_owned();
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
            let opcode = code.op_code().op_code_string().to_owned();
            index.entry((mnemonic_of(code), opcode)).or_default().push(code);
        }
        Oracle(index)
    }

    /// The iced instruction with the form's name, opcode and operands.
    pub(crate) fn join(&self, form: &Form) -> Result<Joined, String> {
        let spelling = spelling(form);
        let kinds: Vec<String> = in_iced_order(form, spelling).into_iter().map(|(_, kind, _)| kind).collect();
        let name = iced_name(form.mnemonic);
        let mut near = vec![];
        for opcode in opcode_texts(form) {
            for &code in self.0.get(&(name.clone(), opcode)).into_iter().flatten() {
                let op = code.op_code();
                let theirs: Vec<String> =
                    (0..op.op_count()).map(|n| format!("{:?}", op.op_kind(n))).collect();
                if theirs == kinds {
                    return Ok(Joined { code, spelling });
                }
                near.push(theirs);
            }
        }
        Err(format!("{form}: {:?} {kinds:?} is not in iced, which has {near:?}", opcode_texts(form)))
    }
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

/// The opcode as iced spells it; where the row fixes its own size, with and without `o32`.
fn opcode_texts(form: &Form) -> Vec<String> {
    let sizes: &[&str] = match (form.prefix_66, form.rex_w, form.sizing, form.size) {
        (true, false, _, _) => &["o16 "],
        (false, true, _, _) | (false, false, Sizing::Default64 | Sizing::Forced64, _) => &["o64 "],
        (false, false, Sizing::ZeroExtended, _) | (false, false, Sizing::Plain, Some(Width::B32)) => {
            &["o32 "]
        }
        (false, false, Sizing::Plain, None) => &["", "o32 "],
        _ => &[],
    };
    let long = form.encoding();
    let rest = long.trim_start_matches("66 ").trim_start_matches("REX.W ").replace("/rr", "/r");
    // The register field of setcc is not used; iced writes the form with a register there.
    let rest = if form.mnemonic.starts_with("set") { rest.replace("/0", "/r") } else { rest };
    sizes.iter().map(|size| format!("{size}{rest}")).collect()
}

/// For each operand of iced's form: which of ours it is, its kind by iced's name, its access.
pub(crate) fn in_iced_order(form: &Form, spelling: Spelling) -> Vec<(usize, String, Access)> {
    let ours: Vec<(usize, &FormOperand)> = form.explicit().enumerate().collect();
    let plain = |(i, o): &(usize, &FormOperand)| (*i, kind_name(form, o), o.access);
    match (spelling, &ours[..]) {
        (Spelling::Swapped, [a, b]) => vec![plain(b), plain(a)],
        (Spelling::Doubled, [(0, reg), imm]) => {
            let bits = reg.width.map_or(0, Width::bits);
            let read = if reg.access.reads() { Access::Read } else { reg.access };
            let written = if reg.access.writes() { Access::Write } else { reg.access };
            vec![(0, format!("r{bits}_reg"), written), (0, format!("r{bits}_or_mem"), read), plain(imm)]
        }
        _ => ours.iter().map(plain).collect(),
    }
}

fn kind_name(form: &Form, o: &FormOperand) -> String {
    let bits = o.width.map_or(0, Width::bits);
    match o.kind {
        Kind::Reg if form.sizing == Sizing::ZeroExtended => "r32_opcode".to_owned(),
        Kind::Reg if form.modrm == ModRm::Opcode => format!("r{bits}_opcode"),
        Kind::Reg => format!("r{bits}_reg"),
        Kind::RegMem => format!("r{bits}_or_mem"),
        Kind::Mem => "mem".to_owned(),
        Kind::Imm(Extension::Sign) => {
            format!("imm{bits}sex{}", form.use_width(o).map_or(0, Width::bits))
        }
        Kind::Imm(Extension::Zero) if (form.sizing == Sizing::ZeroExtended) != (bits == 32) => {
            "no such immediate".to_owned()
        }
        Kind::Imm(_) => format!("imm{bits}"),
        Kind::Rel => format!("br64_{}", bits / 8),
        Kind::Fixed(_) => o.to_string(),
        Kind::One => "imm8_const_1".to_owned(),
    }
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
    for (n, (ours, _, _)) in in_iced_order(form, joined.spelling).into_iter().enumerate() {
        let n = n as u32;
        match operands[ours] {
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

fn set_memory(insn: &mut Instruction, n: u32, mem: &Mem, next: u64) {
    let r64 = |gpr| register(Reg { gpr, class: RegClass::R64 });
    insn.set_op_kind(n, OpKind::Memory);
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
        let Index::Reg(gpr) = index else { panic!("{mem:?} has no value") };
        insn.set_memory_index(r64(gpr));
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

/// What an instruction is, apart from its bytes.
pub(crate) fn structure(insn: &Instruction) -> (Code, [(OpKind, u64); 3], [u64; 4]) {
    let mut operands = [(OpKind::Register, 0); 3];
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
            _ => insn.immediate(n),
        };
        operands[n as usize] = (kind, value);
    }
    (insn.code(), operands, memory)
}
