//! Which locals of a function with loops are mirrored in registers.
//!
//! A local that is read and written in a loop through its slot makes each turn wait for the store of the
//! one before (four to five cycles). With its payload mirrored in a register the store is off the
//! critical path. The slot is still written, so exits, calls and frame maps need not know.
//!
//! The choice is by counting the uses between a jump back and where it goes, once for each loop around
//! them. It is no better than that: a local that is only used on a rare path of the loop counts as much
//! as any other.

use crate::op::Op;
use crate::verify::Verified;
use jit_runtime::Gpr;
use jit_runtime::registers::Slot;

/// The registers that can mirror locals.
const MIRRORS: [Gpr; 3] = [Gpr::R12, Gpr::R13, Gpr::R10];

/// The locals with most uses in loops, and a register for each.
pub(super) fn choose(f: &Verified, pinned: &mut Vec<(Slot, Gpr)>) {
    pinned.clear();
    let Some(weights) = weights(f) else { return };
    for r in MIRRORS {
        let free = |slot: usize| !pinned.iter().any(|&(s, _)| s.0 as usize == slot);
        let best =
            weights.iter().enumerate().filter(|&(slot, &w)| w > 0 && free(slot)).max_by_key(|&(_, &w)| w);
        let Some((slot, _)) = best else { return };
        pinned.push((Slot(slot as u32), r));
    }
}

/// Uses of each local in loops; `None` if there is no loop.
fn weights(f: &Verified) -> Option<Vec<u32>> {
    // How many loops begin at a position, less those that have ended in front of it.
    let mut change = vec![];
    for (pc, op) in (0..).zip(f.code()) {
        if let Some(target) = op.target().filter(|&target| target <= pc && f.depth(pc).is_some()) {
            change.resize(f.code().len() + 1, 0_i32);
            change[target as usize] += 1;
            change[pc as usize + 1] -= 1;
        }
    }
    if change.is_empty() {
        return None;
    }
    let mut weights = vec![0_u32; f.locals()];
    let mut loops = 0;
    for (op, change) in f.code().iter().zip(change) {
        loops += change;
        if let Op::Get(local) | Op::Set(local) | Op::Tee(local) = *op {
            let weight = &mut weights[usize::from(local)];
            *weight = weight.saturating_add_signed(loops);
        }
    }
    Some(weights)
}
