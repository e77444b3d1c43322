//! From verified bytecode to published code, beside Cranelift from its IR builder to finalized code.
//!
//! `cargo bench -p jit-benches --bench compile_time`

use jit_benches::contest::aim_at_most;
use jit_benches::cranelift::{Cranelift, Setting, Which};
use jit_benches::programs::{self, Bytecode};
use jit_benches::{Contestant, contest};
use jit_runtime::memory::{CodeHeap, HeapOptions};
use jit_runtime::stitch::{Assembler, Code, Function};
use jit_runtime::x64;
use jit_vm::baseline::{Compiler, Request, Wiring};
use jit_vm::{Options, Profile, Value, Vm};
use std::hint::black_box;

const ROUNDS: usize = 200;
/// Functions compiled in one measurement of this project, and of Cranelift.
const FUNCTIONS: u32 = 100;
const CRANELIFT_FUNCTIONS: u32 = 4;
const SPECULATING: &str = "baseline, speculating";
const PLAIN: &str = "baseline, not speculating";
const US: f64 = 1e3;

fn main() {
    println!("A fresh function each time. Code of the baseline is freed and its memory used again.");
    compare("fib", Which::Fib);
    compare("sum", Which::Sum);
}

fn compare(name: &str, which: Which) {
    let bytecode = programs::bytecode(name);
    let profile = profile(&bytecode);
    let contest = contest(
        ROUNDS,
        vec![
            baseline(SPECULATING, &bytecode, Some(&profile)),
            baseline(PLAIN, &bytecode, None),
            cranelift("cranelift-jit, fastest setting", Setting::Fastest, which),
            cranelift("cranelift-jit, speed", Setting::Speed, which),
        ],
    );
    contest.print(name, "us / function", US);
    aim_at_most(&format!("compiling {name}, us"), contest.time(SPECULATING, US).median, 5.0);
}

/// What the interpreter has seen of a function after some calls.
fn profile(bytecode: &Bytecode) -> Profile {
    let mut vm = Vm::new(bytecode.program.clone(), Options::interpreted()).expect("there is memory for a VM");
    vm.call(bytecode.function, &[Value::int(5)]).expect("the program has no error");
    vm.profile(bytecode.function).clone()
}

/// The baseline compiler with its buffers and its heap kept. Where its code would leave to is a stub of the
/// same heap, as in the VM; this code is never run.
fn baseline<'a>(name: &'static str, bytecode: &'a Bytecode, profile: Option<&'a Profile>) -> Contestant<'a> {
    // As the VM has it: its code runs on its own thread.
    let alone = HeapOptions::probe().map(|probed| HeapOptions { other_threads: false, ..probed });
    let heap = alone.and_then(CodeHeap::with).expect("this machine gives code memory");
    let stub = stub(&heap);
    let wiring = Wiring { deopt: Function(stub.address()), overflow: Function(stub.address()) };
    let mut compiler = Compiler::new(false);
    Contestant::new(name, move || {
        let Bytecode { program, function } = bytecode;
        let request = Request { program, function: *function, profile, wiring, stress: false };
        let compiled = compiler.compile(black_box(&request), &heap).expect("there is memory for it");
        black_box((compiled.code.address(), &stub));
    })
    .times(FUNCTIONS)
}

fn stub(heap: &CodeHeap) -> Code {
    let mut asm = Assembler::new();
    x64!(asm => ud2);
    asm.seal().and_then(|sealed| sealed.publish(heap)).expect("there is memory for one instruction")
}

fn cranelift<'a>(name: &'static str, setting: Setting, which: Which) -> Contestant<'a> {
    let mut cranelift = Cranelift::new(setting);
    Contestant::new(name, move || {
        black_box(cranelift.compile(which));
    })
    .times(CRANELIFT_FUNCTIONS)
}
