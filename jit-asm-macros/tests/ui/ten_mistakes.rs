//! Ten mistakes in one template come out at once, each under its own operand.

use jit_asm_macros::x64;

fn main() {
    let mut code = vec![];
    let n = 5;
    x64!(code =>
        inc [rax];
        add [rax], 1;
        add rax, ebx;
        mov al, 256;
        lea rax, rbx;
        mov ah, sil;
        imul rax, rcx, 0x1_0000_0000;
        jmp nowhere;
        shl rax, rdx;
        adc eax
    );
}
