//! What the kernel says of code memory, in a process that does nothing else.
//!
//! `/proc/self/maps` is read at every step of the life of code. These are the only tests of this binary,
//! and they take turns, so that every mapping that comes or goes is theirs.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code)]

use jit_runtime::memory::{Block, CodeHeap, HeapOptions, MemoryError, POISON, Strategy};
use jit_runtime::stitch::{
    Assembler, Code, CodePtr, Function, PatchError, PatchPoint, PatchTarget, StitchError,
};
use jit_runtime::x64;
use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const BOTH: [Strategy; 2] = [Strategy::DualMapping, Strategy::ProtectFlip];

/// Out of reach of everything.
const FAR: Function = Function(16);

/// One line of `/proc/self/maps`.
struct Line {
    range: std::ops::Range<usize>,
    rights: String,
    text: String,
}

fn maps() -> Vec<Line> {
    let text = fs::read_to_string("/proc/self/maps").expect("Linux");
    text.lines()
        .map(|line| {
            let mut words = line.split_whitespace();
            let (start, end) = words.next().and_then(|w| w.split_once('-')).expect("a range");
            let hex = |digits| usize::from_str_radix(digits, 16).expect("an address");
            let rights = words.next().expect("rights").to_owned();
            Line { range: hex(start)..hex(end), rights, text: line.to_owned() }
        })
        .collect()
}

/// The rights of the page at `address`; and no page anywhere may be written and run.
fn rights(address: usize) -> String {
    let maps = maps();
    for line in &maps {
        assert!(!(line.rights.contains('w') && line.rights.contains('x')), "{}", line.text);
    }
    maps.into_iter().find(|l| l.range.contains(&address)).map_or(String::new(), |l| l.rights)
}

/// Every mapping that can run, and every memory file: what code memory leaves behind, if it does.
fn traces() -> BTreeSet<String> {
    let is_code = |l: &Line| l.rights.contains('x') || l.text.contains("memfd:");
    maps().into_iter().filter(is_code).map(|l| l.text).collect()
}

/// The bytes at an address, as another process would read them.
fn peek(address: usize, len: usize) -> Vec<u8> {
    let mut memory = fs::File::open("/proc/self/mem").expect("Linux");
    memory.seek(SeekFrom::Start(address as u64)).expect("an offset");
    let mut bytes = vec![0; len];
    memory.read_exact(&mut bytes).expect("mapped memory");
    bytes
}

/// Reading and running, in the kernel's letters without the last (private or shared).
fn runs(address: usize) -> bool {
    rights(address).starts_with("r-x")
}

fn alone<T>(test: impl FnOnce() -> T) -> T {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    test()
}

fn publish(heap: &CodeHeap, code: &[u8]) -> Block {
    let space = heap.place(code.len()).expect("room");
    heap.publish(space, code).expect("the host allows it")
}

fn assemble(heap: &CodeHeap, emit: impl FnOnce(&mut Assembler)) -> Code {
    let mut asm = Assembler::new();
    emit(&mut asm);
    asm.seal().expect("every label is bound").publish(heap).expect("room")
}

/// Code that jumps to what returns 1, by a patch point, and where what returns 2 is.
fn patchable(heap: &CodeHeap) -> (Code, PatchPoint, CodePtr) {
    let (mut two, mut point) = (CodePtr::default(), None);
    let code = assemble(heap, |asm| {
        let one = asm.label();
        x64!(asm => jmp {one: patchable});
        point = asm.last_patch_point();
        asm.bind(one);
        x64!(asm => mov eax, 1; ret);
        two = asm.offset();
        x64!(asm => mov eax, 2; ret);
    });
    (code, point.expect("one was emitted"), two)
}

/// Aim a patch point elsewhere.
fn aim(code: &Code, point: PatchPoint, to: impl Into<PatchTarget>) -> Result<(), PatchError> {
    // SAFETY: what is run is what `patchable` made, aimed at its own returns; at `FAR` it is looked at only.
    unsafe { code.retarget(point, to) }
}

fn call(code: &Code) -> i32 {
    // SAFETY: the tests call what `patchable` made, or what takes nothing and returns an integer, too.
    unsafe { code.entry::<extern "C" fn() -> i32>() }.call()
}

