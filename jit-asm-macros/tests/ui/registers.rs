//! Prefixes, and registers that may not stand where they do.

use jit_asm::Xmm;
use jit_asm_macros::x64;

fn main() {
    let mut code = vec![];
    let (a, b) = (Xmm::Xmm1, Xmm::Xmm2);
    x64! { lock mov [rax], rbx; lock add rax, rbx; lock add rax, [rbx]; lock cmp [rax], rbx; lock lock inc qword [rax] };
    x64! { lock; inc qword [rax]; rep add rax, 1; rep movsb byte [rdi], byte [rsi]; bnd ret; lock inc [rax] };
    x64! { mov ah, sil; add bh, r9b; movzx rax, ch; mov [r8], dh };
    x64! { mov rax, [rbx + rsp*2]; lea rcx, [rsp + rsp]; mov rax, [rax*3 + 8]; mov rax, [rax*16]; mov rax, [xmm1] };
    x64! { vpgatherdd xmm0, [rax + xmm1*4], xmm1; vpgatherdd xmm0, [rax + rcx*4], xmm2 };
    x64!(code => vpgatherdd {a: xmm}, [rax + {a: xmm}*4], {b: xmm}; vgatherdpd {a: ymm}, [rax + {b: xmm}*8], {a: ymm});
    x64! { mov rax, xmm0; movss xmm0, eax; movzx rax, eax; shl rax, rdx; in rax, dx; mul rax, rcx; vaddps xmm0, xmm1 };
    x64! { #![inputs(acc)] let acc = rdx; idiv rcx; mov acc, 5 };
}
