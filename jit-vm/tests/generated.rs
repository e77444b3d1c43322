//! Generated programs: all verify, all end, and the text form loses nothing of them.

use arbtest::arbtest;
use jit_vm::testing::{Expr, Script, generate, outcome, reference};
use jit_vm::{FuncId, Interpreter, ModuleBuilder, Op, Program, Target, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn programs_end_and_meet_everything() {
    let met = RefCell::new(BTreeSet::new());
    let ends = RefCell::new(BTreeMap::<&str, u32>::new());
    arbtest(|u| {
        let script = generate(u)?;
        for (_, function) in script.program.functions() {
            let reached = |pc: usize| function.depth(pc as u32).is_some();
            let ops = function.code().iter().enumerate().filter(|(pc, _)| reached(*pc));
            met.borrow_mut().extend(ops.map(|(_, op)| op.info().name));
        }
        for case in &script.cases {
            let result = Interpreter::new(100_000).run(&script.program, case.function, &case.arguments);
            *ends.borrow_mut().entry(if result.is_ok() { "value" } else { "error" }).or_default() += 1;
        }
        Ok(())
    })
    .size_min(1 << 10)
    .size_max(1 << 13)
    .budget_ms(2000);
    let missed: Vec<&str> =
        jit_vm::op::OPS.iter().map(|op| op.name).filter(|name| !met.borrow().contains(name)).collect();
    assert_eq!(missed, Vec::<&str>::new());
    let (values, errors) = (ends.borrow()["value"], ends.borrow()["error"]);
    assert!(values > errors && errors > values / 100, "{values} values and {errors} errors");
}

#[test]
fn programs_survive_their_text() {
    arbtest(|u| {
        let script = generate(u)?;
        let text = script.to_string();
        let again = Script::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(again, script, "{text}");
        Ok(())
    })
    .size_min(1 << 9)
    .size_max(1 << 12)
    .budget_ms(1000);
}

/// The interpreter against the slow one, on a stack that is often too small. Whether there was an outcome
/// to compare.
fn agrees(program: &Program, function: FuncId, arguments: &[Value], slots: usize, fuel: u64) -> bool {
    let Some(expected) = reference(program, function, arguments, slots, &mut { fuel }) else {
        return false;
    };
    let got = Interpreter::new(slots).run(program, function, arguments);
    assert_eq!(outcome(&got), outcome(&expected), "{}", program.to_module());
    true
}

#[test]
fn programs_agree_with_the_reference() {
    arbtest(|u| {
        let script = generate(u)?;
        let slots = u.int_in_range(10..=400)?;
        for case in &script.cases {
            agrees(&script.program, case.function, &case.arguments, slots, 100_000);
        }
        Ok(())
    })
    .size_min(1 << 9)
    .size_max(1 << 12)
    .budget_ms(1500);
}

/// Instructions put in at random: most such programs are refused, and the others keep all promises.
#[test]
fn what_the_verifier_accepts_does_no_harm() {
    let count = RefCell::new((0, 0, 0));
    arbtest(|u| {
        let script = generate(u)?;
        let mut module = script.module;
        for _ in 0..u.int_in_range(1..=3)? {
            let at = u.choose_index(module.functions.len())?;
            let function = &mut module.functions[at];
            let pc = u.choose_index(function.code.len())?;
            function.code[pc] = match u.int_in_range(0..=7)? {
                0 => Op::Jump(Target(u.int_in_range(0..=function.code.len() as u32)?)),
                1 => Op::JumpIf(Target(u.int_in_range(0..=function.code.len() as u32)?)),
                2 => Op::Set(u.int_in_range(0..=function.locals)?),
                3 => Op::Call(FuncId(u.int_in_range(0..=2)?)),
                4 => Op::Ret,
                5 => Op::Not,
                6 => Op::Get(0),
                _ => *u.choose(Expr::BINARY)?,
            };
        }
        let mut count = count.borrow_mut();
        let Ok(program) = module.verify() else {
            count.0 += 1;
            return Ok(());
        };
        count.1 += 1;
        for case in &script.cases {
            count.2 += u32::from(agrees(&program, case.function, &case.arguments, 300, 10_000));
        }
        Ok(())
    })
    .size_min(1 << 9)
    .size_max(1 << 12)
    .budget_ms(1500);
    let (refused, accepted, compared) = count.into_inner();
    let enough = refused > 20 && accepted > 20 && compared > 20;
    assert!(enough, "{refused} refused, {accepted} accepted, {compared} outcomes compared");
}

/// The interpreter against an evaluator of trees that shares nothing with it.
#[test]
fn expressions_mean_what_the_tree_says() {
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
        assert_eq!(Expr::parse(&expr.to_string()), Ok(expr.clone()));
        let mut module = ModuleBuilder::new();
        let function = module.function("f", expr.function(3));
        let program = module.finish().unwrap().verify().unwrap();
        let result = Interpreter::new(1000).run(&program, function, &arguments);
        let expected = expr.evaluate(&arguments);
        assert_eq!(result.map_err(|e| e.kind), expected, "{expr} with {arguments:?}");
        Ok(())
    })
    .budget_ms(2000);
}

