//! Code turns wrong under its own frames: each of them goes on where it is right, and the code is freed when the last
//! has left. The client is `support/toy.rs`.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
#![allow(unsafe_code)]

#[path = "support/toy.rs"]
mod toy;

use jit_runtime::memory::{CodeHeap, HeapOptions, POISON, Strategy};
use jit_runtime::tier::policy::Pressure;
use jit_runtime::tier::{Invalidated, JobError, JobStats, Jobs, Retired};
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use toy::{Action, FUNCTIONS, GLOBALS, Kind, Model, Outcome, Snapshot, Toy, call, call_catching, translate};

/// A toy with all functions compiled and a script.
fn compiled(kind: Kind, script: &[Action]) -> Box<Toy> {
    let mut toy = Toy::new();
    for f in 0..FUNCTIONS {
        toy.compile(f, kind);
    }
    toy.vm.script = script.iter().copied().collect();
    toy
}

/// A call under a script, as the model has it.
fn model(script: &[Action], function: u64, n: u64) -> Outcome {
    Model::new(script).call(function, n)
}

/// Nothing runs: what was retired is freed, and nobody remembers it.
fn assert_clean(toy: &mut Toy) {
    assert_eq!(toy.sweep().in_use, 0);
    assert_eq!((toy.vm.code.len(), toy.vm.code.retired()), (toy.vm.compiled(), 0));
    assert!(toy.vm.assumptions.dependants() <= toy.vm.compiled());
}

#[test]
fn without_changes_code_runs_as_the_model_says() {
    for kind in [Kind::Speculative, Kind::HalfExits, Kind::Plain] {
        for n in [0, 1, 2, 50] {
            let mut toy = compiled(kind, &[]);
            assert_eq!(call(&raw mut *toy, 1, n), model(&[], 1, n));
            assert_eq!((toy.vm.exits, toy.vm.ticks), (0, n + 1));
        }
    }
}

/// Six activations of functions 0, 1, 2, 0, 1, 2; all but those of 1 take global 0 for a constant.
#[test]
fn every_activation_leaves_by_its_exit() {
    let at_depth = |depth: usize, actions: &[Action]| {
        [Action::Nothing].repeat(depth).into_iter().chain(actions.iter().copied()).collect::<Vec<_>>()
    };
    let (first, second) = (Action::Write(0, 77), Action::Write(1, 1 << 50));
    let cases = [
        // The youngest activation writes: its own code is wrong behind its call of Rust.
        (at_depth(5, &[first]), vec![4]),
        // The fifth writes, not its own global: when it calls the sixth, that one has no code, and makes it leave.
        (at_depth(4, &[first, second]), vec![3, 2]),
        // The oldest writes both: it leaves once, and nothing below has code.
        (vec![second, first], vec![0, 1]),
    ];
    for (script, leaving) in cases {
        let mut toy = compiled(Kind::Speculative, &script);
        assert_eq!(call(&raw mut *toy, 0, 5), model(&script, 0, 5));
        let seen: Vec<usize> = toy.vm.invalidated.iter().map(|i| i.leaving).collect();
        assert_eq!(seen, leaving, "{script:?}");
        assert_eq!(toy.vm.exits, leaving.iter().sum::<usize>(), "each leaves once");
        assert!(toy.vm.invalidated.iter().all(|i| i.staying == 0));
        assert_clean(&mut toy);
    }
}

/// The bytes at an address.
fn peek<const N: usize>(address: usize) -> [u8; N] {
    let at = std::ptr::with_exposed_provenance::<[u8; N]>(address);
    // SAFETY: code memory of a region that its heap keeps mapped, since it holds stubs too.
    unsafe { at.read() }
}

#[test]
fn dead_code_is_freed_when_its_last_frame_has_left() {
    // The deepest of three activations of function 0 writes its global; then all is swept at each call of Rust.
    let mut script = [Action::Nothing; 7].to_vec();
    script.push(Action::Sweep);
    script[6] = Action::Write(0, 9);
    let mut toy = compiled(Kind::Speculative, &script);
    let start = toy.vm.entries.get(0);
    let bytes = peek::<4>(start);
    assert_ne!(bytes, [POISON; 4]);
    let at = &raw mut *toy;
    assert_eq!(call(at, 0, 7), model(&script, 0, 7));
    // Function 1 relies on the other global, and goes on. The sweep found frames of 0 and 2 waiting.
    assert_eq!(toy.vm.invalidated, [Invalidated { entries: 2, leaving: 5, staying: 0 }]);
    assert!(toy.vm.freed.is_empty() && toy.vm.code.retired() == 2, "frames were in both");
    assert_eq!(peek::<4>(start), bytes, "all frames are gone, and nobody has looked");
    assert_eq!(toy.sweep(), Retired { freed: 2, in_use: 0 });
    assert_eq!(peek::<4>(start), [POISON; 4]);
    assert!(toy.vm.freed.contains(&start) && toy.vm.code.at_return(start + 4).is_none());
    assert_eq!((toy.vm.code.len(), toy.vm.assumptions.dependants()), (1, 1));
    assert_clean(&mut toy);
    // And again, with new code in the same place.
    toy.compile(0, Kind::Speculative);
    assert_eq!(toy.vm.entries.get(0), start);
    let globals = *toy.vm.globals;
    let mut model = Model { globals, script: VecDeque::new(), ticks: toy.vm.ticks };
    assert_eq!(call(&raw mut *toy, 0, 7), model.call(0, 7));
}

