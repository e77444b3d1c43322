//! Generated code, called as C functions: the first thing that has to work, shown case by case.
//!
//! Each case runs under both ways of keeping memory either writable or executable. Arguments come in rdi,
//! rsi, rdx, rcx, r8 and r9, and the result goes out in rax (System V AMD64 ABI, 3.2.3).
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code)] // to call code is to vouch for it: every case does

use jit_runtime::memory::{CodeHeap, Strategy};
use jit_runtime::stitch::{Assembler, Code, CodePtr, Function, Label, PatchTarget, Section};
use jit_runtime::transition::{Entry, EntryPoint};
use jit_runtime::{Gpr, IndexGpr, Template, templates, x64};

fn heaps() -> [CodeHeap; 2] {
    [Strategy::DualMapping, Strategy::ProtectFlip].map(|s| CodeHeap::new(s).expect("Linux on x86-64"))
}

fn publish(heap: &CodeHeap, emit: impl FnOnce(&mut Assembler)) -> Code {
    let mut asm = Assembler::new();
    emit(&mut asm);
    asm.seal().expect("every label is bound").publish(heap).expect("room for some bytes")
}

type Nullary = extern "C" fn() -> i64;
type Unary = extern "C" fn(i64) -> i64;
type Binary = extern "C" fn(i64, i64) -> i64;

/// A table of C functions: signature, code, and what some calls return.
macro_rules! calls {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($arg:ty),*) -> $result:ty = { $($code:tt)* }
        $(($($value:expr),*) => $wanted:expr),+;
    )+) => {$(
        $(#[$doc])*
        #[test]
        fn $name() {
            for heap in heaps() {
                let code = publish(&heap, |asm| x64!(asm => $($code)*));
                // SAFETY: the code beside the signature is a function of it, and keeps the ABI.
                let f = unsafe { code.entry::<extern "C" fn($($arg),*) -> $result>() };
                $(assert_eq!(f.call($($value),*), $wanted, stringify!($name($($value),*)));)+
            }
        }
    )+};
}

