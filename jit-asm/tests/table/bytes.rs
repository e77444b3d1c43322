//! Bytes by enumeration: what iced decodes from them is what was meant, and iced encodes it in the same bytes.

use crate::iced::{IP, Joined, Oracle, instruction, structure};
use crate::samples::{EveryAddress, edges, every_register, excluded, few_addresses, means, product, values};
use iced_x86::{
    Code, Decoder, DecoderOptions, Encoder, Instruction, InstructionInfoFactory, OpAccess, OpKind, Register,
};
use jit_asm::template::{Effects, Flags, StackMove};
use jit_asm::x64::form::{Access, Form, Kind};
use jit_asm::x64::operand::{Imm, Operand};
use jit_asm::x64::rows::FORMS;
use jit_asm::x64::select::{Mismatch, fits, forms_named, select};
use jit_asm::x64::{Encoded, FieldKind, effects, encode};
use jit_asm::{Gpr, RegSet, Xmm};
use std::collections::{HashMap, HashSet};

/// Compares, and counts what was compared.
pub(crate) struct Checker {
    joined: HashMap<*const Form, Joined>,
    encoder: Encoder,
    info: InstructionInfoFactory,
    pub(crate) checked: usize,
    wrong: Vec<String>,
}

impl Checker {
    pub(crate) fn new() -> Checker {
        let oracle = Oracle::new();
        let join = |form| oracle.join(form).expect("every form joins, or the test of facts fails");
        let joined = FORMS.iter().map(|form| (std::ptr::from_ref(form), join(form))).collect();
        Checker {
            joined,
            encoder: Encoder::new(64),
            info: InstructionInfoFactory::new(),
            checked: 0,
            wrong: vec![],
        }
    }

    pub(crate) fn fail(&mut self, form: &Form, operands: &[Operand], what: &str) {
        if self.wrong.len() < 40 {
            self.wrong.push(format!("{form}\n    {operands:?}\n    {what}"));
        }
    }

    pub(crate) fn finish(self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }

    /// The instruction meant, `len` bytes long.
    pub(crate) fn meant(&self, form: &Form, operands: &[Operand], len: usize) -> Instruction {
        instruction(form, self.joined[&std::ptr::from_ref(form)], operands, len)
    }

    /// Whether `bytes` are one instruction, and it is the one meant.
    pub(crate) fn decode(&mut self, form: &'static Form, operands: &[Operand], bytes: &[u8]) -> Instruction {
        let meant = self.meant(form, operands, bytes.len());
        let mut decoder = Decoder::with_ip(64, bytes, IP, DecoderOptions::NONE);
        let decoded = decoder.decode();
        self.checked += 1;
        // 90 behind a prefix is xchg of the accumulator with itself and the manual's nop at once.
        let nop = matches!(decoded.code(), Code::Nopw | Code::Nopq) && is_accumulator_twice(&meant);
        if !nop && (structure(&decoded) != structure(&meant) || decoded.len() != bytes.len()) {
            let (bytes, decoded, meant) = (hex(bytes), structure(&decoded), structure(&meant));
            self.fail(form, operands, &format!("{bytes} decodes to\n    {decoded:?}, not\n    {meant:?}"));
        }
        meant
    }

    /// Everything about one form with these operands.
    fn check(&mut self, form: &'static Form, operands: &[Operand]) -> usize {
        let encoded = encode(form, operands);
        let bytes = encoded.bytes();
        let meant = self.decode(form, operands, bytes);
        match self.encoder.encode(&meant, IP) {
            Ok(_) => {
                let theirs = self.encoder.take_buffer();
                if bytes != theirs {
                    self.fail(form, operands, &format!("{} here, {} in iced", hex(bytes), hex(&theirs)));
                }
            }
            Err(error) => self.fail(form, operands, &format!("iced: {error}")),
        }
        if let Err(what) = check_fields(&encoded, &meant) {
            self.fail(form, operands, &what);
        }
        bytes.len()
    }

