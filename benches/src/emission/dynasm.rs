//! The workload through dynasm-rs.

use super::{LABELS, Op};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, VecAssembler, dynasm, x64::X64Relocation};

/// dynasm-rs's assembler that is nearest to ours: its code goes to a vector.
pub type Assembler = VecAssembler<X64Relocation>;

/// A unit for each of its assemblers: as functions of one type, which is how its users write them.
macro_rules! labelled {
    ($(#[$doc:meta])* $unit:ident, $constant:ident, $mix:ident, $assembler:ty) => {
        $(#[$doc])*
        pub fn $unit(ops: &mut $assembler, program: &[Op]) {
            let labels: [DynamicLabel; LABELS] = std::array::from_fn(|_| ops.new_dynamic_label());
            for op in program {
                match *op {
                    Op::Constant { dst, value } => $constant(ops, dst, value),
                    Op::Add { lhs, rhs, dst, overflow } => dynasm!(ops; .arch x64
                        ; mov rax, [rbp + lhs]; add rax, [rbp + rhs]; jo =>labels[overflow]; mov [rbp + dst], rax),
                    Op::Mul { lhs, rhs, dst, overflow } => dynasm!(ops; .arch x64
                        ; mov rax, [rbp + lhs]; imul rax, [rbp + rhs]; jo =>labels[overflow]; mov [rbp + dst], rax),
                    Op::Div { lhs, rhs, special } => dynasm!(ops; .arch x64
                        ; mov rcx, [rbp + rhs]; lea rdx, [rcx + 1]; sub rdx, BYTE 2; jb =>labels[special]
                        ; mov rax, [rbp + lhs]; cqo; idiv rcx),
                    Op::BranchLess { lhs, rhs, target } => dynasm!(ops; .arch x64
                        ; mov rax, [rbp + lhs]; cmp rax, [rbp + rhs]; jl =>labels[target]),
                    Op::Count { slot, done } => dynasm!(ops; .arch x64
                        ; dec QWORD [rbp + slot]; jz =>labels[done]),
                    Op::Mix { src, dst } => $mix(ops, src, dst),
                }
            }
            for label in labels {
                dynasm!(ops; .arch x64; =>label);
            }
        }

        fn $constant(ops: &mut $assembler, dst: i32, value: i64) {
            dynasm!(ops; .arch x64; mov rax, QWORD value; mov [rbp + dst], rax);
        }

        fn $mix(ops: &mut $assembler, src: i32, dst: i32) {
            dynasm!(ops; .arch x64
                ; mov rax, [rbp + src]
                ; mov rcx, rax; shr rcx, 33; xor rax, rcx; imul rax, rax, 0x4ce4e5b9
                ; mov rcx, rax; shr rcx, 29; xor rax, rcx
                ; mov rcx, QWORD 0x133111eb94d049bb; imul rax, rcx
                ; mov rcx, rax; shr rcx, 32; xor rax, rcx
                ; imul rax, rax, 0x2545f491; lea rax, [rax + rcx*2 + 0x27bb2ee6]
                ; mov [rbp + dst], rax);
        }
    };
}

labelled!(
    /// One unit, its jumps linked through dynamic labels made now.
    unit, constant, mix, Assembler
);
labelled!(
    /// The same into its assembler of executable memory.
    executable_unit, executable_constant, executable_mix, dynasmrt::x64::Assembler
);

/// One unit without its jumps.
pub fn straight_unit(ops: &mut Assembler, program: &[Op]) {
    for op in program {
        match *op {
            Op::Constant { dst, value } => constant(ops, dst, value),
            Op::Add { lhs, rhs, dst, .. } => dynasm!(ops; .arch x64
                ; mov rax, [rbp + lhs]; add rax, [rbp + rhs]; mov [rbp + dst], rax),
            Op::Mul { lhs, rhs, dst, .. } => dynasm!(ops; .arch x64
                ; mov rax, [rbp + lhs]; imul rax, [rbp + rhs]; mov [rbp + dst], rax),
            Op::Div { lhs, rhs, .. } => dynasm!(ops; .arch x64
                ; mov rcx, [rbp + rhs]; lea rdx, [rcx + 1]; sub rdx, BYTE 2
                ; mov rax, [rbp + lhs]; cqo; idiv rcx),
            Op::BranchLess { lhs, rhs, .. } => dynasm!(ops; .arch x64
                ; mov rax, [rbp + lhs]; cmp rax, [rbp + rhs]),
            Op::Count { slot, .. } => dynasm!(ops; .arch x64; dec QWORD [rbp + slot]),
            Op::Mix { src, dst } => mix(ops, src, dst),
        }
    }
}

/// The whole unit in one `dynasm!`, with the slots of [`super::UNIT`] moved by `$base`. The jumps and what binds
/// their labels are said by the caller.
macro_rules! whole {
    ($ops:ident, $value:expr, $base:expr, [$($first:tt)*] [$($second:tt)*] [$($third:tt)*] [$($fourth:tt)*]
        [$($fifth:tt)*] [$($sixth:tt)*] $($bind:tt)*) => {{
        let (value, base) = ($value, $base);
        dynasm!($ops; .arch x64
            ; mov rax, QWORD value; mov [rbp + (base - 8)], rax
            ; mov rax, [rbp + (base - 8)]; add rax, [rbp + (base - 16)]; jo $($first)*
            ; mov [rbp + (base - 24)], rax
            ; mov rax, [rbp + (base - 24)]; cmp rax, [rbp + (base - 32)]; jl $($second)*
            ; mov rax, [rbp + (base - 24)]; imul rax, [rbp + (base - 40)]; jo $($third)*
            ; mov [rbp + (base - 48)], rax
            ; mov rcx, [rbp + (base - 56)]; lea rdx, [rcx + 1]; sub rdx, BYTE 2; jb $($fourth)*
            ; mov rax, [rbp + (base - 48)]; cqo; idiv rcx
            ; mov rax, [rbp + (base - 64)]
            ; mov rcx, rax; shr rcx, 33; xor rax, rcx; imul rax, rax, 0x4ce4e5b9
            ; mov rcx, rax; shr rcx, 29; xor rax, rcx
            ; mov rcx, QWORD 0x133111eb94d049bb; imul rax, rcx
            ; mov rcx, rax; shr rcx, 32; xor rax, rcx
            ; imul rax, rax, 0x2545f491; lea rax, [rax + rcx*2 + 0x27bb2ee6]
            ; mov [rbp + (base - 72)], rax
            ; dec QWORD [rbp + (base - 80)]; jz $($fifth)*
            ; mov rax, [rbp + (base - 88)]; add rax, [rbp + (base - 96)]; jo $($sixth)*
            ; mov [rbp + (base - 104)], rax
            $($bind)*
        );
    }};
}

/// The whole unit in one `dynasm!`, its jumps to local labels and as short as they can be.
#[inline]
pub fn whole_unit(ops: &mut Assembler, value: i64, base: i32) {
    whole!(ops, value, base, [>first] [>second] [>third] [BYTE >fourth] [BYTE >fifth] [BYTE >sixth]
        ; first: ; second: ; third: ; fourth: ; fifth: ; sixth:);
}

/// The whole unit in one `dynasm!`, its jumps to local labels with 32-bit distances.
#[inline]
pub fn local_block_unit(ops: &mut Assembler, value: i64, base: i32) {
    whole!(ops, value, base, [>first] [>second] [>third] [>fourth] [>fifth] [>sixth]
        ; first: ; second: ; third: ; fourth: ; fifth: ; sixth:);
}

/// The whole unit in one `dynasm!`, its jumps to dynamic labels that are made and bound here.
#[inline]
pub fn dynamic_block_unit(ops: &mut Assembler, value: i64, base: i32) {
    let labels: [DynamicLabel; LABELS] = std::array::from_fn(|_| ops.new_dynamic_label());
    let [first, second, third, fourth, fifth, sixth] = labels;
    whole!(ops, value, base, [=>first] [=>second] [=>third] [=>fourth] [=>fifth] [=>sixth]
        ; =>first; =>second; =>third; =>fourth; =>fifth; =>sixth);
}