calls! {
    fn forty_two() -> i64 = { mov eax, 42; ret } () => 42;

    fn an_immediate_of_64_bits() -> i64 = { mov rax, 0x1122334455667788; ret } () => 0x1122_3344_5566_7788;

    fn an_immediate_keeps_its_sign() -> i64 = { mov rax, -2; ret } () => -2;

    fn adds() -> i64 = { mov edi, 40; add rdi, 2; mov rax, rdi; ret } () => 42;

    fn adds_two_arguments(i64, i64) -> i64 = { lea rax, [rdi + rsi]; ret }
        (40, 2) => 42, (-1, 1) => 0, (i64::MAX, 1) => i64::MIN;

    fn subtracts(i64, i64) -> i64 = { mov rax, rdi; sub rax, rsi; ret }
        (40, 2) => 38, (i64::MIN, 1) => i64::MAX;

    fn negates(i64) -> i64 = { mov rax, rdi; neg rax; ret } (42) => -42, (i64::MIN) => i64::MIN;

    fn scales_and_adds(i64, i64) -> i64 = { lea rax, [rdi + rsi*8 - 5]; ret } (1, 2) => 12, (-1, -1) => -14;

    fn multiplies(i64, i64) -> i64 = { imul rdi, rsi; imul rax, rdi, 3; ret } (7, -2) => -42;

    fn the_high_half_of_a_product(u64, u64) -> u64 = { mov rax, rdi; mul rsi; mov rax, rdx; ret }
        (u64::MAX, u64::MAX) => u64::MAX - 1, (1 << 40, 1 << 40) => 1 << 16;

    fn the_signed_high_half_of_a_product(i64, i64) -> i64 = { mov rax, rdi; imul rsi; mov rax, rdx; ret }
        (-1, 1) => -1, (i64::MIN, i64::MIN) => 1 << 62;

    fn adds_with_carry(u64, u64, u64, u64) -> u64 = { add rdi, rdx; adc rsi, rcx; mov rax, rsi; ret }
        (u64::MAX, 5, 1, 7) => 13, (1, 5, 1, 7) => 12;

    fn borrows(u64, u64) -> i64 = { xor eax, eax; cmp rdi, rsi; sbb rax, 0; ret } (1, 2) => -1, (2, 1) => 0;

    fn combines_bits(u64, u64) -> u64 = { mov rax, rdi; and rax, 0xFF; or rax, rsi; xor rax, 1; not rax; ret }
        (0x1234, 0xF00) => !0xF35;

    fn six_arguments(i64, i64, i64, i64, i64, i64) -> i64 = {
        lea rax, [rdi + rsi*2];
        lea rax, [rax + rdx*4];
        lea rax, [rax + rcx*8];
        shl r8, 4;
        add rax, r8;
        shl r9, 5;
        add rax, r9;
        ret
    } (1, 1, 1, 1, 1, 1) => 63, (0, 0, 0, 0, 1, 0) => 16, (0, 0, 0, 0, 0, -1) => -32;

    fn all_the_new_registers(i64, i64) -> i64 = {
        push r12; push r13; push r14; push r15;
        mov r8, rdi; mov r9, rsi;
        lea r10, [r8 + r9];
        lea r11, [r10 + r10];
        mov r12, r11; mov r13, r12; mov r14, r13; mov r15, r14;
        inc r15; dec r8; xor r9, r9;
        lea rax, [r15 + r8];
        pop r15; pop r14; pop r13; pop r12;
        ret
    } (3, 4) => 17;

    fn a_write_of_32_bits_clears_the_rest(i64) -> i64 = { mov rax, -1; mov eax, edi; ret }
        (-1) => 0xFFFF_FFFF, (1 << 32) => 0;

    fn a_write_of_16_bits_keeps_the_rest(i64) -> i64 = { mov rax, -1; mov ax, di; ret }
        (0x1234) => -0x1_0000 + 0x1234;

    fn a_write_of_8_bits_keeps_the_rest(i64) -> i64 = { xor eax, eax; mov al, dil; mov ah, 3; ret }
        (0x1FF) => 0x3FF;

    fn parts_of_the_new_registers(i64) -> i64 = { xor r8d, r8d; mov r8w, di; add r8b, 1; mov rax, r8; ret }
        (0x1FFFF) => 0xFF00;

    fn arithmetic_wraps_at_its_width(i32, i32) -> i32 = { mov eax, edi; add eax, esi; ret }
        (i32::MAX, 1) => i32::MIN;

    fn extends_zeros(i64) -> i64 = { movzx eax, dil; movzx ecx, di; shl rcx, 8; or rax, rcx; ret }
        (-1) => 0xFF_FFFF, (0x1_0080) => 0x8080;

    fn extends_signs(i64) -> i64 = { movsx rax, dil; movsxd rcx, edi; add rax, rcx; ret }
        (0x80) => 0, (0xFFFF_FFFF) => -2;

    fn extends_the_accumulator(i64) -> i64 = { mov rax, rdi; cbw; cwde; cdqe; ret }
        (0x180) => -128, (0x7F) => 127;

    fn divides(i64, i64) -> i64 = { mov rax, rdi; cqo; idiv rsi; ret } (43, 2) => 21, (-43, 2) => -21;

    fn remainder(i64, i64) -> i64 = { mov rax, rdi; cqo; idiv rsi; mov rax, rdx; ret }
        (43, 5) => 3, (-43, 5) => -3;

    fn divides_unsigned(u64, u64) -> u64 = { mov rax, rdi; xor edx, edx; div rsi; ret }
        (u64::MAX, 2) => u64::MAX / 2;

    fn divides_32_bits(i32, i32) -> i32 = { mov eax, edi; cdq; idiv esi; ret } (-43, 2) => -21;

    fn shifts_by_cl(u64, u64) -> u64 = { mov rcx, rsi; mov rax, rdi; shl rax, cl; ret }
        (1, 63) => 1 << 63, (1, 64) => 1;

    fn shifts_right(u64, u64) -> u64 = { mov rcx, rsi; mov rax, rdi; shr rax, cl; ret } (u64::MAX, 60) => 15;

    fn shifts_keep_the_sign(i64, u64) -> i64 = { mov rcx, rsi; mov rax, rdi; sar rax, cl; ret }
        (-16, 2) => -4, (i64::MIN, 63) => -1;

    fn rotates(u64, u64) -> u64 = { mov rcx, rsi; rol rdi, cl; ror rdi, 1; mov rax, rdi; ret }
        (1, 4) => 8, (1, 0) => 1 << 63;

    fn compares_signed(i64, i64) -> i64 = { xor eax, eax; cmp rdi, rsi; setl al; ret }
        (-1, 1) => 1, (1, -1) => 0, (1, 1) => 0;

    fn compares_unsigned(u64, u64) -> i64 = { cmp rdi, rsi; setb al; movzx eax, al; ret }
        (u64::MAX, 1) => 0, (1, u64::MAX) => 1;

    fn overflow_is_seen(i64, i64) -> i64 = { xor eax, eax; add rdi, rsi; seto al; ret }
        (i64::MAX, 1) => 1, (i64::MAX, -1) => 0;

    fn the_greater(i64, i64) -> i64 = { mov rax, rdi; cmp rdi, rsi; cmovl rax, rsi; ret }
        (1, 2) => 2, (2, 1) => 2, (-2, -1) => -1;

    fn absolute(i64) -> i64 = { mov rax, rdi; neg rax; cmovs rax, rdi; ret }
        (-42) => 42, (42) => 42, (0) => 0;

    fn is_a_power_of_two(u64) -> i64 = { xor eax, eax; lea rcx, [rdi - 1]; test rdi, rcx; setz al; ret }
        (64) => 1, (65) => 0;

    fn swaps(i64, i64) -> i64 = { xchg rdi, rsi; mov rax, rdi; sub rax, rsi; ret } (1, 43) => 42;

    fn the_stack(i64, i64) -> i64 = { push rdi; push rsi; pop rax; pop rcx; sub rax, rcx; ret } (1, 43) => 42;

    fn the_red_zone(i64) -> i64 = { mov [rsp - 8], rdi; add qword [rsp - 8], 1; mov rax, [rsp - 8]; ret }
        (41) => 42;

    fn counts_down(i64) -> i64 = { xor eax, eax; again: add rax, rdi; dec rdi; jnz again; ret }
        (1) => 1, (100) => 5050;

    fn greatest_common_divisor(u64, u64) -> u64 = {
        mov rax, rdi;
        again: test rsi, rsi; jz done;
        xor edx, edx; div rsi; mov rax, rsi; mov rsi, rdx;
        jmp again;
        done: ret
    } (48, 36) => 12, (17, 5) => 1, (5, 0) => 5;

    fn recursion(i64) -> i64 = {
        factorial:
        cmp rdi, 2; jl one;
        push rdi; dec rdi; call factorial; pop rdi;
        imul rax, rdi;
        ret;
        one: mov eax, 1; ret
    } (0) => 1, (5) => 120, (20) => 2_432_902_008_176_640_000;

    fn calls_what_it_is_given(Unary, i64) -> i64 = {
        mov rax, rdi; mov rdi, rsi; sub rsp, 8; call rax; add rsp, 8;
        inc rax; ret
    } (double, 20) => 41;

    fn an_address_in_the_code() -> i64 = {
        lea rax, [end]; lea rcx, [start]; sub rax, rcx; ret;
        start: nop; nop;
        end: nop
    } () => 2;
}

