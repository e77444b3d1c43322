//! Patch points of published code, while it stands still and while a thread runs it.
#![cfg(all(unix, target_arch = "x86_64"))]
#![allow(unsafe_code)]

use expect_test::expect;
use jit_runtime::memory::{CodeHeap, HeapOptions, Strategy};
use jit_runtime::stitch::{
    Assembler, Code, CodePtr, Function, PatchError, PatchPoint, PatchTarget, Section, StitchError,
};
use jit_runtime::{templates, x64};
use std::sync::atomic::{AtomicU64, Ordering};

/// Out of reach of all code.
const FAR: usize = 0x1234_5678_9abc_def0;

fn heaps() -> [CodeHeap; 2] {
    [Strategy::DualMapping, Strategy::ProtectFlip].map(|s| CodeHeap::new(s).expect("Linux on x86-64"))
}

fn seal(emit: impl FnOnce(&mut Assembler)) -> jit_runtime::stitch::Sealed {
    let mut asm = Assembler::new();
    emit(&mut asm);
    asm.seal().expect("every label is bound")
}

/// The points in the order of their numbers.
fn points(asm: &Assembler, known: &mut Vec<PatchPoint>) {
    known.extend(asm.last_patch_point());
}

/// Where a patch point goes, read from the bytes: the distance in its field and, if that leads to a stepping
/// stone of the code, the address in that.
fn goes_to(code: &Code, point: PatchPoint) -> usize {
    let bytes = code.block().bytes();
    let field = code.patch_point_at(point).expect("its own").0 as usize;
    let distance = i32::from_le_bytes(*bytes[field..].first_chunk().expect("a field"));
    let to = (code.address() + field + 4).wrapping_add_signed(distance as isize);
    match code.data().iter().find(|slot| code.address() + slot.start == to + 8) {
        Some(slot) => usize::from_le_bytes(*bytes[slot.start..].first_chunk().expect("an address")),
        None => to,
    }
}

templates! {
    /// Two patchable targets in one template, and one that is not.
    fn three(a: Function, b: Function, c: Function) = x64!< call {a: patchable}; call {c}; nop; nop; jmp {b: patchable} >;
}

/// Aim a patch point elsewhere.
fn aim(code: &Code, point: PatchPoint, to: impl Into<PatchTarget>) -> Result<(), PatchError> {
    // SAFETY: code that is run here is aimed at functions of the same type, and the other code is looked at only.
    unsafe { code.retarget(point, to) }
}

/// Every patch point of both sections goes where it was sent, near and far, and nothing else changes.
#[test]
fn every_point_goes_where_it_is_sent() {
    for heap in heaps() {
        let (mut known, mut after) = (vec![], CodePtr::default());
        let sealed = seal(|asm| {
            let [here, cold] = asm.labels();
            x64!(asm => nop; call {Function(FAR): patchable});
            points(asm, &mut known);
            x64!(asm => jz {cold: patchable});
            points(asm, &mut known);
            asm.switch_to(Section::Cold);
            asm.bind(cold);
            x64!(asm => nop; nop; jmp {here: patchable});
            points(asm, &mut known);
            three(asm, Function(FAR + 1), Function(FAR + 2), Function(FAR + 3));
            points(asm, &mut known);
            asm.switch_to(Section::Hot);
            asm.bind(here);
            after = asm.offset();
            x64!(asm => call {Function(FAR)}; ret);
        });
        let code = sealed.publish(&heap).expect("room");
        // The template has two: the last is that of its second.
        assert_eq!(code.patch_points(), 5);
        let last = known.pop().expect("four were noted");
        let mut asm = Assembler::new();
        let all: Vec<PatchPoint> = (0..5)
            .map(|_| {
                x64!(asm => call {Function(0): patchable});
                asm.last_patch_point().expect("just emitted")
            })
            .collect();
        assert_eq!((&all[..3], all[4]), (&known[..], last));

        let mut wanted = [FAR, 0, code.address() + after.0 as usize, FAR + 1, FAR + 2];
        wanted[1] = goes_to(&code, all[1]);
        assert!(code.block().contains(wanted[1]) && wanted[1] > wanted[2], "the cold section");
        for round in 0..40_usize {
            for (point, wanted) in all.iter().zip(&wanted) {
                assert_eq!(goes_to(&code, *point), *wanted, "round {round}");
                let field = code.patch_point_at(*point).expect("its own").0;
                assert_eq!(field % 4, 0);
            }
            let (which, before) = (round * 7 % 5, code.block().bytes());
            let (to, outcome) = match round % 3 {
                0 => (FAR + round, aim(&code, all[which], Function(FAR + round))),
                1 => (code.address() + round, aim(&code, all[which], CodePtr(round as u32))),
                _ => {
                    let near = code.address().wrapping_sub(0x7000_0000);
                    (near, aim(&code, all[which], Function(near)))
                }
            };
            outcome.expect("the host allows it");
            wanted[which] = to;
            let changed = code.block().bytes().iter().zip(&before).filter(|(a, b)| a != b).count();
            assert!(changed <= 12, "{changed} bytes changed");
        }
    }
}

