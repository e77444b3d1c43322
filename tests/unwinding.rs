//! The VM, instruction by instruction: in compiled code, its exits, its stubs and the trampoline, an
//! unwinder finds every caller, through all tiers that have called each other.
//!
//! What the callers are is known without any record: a list of them is kept by watching calls and returns of
//! the whole process, Rust included. At every instruction of JIT code libgcc's chain is compared with it.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
#![allow(unsafe_code)] // to read bytes of code

#[path = "../jit-runtime/tests/support/step.rs"]
mod step;

use jit_runtime::frame::{enter_frame, leave_frame};
use jit_runtime::memory::CodeHeap;
use jit_runtime::stitch::{Assembler, Function};
use jit_runtime::tier::policy::{Thresholds, Tier};
use jit_runtime::transition::Gate;
use jit_runtime::x64;

use jit_vm::{FuncId, Options, Program, Value, Vm, VmError, text};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use step::{Caller, Watch, backtrace, stepping, word};

/// rbp among the registers that a callee keeps. JIT code keeps no other.
const RBP: usize = 1;

/// A frame that will be returned to, and the registers that were to be kept when it called.
#[derive(Clone, Copy)]
struct Called {
    caller: Caller,
    kept: [usize; 6],
}

/// What is known of the stack, and what the unwinder said otherwise.
struct Watcher {
    /// Code memory, the gate's last: in it run the trampoline and the cut.
    jit: Vec<Range<usize>>,
    /// Who waits for a return, the oldest first. Never grows: a step may stand in the allocator.
    called: Vec<Called>,
    too_deep: bool,
    /// The instruction before: its address, and rsp there.
    before: Caller,
    /// Instructions of JIT code that were met.
    met: BTreeSet<usize>,
    steps: usize,
    deepest: usize,
    wrong: Vec<String>,
}

impl Watcher {
    fn new(jit: Vec<Range<usize>>) -> Watcher {
        Watcher {
            jit,
            called: Vec::with_capacity(1000),
            too_deep: false,
            before: Caller { ip: 0, sp: 0 },
            met: BTreeSet::new(),
            steps: 0,
            deepest: 0,
            wrong: vec![],
        }
    }

    fn is_jit(&self, ip: usize) -> bool {
        self.jit.iter().any(|code| code.contains(&ip))
    }

    fn is_gate(&self, ip: usize) -> bool {
        self.jit.last().is_some_and(|code| code.contains(&ip))
    }

    /// Whether the instruction before was a call: it pushed the address of the one behind it.
    fn has_called(&self, sp: usize) -> bool {
        sp + 8 == self.before.sp && (2..=8).contains(&word(sp).wrapping_sub(self.before.ip))
    }

    /// Compare the unwinder's chain with the list, down to where stepping began.
    fn compare(&mut self, ip: usize) {
        let seen = backtrace();
        // In front are the handler and the signal's own frame.
        let Some(here) = seen.iter().position(|s| s.caller.ip == ip) else {
            return self.wrong.push(format!("{ip:#x} is not in its own backtrace"));
        };
        let found = &seen[here + 1..];
        if found.len() < self.called.len() {
            return self.wrong.push(format!("at {ip:#x}: the walk ends in {:x?}", found.last()));
        }
        for (found, wanted) in found.iter().zip(self.called.iter().rev()) {
            let kept = if self.is_jit(wanted.caller.ip) {
                found.kept[RBP] == wanted.kept[RBP]
            } else {
                found.kept == wanted.kept
            };
            if found.caller != wanted.caller || !kept {
                let wanted = (wanted.caller, wanted.kept);
                return self.wrong.push(format!("at {ip:#x}: found {found:x?}, wanted {wanted:x?}"));
            }
        }
    }
}