extern "C" fn double(n: i64) -> i64 {
    2 * n
}

#[repr(C)]
struct Point {
    x: i64,
    y: i32,
    tags: [u8; 4],
}

/// Code that is handed a pointer has a signature that only an unsafe call can promise to fill.
#[test]
fn loads_with_every_kind_of_address() {
    type Field = unsafe extern "C" fn(*const Point, i64) -> i64;
    let points = [(1, -2), (30, 40), (500, 600)].map(|(x, y)| Point { x, y, tags: [7, 8, 9, 10] });
    type Case = (&'static str, fn(&mut Assembler), i64, i64);
    let cases: [Case; 5] = [
        ("base", |asm| x64!(asm => mov rax, [rdi]; ret), 0, points[0].x),
        (
            "base, displacement",
            |asm| x64!(asm => movsxd rax, dword [rdi + 16 + 8]; ret),
            0,
            points[1].y.into(),
        ),
        (
            "base, index",
            |asm| x64!(asm => movzx eax, byte [rdi + rsi + 12]; ret),
            3,
            points[0].tags[3].into(),
        ),
        ("base, index*8, displacement", |asm| x64!(asm => mov rax, [rdi + rsi*8 - 16]; ret), 4, points[1].x),
        ("a field of an element", field_y_of_element, 2, points[2].y.into()),
    ];
    for heap in heaps() {
        for (name, emit, argument, wanted) in cases {
            let code = publish(&heap, emit);
            // SAFETY: the code takes a pointer and an integer, returns an integer, and writes no memory.
            let field = unsafe { code.entry::<Field>() };
            // SAFETY: with this argument the code stays inside the points.
            assert_eq!(unsafe { field.call(points.as_ptr(), argument) }, wanted, "{name}");
        }
    }
}

fn field_y_of_element(asm: &mut Assembler) {
    x64!(asm => imul rsi, rsi, {const size_of::<Point>()});
    x64!(asm => movsxd rax, dword [rdi + rsi + {const std::mem::offset_of!(Point, y)}]; ret);
}

#[test]
fn stores_of_every_width() {
    type Store = unsafe extern "C" fn(*mut u8, u64) -> u64;
    for heap in heaps() {
        let code = publish(&heap, |asm| {
            x64!(asm => mov [rdi], sil; mov [rdi + 1], si; mov [rdi + 3], esi; mov [rdi + 7], rsi);
            x64!(asm => inc byte [rdi]; mov word [rdi + 15], 0x0201; mov rax, [rdi + 7]; ret);
        });
        // SAFETY: a function of a pointer and an integer.
        let store = unsafe { code.entry::<Store>() };
        let mut bytes = [0; 18];
        // SAFETY: the code writes the first 17 of these bytes.
        let back = unsafe { store.call(bytes.as_mut_ptr(), 0x1122_3344_5566_7788) };
        assert_eq!(back, 0x1122_3344_5566_7788);
        let long = [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11];
        assert_eq!(bytes[..7], [0x89, 0x88, 0x77, 0x88, 0x77, 0x66, 0x55]);
        assert_eq!(bytes[7..15], long);
        assert_eq!(bytes[15..], [1, 2, 0]);
    }
}

/// Calls `f` with the argument and adds one. rsp is 16-aligned at the call.
fn one_more_than(asm: &mut Assembler, f: Function) {
    x64!(asm => sub rsp, 8; call {f}; add rsp, 8; inc rax; ret);
}

/// A Rust function is wherever the loader put it: near enough for a rel32, or reached through a veneer.
#[test]
fn calls_rust() {
    for heap in heaps() {
        let code = publish(&heap, |asm| one_more_than(asm, Function(double as Unary as usize)));
        // SAFETY: the code takes an integer and returns one; it keeps the ABI, and so does `double`.
        let f = unsafe { code.entry::<Unary>() };
        assert_eq!(f.call(20), 41);
    }
}

#[test]
fn one_code_calls_another() {
    for heap in heaps() {
        let inner = publish(&heap, |asm| x64!(asm => lea rax, [rdi + rdi*2]; ret));
        let outer = publish(&heap, |asm| one_more_than(asm, Function(inner.address())));
        // SAFETY: a function of an integer; `inner` lives as long as the test calls it.
        let f = unsafe { outer.entry::<Unary>() };
        assert_eq!(f.call(14), 43);
        let apart = CodeHeap::new(heap.strategy()).expect("Linux on x86-64");
        let far = publish(&apart, |asm| one_more_than(asm, Function(outer.address())));
        // SAFETY: as above.
        let f = unsafe { far.entry::<Unary>() };
        assert_eq!(f.call(14), 44);
    }
}

/// The caller keeps values in all registers that belong to it; the callee uses them and gives them back.
#[test]
fn saved_registers_survive() {
    for heap in heaps() {
        let callee = publish(&heap, |asm| {
            x64!(asm =>
                push rbx; push rbp; push r12; push r13; push r14; push r15;
                mov ebx, 1; mov ebp, 1; mov r12d, 1; mov r13d, 1; mov r14d, 1; mov r15d, 1;
                lea rax, [rbx + rbp]; add rax, r12; add rax, r13; add rax, r14; add rax, r15;
                pop r15; pop r14; pop r13; pop r12; pop rbp; pop rbx;
                ret
            );
        });
        let caller = publish(&heap, |asm| {
            x64!(asm =>
                push rbx; push rbp; push r12; push r13; push r14; push r15; sub rsp, 8;
                mov ebx, 10; mov ebp, 100; mov r12d, 1000;
                mov r13d, 10000; mov r14d, 100000; mov r15d, 1000000;
                call {Function(callee.address())};
                add rax, rbx; add rax, rbp; add rax, r12; add rax, r13; add rax, r14; add rax, r15;
                add rsp, 8; pop r15; pop r14; pop r13; pop r12; pop rbp; pop rbx;
                ret
            );
        });
        // SAFETY: a function without arguments that saves what it uses; `callee` outlives the call.
        let f = unsafe { caller.entry::<Nullary>() };
        assert_eq!(f.call(), 1_111_116);
    }
}

/// Labels of the assembler: one that is jumped to before it is bound, and one after.
#[test]
fn labels_forward_and_back() {
    for heap in heaps() {
        let code = publish(&heap, |asm| {
            let done = asm.label();
            x64!(asm => xor eax, eax);
            let again = asm.bound_label();
            x64!(asm => test rdi, rdi; jz {done});
            x64!(asm => add rax, rdi; dec rdi; jmp {again});
            asm.bind(done);
            x64!(asm => ret);
        });
        // SAFETY: a function of an integer.
        let f = unsafe { code.entry::<Unary>() };
        assert_eq!([f.call(0), f.call(4), f.call(100)], [0, 10, 5050]);
    }
}

/// What rarely runs stands behind the rest; jumps go there and come back.
#[test]
fn hot_and_cold_sections() {
    for heap in heaps() {
        let mut asm = Assembler::new();
        let (special, join) = (asm.label(), asm.label());
        x64!(asm => mov rax, rdi; test rsi, rsi; jz {special});
        asm.cold(|asm| {
            asm.bind(special);
            x64!(asm => mov rax, -1; jmp {join});
        });
        x64!(asm => cqo; idiv rsi);
        asm.bind(join);
        x64!(asm => ret);
        assert_eq!(asm.section(), Section::Hot);
        let sealed = asm.seal().expect("both labels are bound");
        let cold = sealed.cold_start();
        assert_eq!(sealed.offset_of(special), Some(cold));
        assert!(sealed.offset_of(join) < Some(cold));
        let code = sealed.publish(&heap).expect("room");
        // SAFETY: a function of two integers, also where the second is 0.
        let f = unsafe { code.entry::<Binary>() };
        assert_eq!([f.call(85, 2), f.call(85, 0), f.call(-85, 2)], [42, -1, -42]);
    }
}

/// The registers that belong to a caller, except rsp.
fn saved() -> [Gpr; 6] {
    [Gpr::Rbx, Gpr::Rbp, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15]
}

fn save(asm: &mut Assembler) {
    for r in saved() {
        x64!(asm => push {r: r64});
    }
}

fn restore_and_return(asm: &mut Assembler) {
    for r in saved().into_iter().rev() {
        x64!(asm => pop {r: r64});
    }
    x64!(asm => ret);
}

/// A register that is chosen at run time is the one that is used, at each width.
#[test]
fn register_holes() {
    for heap in heaps() {
        for r in Gpr::ALL.into_iter().filter(|&r| r != Gpr::Rsp) {
            let code = publish(&heap, |asm| {
                save(asm);
                x64!(asm => mov {r: r64}, 0x11223344556677; mov {r: r32}, -1);
                x64!(asm => mov {r: r16}, 0x1234; inc {r: r8}; mov rax, {r: r64});
                restore_and_return(asm);
            });
            // SAFETY: a function without arguments; it restores what it uses.
            let f = unsafe { code.entry::<Nullary>() };
            assert_eq!(f.call(), 0xFFFF_1235, "{r:?}");
        }
    }
}

/// Every base with every index: also rsp and r12, which want a SIB byte, rbp and r13, which want a
/// displacement (Intel SDM vol. 2, tables 2-2 and 2-3).
#[test]
fn base_and_index_holes() {
    for heap in heaps() {
        for base in Gpr::ALL {
            for index in Gpr::ALL.into_iter().filter_map(Gpr::index) {
                let code = publish(&heap, |asm| sum_of_two_words(asm, base, index));
                // SAFETY: a function without arguments; it restores what it uses.
                let f = unsafe { code.entry::<Nullary>() };
                assert_eq!(f.call(), 42, "[{base:?} + {index:?}*8]");
            }
        }
    }
}

/// A function that finds 42 with an address of `base` and `index`.
fn sum_of_two_words(asm: &mut Assembler, base: Gpr, index: IndexGpr) {
    save(asm);
    x64!(asm => push 40; push 2; push -1);
    if base == index.gpr() {
        // One register cannot be a pointer and a small number; its sum with itself will do.
        x64!(asm => mov {base: r64}, 5; lea rax, [{base: r64} + {index: r64}*8 - 3]);
    } else {
        if base != Gpr::Rsp {
            x64!(asm => mov {base: r64}, rsp);
        }
        x64!(asm => mov {index.gpr(): r64}, 2; push qword [{base: r64} + {index: r64}*8 - 8]);
        // The push has moved rsp, if that is the base.
        let moved = if base == Gpr::Rsp { 8 } else { 0 };
        x64!(asm => mov rax, [{base: r64} + {index: r64}*8 + {moved}]; pop rcx; add rax, rcx);
    }
    x64!(asm => add rsp, 24);
    restore_and_return(asm);
}

templates! {
    /// Adds a scaled element of the array at `array` to `sum`, unless it is `limit` or more.
    fn add_element(sum: Gpr, array: Gpr, index: IndexGpr, at: i32, limit: i32, too_large: Label) = x64!<
        mov rax, [{array: r64} + {index: r64}*8 + {at}];
        cmp rax, {limit};
        jge {too_large};
        lea rax, [rax + rax*4 + {const BIAS}];
        add {sum: r64}, rax
    >;
}

const BIAS: i32 = -5;

/// One template, emitted with one set of values and with another.
#[test]
fn a_template_with_holes_of_every_kind() {
    type Sum = unsafe extern "C" fn(*const i64, i64) -> i64;
    for heap in heaps() {
        let code = publish(&heap, |asm| {
            let too_large = asm.label();
            let index = |r: Gpr| r.index().expect("not rsp");
            x64!(asm => xor edx, edx; mov r9, rdi);
            add_element(asm, Gpr::Rdx, Gpr::Rdi, index(Gpr::Rsi), 0, 100, too_large);
            add_element(asm, Gpr::Rdx, Gpr::R9, index(Gpr::Rsi), 8, 1000, too_large);
            x64!(asm => mov rax, rdx; ret);
            asm.bind(too_large);
            x64!(asm => mov rax, -1; ret);
        });
        // SAFETY: a function of a pointer and an integer; it changes nothing but its own registers.
        let sum = unsafe { code.entry::<Sum>() };
        let words = [1, 2, 99, 999, 100, 3];
        let of = |index: i64| {
            // SAFETY: the code reads two words from an index that has two behind it.
            unsafe { sum.call(words.as_ptr(), index) }
        };
        assert_eq!([of(0), of(2), of(3), of(4)], [5 * 3 - 10, 5 * 1098 - 10, -1, -1]);
    }
}

/// A constant template is data: it can be looked at, and emitted like any other.
#[test]
fn a_constant_template() {
    static SUM: Template = x64! { lea rax, [rdi + rsi]; ret };
    assert_eq!(SUM.bytes.len(), 5);
    for heap in heaps() {
        let code = publish(&heap, |asm| asm.emit(&SUM));
        // SAFETY: a function of two integers.
        assert_eq!(unsafe { code.entry::<Binary>() }.call(40, 2), 42);
    }
}

/// Published code is re-targeted through its handle, at an address where it runs and cannot be written: to another
/// place in it, to a function near, and to one far away.
#[test]
fn a_call_of_published_code_is_patched() {
    extern "C" fn negated(n: i64) -> i64 {
        -n
    }
    for heap in heaps() {
        let (mut call, mut half) = (None, CodePtr::default());
        let code = publish(&heap, |asm| {
            let double = asm.label();
            x64!(asm => push rax; call {double: patchable}; pop rcx; ret);
            call = asm.last_patch_point();
            asm.bind(double);
            x64!(asm => lea rax, [rdi + rdi]; ret);
            half = asm.offset();
            x64!(asm => mov rax, rdi; sar rax, 1; ret);
        });
        let call = call.expect("one was emitted");
        let negated = Function(negated as extern "C" fn(i64) -> i64 as usize);
        let absolute = Function(libc::labs as *const () as usize);
        // SAFETY: a function of an integer, wherever its call goes.
        let f = unsafe { EntryPoint::<Unary>::new(code) };
        assert_eq!(f.call(-42), -84);
        // SAFETY: each of the three is a function of an integer, like the one before.
        let aim = |to: PatchTarget| unsafe { f.code().retarget(call, to) };
        aim(half.into()).expect("inside the code");
        assert_eq!(f.call(-42), -21);
        aim(absolute.into()).expect("anywhere");
        assert_eq!(f.call(-42), 42);
        aim(negated.into()).expect("anywhere");
        assert_eq!(f.call(42), -42);
    }
}

/// Several functions stand in one code, and each is entered at its own offset.
#[test]
fn many_entries_of_one_code() {
    for heap in heaps() {
        let mut starts = vec![];
        let code = publish(&heap, |asm| {
            for n in 0..5 {
                starts.push(asm.offset());
                x64!(asm => imul rax, rdi, {n}; ret);
            }
        });
        // SAFETY: a function of an integer stands at each offset.
        let entry = |at| unsafe { code.entry_at::<Unary>(at) };
        let functions: Vec<Entry<Unary>> = starts.iter().filter_map(|&at| entry(at)).collect();
        assert_eq!(functions.iter().map(|f| f.call(10)).collect::<Vec<_>>(), [0, 10, 20, 30, 40]);
        assert!(entry(CodePtr(code.len() as u32)).is_none(), "the end is no function");
    }
}

/// An assembler is used again, and code that was published before stays as it is.
#[test]
fn one_assembler_for_many_functions() {
    for heap in heaps() {
        let mut asm = Assembler::new();
        let mut functions = vec![];
        for n in 0..100 {
            x64!(asm => lea rax, [rdi + {n}]; ret);
            let (code, recycled) = asm.seal().expect("no labels").publish_and_recycle(&heap);
            // SAFETY: a function of an integer.
            functions.push(unsafe { EntryPoint::<Unary>::new(code.expect("room")) });
            asm = recycled;
        }
        drop(heap);
        assert!(functions.iter().zip(0..).all(|(f, n)| f.call(1000) == 1000 + n));
    }
}
