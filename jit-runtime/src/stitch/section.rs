//! One buffer of code under construction, and what is known of labels in it.

use super::label::{LabelState, Position};
use crate::memory::POISON;

/// Published code begins at a multiple of this, and so does a section in which something is aligned.
pub(super) const ALIGNMENT: u32 = 16;

/// A section would pass [`Position::LIMIT`].
#[derive(Debug)]
pub(super) struct TooLong;

/// Bytes and a cursor. What is behind the cursor has no meaning.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// Never beyond the bytes. In 32 bits, so that the compiler knows that adding to it does not wrap.
    at: u32,
    /// Whether every piece is to find no room, so that it takes the slow way, where listings are kept.
    exact: bool,
    /// Whether something in here was aligned.
    aligned: bool,
    /// Of each label, by number: where it is bound in this section, or which fields of it wait.
    labels: Vec<LabelState>,
}

impl Buffer {
    /// A buffer that never has room to spare.
    pub(super) fn exact() -> Buffer {
        Buffer { exact: true, ..Buffer::default() }
    }

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
        let len =
            if self.exact { at + more } else { (self.bytes.len() * 2).max(at + more).max(4096).min(limit) };
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

    /// Something in here is aligned, as long as the section is.
    pub(super) fn rely_on_alignment(&mut self) {
        self.aligned = true;
    }

    /// Whether the section has to begin 16-aligned.
    pub(super) fn is_aligned(&self) -> bool {
        self.aligned
    }

    /// Append any number of bytes, for which there is room, and return their place.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> &mut [u8] {
        let start = self.at as usize;
        self.at += bytes.len() as u32;
        let place = &mut self.bytes[start..start + bytes.len()];
        place.copy_from_slice(bytes);
        place
    }

    /// Append a section, which has its own limit.
    pub(super) fn append(&mut self, other: &Buffer) {
        let (start, end) = (self.at as usize, (self.at + other.at) as usize);
        if end > self.bytes.len() {
            self.bytes.resize(end, POISON);
        }
        self.bytes[start..end].copy_from_slice(other.bytes());
        self.at = end as u32;
    }

    /// Forget the contents and keep the memory, or what of it a section may have.
    pub(super) fn clear(&mut self) {
        self.bytes.truncate(if self.exact { 0 } else { Position::LIMIT as usize });
        self.at = 0;
        self.aligned = false;
        self.labels.clear();
    }

    /// How many labels this section knows of.
    #[inline(always)]
    pub(super) fn labels(&self) -> usize {
        self.labels.len()
    }

    /// `N` more labels; the number of the first.
    #[inline(always)]
    pub(super) fn add_labels<const N: usize>(&mut self) -> u32 {
        let first = self.labels.len() as u32;
        self.labels.extend_from_slice(&[LabelState::UNUSED; N]);
        first
    }

    /// Know of as many labels as the other section, from which the client comes.
    pub(super) fn learn_labels(&mut self, count: usize) {
        self.labels.resize(count, LabelState::UNUSED);
    }

    /// Forget the contents and what is known of labels, but not that the labels are.
    pub(super) fn start_over(&mut self) {
        let labels = self.labels.len();
        self.clear();
        self.learn_labels(labels);
    }

    pub(super) fn label_states(&self) -> &[LabelState] {
        &self.labels
    }

    /// Where label `number` is bound, if it is and in this section.
    pub(super) fn bound_at(&self, number: u32) -> Option<u32> {
        self.labels.get(number as usize)?.offset()
    }

    /// What a field that is `ahead` bytes in front of the cursor is to hold so that it reaches label `number`:
    /// the distance, or the chain of fields that wait for the label, which it joins. `None`: no such label.
    #[inline(always)]
    pub(super) fn link(&mut self, number: u32, ahead: u32) -> Option<u32> {
        let at = self.at + ahead;
        let state = self.labels.get_mut(number as usize)?;
        Some(match state.offset() {
            Some(to) => to.wrapping_sub(at + 4),
            None => std::mem::replace(state, LabelState::waiting(at)).0,
        })
    }

    /// Bind `count` labels from number `first` on here, and aim the fields that wait for them. The number of the
    /// first that is no label or was bound before comes back.
    #[inline(always)]
    pub(super) fn bind(&mut self, first: u32, count: usize) -> Result<(), u32> {
        let (here, first) = (self.at, first as usize);
        let Some(states) = self.labels.get_mut(first..first + count) else {
            return Err(self.labels.len().max(first) as u32);
        };
        for (number, state) in states.iter_mut().enumerate() {
            let chain = std::mem::replace(state, LabelState::bound(here));
            if aim(&mut self.bytes, chain, here) != LabelState::UNUSED {
                return Err((first + number) as u32);
            }
        }
        Ok(())
    }

    /// Aim the fields of a chain that this section keeps at `to`, an offset that may lie outside of it.
    pub(super) fn aim(&mut self, chain: LabelState, to: u32) {
        aim(&mut self.bytes, chain, to);
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

/// Aim the fields of a chain at `to` and return its end. Most chains have one field; the others are left to a
/// function of their own, so that this one stays small enough to stand wherever labels are bound.
#[inline(always)]
fn aim(code: &mut [u8], chain: LabelState, to: u32) -> LabelState {
    let Some(field) = chain.head() else { return chain };
    match aim_one(code, field, to) {
        Some((_, LabelState::UNUSED)) => LabelState::UNUSED,
        Some((rest, chain)) => aim_rest(rest, chain, to),
        None => chain,
    }
}

#[cold]
#[inline(never)]
fn aim_rest(mut code: &mut [u8], mut chain: LabelState, to: u32) -> LabelState {
    while let Some(field) = chain.head() {
        let Some((rest, next)) = aim_one(code, field, to) else { break };
        (code, chain) = (rest, next);
    }
    chain
}

/// Aim one field; the code in front of it, and the chain that it held. Every chain goes from back to front, since
/// code is only appended; that a field is found only in front of the one before it keeps all writes inside the
/// code, and the walk finite, whatever the fields hold.
#[inline(always)]
fn aim_one(code: &mut [u8], field: u32, to: u32) -> Option<(&mut [u8], LabelState)> {
    let (rest, word) = code.get_mut(..field as usize + 4)?.split_last_chunk_mut::<4>()?;
    let next = LabelState(u32::from_le_bytes(*word));
    *word = to.wrapping_sub(field + 4).to_le_bytes();
    Some((rest, next))
}
