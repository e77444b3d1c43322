//! Templates through the macros into sinks, compared with what iced-x86 reads in the bytes.

mod support;

use expect_test::expect;
use iced_x86::{Decoder, DecoderOptions};
use jit_asm::{AlignSink, Cond, Gpr, HoleKind, IndexGpr, StackMove, Template};
use jit_asm_macros::{templates, x64};
use std::cell::RefCell;
use support::{Function, Label, Notes, check, read};

const SIZE: usize = 24;

#[test]
fn a_constant_template_knows_everything() {
    const DIVIDE: Template = x64! { mov rax, [rbp - 16]; cqo; idiv rcx; add rax, {const SIZE * 2} };
    static SAME: Template = x64! { mov rax, [rbp - 16]; cqo; idiv rcx; add rax, {const 48} };
    assert_eq!(DIVIDE.bytes, SAME.bytes);
    check(
        DIVIDE.bytes,
        expect![[r#"
        488b45f0  mov rax, [rbp-0x10]
        4899  cqo
        48f7f9  idiv rcx
        480530000000  add rax, 0x30
    "#]],
    );
    let lines: Vec<(u16, &str)> = DIVIDE.lines.iter().map(|line| (line.at, line.text)).collect();
    assert_eq!(
        lines,
        [(0, "mov rax, [rbp - 16]"), (4, "cqo"), (6, "idiv rcx"), (9, "add rax, {const SIZE * 2}")]
    );
    assert!(DIVIDE.holes.is_empty() && DIVIDE.name.is_empty());
    let expected = jit_asm::RegSet::of(&[Gpr::Rax, Gpr::Rdx]);
    assert_eq!((DIVIDE.effects.writes, DIVIDE.effects.traps), (expected, true));
    assert_eq!(DIVIDE.effects.stack, StackMove::By(0));
}

#[test]
fn values_are_filled_in() {
    let mut code = vec![];
    let (slot, small, byte, wide) = (-16, -2, 0xfe_u8, 0x1122_3344_5566_7788);
    x64!(code =>
        mov rax, [rbp + {slot}];
        mov rax, [rbp + {small: i8}];
        add rax, {slot * 2};
        add rax, {small: i8};
        add al, {byte: u8};
        mov eax, {0xffff_ffff: u32};
        mov rax, {wide};
        shl rax, {3};
        push {slot};
        mov qword [rbp + {slot}], {slot};
        mov word ptr [rcx + rdx*2 + {slot}], {5}
    );
    check(
        &code,
        expect![[r#"
        488b85f0ffffff  mov rax, [rbp-0x10]
        488b45fe  mov rax, [rbp-2]
        4805e0ffffff  add rax, 0xFFFFFFFFFFFFFFE0
        4883c0fe  add rax, 0xFFFFFFFFFFFFFFFE
        04fe  add al, 0xFE
        b8ffffffff  mov eax, 0xFFFFFFFF
        48b88877665544332211  mov rax, 0x1122334455667788
        48c1e003  shl rax, 3
        68f0ffffff  push 0xFFFFFFFFFFFFFFF0
        48c785f0fffffff0ffffff  mov qword ptr [rbp-0x10], 0xFFFFFFFFFFFFFFF0
        66c78451f0ffffff0500  mov word ptr [rcx+rdx*2-0x10], 5
    "#]],
    );
}

#[test]
fn the_type_of_a_hole_is_a_type_of_rust() {
    struct Frame {
        offset: i32,
    }
    let frame = Frame { offset: 40 };
    let mut code = vec![];
    x64!(&mut code => lea rax, [rsp + {frame.offset}]; sub rsp, {if frame.offset > 0 { 8 } else { 16 }});
    check(
        &code,
        expect![[r#"
        488d842428000000  lea rax, [rsp+0x28]
        4881ec08000000  sub rsp, 8
    "#]],
    );
}

#[test]
fn constants_fit_generic_code() {
    fn reserve<const WORDS: usize>(code: &mut Vec<u8>) {
        x64!(code => sub rsp, {const WORDS * 8}; mov al, {const size_of::<[u8; WORDS]>()}; mov [rsp + {const -1: i8}], al);
    }
    let mut code = vec![];
    reserve::<4>(&mut code);
    reserve::<255>(&mut code);
    check(
        &code,
        expect![[r#"
        4881ec20000000  sub rsp, 0x20
        b004  mov al, 4
        884424ff  mov [rsp-1], al
        4881ecf8070000  sub rsp, 0x7F8
        b0ff  mov al, 0xFF
        884424ff  mov [rsp-1], al
    "#]],
    );
}

#[test]
fn any_expression_is_a_sink_and_is_borrowed_last() {
    struct Owner {
        code: Vec<u8>,
        slot: i32,
    }
    let mut owner = Owner { code: vec![], slot: 8 };
    x64!(owner.code => mov rcx, [rbp + {owner.slot}]);
    let shared = RefCell::new(owner.code);
    x64!(shared.borrow_mut() => push {shared.borrow().len() as i32}; ret);
    check(
        &shared.into_inner(),
        expect![[r#"
        488b8d08000000  mov rcx, [rbp+8]
        6807000000  push 7
        c3  ret
    "#]],
    );
}

#[test]
fn every_register_is_right_in_every_place() {
    for number in 0..16 {
        let r = Gpr::new(number).unwrap();
        let mut code = vec![];
        x64!(code =>
            add {r: r64}, rbx;
            add ebx, {r: r32};
            mov {r: r16}, 5;
            mov {r: r8}, cl;
            push {r: r64};
            mov rcx, [{r: r64}];
            mov rcx, [{r: r64} + 8];
            mov [{r: r64} + rdx*4 + {1000}], {r: r64}
        );
        let name = |width: usize| REGISTERS[usize::from(number)][width];
        let (q, d, w, b) = (name(0), name(1), name(2), name(3));
        let expected = format!(
            "add {q}, rbx\nadd ebx, {d}\nmov {w}, 5\nmov {b}, cl\npush {q}\n\
             mov rcx, [{q}]\nmov rcx, [{q}+8]\nmov [{q}+rdx*4+0x3E8], {q}\n"
        );
        let text: String =
            read(&code).lines().map(|line| line.split_once("  ").unwrap().1.to_owned() + "\n").collect();
        assert_eq!(text, expected);
        if let Some(i) = r.index() {
            let mut code = vec![];
            x64!(code => lea rax, [rbx + {i: r64}*8]; lea rax, [{r: r64} + {i: r64}]; lea rax, [{i: r64}*2 + 64]);
            let text = read(&code);
            assert!(
                text.contains(&format!("[rbx+{q}*8]")) && text.contains(&format!("[{q}*2+0x40]")),
                "{text}"
            );
        }
    }
}

#[test]
fn expressions_run_once_and_in_the_order_of_the_text() {
    let mut code = vec![];
    let mut ran = vec![];
    let mut say = |number: i32| {
        ran.push(number);
        number
    };
    x64!(code =>
        imul {{ say(1); Gpr::Rbx }: r64}, 9;
        add [{say(2)} + {{ say(3); Gpr::Rsp }: r64} + {{ say(4); Gpr::Rcx.index().unwrap() }: r64}*2], {{ say(5); Gpr::R8 }: r64};
        mov dword [rbp + {say(6)}], {say(7)}
    );
    assert_eq!(ran, [1, 2, 3, 4, 5, 6, 7]);
    check(
        &code,
        expect![[r#"
        486bdb09  imul rbx, 9
        4c01844c02000000  add [rsp+rcx*2+2], r8
        c7850600000007000000  mov dword ptr [rbp+6], 7
    "#]],
    );
}

const REGISTERS: [[&str; 4]; 16] = [
    ["rax", "eax", "ax", "al"],
    ["rcx", "ecx", "cx", "cl"],
    ["rdx", "edx", "dx", "dl"],
    ["rbx", "ebx", "bx", "bl"],
    ["rsp", "esp", "sp", "spl"],
    ["rbp", "ebp", "bp", "bpl"],
    ["rsi", "esi", "si", "sil"],
    ["rdi", "edi", "di", "dil"],
    ["r8", "r8d", "r8w", "r8b"],
    ["r9", "r9d", "r9w", "r9b"],
    ["r10", "r10d", "r10w", "r10b"],
    ["r11", "r11d", "r11w", "r11b"],
    ["r12", "r12d", "r12w", "r12b"],
    ["r13", "r13d", "r13w", "r13b"],
    ["r14", "r14d", "r14w", "r14b"],
    ["r15", "r15d", "r15w", "r15b"],
];

#[test]
fn labels_and_functions_are_linked_by_the_sink() {
    let mut notes = Notes::default();
    let f = Function(7);
    x64!(notes => nop);
    x64!(notes => cmp rax, {5}; jz {Label(1)}; call {f}; lea rax, [{Label(2)}]; cmp qword [{Label(3)}], 5; jmp {Label(4)});
    expect![[r#"
        9+0: Label(1)
        14+0: Function(7)
        21+0: Label(2)
        28+1: Label(3)
        34+0: Label(4)"#]]
    .assert_eq(&notes.linked.join("\n"));
    assert_eq!(notes.templates.len(), 2);
    assert_eq!(notes.templates[1].holes[4].kind, HoleKind::Rel32 { tail: 1, width: 8 });
    check(
        &notes.code,
        expect![[r#"
        90  nop
        483d05000000  cmp rax, 5
        0f8400000000  je 0x000000000000000D
        e800000000  call 0x0000000000000012
        488d0500000000  lea rax, [0x19]
        48833d0000000005  cmp qword ptr [0x21], 5
        e900000000  jmp 0x0000000000000026
    "#]],
    );
}

#[test]
fn local_labels_jump_both_ways() {
    const LOOP: Template = x64! {
        xor eax, eax; jmp test_;
        again: add rax, rcx; dec rcx;
        test_: test rcx, rcx; jnz again;
        lea rdx, [again]; cmp dword [end], 7;
        end:
    };
    check(
        LOOP.bytes,
        expect![[r#"
        31c0  xor eax, eax
        eb06  jmp short 0x000000000000000A
        4801c8  add rax, rcx
        48ffc9  dec rcx
        4885c9  test rcx, rcx
        75f5  jne short 4
        488d15eeffffff  lea rdx, [4]
        833d0000000007  cmp dword ptr [0x1D], 7
    "#]],
    );
}

macro_rules! padded {
    ($jump:ident, $($nops:tt)*) => { x64! { $jump over; $($nops)* over: ret } };
}
macro_rules! nops {
    // 120 bytes, then what is given.
    ($jump:ident, $($more:tt)*) => {
        padded!($jump,
            mov rax, 0x1122334455667788; mov rax, 0x1122334455667788; mov rax, 0x1122334455667788;
            mov rax, 0x1122334455667788; mov rax, 0x1122334455667788; mov rax, 0x1122334455667788;
            mov rax, 0x1122334455667788; mov rax, 0x1122334455667788; mov rax, 0x1122334455667788;
            mov rax, 0x1122334455667788; mov rax, 0x1122334455667788; mov rax, 0x1122334455667788;
            $($more)*)
    };
}

#[test]
fn a_jump_is_short_as_long_as_it_reaches() {
    const AT_127: Template = nops!(jmp, nop; nop; nop; nop; nop; nop; nop;);
    const AT_128: Template = nops!(jmp, nop; nop; nop; nop; nop; nop; nop; nop;);
    const COND_127: Template = nops!(jz, nop; nop; nop; nop; nop; nop; nop;);
    const COND_128: Template = nops!(jz, nop; nop; nop; nop; nop; nop; nop; nop;);
    assert_eq!(&AT_127.bytes[..2], b"\xeb\x7f");
    assert_eq!(&AT_128.bytes[..5], b"\xe9\x80\0\0\0");
    assert_eq!(&COND_127.bytes[..2], b"\x74\x7f");
    assert_eq!(&COND_128.bytes[..6], b"\x0f\x84\x80\0\0\0");
    assert_eq!(AT_128.bytes.len(), AT_127.bytes.len() + 4);
}

templates! {
    /// Quotient of two frame slots, in rax. Divisors 0 and -1 leave to `special`.
    pub fn div(lhs: i32, rhs: i32, special: Label) = x64!<
        mov rcx, [rbp + {rhs}]; lea rdx, [rcx + 1]; cmp rdx, 1; jbe {special};
        mov rax, [rbp + {lhs}]; cqo; idiv rcx
    >;

    fn gather(into: Gpr, base: Gpr, index: IndexGpr) = x64!<
        mov {into: r64}, [{base: r64} + {index: r64}*8 + {const SIZE}]
    >;

    pub(crate) fn nothing() = x64!< >;

    fn pair(slot: i32) = x64!< mov rax, [rbp + {slot * 8}]; mov rcx, [rbp + {slot * 8 + 8}] >;

    #[cfg(any())]
    pub fn elsewhere(code: NoSuchType) = x64!< mov eax, {code} >;

    #[inline(always)]
    fn never_called() = x64!< ud2 >;
}

#[test]
fn a_named_template_is_a_function_and_a_description() {
    let mut notes = Notes::default();
    div(&mut notes, -8, -16, Label(9));
    check(
        &notes.code,
        expect![[r#"
        488b8df0ffffff  mov rcx, [rbp-0x10]
        488d5101  lea rdx, [rcx+1]
        4883fa01  cmp rdx, 1
        0f8600000000  jbe 0x0000000000000015
        488b85f8ffffff  mov rax, [rbp-8]
        4899  cqo
        48f7f9  idiv rcx
    "#]],
    );
    assert_eq!(notes.linked, ["17+0: Label(9)"]);
    assert_eq!(notes.templates, [&div::TEMPLATE]);
    assert_eq!(div::TEMPLATE.name, "div");
    let names: Vec<&str> = div::TEMPLATE.holes.iter().map(|hole| hole.name).collect();
    assert_eq!(names, ["rhs", "special", "lhs"]);

    let mut code = vec![];
    gather(&mut code, Gpr::R9, Gpr::Rsp, Gpr::R12.index().unwrap());
    nothing(&mut code);
    pair(&mut code, -3);
    check(
        &code,
        expect![[r#"
            4e8b8ce418000000  mov r9, [rsp+r12*8+0x18]
            488b85e8ffffff  mov rax, [rbp-0x18]
            488b8df0ffffff  mov rcx, [rbp-0x10]
        "#]],
    );
    let access: Vec<(bool, bool)> = gather::TEMPLATE
        .holes
        .iter()
        .map(|hole| match hole.kind {
            HoleKind::Reg(field) => (field.reads, field.writes),
            _ => panic!("{hole:?} is no register"),
        })
        .collect();
    assert_eq!(access, [(false, true), (true, false), (true, false)]);
}

#[test]
fn templates_stand_in_functions_too() {
    const LOCAL: i32 = 3;
    templates! { fn three() = x64!< mov eax, {const LOCAL}; ret >; }
    let mut code = vec![];
    three(&mut code);
    assert_eq!(code, b"\xb8\x03\0\0\0\xc3");
    assert_eq!(three::TEMPLATE.bytes, code);
}

/// As `jit_runtime` wraps the macros: its user needs no dependency on `jit_asm`.
mod facade {
    pub(crate) use jit_asm as library;
    macro_rules! facade_x64 {
        ($($t:tt)*) => { ::jit_asm_macros::x64! { @crate [$crate::facade::library] $($t)* } };
    }
    macro_rules! facade_templates {
        ($($t:tt)*) => { ::jit_asm_macros::templates! { @crate [$crate::facade::library] $($t)* } };
    }
    pub(crate) use {facade_templates, facade_x64};
}

#[test]
fn a_facade_says_where_the_library_is() {
    facade::facade_templates! { fn trap(r: Gpr) = x64!< add {r: r64}, {const 1 + 1}; ud2 >; }
    const NOP: Template = facade::facade_x64! { nop };
    let mut code = NOP.bytes.to_vec();
    trap(&mut code, Gpr::R9);
    facade::facade_x64!(code => mov eax, {5}; mov ecx, {const 6});
    check(
        &code,
        expect![[r#"
        90  nop
        4981c102000000  add r9, 2
        0f0b  ud2
        b805000000  mov eax, 5
        b906000000  mov ecx, 6
    "#]],
    );
}

#[test]
fn a_macro_of_the_user_makes_templates() {
    macro_rules! binary {
        ($sink:expr, $op:ident, $to:ident, $value:expr) => { x64!($sink => $op $to, {$value}) };
    }
    macro_rules! literal {
        ($n:expr, $m:literal) => {
            x64! { mov eax, $n; add ecx, $m; lea rax, [rax + $n] }
        };
    }
    let mut code = vec![];
    let sink = 3; // a name that the expansion uses as well
    binary!(code, sub, rdx, sink + 1);
    code.extend_from_slice(literal!(-5, 7).bytes);
    check(
        &code,
        expect![[r#"
        4881ea04000000  sub rdx, 4
        b8fbffffff  mov eax, 0xFFFFFFFB
        83c107  add ecx, 7
        488d40fb  lea rax, [rax-5]
    "#]],
    );
}

/// Every field of a template that is patchable is 4-aligned wherever the template comes to stand, and what pads it
/// does nothing.
#[test]
fn patchable_targets_are_aligned() {
    templates! {
        fn call(target: Label) = x64!< mov eax, 1; call {target: patchable}; ret >;
        fn leave(condition: Cond, target: Label) = x64!< nop; j{condition} {target: patchable} >;
    }
    for before in 0..20 {
        for alone in [false, true] {
            let mut notes = Notes::default();
            notes.code.resize(before, 0x90);
            let (len, patchable) = match alone {
                true => (call::TEMPLATE.bytes.len(), &call::TEMPLATE.holes[0]),
                false => (leave::TEMPLATE.bytes.len(), &leave::TEMPLATE.holes[1]),
            };
            match alone {
                true => call(&mut notes, Label(7)),
                false => leave(&mut notes, Cond::Ne, Label(7)),
            }
            assert_eq!(patchable.kind, HoleKind::Patchable);
            let start = notes.code.len() - len;
            assert_eq!((start + usize::from(patchable.at)) % 4, 0, "{before}");
            assert!(start - before < 4);
            let padding = &notes.code[before..start];
            let read: Vec<_> = Decoder::new(64, padding, DecoderOptions::NONE).iter().collect();
            assert!(read.iter().all(|insn| insn.op_count() <= 1 && !insn.is_invalid()), "{padding:02x?}");
        }
    }
    let mut code: Vec<u8> = vec![0x90];
    code.align(16, 3);
    assert_eq!(code.len(), 13);
}

/// Warnings are items without code: allowed, a template is what it would be without them, and nothing else in
/// them is warned about.
#[test]
fn a_warning_costs_nothing() {
    #![deny(warnings, clippy::pedantic)]
    #[allow(deprecated)]
    const DIVIDE: Template = x64! { idiv rcx };
    let mut code = vec![];
    #[allow(deprecated)]
    {
        x64!(code => cmp rax, rcx; cmp rax, rdx; cmp rax, rbx; idiv rcx);
    }
    x64!(code => #![inputs(rdx)] #[allow(dead_flags)] cmp rax, rcx; idiv rcx);
    assert_eq!(DIVIDE.bytes, b"\x48\xf7\xf9");
    assert_eq!(code, b"\x48\x39\xc8\x48\x39\xd0\x48\x39\xd8\x48\xf7\xf9\x48\x39\xc8\x48\xf7\xf9");
}