impl Watch for Watcher {
    fn step(&mut self, ip: usize, sp: usize, kept: [usize; 6]) {
        while self.called.last().is_some_and(|called| called.caller.sp <= sp) {
            self.called.pop(); // it was returned to
        }
        // An exit is told where it was left by a call, which makes no frame.
        let makes_frame = !self.is_jit(self.before.ip) || !self.is_jit(ip) || begins_body(ip);
        if self.has_called(sp) && makes_frame {
            self.too_deep |= self.called.len() == self.called.capacity();
            if !self.too_deep {
                self.called.push(Called { caller: Caller { ip: word(sp), sp: sp + 8 }, kept });
            }
        }
        self.before = Caller { ip, sp };
        if !self.is_jit(ip) || self.too_deep {
            return;
        }
        // A cut drops its segment at once: its code runs for the trampoline, which Rust called.
        while self.is_gate(ip) && self.called.last().is_some_and(|called| self.is_jit(called.caller.ip)) {
            self.called.pop();
        }
        self.steps += 1;
        self.deepest = self.deepest.max(self.called.len());
        self.met.insert(ip);
        self.compare(ip);
    }
}

/// Whether the instruction is `push rbp`, with which all bodies begin.
fn begins_body(ip: usize) -> bool {
    let at = std::ptr::with_exposed_provenance::<u8>(ip);
    // SAFETY: the address of the next instruction, in JIT code, which can be read.
    unsafe { at.read() == 0x55 }
}

/// The regions of code memory of this process as they run, with what is reserved; the smallest one last.
fn code_memory() -> Vec<Range<usize>> {
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux");
    let mut regions: BTreeMap<&str, Range<usize>> = BTreeMap::new();
    for line in maps.lines().filter(|line| line.contains("memfd:")) {
        let [range, rights, _, _, file, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            continue;
        };
        let (start, end) = range.split_once('-').expect("a range");
        let hex = |digits| usize::from_str_radix(digits, 16).expect("an address");
        match regions.get_mut(file) {
            // What is not accessible yet stands behind what can run.
            Some(region) if region.end == hex(start) && rights.starts_with("---") => region.end = hex(end),
            None if rights.starts_with("r-x") => drop(regions.insert(file, hex(start)..hex(end))),
            _ => {}
        }
    }
    let mut regions: Vec<_> = regions.into_values().collect();
    regions.sort_by_key(|region| Reverse(region.len()));
    regions
}

fn program(source: &str, main: &str) -> (Arc<Program>, FuncId) {
    let module = text::parse(source).unwrap_or_else(|e| panic!("{e}"));
    let program = module.verify().unwrap_or_else(|e| panic!("{e}"));
    let main = program.find(main).expect("a function of this name");
    (Arc::new(program), main)
}

/// A run that was watched.
struct Run {
    outcomes: Vec<String>,
    watcher: Watcher,
    vm: Vm,
}

/// Call the functions of a new VM step by step, one after the other, and check every step.
fn watch(program: &Arc<Program>, options: Options, calls: &[(FuncId, &[Value])]) -> Run {
    watch_in_tiers(program, options, &[], calls)
}

fn watch_in_tiers(
    program: &Arc<Program>,
    options: Options,
    tiers: &[(FuncId, Tier)],
    calls: &[(FuncId, &[Value])],
) -> Run {
    let mut vm = Vm::new(Arc::clone(program), options).expect("a VM");
    for &(function, tier) in tiers {
        vm.set_tier(function, tier).expect("it can be compiled");
    }
    let jit = code_memory();
    assert_eq!(jit.len(), 2, "one VM has a region of code and one of its gate: {jit:x?}");
    let mut outcomes: Vec<Result<Value, VmError>> = Vec::with_capacity(calls.len());
    let watcher = stepping(Watcher::new(jit), || {
        outcomes.extend(calls.iter().map(|&(function, arguments)| vm.call(function, arguments)));
    });
    let first = watcher.wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(watcher.wrong.is_empty(), "{} of {} steps:\n{first}", watcher.wrong.len(), watcher.steps);
    assert!(!watcher.too_deep, "the list of callers is too short for this test");
    println!(
        "{} steps at {} instructions, {} callers deep",
        watcher.steps,
        watcher.met.len(),
        watcher.deepest
    );
    let text = |outcome: &Result<Value, VmError>| match outcome {
        Ok(value) => format!("= {value}"),
        Err(error) => format!("! {error}"),
    };
    Run { outcomes: outcomes.iter().map(text).collect(), watcher, vm }
}

/// The tests take turns: the code memory of the process is that of one test, which leaves none behind.
fn alone(test: impl FnOnce()) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    assert_eq!(code_memory(), []);
    test();
    assert_eq!(code_memory(), []);
}

