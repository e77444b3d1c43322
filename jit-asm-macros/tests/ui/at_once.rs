//! Mistakes of every stage come at once: of spelling, of operands, of labels, of holes and of parameters.

use jit_asm_macros::{templates, x64};

fn main() {
    let mut code = vec![];
    x64!(code =>
        inc [rax];
        mov rax rbx;
        jmp nowhere;
        movl $5, eax;
        add rax, {1 +};
        again: nop; again: dec rcx; jnz again;
        let total = rdx; mov totl, 5; mov total, 0x1_0000_0000_0000_0000;
        add rax, ebx
    );
    // A label may be defined, and an alias named, where nothing could be read.
    x64! { over nop; jmp over; nop; let five = 5; mov five, rax };
    x64! { mov rax, {value}; mov rax, {}; j{c} {l} };
}

templates! {
    fn both(slot: i32, unused: i32) = x64!< mov rax, [rbp + {slt}]; inc [rax]; mov rcx rdx >;
    fn frame(slot: i32) -> i32 = x64!< mov rax, [rbp + {slot}] >;
    fn neither(slot: i32) = x64!< mov rax, [rbp + {slot}]; jmp {out}; lea rax, rbx >;
}
