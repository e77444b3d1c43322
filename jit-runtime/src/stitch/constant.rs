//! Constants in memory, placed once behind the code that reads them.
//!
//! **Problem.** Wide values have no immediate form, least of all floats and vectors. An instruction reads them
//! from memory near the code, and a unit of code that uses one a hundred times should carry it once.
//!
//! **Idea.** A [`Constant`] is a target like a label: `mulsd xmm0, [{Constant::f64(0.5)}]`. Its uses are noted while
//! the code is emitted. When the code is sealed the constants are sorted, the equal ones put together, and placed
//! behind the last instruction, from where no instruction runs into them.
//!
//! **Invariants.** A constant is as wide as the instruction reads. Equal bytes of one size are placed once. The widest come first, so each is aligned to its size:
//! code begins at a multiple of 16, and no constant is wider. The pages of code cannot be written: an instruction
//! that stores to a constant faults.
//!
//! **Cost.** A use is one entry in a list, and a search when the code is sealed. Code without constants pays nothing.

use super::label::Position;
use std::cmp::Reverse;

/// A value of 4, 8 or 16 bytes that code reads from memory.
///
/// ```
/// use jit_runtime::{stitch::{Assembler, Constant}, x64};
/// let mut asm = Assembler::new();
/// x64!(asm => mov rax, [{Constant::f64(2.5)}]; cmp rax, [{Constant::f64(2.5)}]; ret);
/// let sealed = asm.seal().unwrap();
/// let (code, constants) = sealed.bytes().split_at(sealed.code_len());
/// assert_eq!((code.len(), constants), (16, &2.5_f64.to_le_bytes()[..]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Constant {
    /// The widest first.
    size: Reverse<u8>,
    /// Zero beyond the size.
    bytes: [u8; 16],
}

impl Constant {
    /// Every constant is aligned to its size, and this is the largest: code begins at a multiple of it.
    const WIDEST: usize = 16;

    /// Four bytes.
    #[must_use]
    pub const fn u32(value: u32) -> Constant {
        Constant::new(value as u128, 4)
    }

    /// Eight bytes.
    #[must_use]
    pub const fn u64(value: u64) -> Constant {
        Constant::new(value as u128, 8)
    }

    /// Sixteen bytes, little-endian.
    #[must_use]
    pub const fn u128(value: u128) -> Constant {
        Constant::new(value, 16)
    }

    /// A float of single precision. Its bits are kept, those of zeros and NaNs included.
    #[must_use]
    pub const fn f32(value: f32) -> Constant {
        Constant::u32(value.to_bits())
    }

    /// A float of double precision. Its bits are kept, those of zeros and NaNs included.
    #[must_use]
    pub const fn f64(value: f64) -> Constant {
        Constant::u64(value.to_bits())
    }

    /// Sixteen bytes in the order of memory: a vector, or a mask for one.
    #[must_use]
    pub const fn bytes16(bytes: [u8; 16]) -> Constant {
        Constant { size: Reverse(16), bytes }
    }

    const fn new(value: u128, size: u8) -> Constant {
        Constant { size: Reverse(size), bytes: value.to_le_bytes() }
    }

    /// Whether it is what an instruction reads that reads `width` bytes, or wants the address where that is 0. There is
    /// none of less than four bytes, and the first of four serve.
    pub(super) const fn serves(&self, width: u32) -> bool {
        matches!((self.size.0, width), (_, 0) | (4, ..=4) | (8, 8) | (16, 16))
    }

    /// Its bytes in memory: 4, 8 or 16.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.size.0)]
    }
}

/// A field that reaches a constant.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConstantUse {
    pub(super) field: Position,
    /// Bytes of the instruction behind the field.
    pub(super) tail: u32,
    pub(super) constant: Constant,
}

/// The constants of sealed code, each with its place.
#[derive(Debug)]
pub(super) struct Pool {
    placed: Vec<(Constant, usize)>,
    start: usize,
    end: usize,
}

impl Pool {
    /// Places behind code that is `code_len` bytes long.
    pub(super) fn behind(code_len: usize, uses: &[ConstantUse]) -> Pool {
        let mut constants: Vec<Constant> = uses.iter().map(|using| using.constant).collect();
        constants.sort_unstable();
        constants.dedup();
        let start = if constants.is_empty() { code_len } else { code_len.next_multiple_of(Constant::WIDEST) };
        let mut end = start;
        let place = |constant: Constant| {
            let at = end;
            end += constant.bytes().len();
            (constant, at)
        };
        let placed = constants.into_iter().map(place).collect();
        Pool { placed, start, end }
    }

    /// Where the first constant starts. What lacks to it is filled up.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Where the last constant ends, or the code when there is none.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Where `constant` stands. It is one of those that were placed.
    pub(super) fn place_of(&self, constant: Constant) -> usize {
        let found = self.placed.binary_search_by_key(&constant, |&(constant, _)| constant);
        self.placed[found.expect("every constant that is used was placed")].1
    }

    /// Write the constants to `code`, which is as long as [`Pool::end`] says.
    pub(super) fn write(&self, code: &mut [u8]) {
        for (constant, at) in &self.placed {
            code[*at..][..constant.bytes().len()].copy_from_slice(constant.bytes());
        }
    }
}

#[cfg(all(test, feature = "disassemble"))]
mod tests;
