//! What observers are told, and what those of them that write files have written: read back by parsers that share
//! nothing with the writers.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code)] // a patch point is aimed

use expect_test::expect;
use jit_runtime::memory::{CodeHeap, Event};
use jit_runtime::observe::{Count, Detail, JitDump, PerfMap, SourceFile, Statistics};
use jit_runtime::stitch::{About, Assembler, Code, CodePtr, Constant, Function, SourcePosition};
use jit_runtime::{templates, x64};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

templates! {
    fn first(value: i32) = x64!< mov eax, {value} >;
    fn second() = x64!< add eax, eax >;
    fn done() = x64!< ret >;
}

fn heap() -> CodeHeap {
    CodeHeap::probe().expect("this machine gives code memory")
}

/// Two positions, four named templates, code between them and a constant behind.
fn publish(heap: &CodeHeap, mut asm: Assembler, name: &str) -> Code {
    asm.set_name(name);
    x64!(asm => nop);
    asm.mark(SourcePosition(10));
    first(&mut asm, 1);
    second(&mut asm);
    second(&mut asm);
    asm.mark(SourcePosition(11));
    x64!(asm => movsd xmm0, [{Constant::f64(2.5)}]);
    done(&mut asm);
    asm.seal().and_then(|sealed| sealed.publish(heap)).expect("published")
}

/// A directory of its own for a test, which is emptied first.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a directory");
    path
}

#[test]
fn observers_are_told_what_happens_in_the_order_in_which_it_does() {
    let heap = heap();
    let before = publish(&heap, Assembler::new(), "before");
    let told = Arc::new(Mutex::new(vec![]));
    let list = Arc::clone(&told);
    heap.observe(move |event: &Event<'_>| {
        let text = match event {
            Event::Published { bytes, .. } => {
                let name = About::of(event).map_or("nobody's", |about| &about.name);
                format!("{name}: {} bytes", bytes.len())
            }
            Event::Patched { bytes, .. } => format!("patched {} bytes", bytes.len()),
            Event::Freed { len, .. } => format!("freed {len}"),
            other => format!("{other:?}"),
        };
        list.lock().unwrap().push(text);
    });
    let statistics = heap.observe(Statistics::default());

    let (mut asm, nowhere) = (Assembler::new(), Function(before.address()));
    x64!(asm => call {nowhere: patchable});
    let point = asm.last_patch_point().expect("just emitted");
    let code = publish(&heap, asm, "after");
    let len = code.len();
    // SAFETY: nobody runs the code.
    let aim = |to: usize| unsafe { code.retarget(point, CodePtr(to as u32)) };
    aim(0).expect("near");
    aim(len).expect_err("outside");
    heap.note(7, "replaced");
    let apart = heap.apart(jit_runtime::memory::HeapOptions::new(heap.strategy())).expect("as before");
    drop(publish(&apart, Assembler::new(), "apart"));
    drop(heap.place(100).expect("room that is never used"));
    let raw = heap.place(16).and_then(|space| heap.publish(space, &[0xC3])).expect("room");
    drop((before, code.clone(), code));
    drop(raw);

    expect![[r#"
        after: 72 bytes
        patched 4 bytes
        Noted { address: 7, note: "replaced" }
        apart: 40 bytes
        freed 40
        nobody's: 1 bytes
        freed 40
        freed 72
        freed 1"#]]
    .assert_eq(&told.lock().unwrap().join("\n"));
    let statistics = statistics.lock().unwrap();
    assert_eq!(statistics.published, Count { times: 3, bytes: len as u64 + 40 + 1 });
    expect![
        "published 3 (113 bytes), patched 1 (4 bytes), freed 4 (153 bytes), at most 112 bytes; replaced 1"
    ]
    .assert_eq(&statistics.to_string());
}

/// A panic of an observer goes to whoever published or freed the code, and the heap is as if there had been none: the
/// room is free again, and those who were told of the code are told of its end.
#[test]
fn an_observer_may_panic() {
    let heap = heap();
    let statistics = heap.observe(Statistics::default());
    let panics = Arc::new(Mutex::new(""));
    let when = Arc::clone(&panics);
    heap.observe(move |event: &Event<'_>| {
        let what = match event {
            Event::Published { .. } => "published",
            Event::Freed { .. } => "freed",
            _ => "",
        };
        let wanted = *when.lock().unwrap();
        assert!(what.is_empty() || what != wanted, "as wanted");
    });
    let kept = publish(&heap, Assembler::new(), "kept");
    let used = heap.stats().used;
    let panic_when = |event| *panics.lock().unwrap() = event;

    panic_when("published");
    catch_unwind(AssertUnwindSafe(|| publish(&heap, Assembler::new(), "f"))).expect_err("it panics");
    assert_eq!(heap.stats().used, used);
    panic_when("");
    let code = publish(&heap, Assembler::new(), "f");
    let freed = code.address();
    panic_when("freed");
    catch_unwind(AssertUnwindSafe(|| drop(code))).expect_err("it panics");
    assert_eq!(heap.stats().used, used);
    // What is dropped in the middle of another panic adds none, which would end the process.
    panic_when("");
    let code = publish(&heap, Assembler::new(), "f");
    assert_eq!(code.address(), freed, "the room was free");
    panic_when("freed");
    let text = catch_unwind(AssertUnwindSafe(|| {
        let _code = code;
        panic!("the first");
    }));
    assert_eq!(text.expect_err("it panics").downcast_ref(), Some(&"the first"));
    assert_eq!(heap.stats().used, used);

    panic_when("");
    drop(kept);
    let (times, bytes) = (4, 160);
    let statistics = statistics.lock().unwrap();
    assert_eq!((statistics.published, statistics.freed), (Count { times, bytes }, Count { times, bytes }));
}