fn life(strategy: Strategy) {
    let before = traces();
    let files = fs::read_dir("/proc/self/fd").expect("Linux").count();
    let heap = CodeHeap::new(strategy).expect("Linux on x86-64");
    assert_eq!(traces(), before, "an empty heap maps nothing");

    let space = heap.place(100).expect("room");
    let at = space.address();
    assert!(runs(at) && peek(at, 100) == [POISON; 100], "{strategy}: placed");
    let block = heap.publish(space, &[0x90; 90]).expect("published");
    assert!(runs(at), "{strategy}: published");
    assert_eq!(peek(at, 100), [&[0x90; 90][..], &[POISON; 10]].concat());

    let (code, point, two) = patchable(&heap);
    assert_eq!(call(&code), 1);
    let bytes = peek(code.address(), code.len());
    for far in [false, true, false] {
        let field = code.patch_point_at(point).expect("its own").0 as usize;
        let outcome = if far { aim(&code, point, FAR) } else { aim(&code, point, two) };
        outcome.expect("patched");
        assert!(runs(code.address()), "{strategy}: patched");
        let now = peek(code.address(), code.len());
        let changed: Vec<usize> = (0..now.len()).filter(|&i| now[i] != bytes[i]).collect();
        let stone = code.data()[0].clone();
        assert!(!changed.is_empty());
        assert!(changed.iter().all(|i| (field..field + 4).contains(i) || stone.contains(i)), "{changed:?}");
        assert_eq!(now, code.block().bytes());
    }
    assert_eq!(call(&code), 2);
    drop(code);

    // A second block in the same page leaves the first one executable.
    let second = publish(&heap, &[0x91; 40]);
    assert!(runs(at) && runs(second.address()) && second.address() == at + 112);
    drop(block);
    assert!(runs(at), "{strategy}: dropped, and its neighbour lives");
    assert_eq!(peek(at, 112), [POISON; 112]);
    assert_eq!(peek(second.address(), 40), [0x91; 40]);

    drop(heap);
    assert!(runs(second.address()), "{strategy}: a block outlives its heap");
    drop(second);
    assert_eq!(rights(at), "", "{strategy}: the last handle unmaps");
    assert_eq!(traces(), before, "{strategy}: nothing is left behind");
    assert_eq!(
        fs::read_dir("/proc/self/fd").expect("Linux").count(),
        files,
        "{strategy}: no descriptor is left"
    );
}

#[test]
fn nothing_is_writable_and_executable_with_the_dual_mapping() {
    alone(|| life(Strategy::DualMapping));
}

#[test]
fn nothing_is_writable_and_executable_with_the_flip() {
    alone(|| life(Strategy::ProtectFlip));
}

/// Blocks over many regions come and go: memory comes back as it was.
#[test]
fn regions_come_and_go() {
    alone(|| {
        for strategy in BOTH {
            let before = traces();
            let options = HeapOptions { region_size: 16 << 10, step: 4 << 10, ..HeapOptions::new(strategy) };
            let heap = CodeHeap::with(options).expect("Linux on x86-64");
            let mut blocks: Vec<Block> = (0..100).map(|i| publish(&heap, &vec![0x90; 50 + 37 * i])).collect();
            assert!(heap.stats().regions > 10, "{:?}", heap.stats());
            for (i, block) in blocks.iter().enumerate() {
                assert_eq!(peek(block.address(), 50 + 37 * i), vec![0x90; 50 + 37 * i]);
            }
            let mut keep = false;
            blocks.retain(|_| {
                keep = !keep;
                keep
            });
            assert!(blocks.iter().all(|b| runs(b.address())));
            drop(heap);
            drop(blocks);
            assert_eq!(traces(), before, "{strategy}");
        }
    });
}

/// A thread that only looks never sees a page that is writable and executable: not while code is published, patched
/// and freed, nor while regions are mapped and grow. That nothing asks the kernel for such a page, however briefly, is
/// shown by `no_call_asks_for_memory_that_is_writable_and_executable`.
#[test]
fn a_bystander_sees_no_page_writable_and_executable() {
    const LOOKS: u32 = 1000;
    const ROUNDS: u32 = 300;
    let look = || {
        let text = fs::read_to_string("/proc/self/maps").expect("Linux");
        let open = |line: &&str| line.split(' ').nth(1).is_some_and(|rights| rights[1..].starts_with("wx"));
        assert_eq!(text.lines().find(open), None);
    };
    let work = |strategy| {
        let heap = CodeHeap::new(strategy).expect("Linux on x86-64");
        let (code, point, two) = patchable(&heap);
        aim(&code, point, two).expect("patched");
        drop(publish(&heap, &[0x90; 300]));
        let small = HeapOptions { region_size: 12 << 10, step: 1, ..HeapOptions::new(strategy) };
        let heap = CodeHeap::with(small).expect("Linux on x86-64");
        let _blocks = [0; 16].map(|_| publish(&heap, &[0x90; 3000]));
        assert!(heap.stats().regions == 4 && heap.stats().mapped == 48 << 10, "{heap:?}");
    };
    alone(|| {
        for strategy in BOTH {
            let (looks, done) = (AtomicU32::new(0), AtomicBool::new(false));
            std::thread::scope(|scope| {
                let bystander = scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        look();
                        looks.fetch_add(1, Ordering::Relaxed);
                    }
                });
                let mut rounds = 0;
                while (rounds < ROUNDS || looks.load(Ordering::Relaxed) < LOOKS) && !bystander.is_finished() {
                    work(strategy);
                    rounds += 1;
                }
                done.store(true, Ordering::Relaxed);
                bystander.join().expect("no page was writable and executable");
            });
        }
    });
}

