//! A few instructions by hand: the shape of the interface, end to end.

use jit_asm::Gpr::*;
use jit_asm::x64::operand::{Base, Disp, Imm, Mem, Operand, Reg, RegClass, Width};
use jit_asm::x64::{encode, select};

fn r64(gpr: jit_asm::Gpr) -> Operand {
    Operand::Reg(Reg { gpr, class: RegClass::R64 })
}

fn at(base: Base, disp: Disp) -> Operand {
    Operand::Mem(Mem { disp, ..Mem::at(base) })
}

fn hex(mnemonic: &str, operands: &[Operand]) -> String {
    match select(mnemonic, operands) {
        Ok(form) => encode(form, operands).bytes().iter().map(|b| format!("{b:02x}")).collect(),
        Err(mismatch) => mismatch.to_string(),
    }
}

#[test]
fn layouts_follow_values_of_literals_and_kinds_of_holes() {
    let five = Operand::Imm(Imm::Literal(5));
    assert_eq!(hex("mov", &[r64(Rax), at(Base::Reg(Rbp), Disp::Literal(-16))]), "488b45f0");
    assert_eq!(hex("mov", &[r64(Rax), at(Base::Reg(Rbp), Disp::Hole32)]), "488b8500000000");
    assert_eq!(hex("mov", &[r64(Rax), at(Base::Hole, Disp::Literal(0))]), "488b442000");
    assert_eq!(hex("mov", &[r64(R9), five]), "41b905000000");
    assert_eq!(hex("mov", &[r64(Rax), Operand::Imm(Imm::Hole(None))]), "48b80000000000000000");
    assert_eq!(hex("add", &[r64(Rax), five]), "4883c005");
    assert_eq!(hex("add", &[r64(Rcx), Operand::Imm(Imm::Hole(None))]), "4881c100000000");
    assert_eq!(hex("add", &[r64(Rcx), Operand::Imm(Imm::Hole(Some(Width::B8)))]), "4883c100");
    assert_eq!(hex("add", &[Operand::RegHole(RegClass::R64), r64(Rcx)]), "4801c8");
    assert_eq!(hex("cqo", &[]), "4899");
}

#[test]
fn nops_of_every_length_are_nops() {
    for bytes in 0..40 {
        let code: Vec<u8> = jit_asm::x64::nops(bytes).iter().flat_map(|n| n.bytes().to_vec()).collect();
        assert_eq!(code.len(), bytes);
        let mut decoder = iced_x86::Decoder::new(64, &code, 0);
        while decoder.can_decode() {
            assert_eq!(decoder.decode().mnemonic(), iced_x86::Mnemonic::Nop, "{code:02x?}");
        }
    }
}