/// A line of a map: start, size, name.
fn parse_map(text: &str) -> Vec<(usize, usize, String)> {
    assert!(text.is_empty() || text.ends_with('\n'));
    let line = |line: &str| {
        let [start, size, name] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            panic!("three words: {line}")
        };
        let hex = |digits| usize::from_str_radix(digits, 16).expect("hexadecimal digits");
        (hex(start), hex(size), name.to_owned())
    };
    text.lines().map(line).collect()
}

#[test]
fn a_perf_map_has_a_line_a_function_or_a_line_a_template() {
    let directory = directory("perf-map");
    let stale = directory.join(format!("perf-{}.map", std::process::id()));
    fs::write(&stale, "of another process").expect("written");
    let heap = heap();
    let map = heap.observe(PerfMap::create_in(&directory).expect("a map"));
    let code = publish(&heap, Assembler::new(), "a name\nof two lines");
    let raw = heap.place(16).and_then(|space| heap.publish(space, &[0xC3])).expect("room");

    // A second map of the same process goes on behind the first, which has not written yet.
    let other = self::heap();
    let detailed = PerfMap::create_in(&directory).expect("a map").with_detail(Detail::Templates);
    let detailed = other.observe(detailed);
    let listed = publish(&other, Assembler::with_listing(), "f");
    let path = map.lock().unwrap().path().to_owned();
    assert_eq!(fs::read_to_string(&path).expect("a file"), "");
    detailed.lock().unwrap().flush().expect("written");
    drop((map, heap));
    let raw_line = (raw.address(), 1, format!("jit_{:x}", raw.address()));
    let code_line = (code.address(), code.len(), "a name of two lines".to_owned());
    drop((code, raw));

    let (at, part) = (listed.address(), |name: &str| format!("f{name}"));
    assert_eq!(
        parse_map(&fs::read_to_string(&path).expect("a file")),
        [
            (at, 1, part("")),
            (at + 1, 5, part("+first")),
            (at + 6, 4, part("+second")),
            (at + 10, 8, part("")),
            (at + 18, 1, part("+done")),
            (at + 19, listed.len() - 19, part("")),
            code_line,
            raw_line,
        ]
    );
}

/// A record of a dump: what it is, its time, its body.
struct Record {
    kind: u32,
    time: u64,
    body: Vec<u8>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("a word"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("a word"))
}

fn string_at(bytes: &[u8], at: usize) -> String {
    let end = bytes[at..].iter().position(|&byte| byte == 0).expect("its end");
    String::from_utf8(bytes[at..at + end].to_vec()).expect("UTF-8")
}

fn parse_dump(bytes: &[u8]) -> Vec<Record> {
    assert_eq!(u32_at(bytes, 0), 0x4A69_5444);
    assert_eq!([4, 8, 12, 16, 20].map(|at| u32_at(bytes, at)), [1, 40, 62, 0, std::process::id()]);
    assert_eq!(u64_at(bytes, 32), 0, "the clock is not the processor's counter");
    let mut last = u64_at(bytes, 24);
    let (mut at, mut records) = (40, vec![]);
    while at < bytes.len() {
        let (kind, len, time) = (u32_at(bytes, at), u32_at(bytes, at + 4) as usize, u64_at(bytes, at + 8));
        assert!(last <= time, "time does not go back");
        last = time;
        records.push(Record { kind, time, body: bytes[at + 16..at + len].to_vec() });
        at += len;
    }
    assert_eq!(at, bytes.len());
    records
}

