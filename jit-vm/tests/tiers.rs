//! Every tier against the interpreter, bit for bit: results, errors, and where the errors are.

use arbtest::arbitrary::{Result, Unstructured};
use arbtest::arbtest;
use jit_runtime::tier::policy::{Thresholds, Tier};
use jit_vm::testing::{Expr, ExprCase, Script, generate, outcome, shuffle};
use jit_vm::{FuncId, FunctionBuilder, Interpreter, ModuleBuilder, Options, Program, Value, Vm};
use std::fs;
use std::path::Path;
use std::sync::Arc;

const SLOTS: usize = 20_000;

/// A way to run a program.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Everything compiled at once, with every n-th guard leaving; 0 for none.
    Plain { stress: u64 },
    /// Compiled after the first call of each function, on what was seen until then.
    Speculative { stress: u64 },
    /// Functions whose number has this parity compiled, the others interpreted.
    Mixed { parity: u32, tier: Tier },
}

const WAYS: [Way; 13] = [
    Way::Plain { stress: 0 },
    Way::Plain { stress: 1 },
    Way::Plain { stress: 2 },
    Way::Plain { stress: 3 },
    Way::Plain { stress: 7 },
    Way::Speculative { stress: 0 },
    Way::Speculative { stress: 1 },
    Way::Speculative { stress: 2 },
    Way::Speculative { stress: 3 },
    Way::Speculative { stress: 7 },
    Way::Mixed { parity: 0, tier: Tier::Plain },
    Way::Mixed { parity: 1, tier: Tier::Plain },
    Way::Mixed { parity: 1, tier: Tier::Speculative },
];

impl Way {
    fn vm(self, program: &Arc<Program>) -> Vm {
        let options = |calls, failures, stress| Options {
            stack_slots: SLOTS,
            thresholds: Thresholds { calls, failures },
            stress,
            ..Options::default()
        };
        let options = match self {
            Way::Plain { stress } => options(0, 0, stress),
            Way::Speculative { stress } => options(2, 3, stress),
            Way::Mixed { .. } => options(u32::MAX, 3, 0),
        };
        let mut vm = Vm::new(Arc::clone(program), options).expect("a VM");
        if let Way::Mixed { parity, tier } = self {
            for (id, _) in program.functions().filter(|(id, _)| id.0 % 2 == parity) {
                vm.set_tier(id, tier).expect("compiled");
            }
        }
        vm
    }
}

/// A call gives, in every tier and a few times over, what the interpreter gives.
fn check(program: &Arc<Program>, function: FuncId, arguments: &[Value], ways: &[Way]) {
    let expected = outcome(&Interpreter::new(SLOTS).run(program, function, arguments));
    for &way in ways {
        let mut vm = way.vm(program);
        for turn in 0..3 {
            let got = outcome(&vm.call(function, arguments));
            assert_eq!(got, expected, "{way:?}, call {turn} with {arguments:?}, of\n{}", program.to_module());
        }
    }
}

fn expression(expr: &Expr, params: u16) -> (Arc<Program>, FuncId) {
    let mut module = ModuleBuilder::new();
    let function = module.function("f", expr.function(params));
    let program = module.finish().expect("labels are bound").verify().expect("expressions verify");
    (Arc::new(program), function)
}

#[test]
fn expressions_of_the_file_agree() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/expressions.txt");
    let cases = ExprCase::parse_all(&fs::read_to_string(path).expect("a text")).expect("expressions");
    assert!(cases.len() >= 60, "{} expressions", cases.len());
    for case in &cases {
        let (program, function) = expression(&case.expr, case.arguments.len() as u16);
        check(&program, function, &case.arguments, &WAYS);
    }
}

/// Tiers that take turns nest on the thread's own stack, some kilobytes a turn in a debug build: recursion
/// that is to end where the interpreter's does wants more of it than a test has.
fn on_a_large_stack(test: fn()) {
    let thread = std::thread::Builder::new().stack_size(1 << 28).spawn(test).expect("a thread");
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn programs_of_the_files_agree() {
    on_a_large_stack(files_agree);
}

fn files_agree() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/run");
    for entry in fs::read_dir(path).expect("a directory") {
        let path = entry.expect("an entry").path();
        let script = Script::parse(&fs::read_to_string(&path).expect("a text")).expect("a script");
        let program = Arc::new(script.program);
        for case in &script.cases {
            check(&program, case.function, &case.arguments, &WAYS);
        }
    }
}