/// Every operator at every pair of values where something could turn, with all kinds.
#[test]
fn operators_agree_at_their_edges() {
    let mut edges = vec![Value::bool(false), Value::bool(true)];
    for middle in [0, 63, 64, 1 << 31, -(1 << 31), 1 << 32, 1 << 62, i64::MIN, i64::MAX] {
        edges.extend([-1, 0, 1].map(|d| Value::int(i64::wrapping_add(middle, d))));
    }
    edges.extend([2, 3, 7, -2, -63, -64, -65, 10, 0x0123_4567_89ab_cdef].map(Value::int));
    let thrown = RefCell::new(BTreeSet::new());
    let check = |op: Op, arguments: &[Value]| {
        let operand = |n| Box::new(Expr::Param(n));
        let expr = match arguments {
            [_] => Expr::Unary(op, operand(0)),
            _ => Expr::Binary(op, operand(0), operand(1)),
        };
        let mut module = ModuleBuilder::new();
        let function = module.function("f", expr.function(arguments.len() as u16));
        let program = module.finish().unwrap().verify().unwrap();
        let result = Interpreter::new(10).run(&program, function, arguments);
        let expected = expr.evaluate(arguments);
        assert_eq!(result.clone().map_err(|e| e.kind), expected, "{expr}");
        if let Err(error) = &result {
            let name = format!("{:?}", error.kind).split(' ').next().unwrap_or_default().to_owned();
            thrown.borrow_mut().insert((op.info().name, name));
            assert_eq!(error.pc as usize, arguments.len(), "{}", outcome(&result));
        }
    };
    for &lhs in &edges {
        Expr::UNARY.iter().for_each(|&op| check(op, &[lhs]));
        for &rhs in &edges {
            Expr::BINARY.iter().for_each(|&op| check(op, &[lhs, rhs]));
        }
    }
    // The table says of each operator exactly what it throws.
    let operators = Expr::UNARY.iter().chain(Expr::BINARY);
    let said = operators.flat_map(|op| op.info().throws.iter().map(|t| (op.info().name, (*t).to_owned())));
    assert_eq!(thrown.into_inner(), said.collect());
}

/// Each operator's slip is noticed: the evaluator and the interpreter agree on no two operators.
#[test]
fn no_two_operators_agree_everywhere() {
    let values = [0, 1, 2, -1, -7, 63, 64, i64::MIN, i64::MAX].map(Value::int);
    let all = |op: Op| -> Vec<_> {
        let expr = Expr::binary(op, Expr::Param(0), Expr::Param(1));
        let pairs = values.iter().flat_map(|&l| values.iter().map(move |&r| [l, r]));
        pairs.map(|pair| expr.evaluate(&pair).ok()).collect()
    };
    for (i, &a) in Expr::BINARY.iter().enumerate() {
        for &b in &Expr::BINARY[..i] {
            assert_ne!(all(a), all(b), "{a:?} and {b:?}");
        }
    }
}
