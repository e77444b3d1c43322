//! The workload through this project's macros.

use super::{LABELS, Op};
use jit_runtime::stitch::{Assembler, Label};
use jit_runtime::{Sink, templates};

templates! {
    fn constant(dst: i32, value: i64) = x64!< mov rax, {value}; mov [rbp + {dst}], rax >;

    fn add(lhs: i32, rhs: i32, dst: i32, overflow: Label) = x64!<
        mov rax, [rbp + {lhs}]; add rax, [rbp + {rhs}]; jo {overflow}; mov [rbp + {dst}], rax
    >;

    fn mul(lhs: i32, rhs: i32, dst: i32, overflow: Label) = x64!<
        mov rax, [rbp + {lhs}]; imul rax, [rbp + {rhs}]; jo {overflow}; mov [rbp + {dst}], rax
    >;

    fn div(lhs: i32, rhs: i32, special: Label) = x64!<
        mov rcx, [rbp + {rhs}]; lea rdx, [rcx + 1]; sub rdx, 2; jb {special};
        mov rax, [rbp + {lhs}]; cqo; idiv rcx
    >;

    fn branch_less(lhs: i32, rhs: i32, target: Label) = x64!<
        mov rax, [rbp + {lhs}]; cmp rax, [rbp + {rhs}]; jl {target}
    >;

    fn count(slot: i32, done: Label) = x64!< dec qword [rbp + {slot}]; jz {done} >;

    fn mix(src: i32, dst: i32) = x64!<
        mov rax, [rbp + {src}];
        mov rcx, rax; shr rcx, 33; xor rax, rcx; imul rax, rax, 0x4ce4e5b9;
        mov rcx, rax; shr rcx, 29; xor rax, rcx;
        mov rcx, 0x133111eb94d049bb; imul rax, rcx;
        mov rcx, rax; shr rcx, 32; xor rax, rcx;
        imul rax, rax, 0x2545f491; lea rax, [rax + rcx*2 + 0x27bb2ee6];
        mov [rbp + {dst}], rax
    >;
}

templates! {
    fn straight_add(lhs: i32, rhs: i32, dst: i32) = x64!<
        mov rax, [rbp + {lhs}]; add rax, [rbp + {rhs}]; mov [rbp + {dst}], rax
    >;

    fn straight_mul(lhs: i32, rhs: i32, dst: i32) = x64!<
        mov rax, [rbp + {lhs}]; imul rax, [rbp + {rhs}]; mov [rbp + {dst}], rax
    >;

    fn straight_div(lhs: i32, rhs: i32) = x64!<
        mov rcx, [rbp + {rhs}]; lea rdx, [rcx + 1]; sub rdx, 2;
        mov rax, [rbp + {lhs}]; cqo; idiv rcx
    >;

    fn straight_branch_less(lhs: i32, rhs: i32) = x64!< mov rax, [rbp + {lhs}]; cmp rax, [rbp + {rhs}] >;

    fn straight_count(slot: i32) = x64!< dec qword [rbp + {slot}] >;
}

/// One unit, its jumps linked through labels made now.
pub fn unit(asm: &mut Assembler, ops: &[Op]) {
    let labels = asm.labels::<LABELS>();
    for op in ops {
        match *op {
            Op::Constant { dst, value } => constant(asm, dst, value),
            Op::Add { lhs, rhs, dst, overflow } => add(asm, lhs, rhs, dst, labels[overflow]),
            Op::Mul { lhs, rhs, dst, overflow } => mul(asm, lhs, rhs, dst, labels[overflow]),
            Op::Div { lhs, rhs, special } => div(asm, lhs, rhs, labels[special]),
            Op::BranchLess { lhs, rhs, target } => branch_less(asm, lhs, rhs, labels[target]),
            Op::Count { slot, done } => count(asm, slot, labels[done]),
            Op::Mix { src, dst } => mix(asm, src, dst),
        }
    }
    asm.bind_all(labels);
}

/// One unit without its jumps, into any sink.
pub fn straight_unit(sink: &mut impl Sink, ops: &[Op]) {
    for op in ops {
        match *op {
            Op::Constant { dst, value } => constant(sink, dst, value),
            Op::Add { lhs, rhs, dst, .. } => straight_add(sink, lhs, rhs, dst),
            Op::Mul { lhs, rhs, dst, .. } => straight_mul(sink, lhs, rhs, dst),
            Op::Div { lhs, rhs, .. } => straight_div(sink, lhs, rhs),
            Op::BranchLess { lhs, rhs, .. } => straight_branch_less(sink, lhs, rhs),
            Op::Count { slot, .. } => straight_count(sink, slot),
            Op::Mix { src, dst } => mix(sink, src, dst),
        }
    }
}