/// Code that was replaced while frames are in it relies on what it relied on.
#[test]
fn replaced_code_is_invalidated_and_its_successor_is_not() {
    let script = [
        Action::Nothing,
        Action::Nothing,
        Action::Nothing,
        Action::Compile(0, Kind::Plain),
        Action::Write(0, 1 << 40),
        Action::Sweep,
    ];
    let mut toy = compiled(Kind::Speculative, &script);
    let at = &raw mut *toy;
    assert_eq!(call(at, 0, 8), model(&script, 0, 8));
    // Frames of 0, twice, and of 2, once; entry of 2 alone.
    assert_eq!(toy.vm.invalidated, [Invalidated { entries: 1, leaving: 3, staying: 0 }]);
    assert_eq!(toy.vm.compiled(), 2);
    assert_clean(&mut toy);
}

/// A call without an exit: its frame is reported and goes on in dead code. It is found at its next call, if asked for.
#[test]
fn a_call_without_an_exit_is_reported() {
    fn look_again(toy: &mut Toy) {
        let (mut at, vm) = toy.safepoint();
        let done = vm.invalidate(&mut at);
        assert_eq!(done, Invalidated { entries: 0, leaving: 1, staying: 0 });
    }
    for (second, right) in [(Action::Nothing, false), (Action::Do(look_again), true)] {
        let script = [Action::Write(0, 5), second];
        let mut toy = compiled(Kind::HalfExits, &script);
        let outcome = call(&raw mut *toy, 0, 1);
        assert_eq!(toy.vm.invalidated, [Invalidated { entries: 2, leaving: 0, staying: 1 }]);
        assert_eq!(outcome == model(&script, 0, 1), right, "the old constant is wrong");
        assert_eq!(toy.vm.exits, usize::from(right));
        assert_clean(&mut toy);
    }
}

fn any_script(u: &mut arbtest::arbitrary::Unstructured<'_>) -> arbtest::arbitrary::Result<Vec<Action>> {
    (0..u.int_in_range(0..=25)?)
        .map(|_| {
            Ok(match u.int_in_range(0..=15)? {
                0..=3 => Action::Write(u.choose_index(GLOBALS)?, u.arbitrary()?),
                4..=6 => Action::Enter(u.int_in_range(0..=FUNCTIONS - 1)?, u.int_in_range(0..=6)?),
                7..=10 => {
                    let kind = *u.choose(&[Kind::Speculative, Kind::Speculative, Kind::Plain])?;
                    Action::Compile(u.int_in_range(0..=FUNCTIONS - 1)?, kind)
                }
                11..=12 => Action::Sweep,
                13 if u.ratio(1, 3)? => Action::Cut,
                14 if u.ratio(1, 3)? => Action::Panic,
                _ => Action::Nothing,
            })
        })
        .collect()
}

/// Random depths, nestings and orders of all that can happen, against the model.
#[test]
fn activations_agree_with_the_model_whatever_happens_under_them() {
    let (mut exits, mut ends, mut freed_inside) = (0, [0; 3], 0);
    arbtest::arbtest(|u| {
        let mut toy = Toy::new();
        for f in 0..FUNCTIONS {
            if u.ratio(3, 4)? {
                toy.compile(f, Kind::Speculative);
            }
        }
        let mut model = Model::new(&[]);
        for _ in 0..u.int_in_range(1..=3)? {
            let (script, f, n) = (any_script(u)?, u.int_in_range(0..=FUNCTIONS - 1)?, u.int_in_range(0..=8)?);
            toy.vm.script = script.iter().copied().collect();
            model.script = script.iter().copied().collect();
            let wanted = model.call(f, n);
            let at = &raw mut *toy;
            assert_eq!(call_catching(at, f, n), wanted, "{f} {n} {script:?}");
            assert_eq!((toy.vm.ticks, &toy.vm.globals[..]), (model.ticks, &model.globals[..]));
            assert!(!toy.machine.is_entered());
            ends[match wanted {
                Ok(_) => 0,
                Err(toy::End::Cut(_)) => 1,
                Err(toy::End::Panic(_)) => 2,
            }] += 1;
            freed_inside += toy.vm.freed.len();
            assert_clean(&mut toy);
            toy.vm.freed.clear();
        }
        exits += toy.vm.exits;
        Ok(())
    })
    .budget_ms(1500);
    assert!(
        exits > 100 && freed_inside > 100 && ends.iter().all(|&n| n > 10),
        "{exits} {ends:?} {freed_inside}"
    );
}

