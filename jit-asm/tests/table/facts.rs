//! Fact against fact: each form with iced's tables.

use crate::iced::{
    InOrder, Joined, Oracle, Part, Prefix, Spelling, in_iced_order, instruction, named, register, vector,
};
use crate::samples::{class_of, vector_class_of};
use iced_x86::{
    Code, CpuidFeature, FlowControl, Instruction, InstructionInfo, InstructionInfoFactory, OpAccess,
    Register, RflagsBits,
};
use jit_asm::template::Flags;
use jit_asm::x64::form::{Access, FlagEffects, Form, FormOperand, Kind, Sizing};
use jit_asm::x64::operand::{Base, Distance, Imm, Index, Mem, Operand, Reg, Scale, Vector, Width};
use jit_asm::x64::rows::FORMS;
use jit_asm::{Features, Gpr, Xmm};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A form with its counterpart, or every way in which it differs from what iced says.
pub(crate) fn check(form: &Form, oracle: &Oracle) -> Result<Joined, Vec<String>> {
    let joined = oracle.join(form).map_err(|e| vec![e])?;
    let mut differences = vec![];
    if let Err(difference) = check_memory(form, joined) {
        differences.push(difference);
    }
    for in_memory in [false, true].into_iter().filter(|memory| can_be(joined.part, *memory)) {
        let operands: Vec<Operand> =
            form.explicit().enumerate().map(|(i, o)| sample(o, i, in_memory, 2)).collect();
        compare(form, joined, &operands, &mut differences);
    }
    let op = joined.code.op_code();
    let sizing = match form.sizing {
        Sizing::Plain | Sizing::ZeroExtended => (false, false),
        Sizing::Default64 => (!form.prefix_66, false),
        Sizing::Forced64 => (false, true),
    };
    // The manual's f64 is Intel's; AMD's processors take the prefix on branches.
    let forced = op.force_op_size64() || op.intel_force_op_size64();
    if sizing != (op.default_op_size64() && !forced, forced) {
        differences.push(format!("{form}: {:?} is not iced's operand size", form.sizing));
    }
    if counts(form, joined) != form.acts.counts {
        differences.push(format!("{form}: `counts` is wrong"));
    }
    if differences.is_empty() { Ok(joined) } else { Err(differences) }
}

/// Whether the operand that is a register or memory can be in memory, or can be a register.
fn can_be(part: Part, in_memory: bool) -> bool {
    part == Part::All || (part == Part::Memory) == in_memory
}

/// The width of the operand in memory, and the extensions that have the instruction.
fn check_memory(form: &Form, joined: Joined) -> Result<(), String> {
    let theirs = joined.code.op_code().memory_size();
    let ours = form.explicit().find_map(|o| o.memory);
    let bytes = |width: Width| usize::from(width.bytes());
    // Of a gather iced has the width of all elements together for some.
    let element = if theirs.is_packed() { theirs.element_size() } else { theirs.size() };
    let vsib = form.explicit().any(|o| matches!(o.kind, Kind::Vsib(_)));
    let size = if vsib { element } else { theirs.size() };
    let address = form.explicit().any(|o| o.kind == Kind::Mem && o.memory.is_none());
    if ours.is_some_and(|width| bytes(width) != size) || address && size != 0 {
        return Err(format!("{form}: {theirs:?} in memory in iced"));
    }
    let theirs = features_of(joined.code);
    if theirs != form.features {
        return Err(format!("{form}: {theirs:?} in iced"));
    }
    Ok(())
}

/// iced's extensions in our words; those of every x86-64 are nothing.
fn features_of(code: Code) -> Features {
    let ours = |feature: &CpuidFeature| {
        let name = format!("{feature:?}").to_lowercase().replace('_', ".");
        let name = match name.as_str() {
            "cmpxchg16b" => "cx16",
            "clfsh" | "fxsr" | "cx8" | "cmov" | "multibytenop" | "tsc" | "pause" | "x64" => return None,
            "syscall" | "cet.ibt" | "cpuid" | "prefetchitx" => return None,
            name if name.starts_with("intel") => return None,
            name => name.to_owned().leak(),
        };
        let known = Features::ALL.iter().find(|(word, _)| *word == name);
        Some(known.unwrap_or_else(|| panic!("{code:?} wants {name}, which has no word here")).1)
    };
    code.cpuid_features().iter().filter_map(ours).fold(Features::NONE, Features::union)
}

