//! What code memory costs: printed, so that the module's figures can be looked up on any machine.
//!
//! `cargo test -p jit-runtime --release --test publishing -- --nocapture`
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use jit_runtime::memory::{CodeHeap, Strategy};
use std::time::{Duration, Instant};

/// The best of a few runs of `work`, per item.
fn per_item(items: u32, mut work: impl FnMut()) -> Duration {
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..7).map(|_| time(&mut work)).min().expect("seven runs") / items
}

#[test]
fn publishing_is_cheap_with_the_dual_mapping() {
    const ITEMS: u32 = 2000;
    let code = [0x90; 200];
    for strategy in [Strategy::DualMapping, Strategy::ProtectFlip] {
        let heap = CodeHeap::new(strategy).expect("Linux on x86-64");
        let mut blocks = Vec::with_capacity(ITEMS as usize);
        let publish = per_item(ITEMS, || {
            blocks.clear();
            for _ in 0..ITEMS {
                let space = heap.place(code.len()).expect("room");
                blocks.push(heap.publish(space, &code).expect("published"));
            }
        });
        let patch = per_item(ITEMS, || {
            for block in &blocks {
                block.patch(4, &[0x90; 4]).expect("patched");
            }
        });
        let fresh = per_item(1, || {
            let heap = CodeHeap::new(strategy).expect("Linux on x86-64");
            drop(heap.place(16).expect("room"));
        });
        println!(
            "{strategy}: publish and free 200 bytes {publish:?}, patch 4 bytes {patch:?}, first block of a heap {fresh:?}"
        );
        if strategy == Strategy::DualMapping {
            // No system call is on this path: one alone would be most of this, and a debug build is slow.
            assert!(publish < Duration::from_micros(10) && patch < Duration::from_micros(5));
        }
    }
}