/// The code of a function that has one: where it runs, and its instructions as offsets with their text.
fn code_of(run: &Run, function: FuncId) -> (usize, Vec<(usize, String)>) {
    let listing = run.vm.listing(function).expect("compiled, with a listing");
    let mut instructions = vec![];
    let mut code = vec![];
    for line in listing.lines() {
        // An offset of four digits, two spaces, the bytes, the instruction.
        let Some((offset, rest)) = line.trim_start().split_once("  ") else { continue };
        let Ok(offset) = usize::from_str_radix(offset, 16) else { continue };
        assert_eq!(offset, code.len(), "the listing has every byte: {line}");
        let byte = |word: &&str| word.len() == 2;
        let bytes = rest.split(' ').take_while(byte).map_while(|word| u8::from_str_radix(word, 16).ok());
        code.extend(bytes);
        instructions.push((offset, rest.to_owned()));
    }
    let memory = &run.watcher.jit[0];
    let mut file = fs::File::open("/proc/self/mem").expect("Linux");
    file.seek(SeekFrom::Start(memory.start as u64)).expect("an offset");
    let mut bytes = vec![0; 16 << 10];
    file.read_exact(&mut bytes).expect("mapped memory");
    let at: Vec<usize> = (0..bytes.len()).step_by(16).filter(|&at| bytes[at..].starts_with(&code)).collect();
    assert_eq!(at.len(), 1, "the code stands once in its region");
    (memory.start + at[0], instructions)
}

/// Computes by recursion, with a guard at each step.
const FIB: &str = include_str!("../jit-vm/programs/fib.txt");

/// Every instruction of a compiled function, its cold exits and its way out when there is no stack: seen
/// once at least, and right each time.
#[test]
fn every_instruction_of_a_compiled_function_finds_its_callers() {
    alone(|| {
        let (fib, main) = program(FIB, "fib");
        let mut met = BTreeSet::new();
        let mut all = vec![];
        // Every n-th guard leaves: with these n, each of the four does once. The code is the same each time.
        for stress in [1, 4, 11, 15, 1 << 40] {
            let options = Options { stress, listing: true, ..Options::compiled() };
            let run = watch(&fib, options, &[(main, &[Value::int(3)]), (main, &[Value::bool(true)])]);
            assert_eq!(run.outcomes[0], "= 2");
            assert!(run.outcomes[1].starts_with("! "), "{:?}", run.outcomes);
            let (start, instructions) = code_of(&run, main);
            all = instructions;
            met.extend(run.watcher.met.iter().filter_map(|ip| ip.checked_sub(start)));
        }
        let options = Options { stress: 1 << 40, stack_slots: 12, listing: true, ..Options::compiled() };
        let run = watch(&fib, options, &[(main, &[Value::int(20)])]);
        assert!(run.outcomes[0].contains("stack"), "{:?}", run.outcomes);
        let (start, _) = code_of(&run, main);
        met.extend(run.watcher.met.iter().filter_map(|ip| ip.checked_sub(start)));
        all.retain(|(offset, text)| !met.contains(offset) && !text.starts_with("cc "));
        assert!(all.is_empty(), "{} instructions were never met: {all:#?}", all.len());
    });
}

/// Recursion in turns, with an error at the bottom for some arguments.
const TURNS: &str = include_str!("../jit-vm/programs/turns.txt");

/// Segments within segments: the interpreter between compiled functions, and cuts through all of them.
#[test]
fn callers_are_found_through_every_pair_of_tiers() {
    alone(|| {
        let (turns, main) = program(TURNS, "even");
        let odd = turns.find("odd").expect("a function of this name");
        let options =
            Options { thresholds: Thresholds { calls: u32::MAX, failures: 3 }, ..Options::default() };
        for tiers in [
            [Tier::Plain, Tier::Interpreted],
            [Tier::Interpreted, Tier::Speculative],
            [Tier::Speculative, Tier::Plain],
        ] {
            let in_tiers = [(main, tiers[0]), (odd, tiers[1])];
            let [result, error] = [2, 0].map(|divisor| [Value::int(4), Value::int(divisor)]);
            let run = watch_in_tiers(&turns, options, &in_tiers, &[(main, &result), (main, &error)]);
            assert_eq!(run.outcomes, ["= 54", "! div by zero, in `even` at 14"], "{tiers:?}");
            assert!(run.watcher.deepest > 6, "{tiers:?}");
        }
    });
}

