//! Addresses that a child of fork has free, and must not use: its parent's code was there, and the child inherits
//! whatever was told of it, an unwinder's record above all. Code of the child at such an address would have two records.
//!
//! The list is inherited too. It is as long as there are regions, and looked at when one is mapped.

use super::forks::undivided;
use core::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The views that children do not have, of this process and of those that it was forked from.
fn kept<T>(work: impl FnOnce(&mut Vec<Range<usize>>) -> T) -> T {
    static KEPT: Mutex<Vec<Range<usize>>> = Mutex::new(Vec::new());
    let _whole = undivided();
    work(&mut KEPT.lock().unwrap_or_else(PoisonError::into_inner))
}

/// From now on children do not have what is at these addresses.
pub(super) fn note(view: Range<usize>) {
    kept(|kept| kept.push(view));
}

/// The view goes, in this process, and so did whatever was told of it.
pub(super) fn forget(view: &Range<usize>) {
    kept(|kept| {
        if let Some(at) = kept.iter().position(|known| known == view) {
            kept.swap_remove(at);
        }
    });
}

/// Whether one of these addresses is that of a view. Of addresses that are free in this process: of a parent's.
pub(super) fn is_among(addresses: &Range<usize>) -> bool {
    kept(|kept| kept.iter().any(|known| known.start < addresses.end && addresses.start < known.end))
}
