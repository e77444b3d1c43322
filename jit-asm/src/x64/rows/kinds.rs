//! The words for kinds of operands.

use super::shape::RowWidth;
use crate::reg::{Gpr, Xmm};
use crate::x64::form::{Extension, Kind};
use crate::x64::operand::Width;

/// Each word with its kind, its width and its width in memory.
#[rustfmt::skip] // A table.
pub(super) const KINDS: &[(&str, Kind, RowWidth, RowWidth)] = {
    use Extension as E;
    use Kind::{Ah, Fixed, FixedVector, Imm, Mem, One, Reg, RegMem, Rel, Vector, VectorMem, Vsib};
    use RowWidth::{Is, None, V, X, Y, Z};
    use Width::{B8, B16, B32, B64, B128, B256};
    &[
        ("r8", Reg, Is(B8), None), ("r16", Reg, Is(B16), None), ("r32", Reg, Is(B32), None),
        ("r64", Reg, Is(B64), None), ("rv", Reg, V, None), ("ry", Reg, Y, None), ("rz", Reg, Z, None),
        ("r/m8", RegMem, Is(B8), Is(B8)), ("r/m16", RegMem, Is(B16), Is(B16)),
        ("r/m32", RegMem, Is(B32), Is(B32)), ("r/m64", RegMem, Is(B64), Is(B64)),
        ("r/mv", RegMem, V, V), ("r/my", RegMem, Y, Y),
        ("r32/m8", RegMem, Is(B32), Is(B8)), ("r32/m16", RegMem, Is(B32), Is(B16)),
        ("m", Mem, None, None), ("m8", Mem, None, Is(B8)), ("m16", Mem, None, Is(B16)),
        ("m32", Mem, None, Is(B32)), ("m64", Mem, None, Is(B64)), ("m128", Mem, None, Is(B128)),
        ("m256", Mem, None, Is(B256)), ("mv", Mem, None, V), ("my", Mem, None, Y), ("mx", Mem, None, X),
        ("xmm", Vector, Is(B128), None), ("ymm", Vector, Is(B256), None), ("vx", Vector, X, None),
        ("xmm/m8", VectorMem, Is(B128), Is(B8)), ("xmm/m16", VectorMem, Is(B128), Is(B16)),
        ("xmm/m32", VectorMem, Is(B128), Is(B32)), ("xmm/m64", VectorMem, Is(B128), Is(B64)),
        ("xmm/m128", VectorMem, Is(B128), Is(B128)), ("ymm/m256", VectorMem, Is(B256), Is(B256)),
        ("vx/mx", VectorMem, X, X),
        ("vm32x", Vsib(B32), Is(B128), None), ("vm32y", Vsib(B32), Is(B256), None),
        ("vm64x", Vsib(B64), Is(B128), None), ("vm64y", Vsib(B64), Is(B256), None),
        ("imm8", Imm(E::None), Is(B8), None), ("imm64", Imm(E::None), Is(B64), None), ("immz", Imm(E::None), Z, None),
        ("simm8", Imm(E::Sign), Is(B8), None), ("simm32", Imm(E::Sign), Is(B32), None),
        ("uimm16", Imm(E::Zero), Is(B16), None), ("uimm32", Imm(E::Zero), Is(B32), None),
        ("rel8", Rel, Is(B8), None), ("rel32", Rel, Is(B32), None), ("1", One, None, None),
        ("al", Fixed(Gpr::Rax), Is(B8), None), ("ah", Ah, Is(B8), None),
        ("ax", Fixed(Gpr::Rax), Is(B16), None), ("eax", Fixed(Gpr::Rax), Is(B32), None),
        ("rax", Fixed(Gpr::Rax), Is(B64), None), ("axv", Fixed(Gpr::Rax), V, None),
        ("axz", Fixed(Gpr::Rax), Z, None),
        ("cl", Fixed(Gpr::Rcx), Is(B8), None), ("ecx", Fixed(Gpr::Rcx), Is(B32), None),
        ("rcx", Fixed(Gpr::Rcx), Is(B64), None), ("dx", Fixed(Gpr::Rdx), Is(B16), None),
        ("edx", Fixed(Gpr::Rdx), Is(B32), None), ("rdx", Fixed(Gpr::Rdx), Is(B64), None),
        ("dxv", Fixed(Gpr::Rdx), V, None), ("dxy", Fixed(Gpr::Rdx), Y, None),
        ("ebx", Fixed(Gpr::Rbx), Is(B32), None), ("rbx", Fixed(Gpr::Rbx), Is(B64), None),
        ("rsi", Fixed(Gpr::Rsi), Is(B64), None), ("rdi", Fixed(Gpr::Rdi), Is(B64), None),
        ("rsp", Fixed(Gpr::Rsp), Is(B64), None), ("rbp", Fixed(Gpr::Rbp), Is(B64), None),
        ("r11", Fixed(Gpr::R11), Is(B64), None), ("xmm0", FixedVector(Xmm::Xmm0), Is(B128), None),
    ]
};
