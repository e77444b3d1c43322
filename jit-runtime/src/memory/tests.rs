//! The heap over fake pages: what it asks of the host, in order, and what it does when refused.

use super::fake::FakePages;
use super::{Block, CodeHeap, HeapOptions, MemoryError, POISON, Policy, Strategy};
use expect_test::{Expect, expect};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn fake() -> (CodeHeap, FakePages) {
    let pages = FakePages::default();
    let options = HeapOptions { region_size: 128, step: 32, ..HeapOptions::new(Strategy::ProtectFlip) };
    (CodeHeap::on(Box::new(pages.clone()), options), pages)
}

fn publish(heap: &CodeHeap, code: &[u8]) -> Result<Block, MemoryError> {
    let space = heap.place(code.len())?;
    assert!(space.address().is_multiple_of(16) && space.region().contains(&space.address()));
    heap.publish(space, code)
}

fn refused(call: &'static str, to: &'static str, errno: i32, policy: Option<Policy>) -> MemoryError {
    MemoryError::Host { call, to, len: 4096, errno, policy }
}

fn check(pages: &FakePages, wanted: Expect) {
    wanted.assert_eq(&pages.log());
}

#[test]
fn the_life_of_a_block() {
    let (heap, pages) = fake();
    check(&pages, expect![""]);
    let space = heap.place(9).unwrap();
    check(
        &pages,
        expect![[r#"
        map 0x1000 128
        begin 0..32
          poison 0..32
          flush 0..32
        finish 0..32
    "#]],
    );
    let block = heap.publish(space, &[1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap();
    assert_eq!(pages.run(block.address(), 16), [&[1, 2, 3, 4, 5, 6, 7, 8, 9][..], &[POISON; 7]].concat());
    check(
        &pages,
        expect![[r#"
            begin 0..9
              write 0..9
              flush 0..9
            finish 0..9
            synchronise
        "#]],
    );
    block.replace(4, [0; 4]).unwrap();
    assert_eq!(block.bytes(), [1, 2, 3, 4, 0, 0, 0, 0, 9]);
    check(
        &pages,
        expect![[r#"
            begin 4..8
              write 4..8
              flush 4..8
            finish 4..8
            synchronise
        "#]],
    );
    let other = block.clone();
    drop(block);
    check(&pages, expect![""]);
    let address = other.address();
    drop(other);
    assert_eq!(pages.run(address, 16), [POISON; 16]);
    check(
        &pages,
        expect![[r#"
        begin 0..16
          poison 0..16
          flush 0..16
        finish 0..16
    "#]],
    );
    drop(heap);
    check(
        &pages,
        expect![[r#"
        unmap 0x1000
    "#]],
    );
}

#[test]
fn a_region_grows_by_steps_and_the_next_is_mapped_when_it_is_full() {
    let (heap, pages) = fake();
    let blocks: Vec<Block> = (0..9).map(|i| publish(&heap, &[i; 16]).unwrap()).collect();
    for (i, block) in blocks.iter().enumerate() {
        assert_eq!(pages.run(block.address(), 16), [i as u8; 16]);
    }
    expect!["HeapStats { reserved: 256, mapped: 160, used: 144, free: 112, regions: 2 }"]
        .assert_eq(&format!("{:?}", heap.stats()));
    drop(blocks);
    // The last region stays, for what comes next.
    expect!["HeapStats { reserved: 128, mapped: 32, used: 0, free: 128, regions: 1 }"]
        .assert_eq(&format!("{:?}", heap.stats()));
    assert_eq!(pages.regions(), 1);
}

#[test]
fn what_is_larger_than_a_region_has_its_own() {
    let (heap, pages) = fake();
    let small = publish(&heap, &[1]).unwrap();
    let large = publish(&heap, &[2; 500]).unwrap();
    assert_eq!((pages.regions(), heap.stats().reserved), (2, 128 + 512));
    assert_eq!(pages.run(large.address(), 500), [2; 500]);
    drop(large);
    assert_eq!((pages.regions(), heap.stats().reserved), (1, 128));
    assert_eq!(small.bytes(), [1]);
}

#[test]
fn blocks_keep_their_region_when_the_heap_is_gone() {
    let (heap, pages) = fake();
    let block = publish(&heap, &[7]).unwrap();
    drop(heap);
    assert_eq!(pages.run(block.address(), 1), [7]);
    drop(block);
    assert_eq!(pages.regions(), 0);
}

#[test]
fn freed_room_is_used_again_first_fit() {
    let (heap, _) = fake();
    let [a, b, c] = [16, 32, 16].map(|len| publish(&heap, &vec![1; len]).unwrap());
    let (at_a, at_b) = (a.address(), b.address());
    drop((a, b));
    // 48 bytes fit only where the two rooms joined.
    let joined = publish(&heap, &[2; 48]).unwrap();
    assert_eq!(joined.address(), at_a);
    drop(joined);
    let small = publish(&heap, &[3; 10]).unwrap();
    let next = publish(&heap, &[4; 32]).unwrap();
    assert_eq!((small.address(), next.address()), (at_a, at_b));
    drop(c);
}

#[test]
fn a_space_that_is_dropped_gives_its_room_back() {
    let (heap, pages) = fake();
    let space = heap.place(100).unwrap();
    let address = space.address();
    assert_eq!(heap.stats().used, 112);
    drop(space);
    assert_eq!(heap.stats().used, 0);
    assert_eq!(heap.place(100).unwrap().address(), address);
    assert!(pages.accessible().iter().all(|b| *b == POISON));
}

#[test]
fn bad_requests_are_errors() {
    let (heap, _) = fake();
    let (other, _) = fake();
    let block = publish(&heap, &[1, 2, 3]).unwrap();
    let errors = [
        heap.place(usize::MAX).unwrap_err(),
        heap.publish(heap.place(2).unwrap(), &[0; 3]).unwrap_err(),
        heap.publish(other.place(2).unwrap(), &[0; 2]).unwrap_err(),
        MemoryError::Full { limit: 65536, mapped: 61440, len: 5000 },
        MemoryError::Forked,
        refused("mmap", "map code for running", libc::EACCES, None),
        refused("mprotect", "make code writable", libc::ENOMEM, None),
        refused("memfd_create", "make a memory file for code", libc::EMFILE, None),
        refused("memfd_create", "make a memory file for code", libc::EACCES, Some(Policy::MemfdNoexec)),
        refused("mprotect", "make code executable", libc::EACCES, Some(Policy::DenyWriteExecute)),
        refused("mprotect", "make code executable", libc::EPERM, Some(Policy::Seccomp)),
        refused("mprotect", "make code executable", libc::EACCES, Some(Policy::Selinux)),
        refused(
            "mmap",
            "reserve room to run code",
            libc::ENOMEM,
            Some(Policy::AddressSpace { limit: 1 << 20 }),
        ),
        refused("mprotect", "make code writable", libc::ENOMEM, Some(Policy::DataSize { limit: 4096 })),
        refused("mprotect", "make code writable", libc::ENOMEM, Some(Policy::MappingCount { limit: 65530 })),
        refused("ftruncate", "size the memory file", libc::ENOMEM, Some(Policy::Overcommit)),
        MemoryError::Unsupported { wanted: "x86-64 processor under a Unix" },
    ];
    let text: String = errors.iter().map(|e| format!("{e}\n")).collect();
    expect![[r#"
        code memory: 18446744073709551615 bytes in one piece; rel32 reaches over 1073741824: split the code
        code memory: 3 bytes of code for a space of 2; place a larger one
        code memory: the space is of another heap; publish it where it was placed
        code memory: no room for 5000 bytes: 61440 are in use or in pieces, and the heap's limit is 65536; drop code, or raise `HeapOptions::limit`
        code memory: this process is a child of fork, and the code is its parent's; make a heap here, or use `Strategy::ProtectFlip`, of which a child has a copy
        code memory: mmap, to map code for running (4096 bytes), was refused: Permission denied (os error 13); a policy of the host forbids it (a security module; a sandbox): `CodeHeap::probe` takes the strategy that is allowed, if one is
        code memory: mprotect, to make code writable (4096 bytes), was refused: Cannot allocate memory (os error 12); there is no memory, or the process is at its limit: drop code
        code memory: memfd_create, to make a memory file for code (4096 bytes), was refused: Too many open files (os error 24); no file descriptor is free: close some, or use `Strategy::ProtectFlip`, which needs none
        code memory: memfd_create, to make a memory file for code (4096 bytes), was refused: Permission denied (os error 13); the sysctl vm.memfd_noexec is 2: set it to 0 or 1, or use `Strategy::ProtectFlip`, which needs no memory file (`CodeHeap::probe` finds out)
        code memory: mprotect, to make code executable (4096 bytes), was refused: Permission denied (os error 13); the process denies itself new code (prctl PR_SET_MDWE): start the process without it (for a service of systemd: MemoryDenyWriteExecute=no)
        code memory: mprotect, to make code executable (4096 bytes), was refused: Operation not permitted (os error 1); a seccomp filter is on the process: let the filter pass memfd_create, membarrier, and mmap and mprotect with PROT_EXEC (for a service of systemd: MemoryDenyWriteExecute=no)
        code memory: mprotect, to make code executable (4096 bytes), was refused: Permission denied (os error 13); SELinux is enforcing: let the domain of the process execute memory files, or have `execmem` for `Strategy::ProtectFlip` (`setsebool deny_execmem off`; `ausearch -m avc` shows the denial)
        code memory: mmap, to reserve room to run code (4096 bytes), was refused: Cannot allocate memory (os error 12); RLIMIT_AS is 1048576 bytes: raise it, make `HeapOptions::region_size` smaller, or drop code
        code memory: mprotect, to make code writable (4096 bytes), was refused: Cannot allocate memory (os error 12); RLIMIT_DATA is 4096 bytes: raise it, use `Strategy::DualMapping`, or drop code
        code memory: mprotect, to make code writable (4096 bytes), was refused: Cannot allocate memory (os error 12); the sysctl vm.max_map_count is 65530: raise it, make `HeapOptions::region_size` larger, or drop code
        code memory: ftruncate, to size the memory file (4096 bytes), was refused: Cannot allocate memory (os error 12); the sysctl vm.overcommit_memory is 2: make `HeapOptions::region_size` smaller, or drop code
        code memory: this target has no x86-64 processor under a Unix
    "#]].assert_eq(&text);
    // The failed publications gave their room back.
    assert_eq!(heap.stats().used, 16);
    assert_eq!(other.stats().used, 0);
    assert_eq!(block.bytes(), [1, 2, 3]);
}

#[test]
fn hooks_are_told_of_every_region_and_their_guards_go_before_it() {
    struct Guard(Arc<Mutex<Vec<String>>>, FakePages, usize);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(format!("bye {:#x}, {} mapped", self.2, self.1.regions()));
        }
    }
    let (heap, pages) = fake();
    let told = Arc::new(Mutex::new(vec![]));
    let first = publish(&heap, &[1; 100]).unwrap();
    let (log, at) = (told.clone(), pages.clone());
    let hook = move |base, len| -> super::RegionGuard {
        log.lock().unwrap().push(format!("region {base:#x} {len}"));
        Box::new(Guard(log.clone(), at.clone(), base))
    };
    assert!(heap.on_region("log", hook));
    assert!(!heap.on_region("log", |_, _| Box::new(())), "one hook of a name");
    let second = publish(&heap, &[2; 100]).unwrap();
    drop(first);
    drop(heap);
    drop(second);
    expect![[r#"
        region 0x1000 128
        region 0x2000 128
        bye 0x1000, 2 mapped
        bye 0x2000, 1 mapped"#]]
    .assert_eq(&told.lock().unwrap().join("\n"));
}

#[test]
fn nobody_waits_to_print_a_handle() {
    let (heap, _) = fake();
    let text =
        "CodeHeap(mprotect flip, HeapStats { reserved: 128, mapped: 32, used: 16, free: 112, regions: 1 })";
    let block = publish(&heap, &[1]).unwrap();
    assert_eq!(format!("{heap:?}"), text);
    // Hooks are told while the heap is locked.
    let told = Arc::new(Mutex::new(String::new()));
    let (own, log, held) = (heap.clone(), told.clone(), block.clone());
    heap.on_region("print", move |_, _| {
        *log.lock().unwrap() = format!("{own:?} {held:?}");
        Box::new(())
    });
    let told = told.lock().unwrap();
    assert!(told.starts_with("CodeHeap(locked) Block") && told.contains("heap: CodeHeap(locked)"), "{told}");
    let space = heap.place(1).unwrap();
    assert!(format!("{block:?}").contains("used: 32") && format!("{space:?}").contains("used: 32"));
}

/// Some of everything, for the tests that refuse requests: returns what lives, with its bytes.
fn workload(heap: &CodeHeap, mut each: impl FnMut(&[(Block, Vec<u8>)])) -> Vec<(Block, Vec<u8>)> {
    let mut live: Vec<(Block, Vec<u8>)> = vec![];
    for round in 0_u8..6 {
        let code = vec![round + 1; 10 + 11 * usize::from(round)];
        if let Ok(block) = publish(heap, &code) {
            live.push((block, code));
        }
        each(&live);
        if let Some((block, code)) = live.first_mut()
            && block.replace(4, [round; 4]).is_ok()
        {
            code[4..8].fill(round);
        } else if let Some((block, code)) = live.first_mut() {
            // Refused while it was begun: nothing changed. Refused behind the writing: the new bytes.
            let bytes = block.bytes();
            assert!(bytes == *code || bytes[4..8] == [round; 4]);
            *code = bytes;
        }
        each(&live);
        if round % 2 == 1 && live.len() > 1 {
            live.remove(1);
        }
        each(&live);
    }
    live
}

/// Under the flip a page that the host does not make executable again takes the code in it along, and no other does.
#[test]
fn pages_that_stay_shut_are_the_last_to_be_opened() {
    let (heap, pages) = fake();
    let blocks = [1, 2].map(|byte| publish(&heap, &[byte; 16]).unwrap());
    let [third, fourth] = [(); 2].map(|()| heap.place(16).unwrap());
    let (address, asked) = (third.address(), pages.requests());
    pages.refuse(1, 1000);
    heap.publish(third, &[3; 16]).unwrap_err();
    // Written, refused twice; and poisoning its room is not begun before it is executable.
    assert_eq!(pages.bytes(address, 16), [3; 16]);
    heap.publish(fourth, &[4; 16]).unwrap_err();
    blocks[0].replace(0, [0; 4]).unwrap_err();
    assert!(pages.requests() > asked + 3);
    for (block, byte) in blocks.iter().zip(1..) {
        assert_eq!(pages.run(block.address(), 16), [byte; 16]);
    }
    pages.refuse(0, 0);
    let block = publish(&heap, &[5; 16]).unwrap();
    assert_eq!(pages.run(block.address(), 16), [5; 16]);
    drop(blocks);
}

/// Sizes that make no sense make sense all the same.
#[test]
fn no_options_are_too_odd() {
    let most = usize::MAX;
    for strategy in [Strategy::DualMapping, Strategy::ProtectFlip] {
        for (region_size, step) in
            [(0, 0), (1, most), (5000, 4097), (100_000, most - 4095), (most, 1), (0, 1 << 63)]
        {
            for limit in [0, 1, 8192, most] {
                let options = HeapOptions { region_size, step, limit, ..HeapOptions::new(strategy) };
                let heap = CodeHeap::with(options).unwrap();
                let published = publish(&heap, &[0xC3; 5000]);
                assert_eq!(published.is_ok(), limit >= 8192, "{options:?}");
                drop(published);
                assert_eq!(heap.stats().used, 0, "{options:?}");
            }
        }
    }
}

/// Whatever single request, or pair of requests, the host refuses: what was published keeps its bytes,
/// the next requests succeed, and in the end nothing is lost.
#[test]
fn a_refusal_anywhere_loses_nothing() {
    let (heap, pages) = fake();
    drop(workload(&heap, |_| {}));
    let requests = pages.requests();
    assert!(requests > 30, "{requests} requests are too few to say something");
    for count in 1..=2 {
        for after in 0..requests {
            let (heap, pages) = fake();
            pages.refuse(after, count);
            let live = workload(&heap, |live| {
                for (block, code) in live {
                    assert_eq!(block.bytes(), *code, "request {after} refused");
                }
            });
            pages.refuse(0, 0);
            let last = publish(&heap, &[0xAB; 20]).expect("nothing is refused any more");
            assert_eq!(pages.run(last.address(), 20), [0xAB; 20]);
            for (block, code) in &live {
                assert_eq!(pages.run(block.address(), code.len()), *code, "request {after} refused");
            }
            drop((live, last));
            assert_eq!(heap.stats().used, 0, "request {after} refused");
            assert!(pages.accessible().iter().all(|b| *b == POISON), "request {after} refused");
            drop(heap);
            assert_eq!(pages.regions(), 0);
        }
    }
}

/// Random sequences against a list of what must be there; now and then the host refuses.
#[test]
fn behaves_as_a_list_of_blocks() {
    arbtest::arbtest(|u| {
        let (heap, pages) = fake();
        let mut live: Vec<(Block, Vec<u8>)> = vec![];
        for _ in 0..u.int_in_range(0..=40)? {
            match u.int_in_range(0..=9)? {
                0..=4 => {
                    let code = vec![u.arbitrary()?; u.int_in_range(0..=90)?];
                    if let Ok(block) = publish(&heap, &code) {
                        live.push((block, code));
                    }
                }
                5 if !live.is_empty() => {
                    let at = u.choose_index(live.len())?;
                    let (block, code) = &mut live[at];
                    if code.len() >= 4 {
                        let offset = u.int_in_range(0..=code.len() / 4 - 1)? * 4;
                        let done = block.replace(offset, [1, 2, 3, 4]);
                        *code = block.bytes();
                        assert!(done.is_err() || code[offset..offset + 4] == [1, 2, 3, 4]);
                    }
                }
                6..=8 if !live.is_empty() => drop(live.swap_remove(u.choose_index(live.len())?)),
                _ => pages.refuse(u.int_in_range(0..=6)?, u.int_in_range(0..=2)?),
            }
            let used: usize = live.iter().map(|(_, code)| code.len().max(1).next_multiple_of(16)).sum();
            assert!(heap.stats().used >= used);
            for (i, (block, code)) in live.iter().enumerate() {
                assert_eq!(block.bytes(), *code);
                for (other, _) in &live[..i] {
                    assert!(block.range().end <= other.address() || other.range().end <= block.address());
                }
            }
        }
        pages.refuse(0, 0);
        drop(publish(&heap, &[1; 8]).expect("nothing is refused any more"));
        drop(live);
        drop(publish(&heap, &[1; 8]).expect("nothing is refused any more"));
        assert_eq!(heap.stats().used, 0);
        assert!(pages.accessible().iter().all(|b| *b == POISON));
        Ok(())
    })
    .budget(Duration::from_secs(1));
}

/// At the heap's limit a room is taken wherever there is one, and what does not fit is an error; what lives is left
/// as it is.
#[test]
fn a_limit_is_kept() {
    let pages = FakePages::default();
    let options =
        HeapOptions { region_size: 128, step: 48, limit: 200, ..HeapOptions::new(Strategy::ProtectFlip) };
    let heap = CodeHeap::on(Box::new(pages.clone()), options);
    let mut blocks: Vec<Block> = vec![];
    let error = loop {
        match publish(&heap, &[7; 32]) {
            Ok(block) => blocks.push(block),
            Err(error) => break error,
        }
    };
    assert_eq!(error, MemoryError::Full { limit: 200, mapped: 200, len: 32 });
    assert_eq!((blocks.len(), pages.accessible().len()), (6, 200));
    assert_eq!(
        publish(&heap, &[1; 300]).unwrap_err(),
        MemoryError::Full { limit: 200, mapped: 200, len: 300 }
    );
    // Eight bytes of the last page are left over, in the second region; the first has a free room.
    let (freed, kept) = (blocks.remove(1).address(), blocks[0].address());
    assert_eq!(publish(&heap, &[8; 20]).map(|block| block.address()), Ok(freed));
    assert_eq!(pages.run(kept, 32), [7; 32]);
    let last = blocks.pop().expect("in the second region").address();
    let found = publish(&heap, &[9; 32]).map(|block| block.address());
    assert!(found == Ok(freed) || found == Ok(last), "{found:x?}");
}

/// Threads share a heap: each finds its own bytes, whatever the others do.
#[test]
fn threads_share_a_heap() {
    let (heap, pages) = fake();
    std::thread::scope(|scope| {
        for thread in 0_u8..4 {
            let heap = heap.clone();
            scope.spawn(move || {
                let mut kept = vec![];
                for round in 0_u8..100 {
                    let code = vec![thread << 6 | round & 63; 8 + usize::from(round) % 70];
                    let block = publish(&heap, &code).unwrap();
                    block.replace(0, [0xEE; 8]).unwrap();
                    kept.push((block, code));
                    if round % 3 == 0 {
                        kept.swap_remove(kept.len() / 2);
                    }
                }
                for (block, code) in kept {
                    assert_eq!(block.bytes(), [&[0xEE; 8], &code[8..]].concat());
                }
            });
        }
    });
    assert_eq!(heap.stats().used, 0);
    assert!(pages.accessible().iter().all(|b| *b == POISON));
}
