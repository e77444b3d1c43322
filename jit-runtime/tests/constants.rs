//! Constants as running code sees them, from both sections.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "disassemble"))]

mod support;

use jit_runtime::frame::{enter_frame, leave_frame};
use jit_runtime::stitch::Constant;
use jit_runtime::x64;
use support::{context, enter, heap, publish};

#[test]
fn running_code_reads_its_constants() {
    let heap = heap();
    let mut context = context(&heap);
    let (sum, limit) = (Constant::u64(0x1122_3344_5566_7788), Constant::u32(77));
    let code = publish(&heap, |asm| {
        let [rare, done] = asm.labels();
        enter_frame(asm);
        x64!(asm => mov rax, [{sum}]; xor edx, edx; cmp dword [{limit}], 77; je {rare}; mov edx, 1);
        asm.bind(done);
        leave_frame(asm);
        asm.cold(|asm| {
            asm.bind(rare);
            x64!(asm => add rax, [{sum}]; lea rcx, [{Constant::bytes16([3; 16])}]; mov edx, [rcx + 12]; jmp {done});
        });
    });
    let result = enter(&raw mut context, code.address(), 0);
    assert_eq!(result, Ok((2 * 0x1122_3344_5566_7788, 0x0303_0303)));
    assert_eq!(code.len() - code.code_len(), 16 + 8 + 4);
}

#[test]
fn running_code_reads_the_data_of_its_template() {
    let heap = heap();
    let mut context = context(&heap);
    let weight = 1_000_000;
    let code = publish(&heap, |asm| {
        enter_frame(asm);
        x64!(asm =>
            let sum = rax; let at = rcx; let table = rsi;
            xor eax, eax; mov ecx, 2; lea table, [weights];
            again: add sum, [table + at*8]; dec at; jns again;
            movzx edx, byte [letter]; add eax, dword [one]; jmp over;
            .align 8;
            weights: .qword 5, {weight}, -7;
            .byte "a"; letter: .byte "b"; .zero 2; one: .dword 1.0;
            over:
        );
        leave_frame(asm);
    });
    let result = enter(&raw mut context, code.address(), 0);
    assert_eq!(result, Ok((999_998 + 0x3f80_0000, u64::from(b'b'))));
}