    /// The form selection takes for the operands is the shortest that fits, and right.
    fn check_selection(
        &mut self,
        form: &'static Form,
        operands: &[Operand],
        len: usize,
    ) -> Option<&'static Form> {
        match select(&form.name(), operands) {
            Ok(selected) => {
                let encoded = encode(selected, operands);
                if encoded.bytes().len() > len {
                    self.fail(form, operands, &format!("is shorter than what is selected: {selected}"));
                }
                self.decode(selected, operands, encoded.bytes());
                Some(selected)
            }
            Err(mismatch) => {
                self.fail(form, operands, &format!("select: {mismatch}"));
                None
            }
        }
    }

    /// Effects of the whole instruction with iced's.
    fn check_effects(&mut self, form: &'static Form, operands: &[Operand]) {
        let insn = self.meant(form, operands, 4);
        let info = self.info.info(&insn);
        let (mut reads, mut writes) = (RegSet::EMPTY, RegSet::EMPTY);
        for used in info.used_registers().iter().filter(|u| u.register().is_vector_register()) {
            let (read, written, surely) = access(used.access());
            let reg = Xmm::ALL[used.register().number()];
            if read || written && !surely {
                reads = reads.with_vector(reg);
            }
            if written {
                writes = writes.with_vector(reg);
            }
        }
        for used in info.used_registers().iter().filter(|u| u.register().is_gpr()) {
            let number = used.register().full_register() as u32 - Register::RAX as u32;
            let gpr = Gpr::ALL[number as usize];
            let (read, written, surely) = access(used.access());
            if read || written && (used.register().size() < 4 || !surely) {
                reads = reads.with(gpr);
            }
            if written {
                writes = writes.with(gpr);
            }
        }
        let memory: Vec<_> = info.used_memory().iter().map(|m| access(m.access())).collect();
        let ours = effects::of(form, operands);
        if compares_with_itself(form, operands) {
            reads = RegSet::EMPTY;
        }
        let ymm = (0..insn.op_count()).any(|i| {
            let register = insn.op_kind(i) == OpKind::Register && insn.op_register(i).is_ymm();
            register && access(info.op_access(i)).1
        });
        let theirs = Effects {
            reads,
            writes,
            ymm,
            reads_memory: memory.iter().any(|m| m.0) || keeps_memory(form),
            writes_memory: memory.iter().any(|m| m.1),
            ..ours
        };
        if ours != theirs {
            self.fail(form, operands, &format!("effects {ours:?}\n    in iced {theirs:?}"));
        }
        // Of `leave` and of what jumps and calls iced counts the return address alone.
        let (moves, takes) = (form.acts.push || form.acts.pop, form.acts.calls || form.mnemonic == "leave");
        let by = insn.stack_pointer_increment();
        if moves && !takes && ours.stack != StackMove::Unknown && ours.stack != StackMove::By(by) {
            self.fail(form, operands, &format!("the stack moves by {by}"));
        }
        if ours.writes_flags.is_empty() != (insn.rflags_modified() == 0) && !by_cl(form) {
            self.fail(form, operands, "flags change in one of the two");
        }
        assert!(ours.writes_flags == Flags::NONE || ours.writes_flags == form.flags.changed());
    }
}

/// What a mask leaves out of a store stays, so the memory counts as read; iced has it written.
fn keeps_memory(form: &Form) -> bool {
    let stores = form.explicit().any(|o| o.kind == Kind::Mem && o.access == Access::ReadWrite);
    (stores || form.acts.stores) && form.mnemonic.contains("maskmov")
}

/// A vector compared with itself is all ones or all zeros, whatever it is: iced counts it as read.
fn compares_with_itself(form: &Form, operands: &[Operand]) -> bool {
    let name = form.mnemonic.strip_prefix('v').unwrap_or(form.mnemonic);
    let [.., a @ Operand::Vector(_), b] = operands else { return false };
    a == b && (name.starts_with("pcmpeq") || name.starts_with("pcmpgt"))
}

fn by_cl(form: &Form) -> bool {
    form.explicit().any(|o| o.kind == Kind::Fixed(Gpr::Rcx))
}

/// Reads, may write, surely writes.
fn access(access: OpAccess) -> (bool, bool, bool) {
    match access {
        OpAccess::Read | OpAccess::CondRead => (true, false, false),
        OpAccess::Write => (false, true, true),
        OpAccess::CondWrite => (false, true, false),
        OpAccess::ReadWrite => (true, true, true),
        OpAccess::ReadCondWrite => (true, true, false),
        OpAccess::None | OpAccess::NoMemAccess => (false, false, false),
    }
}

fn is_accumulator_twice(insn: &Instruction) -> bool {
    matches!(insn.code(), Code::Xchg_r16_AX | Code::Xchg_r64_RAX)
        && insn.op0_register() == insn.op1_register()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}

