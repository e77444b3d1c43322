//! One buffer of code under construction.

use super::label::Position;
use jit_asm::Sink;

/// What stands between pieces of code: `int3` (Intel SDM vol. 2), so that a stray jump traps.
pub(super) const POISON: u8 = 0xCC;

/// Bytes, of which the next one is emitted behind the last.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
}

impl Buffer {
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Append a piece and return its place.
    #[inline(always)]
    pub(super) fn put_piece<const N: usize>(&mut self, piece: &[u8; N]) -> &mut [u8; N] {
        self.bytes.put_piece(piece)
    }

    /// Append any number of bytes.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether offsets in it are beyond what a [`Position`] can hold.
    pub(super) fn is_too_long(&self) -> bool {
        self.bytes.len() > Position::LIMIT as usize
    }

    /// Forget the contents and keep the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Go on at `offset`, which is not before the end, over poison.
    pub(super) fn pad_to(&mut self, offset: usize) {
        self.bytes.resize(offset, POISON);
    }

    /// Replace the four bytes at `offset` and return what they were.
    #[inline(always)]
    pub(super) fn replace_word(&mut self, offset: u32, word: u32) -> u32 {
        let field = self.bytes[offset as usize..].first_chunk_mut().expect("a field lies inside its section");
        u32::from_le_bytes(std::mem::replace(field, word.to_le_bytes()))
    }

    #[inline(always)]
    pub(super) fn set_word(&mut self, offset: u32, word: u32) {
        self.replace_word(offset, word);
    }
}