/// Beside each region, at both of its addresses, is a page that nobody can touch.
#[test]
fn regions_stand_between_guards() {
    alone(|| {
        for strategy in BOTH {
            let before: BTreeSet<usize> = maps().iter().map(|line| line.range.start).collect();
            let heap = CodeHeap::new(strategy).expect("Linux on x86-64");
            let space = heap.place(1).expect("room");
            let region = space.region();
            assert_eq!(rights(region.start - 1), "---p", "{strategy}: below");
            assert_eq!(rights(region.end), "---p", "{strategy}: above");
            let writable = maps().into_iter().filter(|line| {
                !before.contains(&line.range.start)
                    && line.text.contains("memfd:jit-code")
                    && line.rights == "rw-s"
            });
            let writable: Vec<Line> = writable.collect();
            assert_eq!(writable.len(), usize::from(strategy == Strategy::DualMapping));
            for line in writable {
                assert_eq!(rights(line.range.start - 1), "---p", "{strategy}: below the writable view");
                assert_eq!(rights(line.range.end), "---p", "{strategy}: above the writable view");
            }
        }
    });
}

extern "C" fn host_function() -> i32 {
    4711
}

/// Regions are in reach of the program: a call of its function is five bytes to the function itself. What is
/// out of reach is called through a veneer.
#[test]
fn calls_of_the_program_are_direct() {
    alone(|| {
        for strategy in BOTH {
            let heap = CodeHeap::new(strategy).expect("Linux on x86-64");
            let near = Function(host_function as extern "C" fn() -> i32 as usize);
            let far = Function(libc::getpid as *const () as usize);
            let mut blocks = vec![];
            for (function, direct) in [(near, true), (far, false)] {
                let code = assemble(&heap, |asm| {
                    x64!(asm => push rax; call {function}; pop rcx; ret);
                });
                let bytes = code.block().bytes();
                let distance = i32::from_le_bytes(*bytes[2..].first_chunk().expect("a call"));
                let goes_to = (code.address() + 6).wrapping_add_signed(distance as isize);
                assert_eq!(
                    goes_to == function.0,
                    direct,
                    "{strategy}: {:#x} from {:#x}",
                    function.0,
                    code.address()
                );
                assert_eq!(code.block().contains(goes_to), !direct, "{strategy}: a veneer of its own");
                blocks.push(code);
            }
            assert_eq!(call(&blocks[0]), 4711, "{strategy}");
            assert_eq!(call(&blocks[1]), std::process::id() as i32, "{strategy}");
        }
    });
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("resident pages");
    pages * 4096
}

/// A million functions are compiled and freed, some of them kept for a while, and memory is what it was.
#[test]
fn a_million_functions_leave_no_memory_behind() {
    const CYCLES: usize = 1_000_000;
    alone(|| {
        let options = HeapOptions { other_threads: false, ..HeapOptions::new(Strategy::DualMapping) };
        let heap = CodeHeap::with(options).expect("Linux on x86-64");
        let mut asm = Assembler::new();
        let mut kept: VecDeque<Code> = VecDeque::new();
        let mut compile = |number: usize| {
            let skip = asm.label();
            x64!(asm => mov eax, {number as i32}; jmp {skip});
            if number.is_multiple_of(4) {
                x64!(asm => add rax, [rdi + {number as i32}]; call {FAR: patchable});
            }
            asm.bind(skip);
            x64!(asm => ret);
            let sealed = std::mem::take(&mut asm).seal().expect("bound");
            let (code, empty) = sealed.publish_and_recycle(&heap);
            asm = empty;
            kept.push_back(code.expect("room"));
            while kept.len() > number % 50 + 1 {
                kept.pop_front();
            }
            if number.is_multiple_of(1000) {
                assert_eq!(call(kept.back().expect("just pushed")), number as i32);
            }
        };
        (0..1000).for_each(&mut compile);
        let (before, mapped) = (resident(), heap.stats().mapped);
        (1000..CYCLES).for_each(&mut compile);
        assert_eq!(heap.stats().mapped, mapped, "{:?}", heap.stats());
        let after = resident();
        assert!(after < before + (256 << 10), "{before} bytes in memory, then {after}");
        drop(kept);
        assert_eq!(heap.stats().used, 0);
    });
}

