//! Location holes: whatever a value is, what comes out decodes to the instruction with that operand, and jumps
//! across it land where they should.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};
use jit_asm::{Address, Cond, Gpr, Rm, Rmi, Scale, Sink, Template, Xm, Xmm};
use jit_asm_macros::{templates, x64};

templates! {
    /// Adds any operand to a register.
    fn add(dst: Gpr, src: Rmi) = x64!< add {dst: r64}, {src: rmi64} >;
    fn multiply(dst: Gpr, src: Rmi) = x64!< imul {dst: r32}, {src: rmi32} >;
    fn store(dst: Rm, src: Gpr) = x64!< mov {dst: rm16}, {src: r16} >;
    fn byte(src: Rm) = x64!< movzx eax, {src: rm8} >;
    fn address(src: Address) = x64!< lea rax, {src: m} >;
    fn constant(dst: Address, n: i32) = x64!< mov {dst: m64}, {n} >;
    fn average(dst: Xmm, src: Xm) = x64!< addsd {dst: xmm}, {src: xm} >;
    fn blend(dst: Xmm, a: Xmm, b: Xm, mask: Xmm) = x64!< vblendvpd {dst: ymm}, {a: ymm}, {b: ym}, {mask: ymm} >;
    fn select(condition: Cond, dst: Gpr, src: Rm) = x64!< cmov{condition} {dst: r64}, {src: rm64} >;
}

templates! {
    /// One definition, four functions.
    fn exchange[8, 16, 32, 64](a: Rm, b: Gpr) = x64!< xchg {a: rm}, {b: r} >;
    fn difference[32, 64](a: Gpr, b: Rmi) = x64!< sub {a: r}, {b: rmi} >;
}

#[test]
fn one_definition_for_several_widths() {
    for bits in [8, 16, 32, 64] {
        let mut code = vec![];
        match bits {
            8 => exchange8(&mut code, Rm::Reg(Gpr::Rsi), Gpr::R9),
            16 => exchange16(&mut code, Rm::Reg(Gpr::Rsi), Gpr::R9),
            32 => exchange32(&mut code, Rm::Reg(Gpr::Rsi), Gpr::R9),
            _ => exchange64(&mut code, Rm::Reg(Gpr::Rsi), Gpr::R9),
        }
        assert_eq!(only(&code), format!("xchg {}, {}", name(Gpr::Rsi, bits), name(Gpr::R9, bits)));
    }
    let mut code = vec![];
    difference32(&mut code, Gpr::Rax, Rmi::Imm(5));
    difference64(&mut code, Gpr::Rax, Rmi::Imm(5));
    let lines: Vec<String> = decode(&code).iter().map(text).collect();
    assert_eq!(lines, ["sub eax, 5", "sub rax, 5"]);
    assert_eq!(difference64::TEMPLATE.name, "difference64");
}

/// Every kind of address: all bases and indexes, all scales, the edges of displacements.
fn addresses() -> Vec<Address> {
    let disps = [0, 1, -1, 127, -128, 128, -129, i32::MAX, i32::MIN];
    let mut all = vec![];
    for base in Gpr::ALL {
        all.extend(disps.map(|disp| Address::new(base, disp)));
        for (i, index) in Gpr::ALL.into_iter().filter_map(Gpr::index).enumerate() {
            let scale = [Scale::X1, Scale::X2, Scale::X4, Scale::X8][i % 4];
            let disp = disps[(i + usize::from(base.number())) % disps.len()];
            all.push(Address::new(base, disp).with_index(index, scale));
        }
    }
    all
}

/// The address as iced writes it.
fn address_text(address: &Address) -> String {
    let mut text = address.base.to_string();
    if let Some((index, scale)) = address.index {
        // iced writes rsp first, and a factor of one only where it must.
        text += &match scale {
            Scale::X1 => format!("+{}", index.gpr()),
            scale => format!("+{}*{}", index.gpr(), 1 << scale.number()),
        };
    }
    match address.disp {
        0 => {}
        disp if disp < 0 => text += &format!("-{:X}", disp.unsigned_abs()),
        disp => text += &format!("+{disp:X}"),
    }
    text
}

fn decode(code: &[u8]) -> Vec<Instruction> {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let all: Vec<Instruction> = decoder.iter().collect();
    assert!(all.iter().all(|insn| !insn.is_invalid()), "{code:02x?}");
    all
}