#[test]
fn bad_patches_are_errors() {
    let [heap, _] = heaps();
    let publish = |points: usize| {
        let sealed = seal(|asm| {
            let end = asm.label();
            (0..points).for_each(|_| x64!(asm => jmp {end: patchable}));
            asm.bind(end);
            x64!(asm => ret);
        });
        sealed.publish(&heap).expect("room")
    };
    let (none, one) = (publish(0), publish(1));
    let mut asm = Assembler::new();
    assert_eq!(asm.last_patch_point(), None);
    let [first, second] = [0, 1].map(|_| {
        x64!(asm => call {Function(0): patchable});
        asm.last_patch_point().expect("just emitted")
    });
    let before = one.block().bytes();
    let errors = [
        aim(&none, first, CodePtr(0)).unwrap_err(),
        aim(&one, second, CodePtr(0)).unwrap_err(),
        aim(&one, first, CodePtr(one.code_len() as u32)).unwrap_err(),
        one.patch_point_at(second).unwrap_err(),
    ];
    assert_eq!(one.block().bytes(), before);
    let text: String = errors.iter().map(|e: &PatchError| format!("{e}\n")).collect();
    expect![[r#"
        patch point 0 is of other code: this has 0; ask the assembler for `last_patch_point`
        patch point 1 is of other code: this has 1; ask the assembler for `last_patch_point`
        0x0020 is no instruction of the code, which has 32 bytes of them; a target elsewhere is a `Function`
        patch point 1 is of other code: this has 1; ask the assembler for `last_patch_point`
    "#]]
    .assert_eq(&text);
}

/// What the loop of the test below keeps count of, in the order that its code knows.
#[repr(C)]
#[derive(Default)]
struct Counts {
    one: AtomicU64,
    two: AtomicU64,
    calls: AtomicU64,
    stop: AtomicU64,
}

/// Code in memory of its own, where the kernel puts what has no wish: far from the program, and from regions.
fn far_away(code: &[u8]) -> Function {
    let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: address space that nothing uses.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, prot, flags, -1, 0) };
    assert!(page != libc::MAP_FAILED && code.len() <= 4096);
    // SAFETY: a fresh page, to which nothing refers, and which has room.
    unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), page.cast(), code.len()) };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_EXEC) }, 0);
    Function(page.expose_provenance())
}

