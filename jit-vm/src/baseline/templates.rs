//! The machine code of the baseline compiler: every instruction it can emit stands here.
//!
//! For rbx and r14 see [`crate::abi`]; r11 is scratch. A slot is given by the byte offsets of its tag and its payload
//! from rbx. Boolean payloads are 0 or 1 in all 64 bits.

use crate::abi::Header;
use jit_runtime::stitch::{Function, Label};
use jit_runtime::{Gpr, templates};

templates! {
    /// Leaves to `overflow` unless `bytes` of slots are left above rbx.
    pub(super) fn check_stack(bytes: i32, overflow: Label) = x64!<
        lea rax, [rbx + {bytes}]; cmp rax, [r14 + {const Header::LIMIT}]; ja {overflow}
    >;
    /// Reports that function `number` found no room, in the cold section of its prologue.
    pub(super) fn no_room(number: i32, report: Function) = x64!< mov eax, {number}; jmp {report} >;
    /// Zeroes rax, to be stored by `clear_word`.
    pub(super) fn zero_rax() = x64!< xor eax, eax >;
    /// Writes rax to a word of a slot.
    pub(super) fn clear_word(at: i32) = x64!< mov [rbx + {at}], rax >;
    /// Writes rax to `words` words from `first` on; for more slots than are worth a store each.
    pub(super) fn clear_words(first: i32, words: i32) = x64!<
        lea rdx, [rbx + {first}]; mov ecx, {words};
        next: mov [rdx + rcx*8 - 8], rax; dec ecx; jnz next
    >;

    /// `to` becomes a word of a slot.
    pub(super) fn load(to: Gpr, at: i32) = x64!< mov {to: r64}, [rbx + {at}] >;
    /// A word of a slot becomes `from`.
    pub(super) fn store(at: i32, from: Gpr) = x64!< mov [rbx + {at}], {from: r64} >;
    /// A word of a slot becomes a constant.
    pub(super) fn store_const(at: i32, value: i32) = x64!< mov qword [rbx + {at}], {value: i32} >;
    /// A word of a slot becomes any constant.
    pub(super) fn store_wide(at: i32, value: i64) = x64!< mov r11, {value}; mov [rbx + {at}], r11 >;
    /// `to` becomes `from`.
    pub(super) fn copy(to: Gpr, from: Gpr) = x64!< mov {to: r64}, {from: r64} >;
    /// `to` becomes 0.
    pub(super) fn zero(to: Gpr) = x64!< xor {to: r32}, {to: r32} >;
    /// `to` becomes a constant from 0 to 2^32 - 1.
    pub(super) fn small_const(to: Gpr, value: i32) = x64!< mov {to: r32}, {value} >;
    /// `to` becomes a constant of 32 bits, sign-extended.
    pub(super) fn signed_const(to: Gpr, value: i32) = x64!< mov {to: r64}, {value: i32} >;
    /// `to` becomes any constant.
    pub(super) fn wide_const(to: Gpr, value: i64) = x64!< mov {to: r64}, {value} >;

    /// Leaves unless the tag in a slot is `tag`.
    pub(super) fn guard_slot(at: i32, tag: i8, exit: Label) = x64!< cmp qword [rbx + {at}], {tag: i8}; jne {exit} >;
    /// Leaves unless the tag in a register is `tag`.
    pub(super) fn guard_reg(r: Gpr, tag: i8, exit: Label) = x64!< cmp {r: r64}, {tag: i8}; jne {exit} >;
    /// Leaves at every n-th guard, whatever it would have found.
    pub(super) fn stress(exit: Label) = x64!< dec qword [r14 + {const Header::STRESS}]; jz {exit} >;

    pub(super) fn add_rr(l: Gpr, r: Gpr) = x64!< add {l: r64}, {r: r64} >;
    pub(super) fn add_ri(l: Gpr, i: i32) = x64!< add {l: r64}, {i: i32} >;
    pub(super) fn add_rm(l: Gpr, at: i32) = x64!< add {l: r64}, [rbx + {at}] >;
    pub(super) fn sub_rr(l: Gpr, r: Gpr) = x64!< sub {l: r64}, {r: r64} >;
    pub(super) fn sub_ri(l: Gpr, i: i32) = x64!< sub {l: r64}, {i: i32} >;
    pub(super) fn sub_rm(l: Gpr, at: i32) = x64!< sub {l: r64}, [rbx + {at}] >;
    pub(super) fn mul_rr(l: Gpr, r: Gpr) = x64!< imul {l: r64}, {r: r64} >;
    pub(super) fn mul_ri(l: Gpr, i: i32) = x64!< imul {l: r64}, {l: r64}, {i: i32} >;
    pub(super) fn mul_rm(l: Gpr, at: i32) = x64!< imul {l: r64}, [rbx + {at}] >;
    pub(super) fn and_rr(l: Gpr, r: Gpr) = x64!< and {l: r64}, {r: r64} >;
    pub(super) fn and_ri(l: Gpr, i: i32) = x64!< and {l: r64}, {i: i32} >;
    pub(super) fn and_rm(l: Gpr, at: i32) = x64!< and {l: r64}, [rbx + {at}] >;
    pub(super) fn or_rr(l: Gpr, r: Gpr) = x64!< or {l: r64}, {r: r64} >;
    pub(super) fn or_ri(l: Gpr, i: i32) = x64!< or {l: r64}, {i: i32} >;
    pub(super) fn or_rm(l: Gpr, at: i32) = x64!< or {l: r64}, [rbx + {at}] >;
    pub(super) fn xor_rr(l: Gpr, r: Gpr) = x64!< xor {l: r64}, {r: r64} >;
    pub(super) fn xor_ri(l: Gpr, i: i32) = x64!< xor {l: r64}, {i: i32} >;
    pub(super) fn xor_rm(l: Gpr, at: i32) = x64!< xor {l: r64}, [rbx + {at}] >;
    pub(super) fn cmp_rr(l: Gpr, r: Gpr) = x64!< cmp {l: r64}, {r: r64} >;
    pub(super) fn cmp_ri(l: Gpr, i: i32) = x64!< cmp {l: r64}, {i: i32} >;
    pub(super) fn cmp_rm(l: Gpr, at: i32) = x64!< cmp {l: r64}, [rbx + {at}] >;
    pub(super) fn cmp_mi(at: i32, i: i32) = x64!< cmp qword [rbx + {at}], {i: i32} >;
    pub(super) fn cmp_mr(at: i32, r: Gpr) = x64!< cmp [rbx + {at}], {r: r64} >;
    pub(super) fn test_rr(r: Gpr) = x64!< test {r: r64}, {r: r64} >;

    pub(super) fn neg(r: Gpr) = x64!< neg {r: r64} >;
    pub(super) fn not(r: Gpr) = x64!< not {r: r64} >;
    /// Logical not of a boolean payload.
    pub(super) fn flip(r: Gpr) = x64!< xor {r: r32}, 1 >;

    /// Leaves if the divisor is zero.
    pub(super) fn guard_divisor(r: Gpr, exit: Label) = x64!< test {r: r64}, {r: r64}; jz {exit} >;
    /// rax / `r` and rax % `r`, signed. A divisor of -1 goes to `minus_one`, because MIN / -1 traps.
    pub(super) fn div(r: Gpr, minus_one: Label) = x64!< cmp {r: r64}, -1; je {minus_one}; cqo; idiv {r: r64} >;
    /// The same for a divisor that is known not to be -1.
    pub(super) fn div_const(r: Gpr) = x64!< cqo; idiv {r: r64} >;
    /// rax / `r` and rax % `r`, unsigned.
    pub(super) fn udiv(r: Gpr) = x64!< xor edx, edx; div {r: r64} >;
    /// rax / -1 and rax % -1.
    pub(super) fn by_minus_one(done: Label) = x64!< neg rax; xor edx, edx; jmp {done} >;

    /// Shifts by a count from 0 to 63.
    pub(super) fn shl_i(r: Gpr, count: i8) = x64!< shl {r: r64}, {count: i8} >;
    pub(super) fn shr_i(r: Gpr, count: i8) = x64!< shr {r: r64}, {count: i8} >;
    pub(super) fn sar_i(r: Gpr, count: i8) = x64!< sar {r: r64}, {count: i8} >;
    /// Shifts by rcx; 64 and more shift everything out. Changes `t`, which becomes a mask.
    pub(super) fn shl_cl(r: Gpr, t: Gpr) = x64!<
        shl {r: r64}, cl; cmp rcx, 64; sbb {t: r64}, {t: r64}; and {r: r64}, {t: r64}
    >;
    pub(super) fn shr_cl(r: Gpr, t: Gpr) = x64!<
        shr {r: r64}, cl; cmp rcx, 64; sbb {t: r64}, {t: r64}; and {r: r64}, {t: r64}
    >;
    /// 64 and more leave the sign: the count is limited to 63, in `t`'s stead.
    pub(super) fn sar_cl(r: Gpr, t: Gpr) = x64!<
        mov {t: r32}, 63; cmp rcx, 63; cmova rcx, {t: r64}; sar {r: r64}, cl
    >;

    /// `tag` becomes 0 if the value is `false`, and something else otherwise.
    pub(super) fn is_false(tag: Gpr, payload: Gpr) = x64!< xor {tag: r64}, {const Header::BOOL}; or {tag: r64}, {payload: r64} >;
    /// `l_tag` becomes 0 if the two values are equal, and something else otherwise.
    pub(super) fn difference(l_tag: Gpr, l: Gpr, r_tag: Gpr, r: Gpr) = x64!<
        xor {l_tag: r64}, {r_tag: r64}; xor {l: r64}, {r: r64}; or {l_tag: r64}, {l: r64}
    >;

    pub(super) fn jmp(to: Label) = x64!< jmp {to} >;
    pub(super) fn je(to: Label) = x64!< je {to} >;
    pub(super) fn jne(to: Label) = x64!< jne {to} >;
    pub(super) fn jl(to: Label) = x64!< jl {to} >;
    pub(super) fn jle(to: Label) = x64!< jle {to} >;
    pub(super) fn jg(to: Label) = x64!< jg {to} >;
    pub(super) fn jge(to: Label) = x64!< jge {to} >;
    pub(super) fn jb(to: Label) = x64!< jb {to} >;
    pub(super) fn jbe(to: Label) = x64!< jbe {to} >;
    pub(super) fn ja(to: Label) = x64!< ja {to} >;
    pub(super) fn jae(to: Label) = x64!< jae {to} >;
    pub(super) fn sete(r: Gpr) = x64!< sete {r: r8}; movzx {r: r32}, {r: r8} >;
    pub(super) fn setne(r: Gpr) = x64!< setne {r: r8}; movzx {r: r32}, {r: r8} >;
    pub(super) fn setl(r: Gpr) = x64!< setl {r: r8}; movzx {r: r32}, {r: r8} >;
    pub(super) fn setle(r: Gpr) = x64!< setle {r: r8}; movzx {r: r32}, {r: r8} >;
    pub(super) fn setg(r: Gpr) = x64!< setg {r: r8}; movzx {r: r32}, {r: r8} >;
    pub(super) fn setge(r: Gpr) = x64!< setge {r: r8}; movzx {r: r32}, {r: r8} >;
    pub(super) fn setb(r: Gpr) = x64!< setb {r: r8}; movzx {r: r32}, {r: r8} >;
    pub(super) fn setbe(r: Gpr) = x64!< setbe {r: r8}; movzx {r: r32}, {r: r8} >;
    pub(super) fn seta(r: Gpr) = x64!< seta {r: r8}; movzx {r: r32}, {r: r8} >;
    pub(super) fn setae(r: Gpr) = x64!< setae {r: r8}; movzx {r: r32}, {r: r8} >;

    /// Calls the function whose entry is `entry` bytes into the table, with a frame `up` bytes higher.
    pub(super) fn call(up: i32, entry: i32) = x64!< add rbx, {up: i32}; mov rax, [r14 + {const Header::TABLE}]; call [rax + {entry}]; sub rbx, {up: i32} >;

    /// One exit: the return address of the call is its name.
    pub(super) fn exit(common: Label) = x64!< call {common} >;
    /// What the exits of a function share.
    pub(super) fn to_deopt(deopt: Function) = x64!< jmp {deopt} >;
}