fn text(insn: &Instruction) -> String {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_suffix("");
    options.set_small_hex_numbers_in_decimal(false);
    options.set_leading_zeros(false);
    options.set_add_leading_zero_to_hex_numbers(false);
    options.set_signed_immediate_operands(true);
    options.set_space_after_operand_separator(true);
    options.set_memory_size_options(iced_x86::MemorySizeOptions::Never);
    let mut text = String::new();
    formatter.format(insn, &mut text);
    text
}

fn only(code: &[u8]) -> String {
    let all = decode(code);
    assert_eq!(all.len(), 1, "{code:02x?}");
    text(&all[0])
}

fn name(gpr: Gpr, bits: u32) -> String {
    jit_asm::x64::operand::Reg {
        gpr,
        class: match bits {
            8 => jit_asm::x64::operand::RegClass::R8,
            16 => jit_asm::x64::operand::RegClass::R16,
            32 => jit_asm::x64::operand::RegClass::R32,
            _ => jit_asm::x64::operand::RegClass::R64,
        },
    }
    .to_string()
}

#[test]
fn registers() {
    for dst in Gpr::ALL {
        for src in Gpr::ALL {
            let mut code = vec![];
            add(&mut code, dst, src.into());
            assert_eq!(only(&code), format!("add {dst}, {src}"));
            code.clear();
            multiply(&mut code, dst, src.into());
            assert_eq!(only(&code), format!("imul {}, {}", name(dst, 32), name(src, 32)));
            code.clear();
            store(&mut code, dst.into(), src);
            assert_eq!(only(&code), format!("mov {}, {}", name(dst, 16), name(src, 16)));
            code.clear();
            byte(&mut code, src.into());
            assert_eq!(only(&code), format!("movzx eax, {}", name(src, 8)));
            let condition = Cond::ALL[usize::from(src.number())];
            code.clear();
            select(&mut code, condition, dst, Rm::Reg(src));
            assert_eq!(only(&code), format!("cmov{condition} {dst}, {src}"));
        }
    }
}

#[test]
fn memory() {
    for (i, address_of) in addresses().iter().enumerate() {
        let at = address_text(address_of);
        let reg = Gpr::ALL[i % 16];
        let mut code = vec![];
        add(&mut code, reg, (*address_of).into());
        assert_eq!(only(&code), format!("add {reg}, [{at}]"));
        code.clear();
        store(&mut code, (*address_of).into(), reg);
        assert_eq!(only(&code), format!("mov [{at}], {}", name(reg, 16)));
        code.clear();
        byte(&mut code, (*address_of).into());
        assert_eq!(only(&code), format!("movzx eax, [{at}]"));
        code.clear();
        address(&mut code, *address_of);
        assert_eq!(only(&code), format!("lea rax, [{at}]"));
        code.clear();
        constant(&mut code, *address_of, 0x1234);
        assert_eq!(only(&code), format!("mov [{at}], 1234"));
    }
}

#[test]
fn vectors() {
    for (i, address_of) in addresses().iter().enumerate() {
        let [dst, a, mask] = [i, i / 3, i / 7].map(|n| Xmm::ALL[n % 16]);
        let ymm = |reg: Xmm| format!("ymm{}", reg.number());
        let at = address_text(address_of);
        let b = Xmm::ALL[(i / 16) % 16];
        for (operand, xmm_text, ymm_text) in [
            (Xm::Mem(*address_of), format!("[{at}]"), format!("[{at}]")),
            (Xm::Reg(b), b.to_string(), ymm(b)),
        ] {
            let mut code = vec![];
            average(&mut code, dst, operand);
            assert_eq!(only(&code), format!("addsd {dst}, {xmm_text}"));
            code.clear();
            blend(&mut code, dst, a, operand, mask);
            assert_eq!(only(&code), format!("vblendvpd {}, {}, {ymm_text}, {}", ymm(dst), ymm(a), ymm(mask)));
        }
    }
}

#[test]
fn constants() {
    for value in [0, 1, -1, 127, -128, 128, -129, i32::MAX, i32::MIN] {
        let hex = format!("{}{:X}", if value < 0 { "-" } else { "" }, value.unsigned_abs());
        let mut code = vec![];
        add(&mut code, Gpr::R9, value.into());
        assert_eq!(only(&code), format!("add r9, {hex}"));
        assert_eq!(code.len(), if i8::try_from(value).is_ok() { 4 } else { 7 });
        code.clear();
        multiply(&mut code, Gpr::R9, value.into());
        // iced leaves out a register that is named twice.
        assert_eq!(only(&code), format!("imul r9d, {hex}"));
    }
}

