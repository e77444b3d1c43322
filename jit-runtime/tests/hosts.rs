//! Hosts that refuse: limits of memory, policies against new code; and what happens at addresses where no code
//! is.
//!
//! Limits, filters and faults are for good, so each test runs what it is about in a process of its own: this
//! program again, with the name of a role in its environment.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code)]

use expect_test::expect;
use jit_runtime::memory::{CodeHeap, HeapOptions, MemoryError, Policy, Strategy};
use jit_runtime::stitch::{Assembler, Code, CodePtr, PatchPoint, StitchError};
use jit_runtime::x64;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

const ROLE: &str = "JIT_RUNTIME_TEST_ROLE";
const BOTH: [Strategy; 2] = [Strategy::DualMapping, Strategy::ProtectFlip];

/// Whether this process is to play `role`.
fn plays(role: &str) -> bool {
    let plays = std::env::var(ROLE).is_ok_and(|wanted| wanted == role);
    if plays {
        println!(); // ends the line that the harness began
    }
    plays
}

/// How a process of this program ends in which the test `test` finds that it plays `role`.
fn play(test: &str, role: &str) -> Output {
    let program = std::env::current_exe().expect("Linux tells");
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command.output().expect("this program runs")
}

/// What it printed between the lines of the test harness, if all went well.
fn told(test: &str, role: &str) -> String {
    let output = play(test, role);
    let text = String::from_utf8(output.stdout).expect("the role prints text");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().filter_map(|line| line.strip_prefix("> ")).map(|line| line.to_owned() + "\n").collect()
}

fn returns(heap: &CodeHeap, value: i32) -> Result<Code, StitchError> {
    let mut asm = Assembler::new();
    x64!(asm => mov eax, {value}; ret);
    asm.seal()?.publish(heap)
}

fn call(code: &Code) -> i32 {
    // SAFETY: `returns` made it, or what takes nothing and returns an integer, too.
    unsafe { code.entry::<extern "C" fn() -> i32>() }.call()
}

/// What the tests of limits need of the allocator: they are about code, so everything else has what it wants already.
struct Prepared {
    codes: Vec<Code>,
    asm: Assembler,
    /// Between these are holes, in which small allocations find room.
    _spread: Vec<Vec<u8>>,
}

impl Prepared {
    fn new() -> Prepared {
        let mut asm = Assembler::new();
        (0..2100).for_each(|_| x64!(asm => nop));
        asm.clear();
        let all: Vec<Vec<u8>> = (0..12_000).map(|n| Vec::with_capacity(64 << (n % 4))).collect();
        let spread = all.into_iter().enumerate().filter(|(n, _)| n / 4 % 2 == 0).map(|(_, room)| room);
        Prepared { codes: Vec::with_capacity(4096), asm, _spread: spread.collect() }
    }
}

/// Fill a heap until the host or its own limit refuses; all that was published runs then, and when something is
/// dropped there is room again. When the heap has begun to fill, `pinch` may take memory away.
fn fill(options: HeapOptions, prepared: Prepared, pinch: impl Fn()) -> MemoryError {
    let heap = CodeHeap::with(options).expect("Linux on x86-64");
    let Prepared { mut codes, mut asm, _spread } = prepared;
    let error = loop {
        if codes.len() == 20 {
            pinch();
        }
        x64!(asm => mov eax, {codes.len() as i32}; ret);
        (0..2000).for_each(|_| x64!(asm => nop));
        let (published, recycled) = asm.seal().expect("no labels").publish_and_recycle(&heap);
        asm = recycled;
        match published {
            Ok(code) => codes.push(code),
            Err(StitchError::Memory(error)) => break error,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(codes.len() > 10, "{} before {error}", codes.len());
    for (n, code) in codes.iter().enumerate() {
        assert_eq!(call(code), n as i32, "after {error}");
    }
    codes.swap_remove(3);
    let again = returns(&heap, 4711).expect("there is room again");
    assert_eq!(call(&again), 4711);
    error
}

#[test]
fn a_heap_at_its_own_limit_is_an_error() {
    for strategy in BOTH {
        let error =
            fill(HeapOptions { limit: 200 << 10, ..HeapOptions::new(strategy) }, Prepared::new(), || ());
        assert!(matches!(error, MemoryError::Full { limit: 204_800, mapped: 204_800, len: 2006 }), "{error}");
    }
}

/// The soft limit of a resource for this process from here on.
fn limit(resource: libc::__rlimit_resource_t, bytes: usize) {
    let limit = libc::rlimit { rlim_cur: bytes as u64, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the call reads a struct that is filled in.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limit) }, 0);
}

/// Bytes of a line of `/proc/self/status`.
fn status(name: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a line of this name");
    1024 * line.split_whitespace().next().and_then(|n| n.parse::<usize>().ok()).expect("kilobytes")
}

