//! One buffer of code under construction.

use super::label::Position;

/// What stands between pieces of code: `int3` (Intel SDM vol. 2), so that a stray jump traps.
pub(super) const POISON: u8 = 0xCC;

/// A section would pass [`Position::LIMIT`].
#[derive(Debug)]
pub(super) struct TooLong;

/// Bytes and a cursor. What is behind the cursor has no meaning.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// Never beyond the bytes. In 32 bits, so that the compiler knows that adding to it does not wrap.
    at: u32,
}

impl Buffer {
    #[inline(always)]
    pub(super) fn len(&self) -> u32 {
        self.at
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.at as usize]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.at as usize]
    }

    /// Whether `more` bytes fit before [`Buffer::grow`] is due.
    #[inline(always)]
    pub(super) fn has_room(&self, more: usize) -> bool {
        self.at as usize + more <= self.bytes.len()
    }

    /// Make room for `more` bytes, or tell that the section would pass its limit.
    pub(super) fn grow(&mut self, more: usize) -> Result<(), TooLong> {
        let (at, limit) = (self.at as usize, Position::LIMIT as usize);
        if more > limit - at {
            return Err(TooLong);
        }
        let len = (self.bytes.len() * 2).max(at + more).max(4096).min(limit);
        self.bytes.resize(len, POISON);
        Ok(())
    }

    /// Append a piece, for which there is room, and return its place. The cursor moves before the bytes
    /// are written: the compiler does not know that they are not the cursor.
    #[inline(always)]
    pub(super) fn put_piece<const N: usize>(&mut self, piece: &[u8; N]) -> &mut [u8; N] {
        let start = self.at as usize;
        let end = start + N;
        self.at = end as u32;
        let place = &mut self.bytes[start..end];
        place.copy_from_slice(piece);
        place.try_into().expect("it is N bytes long")
    }

    /// Append any number of bytes, for which there is room.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let start = self.at as usize;
        self.at += bytes.len() as u32;
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// Append a section, which has its own limit.
    pub(super) fn append(&mut self, other: &Buffer) {
        let end = self.at + other.at;
        self.bytes.truncate(self.at as usize);
        self.bytes.extend_from_slice(other.bytes());
        self.at = end;
    }

    /// Forget the contents and keep the memory, or what of it a section may have.
    pub(super) fn clear(&mut self) {
        self.bytes.truncate(Position::LIMIT as usize);
        self.at = 0;
    }

    /// Go on at `offset`, which is not before the end, over poison.
    pub(super) fn pad_to(&mut self, offset: u32) {
        let (start, end) = (self.at as usize, offset as usize);
        if end > self.bytes.len() {
            self.bytes.resize(end, POISON);
        }
        self.bytes[start..end].fill(POISON);
        self.at = offset;
    }

    /// The field of four bytes at `offset`. `None` if it does not lie inside the section.
    #[inline(always)]
    pub(super) fn field(&mut self, offset: u32) -> Option<&mut [u8; 4]> {
        let at = offset as usize;
        self.bytes.get_mut(at..at + 4)?.try_into().ok()
    }

    /// Write a field that lies inside the section.
    #[inline(always)]
    pub(super) fn set_word(&mut self, offset: u32, word: u32) {
        *self.field(offset).expect("a field lies inside its section") = word.to_le_bytes();
    }
}