/// An operand that fits, with registers that no instruction uses implicitly.
fn sample(o: &FormOperand, i: usize, in_memory: bool, imm: i128) -> Operand {
    let reg = |gpr| Operand::Reg(Reg { gpr, class: class_of(o.width) });
    let mem = Mem::at(Base::Reg(Gpr::R9));
    let number = |n: usize| Xmm::ALL[[9, 10, 11, 12][n]];
    let vector = |n| Vector { reg: number(n), class: vector_class_of(o.width) };
    match o.kind {
        Kind::Mem => Operand::Mem(mem),
        Kind::RegMem | Kind::VectorMem if in_memory => Operand::Mem(mem),
        Kind::Reg | Kind::RegMem => reg([Gpr::R12, Gpr::R13, Gpr::R14][i]),
        Kind::Vector | Kind::VectorMem => Operand::Vector(vector(i)),
        Kind::Vsib(_) => {
            let index = Some((Index::Vector(vector(3)), Scale::X1));
            Operand::Mem(Mem { index, ..mem })
        }
        Kind::Imm(_) => Operand::Imm(Imm::Literal(imm)),
        Kind::Rel => Operand::Target(Distance::Near),
        Kind::Fixed(gpr) => reg(gpr),
        Kind::One => Operand::Imm(Imm::Literal(1)),
        Kind::FixedVector(_) | Kind::Ah => unreachable!("these are implicit"),
    }
}

fn flags_of(bits: u32) -> Flags {
    [
        (RflagsBits::OF, Flags::O),
        (RflagsBits::SF, Flags::S),
        (RflagsBits::ZF, Flags::Z),
        (RflagsBits::AF, Flags::A),
        (RflagsBits::PF, Flags::P),
        (RflagsBits::CF, Flags::C),
        (RflagsBits::DF, Flags::D),
    ]
    .into_iter()
    .filter(|(bit, _)| bits & bit != 0)
    .fold(Flags::NONE, |set, (_, flag)| set.union(flag))
}

fn access_of(access: OpAccess) -> Access {
    match access {
        OpAccess::Read | OpAccess::CondRead => Access::Read,
        OpAccess::Write => Access::Write,
        // A write that may not happen keeps the old value, so it is a read as well.
        OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite => Access::ReadWrite,
        OpAccess::None | OpAccess::NoMemAccess => Access::Neither,
    }
}

const IMPLICIT: &str = "implicit registers";

/// Where iced says the same in another way: mnemonic, what is compared, iced's words, ours.
const OTHER_WORDS: &[(&str, &str, &str, &str)] = &[
    // A copy of the sign cannot overflow: the manual clears the flag, iced has it written.
    ("sar", "flags", "w=oszpc u=a", "w=szpc 0=o u=a"),
    // What may stay as it was is read whole in iced, also where its lower half is compared or loaded.
    ("cmpxchg", IMPLICIT, "{EAX r, RAX r, RAX w}", "{EAX r, RAX w}"),
    (
        "cmpxchg8b",
        IMPLICIT,
        "{EAX r, EBX r, ECX r, EDX r, RAX r, RAX w, RDX r, RDX w}",
        "{EAX r, EBX r, ECX r, EDX r, RAX w, RDX w}",
    ),
    // It pushes rbp, addresses of frames that it reads, and its own.
    ("enter", "stack memory", "[Write, Read, Write, Write]", "[Write]"),
    (
        "rep lodsd",
        IMPLICIT,
        "{RAX r, RAX w, RCX r, RCX w, RSI r, RSI w}",
        "{EAX r, RAX w, RCX r, RCX w, RSI r, RSI w}",
    ),
    // What a mask leaves out stays as it was, in memory too.
    ("vmaskmovps", "access of mem", "Write", "ReadWrite"),
    ("vmaskmovpd", "access of mem", "Write", "ReadWrite"),
    ("vpmaskmovd", "access of mem", "Write", "ReadWrite"),
    ("vpmaskmovq", "access of mem", "Write", "ReadWrite"),
];

/// What is compared, iced's words for it, and ours.
type Fact = (String, String, String);

