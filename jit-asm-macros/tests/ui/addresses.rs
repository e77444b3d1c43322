//! What stands between brackets.

use jit_asm_macros::x64;

fn main() {
    x64! {
        mov rax, [];
        mov rax, [rbx + rax*3];
        mov rax, [rbx + rsp*2];
        mov rax, [rsp + rsp];
        mov rax, [rax + rbx + rcx];
        mov rax, [eax + 8];
        mov rax, [rbx - rcx];
        mov rax, [rbx rcx];
        mov rax, [rbx +];
        mov rax, [rbx + 0x8000_0000];
        mov rax, [rip + rax];
        mov rax, [rbx + offset];
        mov rax, [rbx + slot];
        mov rax, [rbx + raz];
        mov rax, [rbx * rcx];
        mov rax, [rbx][rcx];
        mov rax, fs:[0];
        mov rax, [rel table];
        mov rax, [rbx + 2*4];
        mov rax, byte;
        mov rax, xmmword [rbx];
        mov rax, qword rbx
    };
    x64! { mov rax, [rbx*1 + {const 5: i8}]; mov rax, [{const 5: i8}] };
}