/// The whole is the longest thing that can come out.
#[test]
fn descriptions() {
    let longest = Address::new(Gpr::R12, i32::MIN).with_index(Gpr::R13.index().unwrap(), Scale::X8);
    let mut code = vec![];
    add(&mut code, Gpr::R8, longest.into());
    assert_eq!(code.len(), add::TEMPLATE.bytes.len());
    assert_eq!(add::TEMPLATE.lines[0].text, "add {dst: r64}, {src: rmi64}");
    let memory = |template: &Template| (template.effects.reads_memory, template.effects.writes_memory);
    assert_eq!(memory(&add::TEMPLATE), (true, false));
    assert_eq!(memory(&store::TEMPLATE), (false, true));
}

/// A jump forward and one backward, across one and two locations, near and far.
#[test]
fn jumps_across() {
    let far = Address::new(Gpr::R12, 1 << 20).with_index(Gpr::R13.index().unwrap(), Scale::X8);
    let values =
        [Rmi::Reg(Gpr::Rax), Rmi::Imm(1), Rmi::Imm(1000), Rmi::Mem(Address::new(Gpr::Rbx, 8)), far.into()];
    for first in values {
        for second in values {
            let mut code: Vec<u8> = vec![];
            x64!(code =>
                nop; again: jz done; add rax, {first: rmi64}; jo inner; sub rcx, {second: rmi64}; dec rdx;
                inner: jnz again; xor eax, eax; done: ret);
            let all = decode(&code);
            assert_eq!(all.len(), 9);
            assert_eq!(all[1].near_branch64(), all[8].ip(), "jz done: {code:02x?}");
            assert_eq!(all[3].near_branch64(), all[6].ip(), "jo inner");
            assert_eq!(all[6].near_branch64(), all[1].ip(), "jnz again");
        }
    }
}

/// The longest variants decide whether a jump is short; the distance is right all the same.
#[test]
fn long_jumps_across() {
    for src in [Rmi::Reg(Gpr::Rcx), Rmi::Mem(Address::new(Gpr::R9, 1 << 30)), Rmi::Imm(-1)] {
        let mut code: Vec<u8> = vec![];
        x64!(code =>
            start: jmp end;
            add rax, {src: rmi64}; add rax, {src: rmi64}; add rax, {src: rmi64}; add rax, {src: rmi64};
            add rax, {src: rmi64}; add rax, {src: rmi64}; add rax, {src: rmi64}; add rax, {src: rmi64};
            add rax, {src: rmi64}; add rax, {src: rmi64}; add rax, {src: rmi64}; add rax, {src: rmi64};
            add rax, {src: rmi64}; add rax, {src: rmi64}; add rax, {src: rmi64}; add rax, {src: rmi64};
            jmp start; end: ret);
        let all = decode(&code);
        assert_eq!(all.len(), 19);
        assert_eq!(all[0].near_branch64(), all[18].ip());
        assert_eq!(all[17].near_branch64(), 0);
    }
}

/// A sink that listens is told of the pieces that it got, each with its own bytes.
#[test]
fn a_listing_knows_what_was_chosen() {
    #[derive(Default)]
    struct Listing(Vec<u8>, Vec<(usize, &'static str)>);
    impl Sink for Listing {
        fn put_piece<const N: usize>(&mut self, bytes: &[u8; N]) -> &mut [u8; N] {
            self.0.put_piece(bytes)
        }
        fn put_template<const N: usize>(
            &mut self,
            bytes: &[u8; N],
            template: &'static Template,
        ) -> &mut [u8; N] {
            let at = self.0.len();
            self.1.extend(template.lines.iter().map(|line| (at + usize::from(line.at), line.text)));
            self.put_piece(bytes)
        }
    }
    let mut sink = Listing::default();
    let src = Rm::Reg(Gpr::R10);
    x64!(sink => push rbp; mov rcx, {src: rm64}; shl rcx, 3; ret);
    let all = decode(&sink.0);
    let lines = ["push rbp", "mov rcx, {src: rm64}", "shl rcx, 3", "ret"];
    let expected: Vec<(usize, &str)> = all.iter().map(|insn| insn.ip() as usize).zip(lines).collect();
    assert_eq!(sink.1, expected);
}