#[test]
fn a_process_at_its_limit_of_address_space_is_an_error() {
    if plays("address space") {
        for strategy in BOTH {
            let prepared = Prepared::new();
            limit(libc::RLIMIT_AS, status("VmSize:") + (4 << 20));
            let options = HeapOptions { region_size: 128 << 10, ..HeapOptions::new(strategy) };
            let error = fill(options, prepared, || ());
            limit(libc::RLIMIT_AS, usize::MAX);
            let MemoryError::Host { call: "mmap", policy: Some(Policy::AddressSpace { limit }), .. } = error
            else {
                panic!("{error}")
            };
            assert!(limit > 4 << 20);
            // Which of the two views it is depends on what was mapped before.
            let text = error.to_string().replace(&limit.to_string(), "N");
            println!(
                "> {}",
                text.replace("room to write code", "room to .. code")
                    .replace("room to run code", "room to .. code")
            );
        }
        return;
    }
    let text = told("a_process_at_its_limit_of_address_space_is_an_error", "address space");
    expect![[r#"
        code memory: mmap, to reserve room to .. code (131072 bytes), was refused: Cannot allocate memory (os error 12); RLIMIT_AS is N bytes: raise it, make `HeapOptions::region_size` smaller, or drop code
        code memory: mmap, to reserve room for code (131072 bytes), was refused: Cannot allocate memory (os error 12); RLIMIT_AS is N bytes: raise it, make `HeapOptions::region_size` smaller, or drop code
    "#]].assert_eq(&text);
}

#[test]
fn a_process_at_its_limit_of_data_is_an_error() {
    if plays("data") {
        let prepared = Prepared::new();
        // A page of code may be written, or two, but not the four that are taken into use at once.
        let pinch = || limit(libc::RLIMIT_DATA, status("VmData:") + (12 << 10));
        let error = fill(HeapOptions::new(Strategy::ProtectFlip), prepared, pinch);
        limit(libc::RLIMIT_DATA, usize::MAX);
        let MemoryError::Host { policy: Some(Policy::DataSize { limit }), .. } = error else {
            panic!("{error}")
        };
        println!("> {}", error.to_string().replace(&limit.to_string(), "N"));
        return;
    }
    let text = told("a_process_at_its_limit_of_data_is_an_error", "data");
    expect![[r#"
        code memory: mprotect, to make code writable (16384 bytes), was refused: Cannot allocate memory (os error 12); RLIMIT_DATA is N bytes: raise it, use `Strategy::DualMapping`, or drop code
    "#]].assert_eq(&text);
}

/// What each way to a heap says.
fn attempts() -> String {
    let mut text = String::new();
    for strategy in BOTH {
        let outcome = CodeHeap::new(strategy).map_err(StitchError::Memory).and_then(|heap| returns(&heap, 1));
        let outcome = outcome.map_or_else(|e| e.to_string(), |code| format!("returns {}", call(&code)));
        let _ = writeln!(text, "> {strategy}: {outcome}");
    }
    let probe = CodeHeap::probe().map_or_else(|e| e.to_string(), |heap| heap.strategy().to_string());
    text + "> probe: " + &probe + "\n"
}

/// `prctl(PR_SET_MDWE)`, as systemd's MemoryDenyWriteExecute sets it.
#[test]
fn a_process_that_denies_itself_new_code_says_so() {
    if plays("mdwe") {
        let (refuse_exec_gain, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
        // SAFETY: this request sets a flag of the process and takes no pointer.
        let done = unsafe { libc::prctl(libc::PR_SET_MDWE, refuse_exec_gain, unused, unused, unused) };
        if done == 0 {
            print!("{}", attempts());
        } else {
            println!("> too old a kernel");
        }
        return;
    }
    let text = told("a_process_that_denies_itself_new_code_says_so", "mdwe");
    if text == "too old a kernel\n" {
        // Past the capture of test output: every run tells what it could not look at.
        let _ =
            writeln!(std::io::stderr(), "prctl PR_SET_MDWE: the kernel does not know it, nothing compared");
        return;
    }
    expect![[r#"
        dual mapping: no memory for the code: code memory: mprotect, to make code executable (16384 bytes), was refused: Permission denied (os error 13); the process denies itself new code (prctl PR_SET_MDWE): start the process without it (for a service of systemd: MemoryDenyWriteExecute=no)
        mprotect flip: no memory for the code: code memory: mprotect, to make code executable (16384 bytes), was refused: Permission denied (os error 13); the process denies itself new code (prctl PR_SET_MDWE): start the process without it (for a service of systemd: MemoryDenyWriteExecute=no)
        probe: code memory: mprotect, to make code executable (4096 bytes), was refused: Permission denied (os error 13); the process denies itself new code (prctl PR_SET_MDWE): start the process without it (for a service of systemd: MemoryDenyWriteExecute=no)
    "#]].assert_eq(&text);
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// The next statement is for this value, and skipped for any other.
fn only_for(value: u32) -> libc::sock_filter {
    libc::sock_filter { jf: 1, ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value) }
}

/// Have the kernel run a filter at every system call of this process from now on.
fn filter(mut program: Vec<libc::sock_filter>) {
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: this request sets a flag of the process and takes no pointer.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    let filter = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the program and its instructions live until the call returns, which copies them.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, filter, &raw const program) };
    assert_eq!(done, 0);
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const ANSWER: u32 = libc::BPF_RET | libc::BPF_K;

/// Some calls are refused with EPERM, as sandboxes have it.
fn refuse(calls: &[libc::c_long]) {
    let number = std::mem::offset_of!(libc::seccomp_data, nr) as u32;
    let mut program = vec![statement(LOAD, number)];
    for &call in calls {
        program.push(only_for(call as u32));
        program.push(statement(ANSWER, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32));
    }
    program.push(statement(ANSWER, libc::SECCOMP_RET_ALLOW));
    filter(program);
}

/// Whoever asks for a page that is writable and executable dies of it.
fn deny_writable_and_executable() {
    let (number, arguments) =
        (std::mem::offset_of!(libc::seccomp_data, nr), std::mem::offset_of!(libc::seccomp_data, args));
    // The third argument of all that set rights; its lower half comes first.
    let rights = arguments as u32 + 16;
    let both = (libc::PROT_WRITE | libc::PROT_EXEC) as u32;
    let calls = [libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_pkey_mprotect];
    let mut program = vec![statement(LOAD, number as u32)];
    for (at, call) in calls.into_iter().enumerate() {
        // Any of them goes on behind the next statement, which lets all other calls pass.
        let behind = (calls.len() - at) as u8;
        program.push(libc::sock_filter { jt: behind, jf: 0, ..only_for(call as u32) });
    }
    program.extend([
        statement(ANSWER, libc::SECCOMP_RET_ALLOW),
        statement(LOAD, rights),
        statement(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, both),
        only_for(both),
        statement(ANSWER, libc::SECCOMP_RET_KILL_PROCESS),
        statement(ANSWER, libc::SECCOMP_RET_ALLOW),
    ]);
    filter(program);
}

/// Not even for a moment, which a look at the pages might miss: over the whole life of code, and while regions come,
/// grow and go.
#[test]
fn no_call_asks_for_memory_that_is_writable_and_executable() {
    const NAME: &str = "no_call_asks_for_memory_that_is_writable_and_executable";
    if plays("asks for both") || plays("asks for nothing of the kind") {
        deny_writable_and_executable();
        for strategy in BOTH {
            let small = HeapOptions { region_size: 12 << 10, step: 1, ..HeapOptions::new(strategy) };
            let heap = CodeHeap::with(small).expect("Linux on x86-64");
            let publish = |value| -> (Code, PatchPoint, CodePtr) {
                let mut asm = Assembler::new();
                let end = asm.label();
                x64!(asm => mov eax, {value}; jmp {end: patchable});
                let (point, over) = (asm.last_patch_point().expect("just emitted"), asm.offset());
                (0..2900).for_each(|_| x64!(asm => nop));
                asm.bind(end);
                x64!(asm => ret);
                (asm.seal().expect("bound").publish(&heap).expect("room"), point, over)
            };
            let codes: Vec<_> = (0..16).map(publish).collect();
            assert!(heap.stats().regions > 2 && heap.stats().mapped > 40 << 10, "{heap:?}");
            for (value, (code, point, over)) in codes.iter().enumerate() {
                // SAFETY: the jump over instructions that do nothing goes to the first of them.
                unsafe { code.retarget(*point, *over) }.expect("the host allows it");
                assert_eq!(call(code), value as i32);
            }
        }
        let (both, flags) = (libc::PROT_WRITE | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        if plays("asks for both") {
            // SAFETY: address space that nothing uses.
            unsafe { libc::mmap(std::ptr::null_mut(), 4096, both, flags, -1, 0) };
        }
        return;
    }
    let found = play(NAME, "asks for both").status;
    assert_eq!(found.signal(), Some(libc::SIGSYS), "the filter finds what it is to find");
    let heaps = play(NAME, "asks for nothing of the kind").status;
    assert!(heaps.success(), "{heaps}");
}

/// Without memory files the flip is taken; without changes of protection nothing is; and without the barrier,
/// which the processor can do without, code is published all the same.
#[test]
fn a_filter_is_named() {
    let roles: [(&str, &[libc::c_long]); 3] = [
        ("no memory files", &[libc::SYS_memfd_create]),
        ("no protection", &[libc::SYS_mprotect]),
        ("no barrier", &[libc::SYS_membarrier]),
    ];
    let mut text = String::new();
    for (role, calls) in roles {
        if plays(role) {
            refuse(calls);
            print!("{}", attempts());
            return;
        }
        if std::env::var_os(ROLE).is_none() {
            let _ = write!(text, "{role}\n{}", told("a_filter_is_named", role));
        }
    }
    expect![[r#"
        no memory files
        dual mapping: no memory for the code: code memory: memfd_create, to make a memory file for code (16777216 bytes), was refused: Operation not permitted (os error 1); a seccomp filter is on the process: let the filter pass memfd_create, membarrier, and mmap and mprotect with PROT_EXEC (for a service of systemd: MemoryDenyWriteExecute=no)
        mprotect flip: returns 1
        probe: mprotect flip
        no protection
        dual mapping: no memory for the code: code memory: mprotect, to make code writable (16777216 bytes), was refused: Operation not permitted (os error 1); a seccomp filter is on the process: let the filter pass memfd_create, membarrier, and mmap and mprotect with PROT_EXEC (for a service of systemd: MemoryDenyWriteExecute=no)
        mprotect flip: no memory for the code: code memory: mprotect, to make code writable (16384 bytes), was refused: Operation not permitted (os error 1); a seccomp filter is on the process: let the filter pass memfd_create, membarrier, and mmap and mprotect with PROT_EXEC (for a service of systemd: MemoryDenyWriteExecute=no)
        probe: code memory: mprotect, to make code writable (4096 bytes), was refused: Operation not permitted (os error 1); a seccomp filter is on the process: let the filter pass memfd_create, membarrier, and mmap and mprotect with PROT_EXEC (for a service of systemd: MemoryDenyWriteExecute=no)
        no barrier
        dual mapping: returns 1
        mprotect flip: returns 1
        probe: dual mapping
    "#]].assert_eq(&text);
}

/// Have code that returns in the page at `address`, if nothing is there yet.
fn put_returns(address: usize) {
    let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let flags = flags | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: address space that nothing uses, or none.
    let page = unsafe { libc::mmap(std::ptr::without_provenance_mut(address), 4096, prot, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return;
    }
    let mut ret = vec![];
    x64!(ret => ret);
    // SAFETY: a fresh page, to which nothing refers.
    unsafe { std::ptr::write_bytes(page.cast::<u8>(), ret[0], 4096) };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_EXEC) }, 0);
}

/// Code that is not there traps: freed, not written yet, not accessible yet, beside the region. Whatever else is
/// mapped there is not beside the region: others may map what they like where nothing is.
#[test]
fn what_is_no_code_traps() {
    const PLACES: [(&str, i32); 5] = [
        ("freed", libc::SIGTRAP),
        ("not written", libc::SIGTRAP),
        ("not accessible", libc::SIGSEGV),
        ("below the region", libc::SIGSEGV),
        ("above the region", libc::SIGSEGV),
    ];
    for (strategy, name) in BOTH.into_iter().zip(["dual", "flip"]) {
        for (place, signal) in PLACES {
            let role = format!("{name}, {place}");
            if plays(&role) {
                let heap = CodeHeap::new(strategy).expect("Linux on x86-64");
                let code = returns(&heap, 1).expect("room");
                let space = heap.place(100).expect("room");
                let freed = code.address();
                drop(code);
                let region = space.region();
                let address = match place {
                    "freed" => freed,
                    "not written" => space.address() + 50,
                    "not accessible" => region.start + heap.stats().mapped,
                    "below the region" => region.start - 1,
                    _ => region.end,
                };
                if place.ends_with("the region") {
                    put_returns(address & !4095);
                }
                // The action of the standard library's handler is to print and go on to the default.
                for signal in [libc::SIGSEGV, libc::SIGTRAP] {
                    // SAFETY: the default action runs no code of this process.
                    unsafe { libc::signal(signal, libc::SIG_DFL) };
                }
                let mut asm = Assembler::new();
                x64!(asm => mov rax, {address as i64}; jmp rax);
                // Elsewhere: it would take the freed room.
                let elsewhere = CodeHeap::new(strategy).expect("Linux on x86-64");
                let jump = asm.seal().expect("no labels").publish(&elsewhere).expect("room");
                panic!("{role} returned {}", call(&jump));
            }
            if std::env::var_os(ROLE).is_none() {
                let status = play("what_is_no_code_traps", &role).status;
                assert_eq!(status.signal(), Some(signal), "{role}: {status}");
            }
        }
    }
}