/// The calls of one VM change what was seen: each case of a file after each other one, which has been
/// speculated on.
#[test]
fn what_was_speculated_on_may_change() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/run/places.txt");
    let script = Script::parse(&fs::read_to_string(path).expect("a text")).expect("a script");
    let program = Arc::new(script.program);
    for first in &script.cases {
        for then in script.cases.iter().filter(|then| then.function == first.function) {
            let mut vm = Way::Speculative { stress: 0 }.vm(&program);
            for case in [first, first, first, then, first] {
                let expected =
                    outcome(&Interpreter::new(SLOTS).run(&program, case.function, &case.arguments));
                let got = outcome(&vm.call(case.function, &case.arguments));
                assert_eq!(got, expected, "{:?} after {:?}", case, first.arguments);
            }
        }
    }
}

/// The n-th guard of the first call leaves, for every n that there is.
#[test]
fn every_guard_of_a_small_function_is_left_once() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/run/places.txt");
    let script = Script::parse(&fs::read_to_string(path).expect("a text")).expect("a script");
    let program = Arc::new(script.program);
    for case in &script.cases {
        let expected = outcome(&Interpreter::new(SLOTS).run(&program, case.function, &case.arguments));
        for stress in 1.. {
            let mut vm = Way::Plain { stress }.vm(&program);
            let got = outcome(&vm.call(case.function, &case.arguments));
            assert_eq!(got, expected, "guard {stress} of {case:?}");
            if vm.stats().exits == vm.stats().failures {
                break;
            }
        }
    }
}

#[test]
fn generated_programs_agree() {
    arbtest(|u| {
        let script = generate(u)?;
        let program = Arc::new(script.program);
        for case in &script.cases {
            check(&program, case.function, &case.arguments, &[*u.choose(&WAYS)?, *u.choose(&WAYS)?]);
        }
        Ok(())
    })
    .size_min(1 << 9)
    .size_max(1 << 12)
    .budget_ms(6000);
}

#[test]
fn generated_expressions_agree() {
    arbtest(|u| {
        let expr = Expr::arbitrary(u, 3, 7)?;
        let mut arguments = vec![];
        for _ in 0..3 {
            arguments.push(if u.ratio(1, 8)? {
                Value::bool(u.arbitrary()?)
            } else {
                Value::int(u.arbitrary()?)
            });
        }
        let (program, function) = expression(&expr, 3);
        check(&program, function, &arguments, &[*u.choose(&WAYS)?, *u.choose(&WAYS)?]);
        Ok(())
    })
    .budget_ms(4000);
}

/// One VM through a life of calls: thresholds of a few calls, arguments of any kind (so what was speculated
/// on stops being true), stacks that are sometimes too small, tiers set by hand in between. Each outcome is
/// the interpreter's, and in the end all native code is gone. Also the body of a fuzz target.
fn one_life(u: &mut Unstructured<'_>) -> Result<()> {
    let script = if u.arbitrary()? { shuffle(u)? } else { generate(u)? };
    let program = Arc::new(script.program);
    let stack_slots = if u.ratio(1, 4)? { u.int_in_range(1..=60)? } else { SLOTS };
    let thresholds = Thresholds { calls: u.int_in_range(0..=5)?, failures: u.int_in_range(0..=3)? };
    let options =
        Options { stack_slots, thresholds, stress: *u.choose(&[0, 0, 1, 2, 3, 7])?, ..Options::default() };
    let mut vm = Vm::new(Arc::clone(&program), options).expect("a VM");
    let mut history = vec![];
    for _ in 0..u.int_in_range(4..=16)? {
        let case = u.choose(&script.cases)?;
        if u.ratio(1, 6)? {
            let tier = *u.choose(&[Tier::Interpreted, Tier::Speculative, Tier::Plain])?;
            vm.set_tier(case.function, tier).expect("compiled");
            history.push(format!("{:?} becomes {tier:?}", case.function));
        }
        let mut arguments = case.arguments.clone();
        // The first may be the fuel that ends the program.
        for argument in arguments.iter_mut().skip(1) {
            if u.ratio(1, 4)? {
                let integers = [0, 1, -1, 64, u.arbitrary()?].map(Value::int);
                let booleans = [false, true].map(Value::bool);
                *argument = *if u.arbitrary()? { u.choose(&booleans)? } else { u.choose(&integers)? };
            }
        }
        history.push(format!("{:?} with {arguments:?}", case.function));
        let expected = outcome(&Interpreter::new(stack_slots).run(&program, case.function, &arguments));
        let got = outcome(&vm.call(case.function, &arguments));
        assert_eq!(got, expected, "{options:?}\nafter {history:#?}\nin\n{}", program.to_module());
    }
    for (function, _) in program.functions() {
        vm.set_tier(function, Tier::Interpreted).expect("nothing to compile");
    }
    let unused = Vm::new(program, Options { thresholds: Thresholds { calls: 1, ..thresholds }, ..options });
    let (stats, unused) = (vm.stats(), unused.expect("a VM").stats());
    assert_eq!(
        (stats.code_bytes, stats.waiting),
        (unused.code_bytes, 0),
        "native code that nobody can enter"
    );
    assert_eq!(stats.freed, stats.compiled);
    Ok(())
}

