//! Operands that no form of the instruction takes.

use jit_asm_macros::x64;

fn main() {
    // The width is not known: never guessed.
    x64! { cmp [rbx], 1; idiv [rbx]; movsx rax, [rbx]; movzx eax, [rbx]; mov [rbp - 16], 5; shl [rax], 1; push [rax] };
    // Widths that differ, or that the instruction does not have.
    x64! { mov eax, qword [rbx]; xchg rax, cx; movzx eax, ebx; movsxd rax, cx; push eax; lea al, [rax] };
    // Values out of range.
    x64! { add rax, 0x8000_0000; mov eax, -0x8000_0001; add al, 256; shl rax, 256; ret 65536; push 0xffff_ffff };
    // The wrong kind or number.
    x64! { mov 5, rax; jmp 5; call rax, rbx; cqo rax; mov rax; add [rax], [rbx]; setz rax; cmovz al, bl };
    // Bits 8 to 15 beside a REX prefix.
    x64! { mov ah, r8b; add rax, ah; movzx r8d, ah; mov {r: r8}, ah };
    // A word that is no register, label or Rust value.
    x64! { mov raz, 5; mov rax, RBX; mov rax, count };
    x64! { add xmm0, rax; mov rax, fs; mov rax, rip };
}
