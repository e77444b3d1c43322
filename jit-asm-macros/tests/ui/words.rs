//! Words of other assemblers, of other modes and of other machines.

use jit_asm_macros::x64;

fn main() {
    // AT&T.
    x64! { movl eax, 5; addq rax, rbx; movslq rax, ecx; movzbl eax, cl; lock incl dword [rax]; retq };
    x64! { mov rax, -8(rbp); mov rax, (rbp); mov %rax, %rbx; mov rax, $5; mov rax, $size };
    // NASM and MASM.
    x64! { movabs rax, 5; retn; pushf; db 5; section .text; times 5 nop; mov rax, 0ffh; mov rax, [fs:0] };
    x64! { mov rax, [rip + over]; lea rax, [over + 8]; over: jmp $; jmp .over; push byte 5 };
    // What the table leaves out.
    x64! { fld qword [rax]; fadd st(1), st(0); pusha; iret; hlt; retf; xbegin over; vpternlogd xmm0, xmm1, xmm2, 5 };
    x64! { mov cs, ax; mov rax, cr0; mov rax, mm0; mov rax, r16; mov eax, r8l; kmovq k1, rax; mov rax, tbyte [rbx] };
    // Numbers in names.
    x64! { cmpeqps xmm0, xmm1; vcmpeq_uqps ymm0, ymm1, [rdi]; cmpltsd xmm0, qword [rax]; pclmulhqlqdq xmm0, xmm1 };
    // Labels without a colon, comments of others, control flow of Rust.
    x64! { over nop; mov rax, 5 @ five; if rax { nop }; mov(rax, rbx) };
}
