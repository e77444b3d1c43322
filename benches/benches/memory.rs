//! What code memory costs: publishing and patching under both strategies, and whole functions from the first
//! template to code that can run, beside the executable memory of dynasm-rs.
//!
//! `cargo bench -p jit-benches --bench memory`
#![allow(unsafe_code)] // patch points are aimed

use dynasmrt::mmap::MutableBuffer;
use dynasmrt::{DynasmApi, DynasmLabelApi};
use jit_benches::contest::aim_at_least;
use jit_benches::emission::{CODE, INSTRUCTIONS, UNIT, dynasm, stitched};
use jit_benches::{Contestant, contest};
use jit_runtime::memory::{CodeHeap, HeapOptions, Strategy};
use jit_runtime::observe::{Gdb, JitDump, PerfMap, Statistics};
use jit_runtime::stitch::{Assembler, SourcePosition};
use jit_runtime::x64;
use std::hint::{black_box, spin_loop};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const ROUNDS: usize = 200;
const ALONE: &str = "dual mapping, code of this thread";
const DUAL: &str = "dual mapping, code of all threads";
const FLIP: &str = "mprotect flip";
const WAYS: [(&str, Strategy, bool); 3] = [
    (ALONE, Strategy::DualMapping, false),
    (DUAL, Strategy::DualMapping, true),
    (FLIP, Strategy::ProtectFlip, true),
];

fn main() {
    println!("{ROUNDS} rounds");
    publishing();
    patching();
    disturbed();
    first_block();
    observers();
    check();
    for units in [1, 25, 100, CODE / 245] {
        emission(units);
    }
}

fn heap(strategy: Strategy, other_threads: bool) -> CodeHeap {
    let options = HeapOptions { other_threads, ..HeapOptions::new(strategy) };
    CodeHeap::with(options).expect("Linux on x86-64")
}

/// 200 bytes of ready code are made executable and freed, many others living.
fn publishing() {
    let code = [0x90_u8; 200];
    let ours = |(name, strategy, other_threads)| {
        let heap = heap(strategy, other_threads);
        let publish = move || {
            let space = heap.place(code.len()).expect("room");
            heap.publish(space, black_box(&code)).expect("published")
        };
        let others: Vec<_> = (0..2000).map(|_| publish()).collect();
        let contestant = Contestant::new(name, move || {
            black_box((publish(), &others));
        });
        contestant.times(if strategy == Strategy::DualMapping { 500 } else { 50 })
    };
    let own = Contestant::new("a mapping of its own (dynasmrt)", || {
        let mut buffer = MutableBuffer::new(code.len()).expect("memory");
        buffer.set_len(code.len());
        buffer.copy_from_slice(black_box(&code));
        black_box(buffer.make_exec().expect("the host allows it"));
    });
    let contestants = WAYS.into_iter().map(ours).chain([own.times(50)]).collect();
    contest(ROUNDS, contestants).print("200 bytes published and freed", "us", 1000.0);
}

/// A publication and its end, with nobody told, and with each observer.
fn observers() {
    let directory = std::env::temp_dir().join(format!("jit-benches-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory for temporary files");
    let contestant = |name, observe: fn(&CodeHeap, &Path)| {
        let heap = heap(Strategy::DualMapping, false);
        observe(&heap, &directory);
        let mut asm = Assembler::new();
        let publish = move || {
            asm.set_name("measured");
            for position in 0..20 {
                asm.mark(SourcePosition(position));
                x64!(asm => mov rax, 0x1122334455667788);
            }
            let sealed = std::mem::take(&mut asm).seal().expect("no labels");
            let (code, recycled) = sealed.publish_and_recycle(&heap);
            drop(code.expect("room"));
            asm = recycled;
        };
        Contestant::new(name, publish).times(50)
    };
    let contestants = vec![
        contestant("unobserved", |_, _| {}),
        contestant("counted", |heap, _| drop(heap.observe(Statistics::default()))),
        contestant("in a perf map", |heap, directory| {
            drop(heap.observe(PerfMap::create_in(directory).expect("a map")));
        }),
        contestant("in a jitdump", |heap, directory| {
            drop(heap.observe(JitDump::create_in(directory).expect("a dump")));
        }),
        contestant("in gdb's list", |heap, _| drop(heap.observe(Gdb::new()))),
    ];
    let title = "200 bytes with 20 positions, emitted, published and freed";
    contest(ROUNDS, contestants).print(title, "us", 1000.0);
    let _ = std::fs::remove_dir_all(directory);
}

/// Code with a patch point is re-targeted, between the jump itself and the end.
fn patch<'a>((name, strategy, other_threads): (&'static str, Strategy, bool)) -> Contestant<'a> {
    let mut asm = Assembler::new();
    let labels = [asm.bound_label(), asm.label()];
    x64!(asm => jmp {labels[0]: patchable});
    let jump = asm.last_patch_point().expect("it was just emitted");
    asm.bind(labels[1]);
    x64!(asm => ret);
    let sealed = asm.seal().expect("both are bound");
    let places = labels.map(|label| sealed.offset_of(label).expect("both are bound"));
    let code = sealed.publish(&heap(strategy, other_threads)).expect("room");
    let mut turn = 0;
    let retarget = move || {
        turn ^= 1;
        // SAFETY: nobody runs the code.
        unsafe { code.retarget(jump, places[turn]) }.expect("its own");
    };
    Contestant::new(name, retarget).times(if strategy == Strategy::DualMapping { 500 } else { 50 })
}

