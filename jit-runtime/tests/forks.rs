//! Children of fork of a process with several threads have heaps of their own, whatever the threads were at.
#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
#![allow(unsafe_code)]

mod support;

use jit_runtime::memory::{CodeHeap, HeapOptions, Strategy};
use jit_runtime::observe::{Gdb, JitDump, PerfMap};
use jit_runtime::stitch::{Assembler, detected_features};
use jit_runtime::transition::CHeap;
use jit_runtime::x64;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What has to do with things that a process has once: regions, unwind records, the list of debuggers, files that
/// are named after the process.
fn live(directory: &Path) {
    let options = HeapOptions { region_size: 4096, ..HeapOptions::new(Strategy::DualMapping) };
    let heap = CodeHeap::with(options).expect("Linux on x86-64");
    heap.observe(Gdb::new());
    heap.observe(PerfMap::create_in(directory).expect("a map"));
    if let Ok(dump) = JitDump::create_in(directory) {
        heap.observe(dump);
    }
    assert!(!detected_features().is_empty());
    drop(CHeap::probe().expect("the GNU C library"));
    let mut context = support::context(&heap);
    let mut asm = Assembler::new();
    x64!(asm => push rbp; mov rbp, rsp; mov eax, 42; xor edx, edx; leave; ret);
    let code = asm.seal().and_then(|sealed| sealed.publish(&heap)).expect("room");
    assert_eq!(support::enter(&mut context, code.address(), 0), Ok((42, 0)));
}

#[test]
fn a_child_has_heaps_of_its_own_whatever_threads_were_at() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("forks-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    live(&directory);
                }
            });
        }
        let child_lives = || {
            // SAFETY: the child does what this crate promises for one, and ends.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // One that hangs is ended by the system.
                // SAFETY: the call takes a number.
                unsafe { libc::alarm(10) };
                let lived = catch_unwind(|| live(&directory)).is_ok();
                // SAFETY: it ends the process, in which nobody waits for anything.
                unsafe { libc::_exit(i32::from(!lived)) };
            }
            let mut status = 0;
            // SAFETY: the pointer is to a local of the right type.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            status == 0
        };
        let lived = (0..60).filter(|_| child_lives()).count();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(lived, 60, "children that are whole");
    });
    std::fs::remove_dir_all(&directory).expect("its files are closed");
}