/// A load, with offsets for addresses: where, how long, its number and its name.
fn load(record: &Record, code: &Code, bytes: &[u8]) -> String {
    assert_eq!(record.kind, 0);
    let body = &record.body;
    assert_eq!(u32_at(body, 0), std::process::id());
    let (address, size, name) = (u64_at(body, 8), u64_at(body, 24), string_at(body, 40));
    assert_eq!(address, u64_at(body, 16));
    let offset = address as usize - code.address();
    assert_eq!(body[40 + name.len() + 1..], bytes[offset..offset + size as usize]);
    format!("load {offset}+{size} {name} as {}", u64_at(body, 32))
}

fn debug_info(record: &Record, code: &Code) -> String {
    assert_eq!(record.kind, 2);
    let body = &record.body;
    let mut text = format!("lines of {}:", u64_at(body, 0) as usize - code.address());
    let mut at = 16;
    for _ in 0..u64_at(body, 8) {
        let (offset, file) = (u64_at(body, at) as usize - code.address(), string_at(body, at + 16));
        text.push_str(&format!(" {offset} {file}:{}", u32_at(body, at + 8)));
        at += 17 + file.len();
    }
    assert_eq!(at, body.len());
    text
}

#[test]
fn a_dump_has_the_code_with_its_names_and_lines() {
    let directory = directory("jitdump");
    // Somebody has put a link there to a file that is not ours.
    let (dump_path, other) =
        (directory.join(format!("jit-{}.dump", std::process::id())), directory.join("other"));
    fs::write(&other, "of somebody else").expect("written");
    fs::hard_link(&other, &dump_path).expect("linked");
    let heap = heap();
    let dump = JitDump::create_in(&directory).expect("a dump");
    let marked = || {
        let maps = fs::read_to_string("/proc/self/maps").expect("Linux");
        let name = format!("jit-{}.dump", std::process::id());
        maps.lines().any(|line| line.ends_with(&name) && line.contains(" r-xp "))
    };
    assert!(marked(), "perf looks for an executable mapping");
    // A second one would write into the first.
    let error = JitDump::create_in(&directory).expect_err("there is one").to_string();
    let name = format!("jit-{}.dump", std::process::id());
    assert!(error.starts_with(directory.to_str().unwrap()) && error.contains(&name), "{error}");
    let source = SourceFile::new("program.bc").first_line(1);
    let dump = heap.observe(dump.with_source(source).with_detail(Detail::Templates));
    let path = dump.lock().unwrap().path().to_owned();
    let code = publish(&heap, Assembler::with_listing(), "f");
    let bytes = code.block().bytes();
    let plain = publish(&heap, Assembler::new(), "g");
    let plain_bytes = plain.block().bytes();
    dump.lock().unwrap().flush().expect("written");
    assert!(parse_dump(&fs::read(&path).expect("a file")).iter().all(|record| record.kind != 3));
    drop(dump);
    let file = || parse_dump(&fs::read(&path).expect("a file"));
    let mut text = vec![];
    for record in file() {
        let at = u64_at(&record.body, if record.kind == 2 { 0 } else { 8 }) as usize;
        let (code, bytes) = if code.block().contains(at) { (&code, &bytes) } else { (&plain, &plain_bytes) };
        text.push(if record.kind == 2 { debug_info(&record, code) } else { load(&record, code, bytes) });
    }
    expect![[r#"
        load 0+1 f as 0
        lines of 1: 1 program.bc:11
        load 1+5 f+first as 1
        lines of 6: 6 program.bc:11
        load 6+4 f+second as 2
        lines of 10: 10 program.bc:12
        load 10+8 f as 3
        lines of 18: 18 program.bc:12
        load 18+1 f+done as 4
        load 19+21 f as 5
        lines of 0: 0 program.bc:0 1 program.bc:11 10 program.bc:12 19 program.bc:0
        load 0+40 g as 6"#]]
    .assert_eq(&text.join("\n"));

    // The last handle of the heap takes its observers with it.
    drop((heap, code, plain));
    let records = file();
    assert_eq!(records.last().map(|record| (record.kind, record.body.len())), Some((3, 0)));
    assert!(records.iter().all(|record| record.time > 0));
    assert!(!marked());
    drop(JitDump::create_in(&directory).expect("there is none any more"));
    assert_eq!(fs::read_to_string(&other).expect("there"), "of somebody else");
    assert!(matches!(&file()[..], [Record { kind: 3, .. }]), "a new one begins anew");
}

#[test]
fn a_file_that_cannot_be_made_is_named() {
    let missing = directory("missing").join("no/such/directory");
    let named = |file: &str| format!("{}: ", missing.join(file).display());
    let process = std::process::id();
    for (error, wanted) in [
        (JitDump::create_in(&missing).expect_err("no dump"), named(&format!("jit-{process}.dump"))),
        (PerfMap::create_in(&missing).expect_err("no map"), named(&format!("perf-{process}.map"))),
    ] {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with(&wanted), "{error}");
    }
}