#[test]
fn a_vm_is_right_all_its_life() {
    arbtest(one_life).size_min(1 << 9).size_max(1 << 13).budget_ms(3000);
}

/// Thousands of operands wait below a guard at each step. What is deep is at home, so that the state at an
/// exit is short, and compiling takes time and memory that grow with the code.
#[test]
fn deep_stacks_are_as_good_as_shallow_ones() {
    let (mut module, depth) = (ModuleBuilder::new(), 20_000);
    let mut f = FunctionBuilder::new(1);
    for n in 0..depth {
        if n % 3 == 0 {
            f.int(n)
        } else {
            f.get(0)
        };
    }
    for _ in 1..depth {
        f.neg().sub();
    }
    f.ret();
    let f = module.function("f", f);
    let program = Arc::new(module.finish().expect("no labels").verify().expect("it verifies"));
    let options = Options { stack_slots: 50_000, ..Options::compiled() };
    for stress in [0, 30_001] {
        let mut vm = Vm::new(Arc::clone(&program), Options { stress, ..options }).expect("a VM");
        for argument in [Value::int(-9), Value::bool(true)] {
            let expected = outcome(&Interpreter::new(50_000).run(&program, f, &[argument]));
            assert_eq!(outcome(&vm.call(f, &[argument])), expected);
        }
    }
}

/// However many locals there are, and whatever a frame has left where they are.
#[test]
fn locals_start_as_the_integer_zero() {
    for locals in (1..=9).chain([300]) {
        let mut module = ModuleBuilder::new();
        let mut rubbish = FunctionBuilder::new(0);
        for _ in 0..locals + 3 {
            rubbish.bool(true);
        }
        rubbish.ret();
        let rubbish = module.function("rubbish", rubbish);
        let mut f = FunctionBuilder::new(1);
        let found = f.label();
        for _ in 0..locals {
            let local = f.local();
            f.get(local).int(0).ne().jump_if(found);
        }
        f.bool(true).ret().place(found).bool(false).ret();
        let f = module.function("f", f);
        let program = Arc::new(module.finish().expect("labels are bound").verify().expect("it verifies"));
        for way in WAYS {
            let mut vm = way.vm(&program);
            for turn in 0..4 {
                assert_eq!(outcome(&vm.call(rubbish, &[])), "= true");
                assert_eq!(
                    outcome(&vm.call(f, &[Value::int(1)])),
                    "= true",
                    "{locals} locals, {way:?}, {turn}"
                );
            }
        }
    }
}

/// Every operator at every pair of values where something could turn, each operand a constant or not.
#[test]
fn operators_agree_at_their_edges() {
    let mut edges = vec![Value::bool(false), Value::bool(true)];
    for middle in [0, 63, 64, 1 << 31, -(1 << 31), 1 << 32, i64::MIN] {
        edges.extend([-1, 0, 1].map(|d| Value::int(i64::wrapping_add(middle, d))));
    }
    edges.extend([3, -7, -65, 0x0123_4567_89ab_cdef].map(Value::int));
    for &op in Expr::BINARY {
        let (params, f) = expression(&Expr::binary(op, Expr::Param(0), Expr::Param(1)), 2);
        let mut plain = Way::Plain { stress: 0 }.vm(&params);
        for &lhs in &edges {
            for &rhs in &edges {
                let expected = outcome(&Interpreter::new(10).run(&params, f, &[lhs, rhs]));
                assert_eq!(outcome(&plain.call(f, &[lhs, rhs])), expected, "{op:?} {lhs} {rhs}");
            }
        }
    }
    for &rhs in &edges {
        let constants = all_binary_with(rhs);
        let mut plain = Way::Plain { stress: 0 }.vm(&constants);
        for (f, function) in constants.functions() {
            for &lhs in &edges {
                let expected = outcome(&Interpreter::new(10).run(&constants, f, &[lhs]));
                assert_eq!(outcome(&plain.call(f, &[lhs])), expected, "{} {lhs} {rhs}", function.name());
            }
        }
    }
}

/// A function for each operator and each side of it on which `constant` can stand.
fn all_binary_with(constant: Value) -> Arc<Program> {
    let mut module = ModuleBuilder::new();
    for &op in Expr::BINARY {
        let name = op.info().name;
        let both = Expr::binary(op, Expr::Param(0), Expr::Value(constant));
        module.function(&format!("{name}_right"), both.function(1));
        let both = Expr::binary(op, Expr::Value(constant), Expr::Param(0));
        module.function(&format!("{name}_left"), both.function(1));
    }
    Arc::new(module.finish().expect("labels are bound").verify().expect("expressions verify"))
}