/// A jump of published code is aimed elsewhere.
fn patching() {
    let mut ops = dynasmrt::x64::Assembler::new().expect("memory");
    let (first, second) = (ops.new_dynamic_label(), ops.new_dynamic_label());
    dynasmrt::dynasm!(ops; .arch x64; =>first; jmp =>second; =>second; ret);
    ops.commit().expect("both are bound");
    let mut turn = false;
    let alter = Contestant::new("dynasmrt::Assembler::alter", move || {
        turn = !turn;
        let target = if turn { first } else { second };
        let altered = ops.alter(|ops| {
            ops.goto(dynasmrt::AssemblyOffset(0));
            dynasmrt::dynasm!(ops; .arch x64; jmp =>target);
        });
        altered.expect("as long as it was");
    });
    let contestants = WAYS.into_iter().map(patch).chain([alter.times(50)]).collect();
    contest(ROUNDS, contestants).print("A jump re-targeted", "us", 1000.0);
}

/// The same while another thread is busy: the barrier interrupts it.
fn disturbed() {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                spin_loop();
            }
        });
        let contestants = WAYS.into_iter().map(patch).collect();
        contest(ROUNDS, contestants).print("The same beside a busy thread", "us", 1000.0);
        done.store(true, Ordering::Relaxed);
    });
}

/// A heap is made, its first block is placed, and it goes.
fn first_block() {
    let ours = |(name, strategy, other_threads)| {
        Contestant::new(name, move || {
            drop(heap(strategy, other_threads).place(16).expect("room"));
        })
        .times(5)
    };
    let contestants = [WAYS[0], WAYS[2]].into_iter().map(ours).collect();
    contest(ROUNDS, contestants).print("A heap, its first block, and its end", "us", 1000.0);
}

/// Nobody is timed before both give the same bytes.
fn check() {
    let mut asm = Assembler::new();
    stitched::unit(&mut asm, &UNIT);
    let sealed = asm.seal().expect("every label is bound");
    let code = sealed.publish(&heap(Strategy::DualMapping, true)).expect("room");
    let mut ops = dynasmrt::x64::Assembler::new().expect("memory");
    dynasm::executable_unit(&mut ops, &UNIT);
    ops.commit().expect("every label is bound");
    assert_eq!(code.block().bytes(), ops.reader().lock()[..], "a unit in executable memory");
}

/// Functions of `units` units, each emitted, linked, made executable, and freed.
fn emission(units: usize) {
    const DYNASM: &str = "dynasmrt::Assembler, commit";
    const FRESH: &str = "dual mapping, a heap for each";
    let instructions = units * INSTRUCTIONS;
    let times = (20_000 / instructions as u32).clamp(1, 200);
    let ours = |(name, strategy, other_threads)| {
        let (heap, mut kept) = (heap(strategy, other_threads), Assembler::new());
        let emit = move || {
            let mut asm = std::mem::take(&mut kept);
            (0..units).for_each(|_| stitched::unit(&mut asm, black_box(&UNIT)));
            let (code, empty) = asm.seal().expect("every label is bound").publish_and_recycle(&heap);
            black_box(code.expect("room"));
            kept = empty;
        };
        Contestant::new(name, emit).times(times)
    };
    // It frees nothing before it goes, so it is made anew when it holds what a round of ours makes at once.
    let mut ops = dynasmrt::x64::Assembler::new().expect("memory");
    let theirs = Contestant::new(DYNASM, move || {
        if ops.offset().0 >= CODE {
            ops = dynasmrt::x64::Assembler::new().expect("memory");
        }
        (0..units).for_each(|_| dynasm::executable_unit(&mut ops, black_box(&UNIT)));
        ops.commit().expect("every label is bound");
    });
    // Memory that was never touched, as theirs is after a while.
    let mut kept = Assembler::new();
    let fresh = Contestant::new(FRESH, move || {
        let mut asm = std::mem::take(&mut kept);
        (0..units).for_each(|_| stitched::unit(&mut asm, black_box(&UNIT)));
        let sealed = asm.seal().expect("every label is bound");
        let (code, empty) = sealed.publish_and_recycle(&heap(Strategy::DualMapping, true));
        black_box(code.expect("room"));
        kept = empty;
    });
    let contestants = WAYS.into_iter().map(ours).chain([fresh.times(times), theirs.times(times)]).collect();
    let contest = contest(ROUNDS, contestants);
    let title = format!("Functions of {instructions} instructions, emitted and made executable");
    contest.print(&title, "ns / instruction", instructions as f64);
    for way in [ALONE, DUAL] {
        let times = contest.ratio(DYNASM, way).median;
        aim_at_least(&format!("{way}: times faster than dynasmrt::Assembler"), times, 20.0);
    }
}
