//! One buffer of code under construction.

use super::label::Position;

/// Unwritten code memory holds this: `int3` (Intel SDM vol. 2), so that a stray jump traps.
pub(super) const POISON: u8 = 0xCC;

/// Bytes and a cursor. What is behind the cursor is poison, so nothing is cleared when code is emitted.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    at: usize,
}

impl Buffer {
    pub(super) fn len(&self) -> usize {
        self.at
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.at]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.at]
    }

    /// Room for `N` bytes at the cursor, which moves behind them.
    #[inline(always)]
    pub(super) fn take<const N: usize>(&mut self) -> &mut [u8; N] {
        if self.bytes.len() - self.at < N {
            self.grow(N);
        }
        let start = self.at;
        self.at = start + N;
        self.bytes[start..].first_chunk_mut().expect("the buffer has grown to hold N more bytes")
    }

    /// Append any number of bytes.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        if self.bytes.len() - self.at < bytes.len() {
            self.grow(bytes.len());
        }
        let end = self.at + bytes.len();
        self.bytes[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let wanted = (self.bytes.len() * 2).max(self.at + more).max(4096);
        self.bytes.resize(wanted, POISON);
    }

    /// Whether offsets in it are beyond what a [`Position`] can hold.
    pub(super) fn is_too_long(&self) -> bool {
        self.at > Position::LIMIT as usize
    }

    /// Forget the contents and keep the memory.
    pub(super) fn clear(&mut self) {
        self.bytes[..self.at].fill(POISON);
        self.at = 0;
    }

    /// Move the cursor up to `offset` over poison.
    pub(super) fn pad_to(&mut self, offset: usize) {
        if offset > self.bytes.len() {
            self.grow(offset - self.at);
        }
        self.at = self.at.max(offset);
    }

    pub(super) fn word(&self, offset: u32) -> u32 {
        let at = offset as usize;
        u32::from_le_bytes(*self.bytes[at..].first_chunk().expect("a field lies inside its section"))
    }

    pub(super) fn set_word(&mut self, offset: u32, word: u32) {
        let at = offset as usize;
        *self.bytes[at..].first_chunk_mut().expect("a field lies inside its section") = word.to_le_bytes();
    }
}