templates! {
    /// The whole unit as one template: its labels are its own, so its jumps are short and cost nothing.
    pub fn whole(
        value: i64, c: i32, a1: i32, a2: i32, a3: i32, b1: i32, b2: i32, m1: i32, m2: i32, m3: i32,
        d1: i32, d2: i32, x1: i32, x2: i32, n: i32, e1: i32, e2: i32, e3: i32
    ) = x64!<
        mov rax, {value}; mov [rbp + {c}], rax;
        mov rax, [rbp + {a1}]; add rax, [rbp + {a2}]; jo first; mov [rbp + {a3}], rax;
        mov rax, [rbp + {b1}]; cmp rax, [rbp + {b2}]; jl second;
        mov rax, [rbp + {m1}]; imul rax, [rbp + {m2}]; jo third; mov [rbp + {m3}], rax;
        mov rcx, [rbp + {d2}]; lea rdx, [rcx + 1]; sub rdx, 2; jb fourth;
        mov rax, [rbp + {d1}]; cqo; idiv rcx;
        mov rax, [rbp + {x1}];
        mov rcx, rax; shr rcx, 33; xor rax, rcx; imul rax, rax, 0x4ce4e5b9;
        mov rcx, rax; shr rcx, 29; xor rax, rcx;
        mov rcx, 0x133111eb94d049bb; imul rax, rcx;
        mov rcx, rax; shr rcx, 32; xor rax, rcx;
        imul rax, rax, 0x2545f491; lea rax, [rax + rcx*2 + 0x27bb2ee6];
        mov [rbp + {x2}], rax;
        dec qword [rbp + {n}]; jz fifth;
        mov rax, [rbp + {e1}]; add rax, [rbp + {e2}]; jo sixth; mov [rbp + {e3}], rax;
        first: second: third: fourth: fifth: sixth:
    >;

    /// The whole unit as one template whose jumps go to labels that are bound when it runs.
    pub fn block(
        value: i64, c: i32, a1: i32, a2: i32, a3: i32, b1: i32, b2: i32, m1: i32, m2: i32, m3: i32,
        d1: i32, d2: i32, x1: i32, x2: i32, n: i32, e1: i32, e2: i32, e3: i32,
        first: Label, second: Label, third: Label, fourth: Label, fifth: Label, sixth: Label
    ) = x64!<
        mov rax, {value}; mov [rbp + {c}], rax;
        mov rax, [rbp + {a1}]; add rax, [rbp + {a2}]; jo {first}; mov [rbp + {a3}], rax;
        mov rax, [rbp + {b1}]; cmp rax, [rbp + {b2}]; jl {second};
        mov rax, [rbp + {m1}]; imul rax, [rbp + {m2}]; jo {third}; mov [rbp + {m3}], rax;
        mov rcx, [rbp + {d2}]; lea rdx, [rcx + 1]; sub rdx, 2; jb {fourth};
        mov rax, [rbp + {d1}]; cqo; idiv rcx;
        mov rax, [rbp + {x1}];
        mov rcx, rax; shr rcx, 33; xor rax, rcx; imul rax, rax, 0x4ce4e5b9;
        mov rcx, rax; shr rcx, 29; xor rax, rcx;
        mov rcx, 0x133111eb94d049bb; imul rax, rcx;
        mov rcx, rax; shr rcx, 32; xor rax, rcx;
        imul rax, rax, 0x2545f491; lea rax, [rax + rcx*2 + 0x27bb2ee6];
        mov [rbp + {x2}], rax;
        dec qword [rbp + {n}]; jz {fifth};
        mov rax, [rbp + {e1}]; add rax, [rbp + {e2}]; jo {sixth}; mov [rbp + {e3}], rax
    >;
}

/// `$emit` with the slots of [`super::UNIT`], moved by `$base`.
macro_rules! with_slots {
    ($emit:ident($sink:expr, $value:expr, $base:expr $(, $label:expr)*)) => {{
        let base = $base;
        $emit(
            $sink, $value, base - 8, base - 8, base - 16, base - 24, base - 24, base - 32, base - 24, base - 40,
            base - 48, base - 48, base - 56, base - 64, base - 72, base - 80, base - 88, base - 96, base - 104
            $(, $label)*
        )
    }};
}

/// [`whole()`] with the slots of [`super::UNIT`], moved by `base`.
#[inline]
pub fn whole_unit(sink: &mut impl Sink, value: i64, base: i32) {
    with_slots!(whole(sink, value, base));
}

/// [`block()`] with the slots of [`super::UNIT`], moved by `base`, and six labels that are made and bound here.
#[inline]
pub fn block_unit(asm: &mut Assembler, value: i64, base: i32) {
    let labels = asm.labels::<LABELS>();
    let [first, second, third, fourth, fifth, sixth] = labels;
    with_slots!(block(asm, value, base, first, second, third, fourth, fifth, sixth));
    asm.bind_all(labels);
}

/// Copy the template of an operation, its holes unfilled: what stitching adds is the rest.
#[inline]
pub fn copy(code: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Constant { .. } => code.extend_from_slice(constant::TEMPLATE.bytes),
        Op::Add { .. } => code.extend_from_slice(add::TEMPLATE.bytes),
        Op::Mul { .. } => code.extend_from_slice(mul::TEMPLATE.bytes),
        Op::Div { .. } => code.extend_from_slice(div::TEMPLATE.bytes),
        Op::BranchLess { .. } => code.extend_from_slice(branch_less::TEMPLATE.bytes),
        Op::Count { .. } => code.extend_from_slice(count::TEMPLATE.bytes),
        Op::Mix { .. } => code.extend_from_slice(mix::TEMPLATE.bytes),
    }
}