/// A thread runs in a tight loop through a call that another re-targets `times` times, to functions near and far:
/// each call goes to one of the two. With the barrier of `other_threads`, none goes to the old one once the
/// re-targeting has returned.
fn retarget_under_a_running_thread(times: u64, other_threads: bool) {
    let options = HeapOptions { other_threads, ..HeapOptions::new(Strategy::DualMapping) };
    let heap = CodeHeap::with(options).expect("Linux on x86-64");
    let elsewhere = far_away(seal(|asm| x64!(asm => lock inc qword [rdi + 8]; ret)).bytes());
    let (mut call, mut two) = (None, CodePtr::default());
    let mut one_label = None;
    let sealed = seal(|asm| {
        let [again, one] = asm.labels();
        one_label = Some(one);
        asm.bind(again);
        x64!(asm => call {one: patchable});
        call = asm.last_patch_point();
        x64!(asm => inc qword [rdi + 16]; cmp qword [rdi + 24], 0; je {again}; ret);
        asm.bind(one);
        x64!(asm => lock inc qword [rdi]; ret);
        // So far away that their distances differ in more than a byte: half of each leads to what traps.
        (0..70_000).for_each(|_| x64!(asm => ud2));
        two = asm.offset();
        x64!(asm => lock inc qword [rdi + 8]; ret);
    });
    let one = one_label.and_then(|label| sealed.offset_of(label)).expect("bound");
    let code = sealed.publish(&heap).expect("room");
    assert!(elsewhere.0.abs_diff(code.address()) > 1 << 40);
    let call = call.expect("one was emitted");
    let counts = Counts::default();
    // SAFETY: the code takes the address of the counts, and calls functions that count in them.
    let run = unsafe { code.entry::<extern "C" fn(*const Counts)>() };
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| run.call(&raw const counts));
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        let wait = |counter: &AtomicU64, more: u64| {
            let until = read(counter) + more;
            while read(counter) < until && !runner.is_finished() {
                std::hint::spin_loop();
            }
        };
        wait(&counts.one, 1);
        for n in 0..times {
            let to_one = n % 2 == 1;
            let outcome = match n % 4 {
                1 | 3 => aim(&code, call, one),
                0 => aim(&code, call, two),
                _ => aim(&code, call, elsewhere),
            };
            outcome.expect("the host allows it");
            if n % (times / 100) < 2 {
                let (new, old) = if to_one { (&counts.one, &counts.two) } else { (&counts.two, &counts.one) };
                // What was under way when it returned has come to its end by the second call.
                wait(new, 2);
                let stale = read(old);
                wait(new, 10);
                assert!(!other_threads || read(old) == stale, "a call went to the old target");
            }
        }
        counts.stop.store(1, Ordering::SeqCst);
    });
    let [one, two, calls] = [&counts.one, &counts.two, &counts.calls].map(|c| c.load(Ordering::SeqCst));
    assert_eq!(one + two, calls, "every call went to one of the two");
    assert!(one > 1000 && two > 1000, "{one} {two}");
}

/// The store alone is what keeps the thread in order, so this is done without barriers.
///
/// Under the flip the thread would fault when it fetches from the page that is being written, which is why
/// that strategy excludes it.
#[test]
fn a_call_is_retargeted_a_million_times_while_a_thread_runs_through_it() {
    retarget_under_a_running_thread(1_000_000, false);
}

/// Each barrier interrupts the processor of the running thread, and waits for it.
#[test]
fn no_call_goes_to_the_old_target_after_the_barrier() {
    retarget_under_a_running_thread(10_000, true);
}

/// Both strategies, a single thread: each call goes where the last patch says.
#[test]
fn a_call_is_retargeted_between_calls() {
    const TIMES: i64 = 20_000;
    for strategy in [Strategy::DualMapping, Strategy::ProtectFlip] {
        let options = HeapOptions { other_threads: false, ..HeapOptions::new(strategy) };
        let heap = CodeHeap::with(options).expect("Linux on x86-64");
        let (mut jump, mut places) = (None, vec![]);
        let sealed = seal(|asm| {
            let first = asm.label();
            x64!(asm => jmp {first: patchable});
            jump = asm.last_patch_point();
            asm.bind(first);
            for n in 0..7 {
                places.push(asm.offset());
                x64!(asm => mov rax, {n}; ret);
            }
        });
        let code = sealed.publish(&heap).expect("room");
        let jump = jump.expect("one was emitted");
        // SAFETY: a function of nothing that returns an integer, wherever its jump goes.
        let f = unsafe { code.entry::<extern "C" fn() -> i64>() };
        for n in 0..TIMES {
            let which = (n * n + n / 3) % 7;
            aim(&code, jump, places[which as usize]).expect("the host allows it");
            assert_eq!(f.call(), which, "{strategy}");
        }
    }
}

/// Sealing keeps track of as many points as there are, and a limit is a limit.
#[test]
fn code_without_points_has_none() -> Result<(), StitchError> {
    let [heap, _] = heaps();
    let code = seal(|asm| x64!(asm => call {Function(FAR)}; ret)).publish(&heap)?;
    assert_eq!(code.patch_points(), 0);
    // Where its one veneer stands, with its target, and nothing more.
    assert_eq!(code.data(), std::slice::from_ref(&(24..32)));
    assert_eq!(code.len(), 32);
    Ok(())
}