fn compare(form: &Form, joined: Joined, operands: &[Operand], differences: &mut Vec<String>) {
    let insn = instruction(form, joined, operands, 4);
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(&insn);
    let mut facts = operand_facts(form, joined, operands, info);
    facts.push(flag_facts(form, &insn));
    facts.extend(stack_facts(form, operands, &insn, info));
    facts.push(control_facts(form, &insn));
    for (what, theirs, ours) in facts {
        let known =
            OTHER_WORDS.iter().find(|known| (known.0, known.1, known.2) == (form.mnemonic, &what, &theirs));
        let meant = known.map_or(theirs.as_str(), |known| known.3);
        if meant != ours {
            differences.push(format!("{form}: {what}: {theirs} in iced, {ours} here"));
        }
    }
}

/// Access of each operand in the text, and the registers that are not in the text.
fn operand_facts(form: &Form, joined: Joined, operands: &[Operand], info: &InstructionInfo) -> Vec<Fact> {
    let mut facts = vec![];
    let ours = in_iced_order(form, joined.spelling);
    for (n, InOrder { kind, access, .. }) in named(joined.code, form).zip(ours) {
        let theirs = access_of(info.op_access(n));
        facts.push((format!("access of {kind}"), format!("{theirs:?}"), format!("{access:?}")));
    }
    let named = explicit_registers(operands);
    let theirs = info
        .used_registers()
        .iter()
        .filter(|u| !named.contains(&u.register().full_register()))
        .flat_map(|u| uses(u.register(), access_of(u.access())));
    let (theirs, ours) = (set(theirs), implicit(form));
    facts.push((IMPLICIT.to_owned(), words(&theirs), words(&ours)));
    facts
}

fn flag_facts(form: &Form, insn: &Instruction) -> Fact {
    let flags = FlagEffects {
        read: flags_of(insn.rflags_read()),
        written: flags_of(insn.rflags_written()),
        cleared: flags_of(insn.rflags_cleared()),
        set: flags_of(insn.rflags_set()),
        undefined: flags_of(insn.rflags_undefined()),
    };
    ("flags".to_owned(), flags.to_string(), form.flags.to_string())
}

fn stack_facts(form: &Form, operands: &[Operand], insn: &Instruction, info: &InstructionInfo) -> [Fact; 2] {
    let by = (insn.stack_pointer_increment().to_string(), stack_move(form, operands).to_string());
    let on_stack = info
        .used_memory()
        .iter()
        .filter(|m| matches!(m.base(), Register::RSP | Register::RBP))
        .map(|m| access_of(m.access()))
        .collect::<Vec<_>>();
    let mut expected = vec![];
    expected.extend(form.acts.push.then_some(Access::Write));
    expected.extend(form.acts.pop.then_some(Access::Read));
    [
        ("stack".to_owned(), by.0, by.1),
        ("stack memory".to_owned(), format!("{on_stack:?}"), format!("{expected:?}")),
    ]
}

fn control_facts(form: &Form, insn: &Instruction) -> Fact {
    let flow = insn.flow_control();
    let (jumps, calls, leaves) = match flow {
        FlowControl::Next | FlowControl::Interrupt => (false, false, false),
        FlowControl::UnconditionalBranch | FlowControl::IndirectBranch | FlowControl::Return => {
            (true, false, true)
        }
        FlowControl::ConditionalBranch => (true, false, false),
        FlowControl::Call | FlowControl::IndirectCall => (false, true, false),
        FlowControl::Exception => (false, false, true),
        other => panic!("{other:?} has no meaning here"),
    };
    // Division is the one instruction here that faults by its operand; iced does not say so.
    let traps = matches!(flow, FlowControl::Interrupt | FlowControl::Exception)
        || matches!(form.mnemonic, "div" | "idiv");
    let a = &form.acts;
    let ours = (a.jumps, a.calls, a.leaves, a.traps);
    let theirs = (jumps, calls, leaves, traps);
    ("jumps, calls, leaves, traps".to_owned(), format!("{theirs:?}"), format!("{ours:?}"))
}

/// Whether a count of 0 keeps the flags: iced tells for immediates; a count in cl does what one would, and
/// what is repeated no times does nothing.
fn counts(form: &Form, joined: Joined) -> bool {
    let zero: Vec<Operand> = form.explicit().enumerate().map(|(i, o)| sample(o, i, false, 0)).collect();
    let changed = !form.flags.changed().is_empty();
    let by_imm = instruction(form, joined, &zero, 4).rflags_modified() == 0;
    let repeated = matches!(joined.prefix, Prefix::Rep | Prefix::Repne);
    changed && (by_imm || repeated || form.explicit().any(|o| o.kind == Kind::Fixed(Gpr::Rcx)))
}