/// A heap that fills up with replaced code is swept by who publishes, and keeps what has frames.
#[test]
fn code_is_freed_on_pressure() {
    fn fill(toy: &mut Toy) {
        let before = toy.vm.heap.stats().used;
        let one = toy.vm.code.get(toy.vm.entries.get(1)).expect("compiled").code.len();
        for _ in 0..1000 {
            toy.compile(1, Kind::Speculative);
            let used = toy.vm.heap.stats().used;
            assert!(used <= 2 * before.max(8 << 10) + 2 * one, "{used} of {before} with {one} each");
        }
    }
    let script = [Action::Nothing, Action::Do(fill), Action::Write(1, 3)];
    let mut toy = compiled(Kind::Speculative, &script);
    let first = toy.vm.entries.get(1);
    let at = &raw mut *toy;
    assert_eq!(call(at, 0, 5), model(&script, 0, 5));
    assert!(toy.vm.freed.len() > 900 && !toy.vm.freed.contains(&first), "a frame was in the first");
    // Function 1 at depths 1 and 4: only the first is suspended when its global changes.
    assert_eq!(toy.vm.invalidated[0].leaving, 1);
    assert_clean(&mut toy);
    assert!(toy.vm.freed.contains(&first));
}

/// A heap that refuses is asked again when what nobody runs is freed, in the middle of a run.
#[test]
fn code_is_freed_when_the_heap_is_full() {
    fn fill(toy: &mut Toy) {
        (0..1000).for_each(|_| toy.compile(1, Kind::Speculative));
    }
    let options = HeapOptions { limit: 32 << 10, step: 4 << 10, ..HeapOptions::new(Strategy::DualMapping) };
    let mut toy = Toy::over(CodeHeap::with(options).expect("Linux on x86-64"));
    toy.vm.pressure = Pressure::new(usize::MAX);
    (0..FUNCTIONS).for_each(|f| toy.compile(f, Kind::Speculative));
    let first = toy.vm.entries.get(1);
    let script = [Action::Nothing, Action::Do(fill), Action::Write(1, 3)];
    toy.vm.script = script.into();
    assert_eq!(call(&raw mut *toy, 0, 5), model(&script, 0, 5));
    assert!(toy.vm.refusals > 2 && !toy.vm.freed.contains(&first), "{} refusals", toy.vm.refusals);
    assert_eq!(toy.vm.exits, 1, "the activation in the first code left it when its global changed");
    assert_clean(&mut toy);
    assert!(toy.vm.freed.contains(&first));
}

/// Compiled on another thread, installed in the middle of a run; the next run uses it.
#[test]
fn a_background_job_is_installed_at_a_safepoint() {
    let mut toy = Toy::new();
    let mut jobs = background();
    for f in 0..FUNCTIONS {
        let (snapshot, premises) = toy.vm.snapshot(f, Kind::Speculative);
        jobs.submit(snapshot, premises).expect("room");
    }
    let (at, vm) = toy.safepoint();
    for installed in 1..=FUNCTIONS as usize {
        let job = wait(|| jobs.finished(&at, &vm.assumptions));
        vm.install(&at, job.result.expect("nothing changed"), &job.premises);
        assert_eq!(vm.compiled(), installed);
    }
    let script = [Action::Nothing, Action::Nothing, Action::Write(0, 4)];
    toy.vm.script = script.into();
    assert_eq!(call(&raw mut *toy, 0, 6), model(&script, 0, 6));
    assert_eq!((toy.vm.exits, toy.vm.compiled()), (2, 1), "what is installed is invalidated as any other");
    assert_eq!(jobs.shut_down(), JobStats { submitted: 3, ready: 3, ..JobStats::default() });
    assert_clean(&mut toy);
}

/// The global is written while the job is at work, or when it has ended and nobody has fetched it.
#[test]
fn a_background_job_that_was_overtaken_is_discarded() {
    let mut toy = Toy::new();
    let mut jobs = background();
    for f in [0, 1] {
        let (snapshot, premises) = toy.vm.snapshot(f, Kind::Speculative);
        jobs.submit(snapshot, premises).expect("room");
    }
    assert_eq!(toy.write(0, 9), Invalidated::default(), "nothing that is installed relies on it");
    let (at, vm) = toy.safepoint();
    for _ in 0..2 {
        let job = wait(|| jobs.finished(&at, &vm.assumptions));
        match job.result {
            Ok(translated) => drop(vm.install(&at, translated, &job.premises)),
            Err(JobError::Overtaken(outdated)) => assert_eq!(outdated.assumption, vm.facts[0]),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((vm.compiled(), vm.assumptions.dependants()), (1, 1));
    assert_eq!(jobs.stats(), JobStats { submitted: 2, ready: 1, overtaken: 1, ..JobStats::default() });
    let script = [Action::Write(0, 9)];
    toy.vm.script = script.into();
    assert_eq!(call(&raw mut *toy, 0, 3), model(&script, 0, 3));
}

fn background() -> Jobs<Snapshot, toy::Translated> {
    Jobs::start(NonZeroUsize::MIN, 8, || |snapshot: Snapshot| translate(&snapshot)).expect("a thread")
}

fn wait<T>(mut poll: impl FnMut() -> Option<T>) -> T {
    loop {
        match poll() {
            Some(value) => return value,
            None => std::thread::yield_now(),
        }
    }
}
