//! What the kernel says of code memory, in a process that does nothing else.
//!
//! `/proc/self/maps` is read at every step of the life of code. These are the only tests of this binary,
//! and they take turns, so that every mapping that comes or goes is theirs.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code)]

use jit_runtime::memory::{Block, CodeHeap, HeapOptions, POISON, Strategy};
use jit_runtime::stitch::Assembler;
use jit_runtime::transition::EntryPoint;
use jit_runtime::x64;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Mutex;

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

    block.patch(8, &[1, 2, 3, 4]).expect("patched");
    block.patch(16, &[1, 2, 3, 4, 5, 6, 7, 8]).expect("patched");
    block.patch(87, &[9, 9, 9]).expect("patched");
    assert!(runs(at), "{strategy}: patched");
    assert_eq!(peek(at + 8, 4), [1, 2, 3, 4]);
    assert_eq!(peek(at + 16, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(peek(at + 87, 4), [9, 9, 9, POISON]);
    assert_eq!(peek(at, 90), block.bytes());

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
        for strategy in [Strategy::DualMapping, Strategy::ProtectFlip] {
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

/// A thread that only looks never sees a page that is writable and executable.
#[test]
fn a_bystander_sees_no_page_writable_and_executable() {
    use std::sync::atomic::{AtomicBool, Ordering};
    alone(|| {
        for strategy in [Strategy::DualMapping, Strategy::ProtectFlip] {
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let bystander = scope.spawn(|| {
                    let mut looks = 0;
                    while !done.load(Ordering::Relaxed) {
                        rights(0);
                        looks += 1;
                    }
                    looks
                });
                let heap = CodeHeap::new(strategy).expect("Linux on x86-64");
                let until = std::time::Instant::now() + std::time::Duration::from_millis(200);
                while std::time::Instant::now() < until {
                    let block = publish(&heap, &[0x90; 300]);
                    block.patch(4, &[0x90; 4]).expect("patched");
                }
                done.store(true, Ordering::Relaxed);
                let looks = bystander.join().expect("no page was writable and executable");
                assert!(looks > 3, "{looks} looks are too few");
            });
        }
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

/// What a child of fork sees: its own copy under the flip, which it can run; nothing under the dual mapping,
/// where it would share memory with its parent.
#[test]
fn a_child_of_fork_runs_a_copy_or_nothing() {
    alone(|| {
        let published = |strategy| {
            let mut asm = Assembler::new();
            x64!(asm => mov eax, 42; ret);
            let heap = CodeHeap::new(strategy).expect("Linux on x86-64");
            let code = asm.seal().expect("no labels").publish(&heap).expect("room");
            // SAFETY: the code takes nothing, returns 42, and changes nothing else.
            unsafe { EntryPoint::<extern "C" fn() -> i32>::new(code) }
        };
        let flip = published(Strategy::ProtectFlip);
        assert_eq!(flip.call(), 42);
        let status = in_child(|| flip.call());
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42, "{status:#x}");

        let dual = published(Strategy::DualMapping);
        assert_eq!(dual.call(), 42);
        let status = in_child(|| dual.call());
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV, "{status:#x}");
        assert_eq!(dual.call(), 42);
    });
}

/// How a child ended that exits with what `work` returns.
fn in_child(work: impl Fn() -> i32) -> i32 {
    // SAFETY: the child of this process with many threads only calls JIT code and `_exit`, neither of which
    // takes a lock.
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
