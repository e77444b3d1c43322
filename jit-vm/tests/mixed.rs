//! Functions of every tier that call each other: how deep, what errors cross, when tiers change, and one
//! guard from its compilation to the end of the code it was in.

use jit_runtime::memory::{CodeHeap, Event, Strategy};
use jit_runtime::observe::Statistics;
use jit_runtime::stitch::About;
use jit_runtime::tier::policy::{Thresholds, Tier};
use jit_vm::testing::outcome;
use jit_vm::{FuncId, Interpreter, Options, Program, Value, Vm, text};
use std::sync::{Arc, Mutex};

fn program(source: &str) -> Arc<Program> {
    let module = text::parse(source).unwrap_or_else(|e| panic!("{e}"));
    Arc::new(module.verify().unwrap_or_else(|e| panic!("{e}")))
}

fn find(program: &Program, name: &str) -> FuncId {
    program.find(name).expect("a function of this name")
}

fn int(value: i64) -> Value {
    Value::int(value)
}

/// Mixed recursion nests on the thread's own stack: in a debug build a turn of it takes some kilobytes.
fn on_a_large_stack(test: fn()) {
    let thread = std::thread::Builder::new().stack_size(1 << 28).spawn(test).expect("a thread");
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// `even` and `odd` count down in turns; at the bottom they divide by what they were given.
const TURNS: &str = include_str!("../programs/turns.txt");

/// Both functions in every pair of tiers.
fn in_every_pair_of_tiers(test: impl Fn(&mut Vm, FuncId, FuncId)) {
    let program = program(TURNS);
    let (even, odd) = (find(&program, "even"), find(&program, "odd"));
    let tiers = [Tier::Interpreted, Tier::Plain, Tier::Speculative];
    for first in tiers {
        for second in tiers {
            let options =
                Options { thresholds: Thresholds { calls: u32::MAX, failures: 3 }, ..Options::default() };
            let mut vm = Vm::new(Arc::clone(&program), options).expect("a VM");
            vm.set_tier(even, first).expect("compiled");
            vm.set_tier(odd, second).expect("compiled");
            test(&mut vm, even, odd);
        }
    }
}

#[test]
fn tiers_call_each_other_ten_thousand_deep() {
    on_a_large_stack(|| {
        in_every_pair_of_tiers(|vm, even, odd| {
            assert_eq!(outcome(&vm.call(even, &[int(10_000), int(2)])), "= 10050");
            assert_eq!(outcome(&vm.call(odd, &[int(10_000), int(2)])), "= 10100");
        });
    });
}

#[test]
fn errors_cross_every_boundary_from_the_bottom() {
    on_a_large_stack(|| {
        in_every_pair_of_tiers(|vm, even, odd| {
            let arguments = |depth, divisor| [int(depth), divisor];
            assert_eq!(outcome(&vm.call(even, &arguments(10_000, int(0)))), "! div by zero, in `even` at 14");
            assert_eq!(outcome(&vm.call(even, &arguments(9_999, int(0)))), "! div by zero, in `odd` at 14");
            let mismatch = "! div wants two integers, got int and bool, in `odd` at 14";
            assert_eq!(outcome(&vm.call(odd, &arguments(10_000, Value::bool(true)))), mismatch);
            // The machine is in order afterwards.
            assert_eq!(outcome(&vm.call(odd, &arguments(3, int(1)))), "= 103");
        });
    });
}

#[test]
fn endless_recursion_is_an_error_in_every_pair_of_tiers() {
    on_a_large_stack(|| {
        in_every_pair_of_tiers(|vm, even, odd| {
            for function in [even, odd] {
                let result = outcome(&vm.call(function, &[int(-1), int(1)]));
                assert!(result.starts_with("! stack overflow, in `"), "{result}");
            }
            assert_eq!(outcome(&vm.call(even, &[int(0), int(1)])), "= 100");
        });
    });
}

/// On a small thread the native stack ends first. It is the same error, and never a signal.
#[test]
fn the_end_of_the_native_stack_is_an_error_too() {
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let test = || {
        in_every_pair_of_tiers(|vm, even, _| {
            let result = outcome(&vm.call(even, &[int(-1), int(1)]));
            assert!(result.starts_with("! stack overflow, in `"), "{result}");
        });
    };
    small.spawn(test).expect("a thread").join().expect("no panic");
}

/// Frames of one slot, whose native frames are as large, until there is no more room; before that, frames
/// that take much of the VM's stack and little of the native one, with an interpreted call at their top.
fn narrow_after_wide() -> Arc<Program> {
    program(
        "
func main(0) {
    call wide
    pop
    call endless
    ret
}
func wide(0) locals 40000 {
    call between
    ret
}
func between(0) {
    call leaf
    ret
}
func leaf(0) {
    int 7
    ret
}
func endless(0) {
    call endless
    ret
}
",
    )
}

/// The bound of the outer native code holds again when what it called has entered native code and left it.
#[test]
fn the_native_stack_has_one_end_however_it_is_entered() {
    let test = || {
        let program = narrow_after_wide();
        let options =
            Options { thresholds: Thresholds { calls: u32::MAX, failures: 3 }, ..Options::default() };
        let mut vm = Vm::new(Arc::clone(&program), options).expect("a VM");
        for native in ["main", "wide", "leaf", "endless"] {
            vm.set_tier(find(&program, native), Tier::Plain).expect("compiled");
        }
        let result = outcome(&vm.call(find(&program, "main"), &[]));
        assert_eq!(result, "! stack overflow, in `endless` at 0");
        assert_eq!(outcome(&vm.call(find(&program, "wide"), &[])), "= 7");
    };
    let small = std::thread::Builder::new().stack_size(1 << 20);
    small.spawn(test).expect("a thread").join().expect("no panic");
}

const FACTORIAL: &str = include_str!("../programs/factorial.txt");

#[test]
fn a_function_is_compiled_by_the_call_that_reaches_the_threshold() {
    let program = program(FACTORIAL);
    let factorial = find(&program, "factorial");
    let mut vm = Vm::new(program, Options::default()).expect("a VM");
    for _ in 0..999 {
        assert_eq!(outcome(&vm.call(factorial, &[int(1)])), "= 1");
    }
    assert_eq!((vm.tier(factorial), vm.stats().compiled), (Tier::Interpreted, 0));
    assert_eq!(outcome(&vm.call(factorial, &[int(20)])), "= 2432902008176640000");
    assert_eq!((vm.tier(factorial), vm.stats().compiled), (Tier::Speculative, 1));
    assert_eq!(outcome(&vm.call(factorial, &[int(10_000)])), "= 0");
    assert_eq!(vm.stats().compiled, 1);
}

#[test]
fn calls_from_native_code_count_too() {
    let program = program(TURNS);
    let (even, odd) = (find(&program, "even"), find(&program, "odd"));
    let options = Options { thresholds: Thresholds { calls: 30, failures: 3 }, ..Options::default() };
    let mut vm = Vm::new(program, options).expect("a VM");
    vm.set_tier(even, Tier::Plain).expect("compiled");
    // Each second frame is one of `odd`.
    assert_eq!(outcome(&vm.call(even, &[int(58), int(2)])), "= 108");
    assert_eq!(vm.tier(odd), Tier::Interpreted);
    assert_eq!(outcome(&vm.call(even, &[int(1), int(2)])), "= 101");
    assert_eq!((vm.tier(even), vm.tier(odd)), (Tier::Plain, Tier::Speculative));
}

/// Tier-up in the middle of a recursion: the frames that are interpreted end so, the callee is native.
#[test]
fn a_recursion_changes_tier_on_its_way_down() {
    let program = program(FACTORIAL);
    let factorial = find(&program, "factorial");
    let options = Options { thresholds: Thresholds { calls: 30, failures: 3 }, ..Options::default() };
    let mut vm = Vm::new(Arc::clone(&program), options).expect("a VM");
    let expected = Interpreter::new(10_000).run(&program, factorial, &[int(60)]);
    assert_eq!(vm.call(factorial, &[int(60)]), expected);
    assert_eq!(vm.tier(factorial), Tier::Speculative);
}

/// `10 + (a == b ? 100 : 200) * 2`, with the comparison in the middle of the expression: what is below it
/// on the operand stack is in a register and a constant when the guard fails.
const GUARDED: &str = "
func guarded(3) {
    get 2
    int 7
    mul
    int 10
    get 0
    get 1
    eq
    int 5
    swap
    jump_if same
    int 200
    mul
    add
    add
    ret
same:
    int 100
    mul
    add
    add
    ret
}
";

#[test]
fn a_guard_fails_and_the_interpreter_goes_on_at_that_instruction() {
    let program = program(GUARDED);
    let guarded = find(&program, "guarded");
    let options = Options { thresholds: Thresholds { calls: 4, failures: 3 }, ..Options::default() };
    let mut vm = Vm::new(Arc::clone(&program), options).expect("a VM");
    let call = |vm: &mut Vm, arguments: [Value; 3]| {
        let expected = outcome(&Interpreter::new(100).run(&program, guarded, &arguments));
        assert_eq!(outcome(&vm.call(guarded, &arguments)), expected, "{arguments:?}");
    };
    for n in 0..5 {
        call(&mut vm, [int(n), int(3), int(n)]);
    }
    assert_eq!(vm.tier(guarded), Tier::Speculative, "compiled after integers only");
    assert_eq!(vm.stats().exits, 0);

    // Values that the guard holds for stay in native code.
    call(&mut vm, [int(8), int(8), int(1)]);
    assert_eq!((vm.stats().exits, vm.stats().failures), (0, 0));

    // Others leave, each kind at each side, and are right all the same.
    call(&mut vm, [Value::bool(true), int(1), int(6)]);
    call(&mut vm, [int(1), Value::bool(true), int(6)]);
    assert_eq!((vm.stats().exits, vm.stats().failures), (2, 2));
    assert_eq!(vm.tier(guarded), Tier::Speculative);
    let code_before = vm.stats().code_bytes;

    // The third failure gives speculation up; nobody is in the old code, so it is freed at once.
    call(&mut vm, [Value::bool(false), Value::bool(false), int(6)]);
    assert_eq!((vm.tier(guarded), vm.stats().exits, vm.stats().compiled), (Tier::Plain, 3, 2));
    assert_eq!((vm.stats().freed, vm.stats().waiting), (1, 0));
    assert!(vm.stats().code_bytes < 2 * code_before);

    // Plain code does not leave for anything that is no error.
    for other in [int(1), Value::bool(true), Value::bool(false)] {
        call(&mut vm, [Value::bool(true), other, int(2)]);
    }
    assert_eq!(vm.stats().exits, 3);
    call(&mut vm, [int(1), int(1), Value::bool(true)]);
    assert_eq!((vm.stats().exits, vm.stats().compiled), (4, 2), "an error leaves, and changes nothing");
}

#[test]
fn plain_code_relies_on_nothing_that_was_seen() {
    let program = program(GUARDED);
    let guarded = find(&program, "guarded");
    let mut vm = Vm::new(program, Options::default()).expect("a VM");
    for _ in 0..3 {
        assert_eq!(outcome(&vm.call(guarded, &[int(1), int(1), int(6)])), "= 552");
    }
    vm.set_tier(guarded, Tier::Plain).expect("compiled");
    assert_eq!(outcome(&vm.call(guarded, &[Value::bool(true), int(1), int(6)])), "= 1052");
    assert_eq!(vm.stats().exits, 0);
}

#[test]
fn a_tier_that_was_set_by_hand_stays() {
    let program = program(GUARDED);
    let guarded = find(&program, "guarded");
    let options = Options { thresholds: Thresholds { calls: 3, failures: 2 }, ..Options::default() };
    let mut vm = Vm::new(program, options).expect("a VM");
    vm.set_tier(guarded, Tier::Interpreted).expect("nothing to compile");
    for _ in 0..10 {
        assert_eq!(outcome(&vm.call(guarded, &[int(1), int(1), int(6)])), "= 552");
    }
    assert_eq!((vm.tier(guarded), vm.stats().compiled), (Tier::Interpreted, 0));
    vm.set_tier(guarded, Tier::Speculative).expect("compiled");
    for _ in 0..10 {
        assert_eq!(outcome(&vm.call(guarded, &[Value::bool(true), int(1), int(6)])), "= 1052");
    }
    assert_eq!((vm.tier(guarded), vm.stats().failures), (Tier::Speculative, 10));
}

/// `walk` compares its second argument with 1 at the bottom of a recursion. All of its frames are in the
/// speculative code when the guards fail, so that code must live until they are gone.
const RECURSIVE: &str = "
func walk(2) {
    get 0
    int 0
    eq
    jump_if bottom
    get 0
    int 1
    sub
    get 1
    call walk
    get 1
    int 1
    eq
    jump_if_not other
    int 2
    add
    ret
other:
    int 1
    add
    ret
bottom:
    int 0
    ret
}
";

#[test]
fn code_that_was_left_lives_as_long_as_a_frame_is_in_it() {
    let program = program(RECURSIVE);
    let walk = find(&program, "walk");
    let options = Options { thresholds: Thresholds { calls: 4, failures: 3 }, ..Options::default() };
    let mut vm = Vm::new(Arc::clone(&program), options).expect("a VM");
    for _ in 0..2 {
        assert_eq!(outcome(&vm.call(walk, &[int(1), int(1)])), "= 2");
    }
    assert_eq!(vm.tier(walk), Tier::Speculative, "compiled after the comparison has seen integers");

    assert_eq!(outcome(&vm.call(walk, &[int(10), Value::bool(true)])), "= 10");
    assert_eq!(vm.tier(walk), Tier::Plain);
    let stats = vm.stats();
    assert_eq!(stats.exits, 10, "the frames of the old code left it after it was replaced, too");
    assert_eq!((stats.freed, stats.waiting), (1, 0), "the last exit found no other frame in it");

    // In plain code the same call stays: the new code is what runs.
    assert_eq!(outcome(&vm.call(walk, &[int(10), Value::bool(true)])), "= 10");
    assert_eq!(vm.stats().exits, 10);
}

/// The guard fails at the bottom only. The frames above return into code that was replaced meanwhile, one
/// after the other, and nobody leaves it again.
const BOTTOM: &str = "
func dive(2) {
    get 0
    int 0
    eq
    jump_if bottom
    get 0
    int 1
    sub
    get 1
    call dive
    int 1
    add
    ret
bottom:
    get 1
    int 1
    eq
    pop
    int 0
    ret
}
";

#[test]
fn code_that_is_returned_into_is_freed_when_the_last_frame_has() {
    let program = program(BOTTOM);
    let dive = find(&program, "dive");
    let options = Options { thresholds: Thresholds { calls: 4, failures: 1 }, ..Options::default() };
    let mut vm = Vm::new(Arc::clone(&program), options).expect("a VM");
    for _ in 0..2 {
        assert_eq!(outcome(&vm.call(dive, &[int(1), int(1)])), "= 1");
    }
    assert_eq!(vm.tier(dive), Tier::Speculative);
    assert_eq!(outcome(&vm.call(dive, &[int(10), Value::bool(true)])), "= 10");
    let stats = vm.stats();
    assert_eq!((stats.exits, vm.tier(dive)), (1, Tier::Plain));
    assert_eq!((stats.freed, stats.waiting), (1, 0));
}

#[test]
fn stress_leaves_through_guards_that_hold_and_counts_no_failure() {
    let program = program(FACTORIAL);
    let factorial = find(&program, "factorial");
    for stress in [1, 2, 3, 7] {
        let options = Options { stress, ..Options::compiled() };
        let mut vm = Vm::new(Arc::clone(&program), options).expect("a VM");
        assert_eq!(outcome(&vm.call(factorial, &[int(20)])), "= 2432902008176640000");
        let stats = vm.stats();
        assert!(stats.exits > 0, "stress {stress} leaves");
        assert!(stress > 1 || stats.exits == 20, "every call leaves at its first guard");
        assert_eq!((stats.failures, vm.tier(factorial)), (0, Tier::Plain));
    }
}

#[test]
fn a_vm_without_memory_for_its_stack_says_so() {
    let program = program(FACTORIAL);
    let options = |stack_slots| Options { stack_slots, ..Options::default() };
    for slots in [0, usize::MAX / 16] {
        let error = Vm::new(Arc::clone(&program), options(slots)).expect_err("no stack").to_string();
        assert_eq!(
            error,
            format!(
                "the VM cannot start: no memory for a stack of {slots} slots; ask for fewer (at least one)"
            )
        );
    }
    let mut tiny = Vm::new(Arc::clone(&program), options(3)).expect("a VM");
    let factorial = find(&program, "factorial");
    let result = outcome(&tiny.call(factorial, &[int(20)]));
    assert_eq!(result, "! stack overflow, in `factorial` at 0");
}

/// An observed heap sees functions by name, with a position for each instruction that became code, and their
/// lives: compiled, replaced, freed.
#[test]
fn observers_see_functions_their_positions_and_their_tiers() {
    let program = program(TURNS);
    let even = find(&program, "even");
    let heap = CodeHeap::probe().expect("this machine gives code memory");
    let seen = Arc::new(Mutex::new(vec![]));
    let list = Arc::clone(&seen);
    heap.observe(move |event: &Event<'_>| {
        let mut seen = list.lock().unwrap();
        match (About::of(event), event) {
            (Some(about), _) => {
                let positions = about.positions.iter().flat_map(|positions| positions.iter());
                let last = positions.filter_map(|(_, position)| position).map(|position| position.0).max();
                seen.push(format!("{} {last:?}", about.name));
            }
            (_, Event::Noted { note, .. }) => seen.push((*note).to_owned()),
            (_, Event::Freed { .. }) => seen.push("freed".to_owned()),
            _ => {}
        }
    });
    let statistics = heap.observe(Statistics::default());
    let mut vm = Vm::in_heap(Arc::clone(&program), Options::compiled(), heap).expect("a VM");
    assert_eq!(vm.call(even, &[int(10), int(5)]), Ok(int(30)));
    vm.set_tier(even, Tier::Speculative).expect("it can be compiled");
    vm.set_tier(even, Tier::Interpreted).expect("nothing is compiled");
    let last = program.function(even).code().len() - 1;
    let with_last = |name: &str| format!("{name} Some({last})");
    let seen = seen.lock().unwrap().clone();
    let stubs =
        ["gate", "call_interpreted", "leave_native", "raise_overflow", "interpret", "deopt", "overflow"];
    let stubs = stubs.map(|name| format!("{name} None"));
    let lives = [&with_last("even"), "plain", &with_last("odd"), "plain", &with_last("even"), "speculative"];
    let lives = lives.into_iter().chain(["replaced", "freed", "replaced", "freed"]).map(str::to_owned);
    assert_eq!(seen, stubs.into_iter().chain(lives).collect::<Vec<_>>());
    let statistics = statistics.lock().unwrap();
    let notes: Vec<_> = statistics.notes.iter().map(|(&note, &times)| (note, times)).collect();
    assert_eq!(notes, [("plain", 2), ("replaced", 2), ("speculative", 1)]);
    assert_eq!((statistics.published.times, statistics.freed.times), (10, 2));
}

/// While another thread publishes, code of a heap that flips its protection cannot run.
#[test]
fn a_heap_that_flips_serves_one_vm() {
    let program = program(FACTORIAL);
    let start = |heap: &CodeHeap| Vm::in_heap(Arc::clone(&program), Options::compiled(), heap.clone());
    let flip = CodeHeap::new(Strategy::ProtectFlip).expect("every Unix has it");
    let error = start(&flip).expect_err("there are two handles").to_string();
    assert!(error.contains("serves one VM, and this one is shared"), "{error}");
    let mut vm = Vm::in_heap(Arc::clone(&program), Options::compiled(), flip).expect("the last handle");
    assert_eq!(vm.call(find(&program, "factorial"), &[int(5)]), Ok(int(120)));

    let dual = CodeHeap::new(Strategy::DualMapping).expect("Linux");
    let mut vms: Vec<Vm> = (0..2).map(|_| start(&dual).expect("they do not disturb each other")).collect();
    for vm in &mut vms {
        assert_eq!(vm.call(find(&program, "factorial"), &[int(5)]), Ok(int(120)));
    }
}
