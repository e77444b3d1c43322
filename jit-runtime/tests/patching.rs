//! Patch points of published code, while it stands still and while a thread runs it.
#![cfg(all(unix, target_arch = "x86_64"))]
#![allow(unsafe_code)]

use expect_test::expect;
use jit_runtime::memory::{CodeHeap, HeapOptions, Strategy};
use jit_runtime::stitch::{
    Assembler, Code, CodePtr, Function, PatchError, PatchPoint, PatchTarget, Section, StitchError,
};
use jit_runtime::{templates, x64};
use std::io::Write as _;
use std::sync::OnceLock;
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
    targets: [AtomicU64; 4],
    calls: AtomicU64,
    stop: AtomicU64,
}

/// Two near targets and two far ones, by their numbers among the counts.
const NEAR: usize = 0;
const OTHER_NEAR: usize = 1;
const FAR_DOWN: usize = 2;
const FAR_UP: usize = 3;

/// Where the call goes in turn, over and over: from near to near, from far to far, from far to near; and from near to
/// far with the address of the other far target still in the stepping stone.
const ROUTE: [usize; 10] =
    [OTHER_NEAR, FAR_DOWN, FAR_UP, NEAR, FAR_DOWN, FAR_UP, FAR_DOWN, OTHER_NEAR, FAR_UP, NEAR];

/// Where the far targets stand. No byte that addresses of programs differ in is the same in both, so what is put
/// together of parts of them leads nowhere.
const FAR_ADDRESSES: [usize; 2] = [0x153a_5c6e_8190, 0x6ac5_a391_7e60];

/// The code of the target of a number.
fn counting(asm: &mut Assembler, target: usize) {
    x64!(asm => lock inc qword [rdi + {8 * target as i32}]; ret);
}

/// Code in memory of its own, at `wish` if nothing is there: far from the program, and from regions.
fn far_away(code: &[u8], wish: usize) -> Function {
    let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let (hint, offset) = (wish & !4095, wish & 4095);
    // SAFETY: address space that nothing uses, at a hint or elsewhere.
    let page = unsafe { libc::mmap(std::ptr::without_provenance_mut(hint), 4096, prot, flags, -1, 0) };
    assert!(page != libc::MAP_FAILED && offset + code.len() <= 4096);
    if page.addr() != hint {
        // Past the capture of test output: every run tells what it could not look at.
        let _ = writeln!(std::io::stderr(), "{wish:#x} is not free: of far targets fewer bytes differ");
    }
    let at = page.cast::<u8>().wrapping_add(offset);
    // SAFETY: a fresh page, to which nothing refers, and which has room.
    unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), at, code.len()) };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_EXEC) }, 0);
    Function(at.expose_provenance())
}

/// The two far targets, which all tests share.
fn far_targets() -> [Function; 2] {
    static FAR: OnceLock<[Function; 2]> = OnceLock::new();
    let target = |(target, wish)| far_away(seal(|asm| counting(asm, target)).bytes(), wish);
    *FAR.get_or_init(|| [(FAR_DOWN, FAR_ADDRESSES[0]), (FAR_UP, FAR_ADDRESSES[1])].map(target))
}

/// A loop over a call of the first target, the other near target behind it, the call and where the targets are.
fn calling_loop(heap: &CodeHeap) -> (Code, PatchPoint, [PatchTarget; 4]) {
    let (mut call, mut near, mut other) = (None, None, CodePtr::default());
    let sealed = seal(|asm| {
        let [again, first] = asm.labels();
        near = Some(first);
        asm.bind(again);
        x64!(asm => call {first: patchable});
        call = asm.last_patch_point();
        x64!(asm => inc qword [rdi + 32]; cmp qword [rdi + 40], 0; je {again}; ret);
        asm.bind(first);
        counting(asm, NEAR);
        // So far away that their distances differ in more than a byte: half of each leads to what traps.
        (0..70_000).for_each(|_| x64!(asm => ud2));
        other = asm.offset();
        counting(asm, OTHER_NEAR);
    });
    let near = near.and_then(|label| sealed.offset_of(label)).expect("bound");
    let code = sealed.publish(heap).expect("room");
    let far = far_targets();
    assert!(far.iter().all(|far| far.0.abs_diff(code.address()) > 1 << 40));
    (code, call.expect("one was emitted"), [near.into(), other.into(), far[0].into(), far[1].into()])
}

/// Stops the loop when it is dropped: also by a panic, behind which the thread is waited for.
struct StopAtTheEnd<'a>(&'a Counts);

impl Drop for StopAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.stop.store(1, Ordering::SeqCst);
    }
}

/// A thread runs in a tight loop through a call that another re-targets `times` times, to functions near and far:
/// each call goes to the target before or to the target after, and once the thread has been at the new one, to no
/// other.
fn retarget_under_a_running_thread(times: usize, other_threads: bool) {
    let options = HeapOptions { other_threads, ..HeapOptions::new(Strategy::DualMapping) };
    let heap = CodeHeap::with(options).expect("Linux on x86-64");
    let (code, call, targets) = calling_loop(&heap);
    let counts = Counts::default();
    // SAFETY: the code takes the address of the counts, and calls functions that count in them.
    let run = unsafe { code.entry::<extern "C" fn(*const Counts)>() };
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| run.call(&raw const counts));
        let _stop = StopAtTheEnd(&counts);
        let read = |target: usize| counts.targets[target].load(Ordering::SeqCst);
        let wait = |target: usize, more: u64| {
            let until = read(target) + more;
            while read(target) < until && !runner.is_finished() {
                // The thread may be waiting for this processor.
                std::thread::yield_now();
            }
        };
        let mut old = NEAR;
        for n in 0..times {
            let new = ROUTE[n % ROUTE.len()];
            let looks = n % (times / 40) < ROUTE.len();
            if looks {
                // What was under way when it was sent there has come to its end by the second call.
                wait(old, 2);
            }
            let before = [0, 1, 2, 3].map(read);
            aim(&code, call, targets[new]).expect("the host allows it");
            if looks {
                wait(new, 2);
                let stale = read(old);
                wait(new, 10);
                assert_eq!(read(old), stale, "a call went from {new} back to {old}");
                let changed = |target: &usize| read(*target) != before[*target];
                let elsewhere = (0..4).filter(|target| ![old, new].contains(target)).find(changed);
                assert_eq!(elsewhere, None, "on the way from {old} to {new}");
            }
            old = new;
        }
    });
    let seen = counts.targets.map(AtomicU64::into_inner);
    assert_eq!(seen.iter().sum::<u64>(), counts.calls.into_inner(), "every call went to one of them");
    assert!(seen.iter().all(|calls| *calls > 500), "{seen:?}");
}

/// The store alone is what keeps the thread in order, so this is done without barriers.
///
/// Under the flip the thread would fault when it fetches from the page that is being written, which is why
/// that strategy excludes it.
#[test]
fn a_call_is_retargeted_a_million_times_while_a_thread_runs_through_it() {
    retarget_under_a_running_thread(1_000_000, false);
}

/// Each barrier interrupts the processor of the running thread, and waits for it: the thread goes on.
///
/// That there is a barrier at all is not to be seen from here, where a processor fetches what was stored a moment ago
/// also without one. The log of the fake host has it: `the_life_of_a_block` in the tests of [`jit_runtime::memory`].
#[test]
fn barriers_do_not_disturb_a_thread_that_runs_through_a_call() {
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
