//! Where the program is, so that its functions are in reach of code.
//!
//! **Problem.** `call rel32` reaches 2 GiB. A program is loaded somewhere and the kernel puts new mappings
//! somewhere else, 40 TiB away: every call of a function of the host would go through a veneer.
//!
//! **Idea.** Ask for addresses beside the program's own text, most of which nobody uses: first directly below
//! the last region, so that regions stand together, then in steps below the program, then above it, where
//! the heap of the C library grows, from the far end. Where nothing is free, the kernel chooses, and calls go
//! through veneers.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

/// How far regions are from the program's text at most. Half a gigabyte of the reach of rel32 is left for the
/// text itself.
const REACH: usize = 3 << 29;
/// The distance of places that are tried one after the other.
const STEP: usize = 32 << 20;

/// The lowest address of the region that was mapped last near the program.
static LAST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// An address in the text of the program: that of this very function.
fn text() -> usize {
    text as fn() -> usize as usize
}

/// The addresses to which text in the middle of them is near.
fn reach(text: usize) -> Range<usize> {
    text.saturating_sub(REACH)..text.saturating_add(REACH)
}

/// Addresses of pages for `len` bytes near the program, the best first.
pub(super) fn places(len: usize, page: usize) -> impl Iterator<Item = usize> {
    places_around(text(), LAST.load(Ordering::Relaxed), len, page)
}

fn places_around(text: usize, last: usize, len: usize, page: usize) -> impl Iterator<Item = usize> {
    let text = text & !(page - 1);
    let reach = reach(text);
    let beside = last.checked_sub(len);
    let below = (1..=REACH / STEP).filter_map(move |n| text.checked_sub(n * STEP + len));
    let above = (1..=REACH / STEP).rev().filter_map(move |n| text.checked_add(n * STEP));
    let fits = move |at: &usize| {
        let end = at.checked_add(len);
        *at != 0 && at.is_multiple_of(page) && reach.contains(at) && end.is_some_and(|end| end <= reach.end)
    };
    beside.into_iter().chain(below).chain(above).filter(fits)
}

/// A region was mapped at one of [`places`].
pub(super) fn took(at: usize) {
    LAST.store(at, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_near() {
        const PAGE: usize = 4096;
        for text in [0x40_1234, 0x5555_5555_4321, usize::MAX - 5] {
            for len in [PAGE, 16 << 20, 1 << 30] {
                let places: Vec<usize> = places_around(text, text & !4095, len, PAGE).collect();
                assert!(!places.is_empty(), "{text:#x} {len}");
                for at in places {
                    assert!(at != 0 && at.is_multiple_of(PAGE));
                    let (low, high) = (at.min(text), (at + len).max(text));
                    assert!(high - low <= REACH + PAGE, "{at:#x} is too far from {text:#x}");
                }
            }
        }
        assert_eq!(places_around(0x5555_5555_4321, usize::MAX, PAGE, PAGE).next(), Some(0x5555_5355_3000));
        assert_eq!(
            places_around(0x5555_5555_4321, 0x5555_0000_0000, PAGE, PAGE).next(),
            Some(0x5554_FFFF_F000)
        );
    }
}
