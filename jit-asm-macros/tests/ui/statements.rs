//! What separates, begins and names.

use jit_asm_macros::x64;

fn main() {
    x64! {
        mov rax rbx;
        mov rax, rbx
        add rax, 1;
        mov rax,;
        mov , rax;
        mov rax,, rbx;
        , rax;
        MOV rax, rbx;
        rax, rbx;
        lock add [rax], ecx;
        rep movsb;
        .byte 5;
        mov %rax, $5;
        mov rax, (5);
        mov rax, 5 + 3;
        mov rax, 5u64;
        mov rax, 1.5;
        mov rax, "text";
        mov rax, 0FFh;
        mov rax, 0x1_0000_0000_0000_0000;
        jmp short over
    };
    // Labels.
    x64! { again: nop; again: jmp again };
    x64! { rax: jmp rax };
    x64! { jmp aagin; again: call agian; mov rax, again };
    x64! { mvo rax, rbx; movzxx eax, al; frobnicate };
    x64!(code; mov rax, 5);
    x64!(code, mov rax, 5; ret);
    x64!(code -> mov rax, 5; ret);
    x64!( => nop);
    x64!(let code => nop);
}
