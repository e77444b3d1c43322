//! The words for kinds of operands.

use super::shape::RowWidth;
use crate::reg::{Gpr, Xmm};
use crate::x64::form::{Extension, Kind};
use crate::x64::operand::Width;

/// The kind that a word stands for, its width and its width in memory.
///
/// A `match` on bytes, which const evaluation decides byte by byte: searching a list was most of the time that
/// a row took.
#[rustfmt::skip] // A table.
pub(super) const fn kind(word: &[u8]) -> Option<(Kind, RowWidth, RowWidth)> {
    use Extension as E;
    use Kind::{Ah, Fixed, FixedVector, Imm, Mem, One, Reg, RegMem, Rel, Vector, VectorMem, Vsib};
    use RowWidth::{Is, None, V, X, Y, Z};
    use Width::{B8, B16, B32, B64, B128, B256};
    Some(match word {
        b"r8" => (Reg, Is(B8), None),
        b"r16" => (Reg, Is(B16), None),
        b"r32" => (Reg, Is(B32), None),
        b"r64" => (Reg, Is(B64), None),
        b"rv" => (Reg, V, None),
        b"ry" => (Reg, Y, None),
        b"rz" => (Reg, Z, None),
        b"r/m8" => (RegMem, Is(B8), Is(B8)),
        b"r/m16" => (RegMem, Is(B16), Is(B16)),
        b"r/m32" => (RegMem, Is(B32), Is(B32)),
        b"r/m64" => (RegMem, Is(B64), Is(B64)),
        b"r/mv" => (RegMem, V, V),
        b"r/my" => (RegMem, Y, Y),
        b"r32/m8" => (RegMem, Is(B32), Is(B8)),
        b"r32/m16" => (RegMem, Is(B32), Is(B16)),
        b"m" => (Mem, None, None),
        b"m8" => (Mem, None, Is(B8)),
        b"m16" => (Mem, None, Is(B16)),
        b"m32" => (Mem, None, Is(B32)),
        b"m64" => (Mem, None, Is(B64)),
        b"m128" => (Mem, None, Is(B128)),
        b"m256" => (Mem, None, Is(B256)),
        b"mv" => (Mem, None, V),
        b"my" => (Mem, None, Y),
        b"mx" => (Mem, None, X),
        b"xmm" => (Vector, Is(B128), None),
        b"ymm" => (Vector, Is(B256), None),
        b"vx" => (Vector, X, None),
        b"xmm/m8" => (VectorMem, Is(B128), Is(B8)),
        b"xmm/m16" => (VectorMem, Is(B128), Is(B16)),
        b"xmm/m32" => (VectorMem, Is(B128), Is(B32)),
        b"xmm/m64" => (VectorMem, Is(B128), Is(B64)),
        b"xmm/m128" => (VectorMem, Is(B128), Is(B128)),
        b"ymm/m256" => (VectorMem, Is(B256), Is(B256)),
        b"vx/mx" => (VectorMem, X, X),
        b"vm32x" => (Vsib(B32), Is(B128), None),
        b"vm32y" => (Vsib(B32), Is(B256), None),
        b"vm64x" => (Vsib(B64), Is(B128), None),
        b"vm64y" => (Vsib(B64), Is(B256), None),
        b"imm8" => (Imm(E::None), Is(B8), None),
        b"imm64" => (Imm(E::None), Is(B64), None),
        b"immz" => (Imm(E::None), Z, None),
        b"simm8" => (Imm(E::Sign), Is(B8), None),
        b"simm32" => (Imm(E::Sign), Is(B32), None),
        b"uimm16" => (Imm(E::Zero), Is(B16), None),
        b"uimm32" => (Imm(E::Zero), Is(B32), None),
        b"rel8" => (Rel, Is(B8), None),
        b"rel32" => (Rel, Is(B32), None),
        b"1" => (One, None, None),
        b"al" => (Fixed(Gpr::Rax), Is(B8), None),
        b"ah" => (Ah, Is(B8), None),
        b"ax" => (Fixed(Gpr::Rax), Is(B16), None),
        b"eax" => (Fixed(Gpr::Rax), Is(B32), None),
        b"rax" => (Fixed(Gpr::Rax), Is(B64), None),
        b"axv" => (Fixed(Gpr::Rax), V, None),
        b"axz" => (Fixed(Gpr::Rax), Z, None),
        b"cl" => (Fixed(Gpr::Rcx), Is(B8), None),
        b"ecx" => (Fixed(Gpr::Rcx), Is(B32), None),
        b"rcx" => (Fixed(Gpr::Rcx), Is(B64), None),
        b"dx" => (Fixed(Gpr::Rdx), Is(B16), None),
        b"edx" => (Fixed(Gpr::Rdx), Is(B32), None),
        b"rdx" => (Fixed(Gpr::Rdx), Is(B64), None),
        b"dxv" => (Fixed(Gpr::Rdx), V, None),
        b"dxy" => (Fixed(Gpr::Rdx), Y, None),
        b"ebx" => (Fixed(Gpr::Rbx), Is(B32), None),
        b"rbx" => (Fixed(Gpr::Rbx), Is(B64), None),
        b"rsi" => (Fixed(Gpr::Rsi), Is(B64), None),
        b"rdi" => (Fixed(Gpr::Rdi), Is(B64), None),
        b"rsp" => (Fixed(Gpr::Rsp), Is(B64), None),
        b"rbp" => (Fixed(Gpr::Rbp), Is(B64), None),
        b"r11" => (Fixed(Gpr::R11), Is(B64), None),
        b"xmm0" => (FixedVector(Xmm::Xmm0), Is(B128), None),
        _ => return Option::None,
    })
}
