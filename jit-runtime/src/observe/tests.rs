//! A listing of code with two sections, a gap and a jump each way.

use super::{disassemble, disassemble_bytes};
use crate::memory::CodeHeap;
use crate::stitch::{Assembler, Constant};
use crate::templates;
use expect_test::expect;

templates! {
    /// Leaves if the number is negative.
    fn check(negative: crate::stitch::Label) = x64!< test rdi, rdi; js {negative} >;
}

#[test]
fn every_byte_is_in_one_line_and_jumps_read_as_offsets() {
    let mut asm = Assembler::new();
    let (negative, done) = (asm.label(), asm.label());
    check(&mut asm, negative);
    crate::x64!(asm => mov rax, [rdi*8 + 16]);
    asm.bind(done);
    crate::x64!(asm => leave; ret; int3; int3);
    asm.cold(|asm| {
        asm.bind(negative);
        crate::x64!(asm => xor eax, eax; jmp {done});
    });
    let sealed = asm.seal().expect("every label is bound");
    let lines = disassemble_bytes(sealed.bytes(), 0x7000);
    assert_eq!(lines.iter().map(|line| line.bytes.len()).sum::<usize>(), sealed.len());
    let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
    expect![[r#"
        0000  48 85 ff                         test rdi, rdi
        0003  0f 88 0c 00 00 00                js 0x15
        0009  48 8b 04 fd 10 00 00 00          mov rax, [rdi*8+0x10]
        0011  c9                               leave
        0012  c3                               ret
        0013  cc cc                            int3
        0015  31 c0                            xor eax, eax
        0017  e9 f5 ff ff ff                   jmp 0x11"#]]
    .assert_eq(&text.join("\n"));
}

#[test]
fn constants_read_as_data() {
    let mut asm = Assembler::new();
    crate::x64!(asm =>
        mov rax, [{Constant::f64(2.5)}]; cmp dword [{Constant::u32(0xC3C3_C3C3)}], 1; ret
    );
    let heap = CodeHeap::probe().expect("this machine gives code memory");
    let code = asm.seal().and_then(|sealed| sealed.publish(&heap)).expect("published");
    let lines: Vec<String> = disassemble(&code).iter().map(|line| line.text.clone()).collect();
    assert_eq!(lines[2..], ["ret", "int3", "dq 0x4004000000000000", "dd 0xc3c3c3c3"]);
}

#[test]
fn data_of_templates_reads_as_data() {
    let mut asm = Assembler::new();
    crate::x64!(asm => lea rax, [table]; ret; .align 8; table: .qword 0x1122; .byte 0x55, 0x48);
    asm.cold(|asm| crate::x64!(asm => .dword 0xC3C3C3C3; .align 16));
    let heap = CodeHeap::probe().expect("this machine gives code memory");
    let code = asm.seal().and_then(|sealed| sealed.publish(&heap)).expect("published");
    let lines: Vec<String> = disassemble(&code).iter().map(ToString::to_string).collect();
    expect![[r#"
        0000  48 8d 05 01 00 00 00             lea rax, [rip+1]
        0007  c3                               ret
        0008  22 11 00 00 00 00 00 00          dq 0x0000000000001122
        0010  55 48                            db 0x55, 0x48
        0012  cc cc cc cc cc cc cc cc cc cc cc cc cc cc int3
        0020  c3 c3 c3 c3                      dd 0xc3c3c3c3
        0024  66 0f 1f 84 00 00 00 00 00       nop [rax+rax]
        002d  0f 1f 00                         nop [rax]"#]]
    .assert_eq(&lines.join("\n"));
}