fn explicit_registers(operands: &[Operand]) -> Vec<Register> {
    let mut named = vec![];
    for operand in operands {
        match operand {
            Operand::Reg(reg) => named.push(register(*reg).full_register()),
            Operand::Vector(reg) => named.push(vector(*reg).full_register()),
            Operand::Mem(mem) => {
                named.push(Register::R9);
                if let Some((Index::Vector(reg), _)) = mem.index {
                    named.push(vector(reg).full_register());
                }
            }
            _ => {}
        }
    }
    named
}

type Uses = BTreeSet<(String, char)>;

/// `{RAX r, RAX w}`.
fn words(uses: &Uses) -> String {
    let words: Vec<String> = uses.iter().map(|(register, how)| format!("{register} {how}")).collect();
    format!("{{{}}}", words.join(", "))
}

fn set(uses: impl Iterator<Item = (String, char)>) -> Uses {
    uses.collect()
}

/// Reads at the register's width; a write of 32 bits is a write of 64.
fn uses(register: Register, access: Access) -> Vec<(String, char)> {
    // What VEX writes is cleared above, which nobody here names.
    let register = if register.is_vector_register() { register.full_register() } else { register };
    let written = if register.size() == 4 { register.full_register() } else { register };
    let mut uses = vec![];
    uses.extend(access.reads().then(|| (format!("{register:?}"), 'r')));
    uses.extend(access.writes().then(|| (format!("{written:?}"), 'w')));
    uses
}

fn implicit(form: &Form) -> Uses {
    let mut all = vec![];
    let mut sets_rsp = false;
    for o in form.implicit() {
        let register = match o.kind {
            Kind::Fixed(gpr) => register(Reg { gpr, class: class_of(o.width) }),
            Kind::FixedVector(reg) => vector(Vector { reg, class: vector_class_of(o.width) }),
            Kind::Ah => Register::AH,
            _ => continue,
        };
        sets_rsp |= register == Register::RSP;
        all.extend(uses(register, o.access));
    }
    if (form.acts.push || form.acts.pop) && !sets_rsp {
        all.extend(uses(Register::RSP, Access::ReadWrite));
    }
    if form.acts.vectors {
        let access = if form.mnemonic == "vzeroall" { Access::Write } else { Access::ReadWrite };
        all.extend((0..16).flat_map(|n| uses(Register::XMM0 + n, access)));
    }
    set(all.into_iter())
}

/// What iced calls the increment: of the stack pointer by the instruction itself, before a callee returns
/// and not counting where `leave` takes it from.
fn stack_move(form: &Form, operands: &[Operand]) -> i32 {
    let size = i32::from(form.size.unwrap_or(Width::B64).bytes());
    let more = if form.mnemonic == "ret" { 2 * form.arity() as i32 } else { 0 };
    match (form.acts.push, form.acts.pop) {
        _ if form.mnemonic == "leave" => 0,
        // rbp, an address a level, and the room.
        _ if form.mnemonic == "enter" => match operands {
            [Operand::Imm(Imm::Literal(room)), Operand::Imm(Imm::Literal(level))] => {
                -(size * (1 + *level as i32) + *room as i32)
            }
            _ => panic!("enter takes two numbers"),
        },
        (true, _) => -size,
        (_, true) => size + more,
        _ => 0,
    }
}

#[test]
fn every_form_agrees_with_iced() {
    let oracle = Oracle::new();
    let mut seen = HashSet::new();
    let mut wrong = vec![];
    for form in &FORMS {
        match check(form, &oracle) {
            Ok(joined) if seen.insert((form.mnemonic, joined)) => {}
            Ok(joined) => wrong.push(format!("{form}: two rows for {joined:?}")),
            Err(differences) => wrong.extend(differences),
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

/// Other spellings than iced's, each a decision.
#[test]
fn other_spellings() {
    let oracle = Oracle::new();
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for form in &FORMS {
        if let Ok(Joined { spelling, .. }) = oracle.join(form)
            && spelling != Spelling::Same
        {
            found.entry(format!("{spelling:?}")).or_default().insert(form.mnemonic);
        }
    }
    expect_test::expect![[r#"{"Doubled": {"imul"}, "Swapped": {"test", "xchg"}, "Widened": {"mov"}}"#]]
        .assert_eq(&format!("{found:?}"));
}