/// The fields we report are where iced's decoder finds constants.
fn check_fields(encoded: &Encoded, meant: &Instruction) -> Result<(), String> {
    let mut decoder = Decoder::with_ip(64, encoded.bytes(), IP, DecoderOptions::NONE);
    let decoded = decoder.decode();
    let offsets = decoder.get_constant_offsets(&decoded);
    let mut theirs = vec![];
    if offsets.has_displacement() {
        theirs.push((offsets.displacement_offset(), offsets.displacement_size()));
    }
    // The 1 of `shl rax, 1` is an immediate to iced, without a place.
    if offsets.has_immediate() {
        theirs.push((offsets.immediate_offset(), offsets.immediate_size()));
    }
    let size = |kind: FieldKind| match kind {
        FieldKind::Imm { width, .. } => usize::from(width.bytes()),
        FieldKind::Disp8 | FieldKind::Rel8 => 1,
        FieldKind::Disp32 | FieldKind::Rel32 { .. } => 4,
        FieldKind::Reg { .. } => 0,
    };
    if offsets.has_immediate2() {
        theirs.push((offsets.immediate_offset2(), offsets.immediate_size2()));
    }
    let ours: Vec<_> = encoded.fields().iter().map(|f| (usize::from(f.at), size(f.kind))).collect();
    if ours == theirs {
        Ok(())
    } else {
        Err(format!("fields {ours:?}, in iced {theirs:?}: {:?}", structure(meant)))
    }
}

/// Every register in every place, every pair of them, with one address of each layout and all immediates:
/// bytes, fields, selection and effects. Every form is met, and every form is what some operands select.
#[test]
fn all_registers() {
    let mut checker = Checker::new();
    let few = few_addresses();
    let mut selected = HashSet::new();
    for form in &FORMS {
        let before = checker.checked;
        for operands in every_register(form, &few) {
            if excluded(form, &operands) {
                let refused = match select(&form.name(), &operands) {
                    Ok(other) => other.mnemonic == "xchg" && other.opcode == 0x87,
                    Err(mismatch) => {
                        matches!(mismatch, Mismatch::HighByteWithRex { .. } | Mismatch::GatherTwice { .. })
                    }
                };
                assert!(refused, "{form} takes {operands:?}");
                continue;
            }
            let len = checker.check(form, &operands);
            let found = checker.check_selection(form, &operands, len);
            selected.extend(found.map(std::ptr::from_ref));
            checker.check_effects(form, &operands);
        }
        assert!(checker.checked > before, "{form} is met by no operands");
        if !selected.contains(&std::ptr::from_ref(form)) {
            checker.fail(form, &[], "nothing selects this form");
        }
    }
    println!("{} instructions have iced's bytes and decode to what was meant", checker.checked);
    checker.finish();
}

/// Every address, in every layout that stands around one; the other forms of a layout with some of them.
#[test]
fn all_addresses() {
    let mut checker = Checker::new();
    let mut every = EveryAddress::new();
    for form in &FORMS {
        for operands in every.rows(form) {
            checker.check(form, &operands);
        }
    }
    println!("{} instructions have iced's bytes and decode to what was meant", checker.checked);
    checker.finish();
}

/// Immediates in and out of range: what a form takes is what its field can mean, and selection takes a
/// value when one of the forms does.
#[test]
fn all_immediates() {
    let mut checker = Checker::new();
    let few: Vec<_> = few_addresses().into_iter().take(1).collect();
    for form in &FORMS {
        let Some(at) = form.explicit().position(|o| matches!(o.kind, Kind::Imm(_) | Kind::One)) else {
            continue;
        };
        let wanted = *form.explicit().nth(at).unwrap();
        let others: Vec<_> = form.explicit().map(|o| values(form, o, &few, true)[..1].to_vec()).collect();
        for value in edges() {
            let mut operands = product(&others).remove(0);
            operands[at] = Operand::Imm(Imm::Literal(value));
            let meant = means(form, &wanted, value);
            if fits(form, &operands) != meant {
                checker.fail(form, &operands, if meant { "is refused" } else { "is taken" });
            }
            let any =
                forms_named(&form.name()).iter().any(|f| f.arity() == operands.len() && fits(f, &operands));
            match select(&form.name(), &operands) {
                Ok(_) if any => {}
                Err(Mismatch::ImmediateOutOfRange { range: (low, high), .. })
                    if !any && !(low..=high).contains(&value) => {}
                other => checker.fail(form, &operands, &format!("{other:?}")),
            }
        }
    }
    checker.finish();
}
