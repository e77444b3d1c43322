//! The syntax without a compiler: what is printed is read back ([`round_trip`]), jumps are as short as they can
//! be, and no tokens make it panic.

mod round_trip;

use super::{Error, Piece, lay_out, parse};
use crate::reg::Gpr;
use crate::template::StackMove;
use expect_test::{Expect, expect};
use std::fmt::Write as _;

fn assemble(text: &str) -> core::result::Result<Piece, Vec<Error>> {
    lay_out(&parse(text.parse().expect("tokens"))?).map(|laid_out| laid_out.whole)
}

/// Bytes, text, holes and effects of a template, or its errors.
fn check(text: &str, expected: Expect) {
    let mut shown = String::new();
    match assemble(text) {
        Ok(laid_out) => {
            let ends =
                laid_out.lines.iter().skip(1).map(|(at, _)| usize::from(*at)).chain([laid_out.bytes.len()]);
            for ((at, line), end) in laid_out.lines.iter().zip(ends) {
                let bytes: String =
                    laid_out.bytes[usize::from(*at)..end].iter().map(|byte| format!("{byte:02x}")).collect();
                let _ = writeln!(shown, "{at:2} {bytes:14} {line}");
            }
            for hole in &laid_out.holes {
                let _ =
                    writeln!(shown, "hole {} at {}: {:?}, {:?}", hole.hole, hole.at, hole.kind, hole.value);
            }
            for constant in &laid_out.constants {
                let _ =
                    writeln!(shown, "constant {} at {}: {:?}", constant.hole, constant.at, constant.width);
            }
        }
        Err(errors) => errors.iter().for_each(|error| {
            let _ = writeln!(shown, "{error}");
        }),
    }
    expected.assert_eq(&shown);
}

