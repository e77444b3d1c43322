//! What templates may say besides instructions: names for registers, constants of Rust, data.

mod support;

use expect_test::expect;
use jit_asm::{DataRange, Template};
use jit_asm_macros::{templates, x64};
use std::mem::offset_of;
use support::{Label, Notes, check};

templates! {
    let top = rsi;
    let acc = rax;

    fn load_top() = x64!< mov acc, [top] >;

    /// Its own aliases come on top.
    fn add_top(slot: i32) = x64!< let lhs = rcx; let sum = acc; mov lhs, [RBP + {slot}]; lea sum, [acc + top*8] >;
}

#[test]
fn aliases_of_a_block_hold_for_the_templates_behind_them() {
    let mut code = vec![];
    load_top(&mut code);
    add_top(&mut code, -8);
    let rax = -16; // an alias is no variable, and a variable no alias
    x64!(code => let slot = rbx; mov slot, [rbp + {rax}]; add rcx, slot);
    check(
        &code,
        expect![[r#"
        488b06  mov rax, [rsi]
        488b8df8ffffff  mov rcx, [rbp-8]
        488d04f0  lea rax, [rax+rsi*8]
        488b9df0ffffff  mov rbx, [rbp-0x10]
        4801d9  add rcx, rbx
    "#]],
    );
    assert_eq!(add_top::TEMPLATE.lines[1].text, "lea rax, [rax + rsi*8]");
}

#[repr(C)]
struct Ctx {
    limit: u64,
    top: u32,
    tail: [u8; 7],
}

impl Ctx {
    const SIZE: i32 = size_of::<Ctx>() as i32;
    const SLOT: u8 = 8;
}

templates! {
    fn fields(n: i32) = x64!< mov rax, [rdi + offset_of!(Ctx, top)]; cmp eax, size_of::<Ctx>(); mov ecx, {n} >;
}

#[test]
fn constants_of_rust_need_no_braces() {
    const LOAD: Template = x64! {
        mov rax, [rdi + offset_of!(Ctx, top) + 8];
        mov rax, [rdi - offset_of!(Ctx, tail) + Ctx::SLOT * 3 - Ctx::SIZE + 1];
        add rax, -Ctx::SLOT;
        sub al, Ctx::SIZE - std::mem::align_of::<Ctx>();
        mov rax, [rbp + rcx*8 + {const Ctx::SLOT} - 2 * Ctx::SIZE]
    };
    assert_eq!(LOAD.lines[1].text, "mov rax, [rdi + -offset_of!(Ctx, tail) + Ctx::SLOT * 3 - Ctx::SIZE + 1]");
    let mut code = LOAD.bytes.to_vec();
    fields(&mut code, 5);
    check(
        &code,
        expect![[r#"
        488b8710000000  mov rax, [rdi+0x10]
        488b87f5ffffff  mov rax, [rdi-0xB]
        4805f8ffffff  add rax, 0xFFFFFFFFFFFFFFF8
        2c10  sub al, 0x10
        488b84cdd8ffffff  mov rax, [rbp+rcx*8-0x28]
        488b8708000000  mov rax, [rdi+8]
        3d18000000  cmp eax, 0x18
        b905000000  mov ecx, 5
    "#]],
    );
    let _ = Ctx { limit: 0, top: 0, tail: [0; 7] }.limit;
}

templates! {
    /// The n-th weight, in rax.
    fn weight(first: i64, letter: u8, to: Label) = x64!<
        lea rax, [table]; mov rax, [rax + rdi*8]; jmp {to};
        .align 8;
        table: .qword {first}, -1, Ctx::SIZE;
        .byte {letter: u8}, 'z', "text\n"; .dword 0.5; .zero 2
    >;
}

#[test]
fn data_is_put_where_it_stands() {
    let mut notes = Notes { code: vec![0x90; 3], ..Notes::default() };
    weight(&mut notes, 7, b'a', Label(1));
    expect![[r#"
        data at 24: 37
        20+0: Label(1)"#]]
    .assert_eq(&notes.linked.join("\n"));
    assert_eq!(notes.code[3..8], [0x0f, 0x1f, 0x44, 0, 0], "the template is aligned as it says");
    let data = &notes.code[24..];
    assert_eq!(data[..24], [7_i64, -1, 24].map(i64::to_le_bytes).concat());
    assert_eq!(data[24..], *b"aztext\n\0\0\0\x3f\0\0");
    let described = (weight::TEMPLATE.align, weight::TEMPLATE.data);
    assert_eq!(described, (8, &[DataRange { start: 16, end: 53 }][..]));
    const LOOP: Template = x64! { xor eax, eax; .align 16; again: dec ecx; jnz again };
    let mut code = vec![0x90];
    x64!(code => .align 4; .word 1, 2);
    assert_eq!(code, b"\x90\x0f\x1f\x00\x01\0\x02\0");
    assert_eq!((LOOP.align, LOOP.bytes.len()), (16, 20));
}