/// A compiled function whose callee changes tiers.
const CALLER: &str = "
func main(1) {
    get 0
    call leaf
    ret
}

func leaf(1) {
    get 0
    int 0
    add
    ret
}
";

/// A function is compiled above a frame of its caller, speculates, meets another kind, leaves, and is
/// compiled without speculation.
#[test]
fn callers_are_found_while_tiers_change() {
    alone(|| {
        let (program, main) = program(CALLER, "main");
        let leaf = program.find("leaf").expect("a function of this name");
        let options = Options { thresholds: Thresholds { calls: 2, failures: 1 }, ..Options::default() };
        let [number, other] = [Value::int(3), Value::bool(true)].map(|value| [value]);
        let calls = [&number, &number, &number, &other, &number].map(|a| (main, &a[..]));
        let run = watch_in_tiers(&program, options, &[(main, Tier::Plain)], &calls);
        let mismatch = "! add wants two integers, got bool and int, in `leaf` at 2";
        assert_eq!(run.outcomes, ["= 3", "= 3", "= 3", mismatch, "= 3"]);
        let stats = run.vm.stats();
        assert_eq!(run.vm.tier(leaf), Tier::Plain);
        assert_eq!((stats.compiled, stats.failures, stats.freed), (3, 1, 1), "{stats:?}");
    });
}

/// The net itself: code that breaks the frame convention is told of, at the instruction that breaks it.
#[test]
fn a_breach_of_the_frame_convention_is_told_of() {
    type Nullary = extern "C-unwind" fn() -> i64;
    alone(|| {
        let heap = CodeHeap::probe().expect("Linux on x86-64");
        let _gate = Gate::new(&heap).expect("an unwinder");
        for breaks in [false, true] {
            let mut asm = Assembler::new();
            enter_frame(&mut asm);
            x64!(asm => mov eax, 42);
            let mut breach = None;
            if breaks {
                x64!(asm => leave);
                breach = Some(asm.offset());
                x64!(asm => nop; ret);
            } else {
                leave_frame(&mut asm);
            }
            let inner = asm.seal().expect("no labels").publish(&heap).expect("room");
            let mut asm = Assembler::new();
            enter_frame(&mut asm);
            x64!(asm => call {Function(inner.address())}; nop);
            leave_frame(&mut asm);
            let outer = asm.seal().expect("no labels").publish(&heap).expect("room");
            // SAFETY: a function without arguments; no panic passes through it.
            let f = unsafe { outer.entry::<Nullary>() };
            let mut result = 0;
            let watcher = stepping(Watcher::new(code_memory()), || result = f.call());
            assert_eq!((result, watcher.steps), (42, if breaks { 12 } else { 11 }));
            let found: Vec<&str> = watcher.wrong.iter().filter_map(|wrong| wrong.split(':').next()).collect();
            let wanted = breach.and_then(|breach| inner.address_of(breach)).map(|at| format!("at {at:#x}"));
            assert_eq!(found, wanted.as_slice());
        }
    });
}

/// A panic passes code that was entered as a function, without a gate: it keeps the frame convention, and
/// the registers of the caller are where they were.
#[test]
fn a_panic_passes_an_entry_point() {
    extern "C-unwind" fn refuse(n: i64) -> i64 {
        if n > 2 { resume_unwind(Box::new(n)) } else { -n }
    }
    alone(|| {
        let heap = CodeHeap::probe().expect("Linux on x86-64");
        let _gate = Gate::new(&heap).expect("an unwinder");
        let mut asm = Assembler::new();
        enter_frame(&mut asm);
        x64!(asm => call {Function(refuse as extern "C-unwind" fn(i64) -> i64 as usize)}; inc rax);
        leave_frame(&mut asm);
        let code = asm.seal().expect("no labels").publish(&heap).expect("room");
        // SAFETY: a function of an integer that keeps the frame convention, in a heap that has a gate.
        let f = unsafe { code.entry::<extern "C-unwind" fn(i64) -> i64>() };
        for n in 0..5 {
            let caught = catch_unwind(|| f.call(n)).map_err(|payload| payload.downcast_ref::<i64>().copied());
            assert_eq!(caught, if n > 2 { Err(Some(n)) } else { Ok(1 - n) });
        }
    });
}
