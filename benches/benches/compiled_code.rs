//! How fast compiled code is, beside rustc, Cranelift and the interpreter.
//!
//! `cargo bench -p jit-benches --bench compiled_code`

use jit_benches::contest::aim_at_most;
use jit_benches::cranelift::{Cranelift, Setting, Which};
use jit_benches::programs::{self, Bytecode};
use jit_benches::{Contestant, contest};
use jit_runtime::memory::{CodeHeap, HeapOptions};
use jit_vm::{Options, Value, Vm};
use std::hint::black_box;

const ROUNDS: usize = 15;
const RUSTC: &str = "rustc -O";
const CRANELIFT: &str = "cranelift-jit, speed";
const TIERED: &str = "VM, tiered up, speculating";
const PLAIN: &str = "VM, compiled, not speculating";
const INTERPRETED: &str = "VM, interpreted";
const MS: f64 = 1e6;

fn main() {
    println!("The Rust loop of `sum` has an empty `asm!` on the register of the sum, which keeps it a loop.");
    compare("fib", 35, programs::fib, Which::Fib, 4.0);
    compare("sum", 20_000_000, programs::sum, Which::Sum, 3.0);
    by_place(20_000_000);
}

/// The loop of `sum` at the four places in a cache line where code may begin.
fn by_place(n: i64) {
    let bytecode = programs::bytecode("sum");
    let expected = programs::sum(n);
    let places = ["where its heap begins", "16 bytes on", "32 bytes on", "48 bytes on"].into_iter().zip(0..);
    let contestants = places.map(|(name, further)| {
        let alone = HeapOptions::probe().map(|probed| HeapOptions { other_threads: false, ..probed });
        let heap = alone.and_then(CodeHeap::with).expect("code memory");
        let before: Vec<_> = (0..further).map(|_| heap.place(16).expect("code memory")).collect();
        let vm = Vm::in_heap(bytecode.program.clone(), Options::compiled(), heap);
        let mut call = caller(vm.expect("this machine runs native code"), &bytecode);
        run(name, expected, move || {
            black_box(&before);
            call(n)
        })
    });
    contest(ROUNDS, contestants.collect()).print(&format!("sum({n}) by where its code stands"), "ms", MS);
}

/// All of them on one function.
fn compare(name: &str, n: i64, rust: fn(i64) -> i64, which: Which, limit: f64) {
    let bytecode = programs::bytecode(name);
    let cranelift = Cranelift::new(Setting::Speed).compile(which);
    let expected = black_box(rust)(black_box(n));
    let contest = contest(
        ROUNDS,
        vec![
            run(RUSTC, expected, move || black_box(rust)(black_box(n))),
            run(CRANELIFT, expected, move || black_box(cranelift)(black_box(n))),
            vm(TIERED, &bytecode, Options::default(), n, expected),
            vm(PLAIN, &bytecode, Options::compiled(), n, expected),
            vm(INTERPRETED, &bytecode, Options::interpreted(), n, expected),
        ],
    );
    contest.print(&format!("{name}({n})"), "ms", MS);
    aim_at_most(&format!("{name} in tiered-up code, x rustc"), contest.ratio(TIERED, RUSTC).median, limit);
}

/// A contestant whose result is compared each time.
fn run<'a>(name: &'static str, expected: i64, mut f: impl FnMut() -> i64 + 'a) -> Contestant<'a> {
    Contestant::new(name, move || assert_eq!(f(), expected, "{name}"))
}

/// A VM, called often enough to have reached the tier that its options allow.
fn vm<'a>(
    name: &'static str,
    bytecode: &Bytecode,
    options: Options,
    n: i64,
    expected: i64,
) -> Contestant<'a> {
    let vm = Vm::new(bytecode.program.clone(), options).expect("this machine runs native code");
    let mut call = caller(vm, bytecode);
    for _ in 0..=Options::default().thresholds.calls {
        call(3);
    }
    run(name, expected, move || call(n))
}

/// Calls the function in this VM.
fn caller(mut vm: Vm, bytecode: &Bytecode) -> impl FnMut(i64) -> i64 + use<> {
    let function = bytecode.function;
    move |n| {
        let result = vm.call(function, &[Value::int(n)]).expect("the program has no error");
        result.as_int().expect("its result is an integer")
    }
}
