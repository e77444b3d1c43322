//! Data among the code.

use jit_asm::Template;
use jit_asm_macros::{templates, x64};

const BIG: usize = 256;
const A: Template = x64! { .byte {const BIG}, 1 };

fn main() {
    let mut code = vec![];
    let (x, y) = (1_u16, 1_i32);
    x64! { . };
    x64! { .byte };
    x64! { .byte ,1 };
    x64! { .byte 1,; nop };
    x64! { .byte 1 2 };
    x64! { .byte 256, -129 };
    x64! { .word 65536, "ab", 1.5 };
    x64! { .dword 1e39, 5u8, 'a' 'b' };
    x64! { .qword 1e400, 0x1_0000_0000_0000_0000, -"a", (5), [rax] };
    x64! { .byte rax, table, r"a", - };
    x64! { .align 3; .align 32; .align x; .align; .align 4, 8 };
    x64! { .zero 65536; .zero -1; .zero {n} };
    x64! { .quad 1; .db 1; .balign 4; .text; .label: nop };
    x64!(code => .byte {x: i32}; .word {x: r64}; .qword {x: f64}; .byte {});
    x64! { nop; .byte 1 };
    x64! { .byte 1; nop };
    x64! { jmp table; table: .byte 1 };
    x64! { jz table; ret; table: .align 4; .byte 1 };
    x64!(code => mov rax, {r: rm64}; .align 4; ret);
    x64! { #[allow(dead_flags)] .byte 1 };
    x64! { .byte {x} };
    // What rustc finds.
    x64!(code => .byte {x}, 1; .word {y: u16});
    x64!(y => .align 4);
}

templates! {
    fn item(x: u8) = x64!< .byte {y: u8} >;
}
