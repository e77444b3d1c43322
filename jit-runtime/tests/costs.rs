//! What code memory and crossings cost: printed, so that the modules' figures can be looked up on any
//! machine. The bounds are loose: they hold in a debug build, too, and on a busy machine.
//!
//! `cargo test -p jit-runtime --release --test costs -- --nocapture`
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "disassemble"))]

mod support;

use jit_runtime::frame::{enter_frame, leave_frame};
use jit_runtime::stitch::Function;
use jit_runtime::x64;
use support::{Context, context, enter, heap, publish};

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
            "{strategy}: publish and free 200 bytes {publish:?}, patch 4 {patch:?}, first block {fresh:?}"
        );
        if strategy == Strategy::DualMapping {
            // No system call is on this path: one alone would be most of this, and a debug build is slow.
            assert!(publish < Duration::from_micros(10) && patch < Duration::from_micros(5));
        }
    }
}

#[test]
fn crossings_cost_nanoseconds() {
    const TIMES: u32 = 100_000;
    extern "C-unwind" fn nothing(_: *mut Context) {}
    let heap = heap();
    let mut context = context(&heap);
    let empty = publish(&heap, |asm| {
        enter_frame(asm);
        leave_frame(asm);
    });
    let stub = context.gate.rust_call(&heap, nothing as extern "C-unwind" fn(_)).expect("room");
    let calls = publish(&heap, |asm| {
        let again = asm.label();
        enter_frame(asm);
        x64!(asm => push rbx; push rbx);
        asm.bind(again);
        x64!(asm => call {Function(stub.address())}; dec qword [rbp - 8]; jnz {again});
        leave_frame(asm);
    });
    let at = &raw mut context;
    let entering = per_item(TIMES, || {
        for _ in 0..TIMES {
            enter(at, empty.address(), 0).expect("nothing cuts");
        }
    });
    let calling = per_item(TIMES, || {
        enter(at, calls.address(), u64::from(TIMES)).expect("nothing cuts");
    });
    println!("enter and return {entering:?}, call Rust and return {calling:?}");
    assert!(entering < Duration::from_micros(1) && calling < Duration::from_micros(1));
}