/// `probe` finds what works, and here both do.
#[test]
fn the_probe_takes_the_dual_mapping() {
    alone(|| {
        let before = traces();
        let heap = CodeHeap::probe().expect("Linux on x86-64");
        assert_eq!(heap.strategy(), Strategy::DualMapping);
        assert_eq!(traces(), before, "the probe leaves nothing");
    });
}

/// Under the flip a child of fork has a copy of its own: it runs it and changes it, and the parent's is as it was.
#[test]
fn a_child_of_fork_changes_its_own_copy() {
    alone(|| {
        let heap = CodeHeap::new(Strategy::ProtectFlip).expect("Linux on x86-64");
        let (code, point, two) = patchable(&heap);
        let status = in_child(|| {
            let copied = call(&code);
            aim(&code, point, two).map_or(0, |()| 10 * copied + call(&code))
        });
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 12, "{status:#x}");
        assert_eq!(call(&code), 1);
    });
}

/// Under the dual mapping, where memory would be shared, a child has none of it: it cannot run the code, finds
/// nothing at either address, and its heap refuses. It can have a heap of its own.
#[test]
fn a_child_of_fork_has_nothing_of_its_parents_code() {
    alone(|| {
        let heap = CodeHeap::new(Strategy::DualMapping).expect("Linux on x86-64");
        let (code, point, two) = patchable(&heap);
        let views: Vec<usize> =
            maps().iter().filter(|l| l.text.contains("memfd:jit-code")).map(|l| l.range.start).collect();
        assert!(views.len() >= 2, "one to write and one to run");
        let faults = |status: i32| libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV;

        assert!(faults(in_child(|| call(&code))), "the code runs in a child");
        for view in views {
            let touch = || {
                // SAFETY: none; the child is to die of it, as nothing is mapped there.
                unsafe { std::ptr::with_exposed_provenance_mut::<u8>(view).write_volatile(0) };
                0
            };
            assert!(faults(in_child(touch)), "{view:#x} can be written in a child");
        }
        let status = in_child(|| {
            let patched = matches!(aim(&code, point, two), Err(PatchError::Memory(MemoryError::Forked)));
            let sealed = Assembler::new().seal().expect("nothing is wrong");
            let empty = sealed.publish(&heap).is_ok_and(|code| code.is_empty());
            let mut asm = Assembler::new();
            x64!(asm => ret);
            let publishing = asm.seal().expect("no labels").publish(&heap);
            let published = matches!(publishing, Err(StitchError::Memory(MemoryError::Forked)));
            let read = code.block().bytes().iter().all(|byte| *byte == POISON);
            drop(code.clone());
            let own = CodeHeap::new(Strategy::DualMapping).map(|own| {
                let (code, point, two) = patchable(&own);
                let patched = aim(&code, point, two).is_ok();
                i32::from(patched) + call(&code)
            });
            i32::from(patched) + i32::from(empty) + i32::from(published) + i32::from(read) + own.unwrap_or(0)
        });
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7, "{status:#x}");
        assert_eq!(call(&code), 1);
        aim(&code, point, two).expect("patched");
        assert_eq!(call(&code), 2);
    });
}

/// A child's regions are nowhere where its parent's were, though nothing is there: near the program there is room for
/// a few regions of this size only, so the child is offered each of those places.
#[test]
fn a_child_of_fork_stays_clear_of_its_parents_addresses() {
    alone(|| {
        let options = HeapOptions { region_size: 512 << 20, ..HeapOptions::new(Strategy::DualMapping) };
        let views = || -> Vec<std::ops::Range<usize>> {
            maps().into_iter().filter(|l| l.text.contains("memfd:jit-code")).map(|l| l.range).collect()
        };
        let heaps = [0; 2].map(|_| CodeHeap::with(options).expect("Linux on x86-64"));
        let _code = heaps.each_ref().map(patchable);
        let parents = views();
        let status = in_child(|| {
            if !views().is_empty() {
                return 1;
            }
            let heaps: Vec<CodeHeap> = (0..8).filter_map(|_| CodeHeap::with(options).ok()).collect();
            let codes: Vec<_> = heaps.iter().map(patchable).collect();
            let own = views();
            let clear = own
                .iter()
                .all(|view| parents.iter().all(|other| view.end <= other.start || other.end <= view.start));
            if own.len() < 16 || !clear || codes.iter().any(|(code, ..)| call(code) != 1) { 2 } else { 7 }
        });
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7, "{status:#x}");
    });
}

/// How a child ended that exits with what `work` returns.
fn in_child(work: impl Fn() -> i32) -> i32 {
    // SAFETY: of the locks of this process the child takes those of the allocator, which fork leaves free,
    // and of heaps that no other thread uses, since these tests take turns.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "a process can be made");
    if child == 0 {
        // SAFETY: the default action for the signal; the standard library's handler would print.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
        let status = work();
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: a child of this process, and a place for its status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    status
}
