//! Instructions that do nothing, by length: what stands in front of code that wants an alignment.
//!
//! The sequences are those the manual recommends (Intel SDM vol. 2, NOP, "Recommended Multi-Byte Sequence of NOP
//! Instruction"). They stand here as bytes because sinks pad while a program runs, without the table; a test
//! holds them against what the table makes.

/// The instruction of each length from 0, which is none, to 9.
pub const NOPS: [&[u8]; 10] = [
    b"",
    b"\x90",
    b"\x66\x90",
    b"\x0f\x1f\x00",
    b"\x0f\x1f\x40\x00",
    b"\x0f\x1f\x44\x00\x00",
    b"\x66\x0f\x1f\x44\x00\x00",
    b"\x0f\x1f\x80\x00\x00\x00\x00",
    b"\x0f\x1f\x84\x00\x00\x00\x00\x00",
    b"\x66\x0f\x1f\x84\x00\x00\x00\x00\x00",
];

/// Instructions that together are `bytes` long, the longest first.
pub fn nops(bytes: usize) -> impl Iterator<Item = &'static [u8]> {
    let longest = NOPS.len() - 1;
    let rest = Some(NOPS[bytes % longest]).filter(|nop| !nop.is_empty());
    std::iter::repeat_n(NOPS[longest], bytes / longest).chain(rest)
}

/// How many bytes to put at `at`, so that what comes `ahead` bytes later stands at a multiple of `to`, a power of
/// two.
#[must_use]
pub const fn padding(at: usize, to: u32, ahead: u32) -> usize {
    let to = to as usize;
    (to - (at + ahead as usize) % to) % to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_aligned() {
        for to in [1, 2, 4, 8, 16] {
            for at in 0..40 {
                for ahead in 0..20 {
                    let padding = padding(at, to, ahead);
                    assert!(padding < to as usize);
                    assert_eq!((at + padding + ahead as usize) % to as usize, 0);
                }
            }
        }
        for bytes in 0..40 {
            assert_eq!(nops(bytes).map(<[u8]>::len).sum::<usize>(), bytes);
        }
    }
}