#[test]
fn holes_are_found_where_they_are() {
    check(
        "add {r: r64}, [{b: r64} + {i: r64}*8 + {d: i8}]; mov byte [rbp + {d}], {n}; jmp {l}; cmp dword [{l}], {const 3: i8}",
        expect![[r#"
             0 480344c000     add {r: r64}, [{b: r64} + {i: r64}*8 + {d: i8}]
             5 c6850000000000 mov byte [rbp + {d}], {n}
            12 e900000000     jmp {l}
            17 833d0000000000 cmp dword [{l}], {const 3: i8}
            hole {r: r64} at 0: Reg(RegField { low_at: 2, low_shift: 3, high: Some(HighBit { at: 0, bit: 2 }), vector: false, reads: true, writes: true }), Register
            hole {i: r64} at 0: Reg(RegField { low_at: 3, low_shift: 3, high: Some(HighBit { at: 0, bit: 1 }), vector: false, reads: true, writes: false }), Index
            hole {b: r64} at 0: Reg(RegField { low_at: 3, low_shift: 0, high: Some(HighBit { at: 0, bit: 0 }), vector: false, reads: true, writes: false }), Register
            hole {d: i8} at 4: Disp(1), Integer(Integer { width: B8, signed: true })
            hole {d} at 7: Disp(4), Integer(Integer { width: B32, signed: true })
            hole {n} at 11: Imm(1), Integer(Integer { width: B8, signed: true })
            hole {l} at 13: Rel32 { tail: 0, width: 0 }, Target
            hole {l} at 19: Rel32 { tail: 1, width: 4 }, Target
            constant {const 3: i8} at 23: B8
        "#]],
    );
}

#[test]
fn literals_have_every_spelling() {
    check(
        "mov eax, 0x_ff; mov eax, 0b101; mov eax, 0o17; mov eax, 1_000; mov eax, -5; mov al, 'a'; mov al, b'\\n'; mov al, '\\x7f'; mov al, '\\t'; mov al, '\\''; mov ax, '\\u{20_ac}'; mov rax, 0xffff_ffff_ffff_ffff",
        expect![[r#"
             0 b8ff000000     mov eax, 255
             5 b805000000     mov eax, 5
            10 b80f000000     mov eax, 15
            15 b8e8030000     mov eax, 1000
            20 b8fbffffff     mov eax, -5
            25 b061           mov al, 97
            27 b00a           mov al, 10
            29 b07f           mov al, 127
            31 b009           mov al, 9
            33 b027           mov al, 39
            35 66b8ac20       mov ax, 0x20ac
            39 48c7c0ffffffff mov rax, 0xffffffffffffffff
        "#]],
    );
}

#[test]
fn addresses_are_sums_in_any_order() {
    check(
        "mov rax, [8 + rbx]; mov rax, [4*rcx + rbx - 8 + 2]; mov rax, [rcx*8]; mov rax, [rbx + rsp]; mov rax, qword ptr [rip - 5]; mov rax, [0x1000]; lea rax, [- 5 + rdi]; lea rax, [rdi - - 5]; lea rax, [rdi + - 6]; mov al, byte [{b: r64}]; nop word [rax + rax*1 + 0]",
        expect![[r#"
             0 488b4308       mov rax, [rbx + 8]
             4 488b448bfa     mov rax, [rbx + rcx*4 - 6]
             9 488b04cd00000000 mov rax, [rcx*8]
            17 488b041c       mov rax, [rsp + rbx]
            21 488b05fbffffff mov rax, qword [rip - 5]
            28 488b042500100000 mov rax, [4096]
            36 488d47fb       lea rax, [rdi - 5]
            40 488d4705       lea rax, [rdi + 5]
            44 488d47fa       lea rax, [rdi - 6]
            48 408a442000     mov al, byte [{b: r64}]
            53 660f1f0400     nop word [rax + rax]
            hole {b: r64} at 48: Reg(RegField { low_at: 51, low_shift: 0, high: Some(HighBit { at: 48, bit: 0 }), vector: false, reads: true, writes: false }), Register
        "#]],
    );
}

#[test]
fn labels_stand_anywhere() {
    check(
        "a: b: jmp c; ; c: jnz a; call b; lea rax, [c]; jmp d; d:",
        expect![[r#"
             0 eb00           a: b: jmp c
             2 75fc           c: jnz a
             4 e8f7ffffff     call b
             9 488d05f2ffffff lea rax, [c]
            16 eb00           jmp d; d:
        "#]],
    );
    check("", expect![[""]]);
    check(
        "a: a: jmp b; jmp rax; mov rax, a",
        expect![[r#"
            the label `a` stands here a second time
            help: a label names one place; choose another name
            this template has no label `b`
            help: a Rust value is written `{b}`, a Rust constant `{const b}`
            a jump target does not fit here: wants a register or memory of 64 bits, or an immediate of 32 or 64 bits
            help: `a` is a label; its address is `lea rax, [a]`
        "#]],
    );
}

#[test]
fn a_constant_is_no_target() {
    check(
        "jmp Ctx::enter; jmp {const 5}; call {const 5: i32}; jz {r: r64}",
        expect![[r#"
            a hole for a number does not fit here: wants a register or memory of 64 bits, or a label or function
            help: a label or function is written `{Ctx::enter}`
            a hole for a number does not fit here: wants a register or memory of 64 bits, or a label or function
            help: a label or function is written `{5}`
            a hole for a number does not fit here: wants a register or memory of 64 bits, or a label or function
            help: a label or function is written `{5}`
            a hole for a register of 64 bits does not fit here: wants a label or function
        "#]],
    );
}

#[test]
fn effects_follow_the_jumps_of_the_template() {
    let effects = |text: &str| assemble(text).unwrap().effects;
    // The jump may skip the write, so the value on entry matters.
    assert!(effects("jz over; mov eax, 1; over: mov rcx, rax").reads.contains(Gpr::Rax));
    assert!(!effects("jz over; nop; over: mov eax, 1; mov rcx, rax").reads.contains(Gpr::Rax));
    // A call of an own label comes back with a return address taken off, or not at all.
    assert_eq!(effects("call next; next: pop rax").stack, StackMove::Unknown);
    assert_eq!(effects("jz next; next: pop rax").stack, StackMove::By(8));
}

#[test]
fn loops_reach_near_labels_only() {
    check(
        "again: add rax, rcx; loop again; jrcxz end; loopne again; mov al, 1; cqo; end:",
        expect![[r#"
             0 4801c8         again: add rax, rcx
             3 e2fb           loop again
             5 e306           jrcxz end
             7 e0f7           loopne again
             9 b001           mov al, 1
            11 4899           cqo; end:
        "#]],
    );
    let far = |jump: &str, between: usize| format!("again: {} {jump} again", "nop; ".repeat(between));
    assert!(assemble(&far("loop", 126)).is_ok());
    check(
        &far("loop", 127),
        expect![[r#"
        `loop` reaches 128 bytes back and 127 ahead; this label is 129 back
        help: `dec rcx; jnz` reaches everything
    "#]],
    );
    check(
        &format!("loope end; {}end:", "nop; ".repeat(128)),
        expect![[r#"
        `loope` reaches 128 bytes back and 127 ahead; this label is 128 ahead
        help: `dec rcx` and two jumps reach everything
    "#]],
    );
    check(
        "loop {l}; jrcxz {somewhere}",
        expect![[r#"
        `loop` has a distance of 8 bits, and this target may be anywhere
        help: its target is a label of the same template: `loop again`; `dec rcx; jnz` reaches everything
        `jrcxz` has a distance of 8 bits, and this target may be anywhere
        help: its target is a label of the same template: `jrcxz again`; `test rcx, rcx; jz` reaches everything
    "#]],
    );
    check(
        "loop rax; loop 5; loop",
        expect![[r#"
            rax does not fit here: wants a label or function
            the number 5 does not fit here: wants a label or function
            help: its target is a label of the template: `loop again`
            `loop` takes 1 operand, not 0
            help: a form of it is `loop label`
        "#]],
    );
}

#[test]
fn a_template_has_a_longest_length() {
    let long = "mov rax, 0x1122334455667788; ".repeat(6554);
    let errors = assemble(&long).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].message.contains("65535"), "{}", errors[0]);
    assert_eq!(assemble(&long[..long.len() / 6554 * 6553]).unwrap().bytes.len(), 65530);
}

#[test]
fn jumps_reach_and_are_short_where_they_can_be() {
    arbtest::arbtest(|u| {
        let labels = u.int_in_range(1..=6)?;
        let mut text = String::new();
        let mut targets = vec![];
        for label in 0..labels {
            for _ in 0..u.int_in_range(0..=3)? {
                let to = u.int_in_range(0..=labels - 1)?;
                let _ = write!(text, "{} l{to}; ", u.choose(&["jmp", "jz"])?);
                targets.push(to);
            }
            text += &"mov rax, 0x1122334455667788; ".repeat(u.int_in_range(0..=13)?);
            text += &"nop; ".repeat(u.int_in_range(0..=9)?);
            let _ = write!(text, "l{label}: xchg rax, r{}; ", 8 + label);
        }
        (0..labels).for_each(|label| text += &format!("lea rax, [l{label}]; "));
        let laid_out = assemble(&text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
        let place = |label: usize| {
            let mark = format!("l{label}: xchg rax, r{}", 8 + label);
            let line = laid_out.lines.iter().find(|(_, line)| *line == mark);
            i64::from(line.expect("every label stands before its own instruction").0)
        };
        let lines: Vec<&str> = laid_out.lines.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(assemble(&lines.join("; ")).map(|again| again.bytes).ok(), Some(laid_out.bytes.clone()));
        let jumps = laid_out.lines.iter().filter(|(_, line)| line.starts_with('j'));
        for ((at, line), target) in jumps.zip(targets) {
            let code = &laid_out.bytes[usize::from(*at)..];
            let (length, distance) = match code {
                [0xeb | 0x74, near, ..] => (2, i64::from(*near as i8)),
                [0xe9, far @ ..] => {
                    (5, i64::from(i32::from_le_bytes(*far.first_chunk().expect("four bytes"))))
                }
                [0x0f, 0x84, far @ ..] => {
                    (6, i64::from(i32::from_le_bytes(*far.first_chunk().expect("four bytes"))))
                }
                _ => panic!("{line}: {code:02x?}"),
            };
            assert_eq!(i64::from(*at) + length + distance, place(target), "{line} in {text}");
            // Measured from the end of a short jump at the same place.
            let short =
                place(target) - i64::from(*at) - if place(target) > i64::from(*at) { length } else { 2 };
            assert_eq!(length == 2, i8::try_from(short).is_ok(), "{line} at {at} in {text}");
        }
        Ok(())
    })
    .budget_ms(1000);
}

#[test]
fn words_of_the_language_have_no_case() {
    check(
        "MOV RAX, QWORD PTR [RBP - 16]; CMOVZ eAX, ECX; Again: jmp Again; lea rax, [RIP + 5]; mov rax, FS:[8]; SET{c} AL",
        expect![[r#"
             0 488b45f0       mov rax, qword [rbp - 16]
             4 0f44c1         cmovz eax, ecx
             7 ebfe           Again: jmp Again
             9 488d0505000000 lea rax, [rip + 5]
            16 64488b042508000000 mov rax, fs:[8]
            25 0f90c0         set{c} al
            hole {c} at 26: Cond, Condition
        "#]],
    );
    check(
        "again: jmp AGAIN; RSP: nop",
        expect![[r#"
            this template has no label `AGAIN`
            help: did you mean the label `again`?
            `RSP` cannot name a label: it has a meaning in operands
            help: choose another name
        "#]],
    );
}

#[test]
fn registers_have_names() {
    check(
        "let acc = RAX; let low = al; let sum = acc; add sum, [acc + acc*8 + {acc}]; mov low, 5; \
         mov [acc], rcx; nop",
        expect![[r#"
             0 480384c000000000 add rax, [rax + rax*8 + {acc}]
             8 b005           mov al, 5
            10 488908         mov [rax], rcx
            13 90             nop
            hole {acc} at 4: Disp(4), Integer(Integer { width: B32, signed: true })
        "#]],
    );
    check(
        "let five = 5; let rcx = rdx; let add = rax; let a = rax; let a = rbx; let r = {r: r64}; let unused = rax; let = rax; let b rax; \
         add five, 5; use: nop; mov late, r; let late = rax; nop: let nop = raz; sum = rax; a: a, rbx; let c =",
        expect![[r#"
            `5` is no register
            help: a number has a name in Rust: `{const N}`
            `rcx` cannot name a register: it has a meaning in operands
            help: choose another name
            `add` cannot name a register: it is a mnemonic
            help: choose another name
            `a` names a register already
            help: an alias holds to the end of its template; choose another name
            an alias names a register that is known here
            help: a register chosen when the code is emitted has its name in Rust: `{acc: r64}`
            this is no alias
            help: an alias is `let name = register`: `let acc = rax`
            this is no alias
            help: an alias is `let name = register`: `let acc = rax`
            nothing here uses the label `use`
            help: remove it; a place that code elsewhere jumps to is bound in the assembler
            `late` is used in front of its `let`
            help: an alias holds from its `let` on
            `nop` cannot name a register: it is a label of this template
            help: choose another name
            `=` means nothing here
            help: a name for a register is given by `let sum = rax`
            `a` cannot name a label: it names a register
            help: choose another name
            `a` is a register; an instruction begins with its mnemonic
            help: operands are separated by `,` and statements by `;`
            a register is missing behind this
            help: an alias is `let name = register`: `let acc = rax`
            nothing here uses the alias `unused`
            help: remove its `let`
        "#]],
    );
}

#[test]
fn constants_of_rust_need_no_braces() {
    check(
        "mov rax, [rdi + offset_of!(Ctx, top)]; mov rax, [rdi - Ctx::TOP*8 + rcx*8 + 8 + {const A} - 4]; \
         add rax, -Ctx::SIZE + 3; mov eax, 8*::a::B; mov eax, size_of::<Pair<u8, ()>>(); cmp [rdi + Ctx::TOP], al; \
         lea rax, [Ctx::TOP]; lea rax, [rip + Ctx::TOP]; mov ecx, Ctx::new(1, 2)",
        expect![[r#"
             0 488b8700000000 mov rax, [rdi + offset_of!(Ctx, top)]
             7 488b84cf00000000 mov rax, [rdi + rcx*8 + -Ctx::TOP * 8 + {const A} + 4]
            15 480500000000   add rax, -Ctx::SIZE + 3
            21 b800000000     mov eax, 8 * ::a::B
            26 b800000000     mov eax, size_of::<Pair<u8, ()>>()
            31 388700000000   cmp [rdi + Ctx::TOP], al
            37 488d042500000000 lea rax, [0 + Ctx::TOP]
            45 488d0500000000 lea rax, [rip + Ctx::TOP]
            52 b900000000     mov ecx, Ctx::new(1, 2)
            constant offset_of!(Ctx, top) at 3: B32
            constant -Ctx::TOP * 8 + {const A} + 4 at 11: B32
            constant -Ctx::SIZE + 3 at 17: B32
            constant 8 * ::a::B at 22: B32
            constant size_of::<Pair<u8, ()>>() at 27: B32
            constant Ctx::TOP at 33: B32
            constant Ctx::TOP at 41: B32
            constant Ctx::TOP at 48: B32
            constant Ctx::new(1, 2) at 53: B32
        "#]],
    );
    check(
        "mov rax, [rdi + {d} + Ctx::TOP]; mov rax, [rdi + {const D: i8} + 8]; mov rax, [rdi + Ctx::TOP*rcx]; mov rax, [rcx*Ctx::TOP]; \
         mov rax, Ctx::TOP + rcx; mov rax, 5 + 3; jmp Ctx::enter; mov rax, top!; mov rax, a::; mov rax, <A as B>::C; mov rax, f(3); mov rax, 1.5*A::B; add al, a::<",
        expect![[r#"
            a hole is the whole displacement of its address
            help: write the sum in the braces: `{d + Ctx::TOP}`
            a hole is the whole displacement of its address
            help: write the sum in the braces: `{const D + 8}`
            the terms of an address are added or subtracted
            help: write `[base + index*scale + displacement]`
            an index is scaled by a literal
            help: the scales are 1, 2, 4 and 8
            operands are not computed in the text of a template
            help: a computed constant is `{const A + B}`, a computed value `{a + b}`
            operands are not computed in the text of a template
            help: a computed constant is `{const A + B}`, a computed value `{a + b}`
            a hole for a number does not fit here: wants a register or memory of 64 bits, or a label or function
            help: a label or function is written `{Ctx::enter}`
            `!` means nothing behind this operand
            help: addresses are computed in brackets, Rust values in braces
            this path has no end
            help: a constant of Rust is `Ctx::SIZE` or `{const SIZE}`
            `<` is no operand
            help: a constant of Rust stands in braces: `{const <T as Trait>::SIZE}`
            a call of Rust stands in braces
            help: write `{f(x)}`, or `{const f(x)}` for a constant
        "#]],
    );
}

#[test]
fn data_stands_among_the_code() {
    check(
        "lea rax, [table]; movzx ecx, byte [rax + 3]; lea rdx, [end]; ret; .align 8; table: .byte 1, -1, 'a', \"b\\n\", b\"\\xff\"; .WORD 0xffff; \
         .dword 1.5, -2, Ctx::SIZE, {const N}; .qword {x}, {y: u64}, 1e300, 0x1122334455667788; .zero 3; end:",
        expect![[r#"
             0 488d0511000000 lea rax, [table]
             7 0fb64803       movzx ecx, byte [rax + 3]
            11 488d1541000000 lea rdx, [end]
            18 c3             ret
            19 0f1f440000     .align 8
            24 01ff61620aff   table: .byte 1, -1, 97, b"b\n", b"\xff"
            30 ffff           .word 0xffff
            32 0000c03ffeffffff0000000000000000 .dword 1.5, -2, Ctx::SIZE, {const N}
            48 000000000000000000000000000000009c7500883ce4377e8877665544332211 .qword {x}, {y: u64}, 1e300, 0x1122334455667788
            80 000000         .zero 3; end:
            hole {x} at 48: Imm(8), Integer(Integer { width: B64, signed: true })
            hole {y: u64} at 56: Imm(8), Integer(Integer { width: B64, signed: false })
            constant Ctx::SIZE at 40: B32
            constant {const N} at 44: B32
        "#]],
    );
    check(
        "xor eax, eax; .align 16; again: dec ecx; jnz again; .align 4; .align 1; jmp over; .zero 130; .align 8; over: ret",
        expect![[r#"
             0 31c0           xor eax, eax
             2 660f1f8400000000000f1f440000 .align 16
            16 ffc9           again: dec ecx
            18 75fc           jnz again
            20                .align 4
            20                .align 1
            20 e987000000     jmp over
            25 00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000 .zero 130
            155 0f1f440000     .align 8
            160 c3             over: ret
        "#]],
    );
    check(
        ".qword 1; .align 8; .qword 2, 3; .byte 4",
        expect![[r#"
             0 0100000000000000 .qword 1
             8                .align 8
             8 02000000000000000300000000000000 .qword 2, 3
            24 04             .byte 4
        "#]],
    );
}

#[test]
fn nothing_runs_into_data() {
    check(
        "nop; .byte 1; jmp table; jz late; ret; table: .byte 1; late: .align 4; .byte 2; call table; .byte 1; mov rax, [table]",
        expect![[r#"
            execution runs into this data
            help: put it behind a `ret` or `jmp`, or a `jmp` across it in front
            `table` is data, and this runs it
            help: its address is `lea rax, [table]`
            `late` is data, and this runs it
            help: its address is `lea rax, [late]`
            `table` is data, and this runs it
            help: its address is `lea rax, [table]`
            execution runs into this data
            help: put it behind a `ret` or `jmp`, or a `jmp` across it in front
        "#]],
    );
    check(
        ".byte 1; nop",
        expect![[r#"
        execution runs into this data
        help: put it behind a `ret` or `jmp`, or a `jmp` across it in front
    "#]],
    );
    check(
        "mov rax, {a: rm64}; .align 8; ret",
        expect![[r#"
        this cannot be aligned: the length of a location in front of it is not known
        help: align in front of the location, or in a template of its own
    "#]],
    );
}

#[test]
fn mistakes_in_data_are_found() {
    check(
        ".; .5; .byte; .byte ,1; .byte 1,; .byte 256, -129, 1.5, rax, 1 2, {x: i32}, {const X: u16}, {r: r64}; .word \"ab\", 65536; .dword 1e39, 1f32; \
         .qword 1e400, -\"a\", 0x1_0000_0000_0000_0000, (5), [rax]; .align 3; .align 128; .align x; .align; .zero 65536; .zero -1; .zero 1 2; \
         .quad 1; .db 1; .balign 4; .label: nop; .text; .byte -, r\"a\", c\"a\"; .qword {x: f64}",
        expect![[r#"
            a directive is missing behind this dot
            help: the directives are .byte, .word, .dword, .qword, .zero and .align
            a directive is missing behind this dot
            help: the directives are .byte, .word, .dword, .qword, .zero and .align
            items are missing behind this
            help: write `.byte 1, 'a', "text"`
            an item is missing before this comma
            an item is missing behind this comma
            256 does not fit an item of `.byte`
            help: it must be from -128 to 255
            -129 does not fit an item of `.byte`
            help: it must be from -128 to 255
            a float is an item of `.dword` or `.qword`, not of `.byte`
            `rax` is no item of data
            help: items are numbers, characters, strings in `.byte`, and holes
            expected `,` or `;` before this
            an item of `.byte` has 8 bits, and this hole is `i32`
            help: write `{x: i8}` or `: u8`
            an item of `.byte` has 8 bits, and this hole is `u16`
            help: write `{const X: i8}` or `: u8`
            an item of `.byte` has 8 bits, and this hole is `r64`
            help: write `{r: i8}` or `: u8`
            a string is an item of `.byte`, not of `.word`
            help: write one character as `'a'`
            65536 does not fit an item of `.word`
            help: it must be from -32768 to 65535
            1e39 is too large for a float of 32 bits
            a literal takes no suffix: write `1`
            help: its width follows from the instruction
            1e400 is too large for a float of 64 bits
            a string has no sign
            `0x1_0000_0000_0000_0000` is no integer of 64 bits
            no item of data begins here
            help: items are numbers, characters, strings in `.byte`, and holes
            no item of data begins here
            help: items are numbers, characters, strings in `.byte`, and holes
            nothing is aligned to 3
            help: write 1, 2, 4, 8 or 16
            nothing is aligned to 128
            help: write 1, 2, 4, 8 or 16
            here stands one number, as a literal
            a number is missing behind this
            a template has at most 65535 bytes
            here stands one number, as a literal
            here stands one number, as a literal
            `.quad` is no directive
            help: write `.qword`
            `.db` is no directive
            help: write `.byte`
            `.balign` is no directive
            help: write `.align`
            `.label` is no directive
            help: a local label has no dot: write `name:`
            `.text` is no directive
            help: the directives are .byte, .word, .dword, .qword, .zero and .align
            a number is missing behind this
            `r"a"` is no operand
            help: literals are integers and characters
            `c"a"` is no operand
            help: literals are integers and characters
            a hole takes the bits of a float, not the float
            help: write `{x.to_bits(): u64}` among data; code reads floats from memory
        "#]],
    );
}
