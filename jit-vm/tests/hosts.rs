//! The interpreter as a part of something larger: calls that its host takes over, functions resumed in
//! the middle, profiles.

use arbtest::arbtest;
use expect_test::expect;
use jit_vm::testing::{Expr, Script, generate, outcome};
use jit_vm::{
    CallAction, FuncId, Host, Interpreter, ModuleBuilder, Op, Profile, Program, Value, VmError, interpreter,
    text,
};

/// Runs every n-th call in an interpreter of its own, as it would run native code, and notes profiles.
struct Nested {
    stack: Box<[Value]>,
    profiles: Vec<Profile>,
    every: u32,
    calls: u32,
}

impl Nested {
    fn new(program: &Program, slots: usize, every: u32) -> Nested {
        let profiles = program.functions().map(|(_, f)| Profile::new(f)).collect();
        Nested { stack: vec![Value::bool(true); slots].into(), profiles, every, calls: 0 }
    }
}

impl Host for Nested {
    fn frame(&mut self, function: FuncId) -> (&mut [Value], Option<&mut Profile>) {
        (&mut self.stack, self.profiles.get_mut(function.index()))
    }

    fn call(&mut self, program: &Program, callee: FuncId, base: usize) -> Result<CallAction, VmError> {
        self.calls += 1;
        if !self.calls.is_multiple_of(self.every) {
            return Ok(CallAction::Interpret);
        }
        interpreter::run(self, program, callee, base).map(CallAction::Done)
    }
}

/// The stack is full of rubbish at the start, every n-th call is nested, and nothing shows.
#[test]
fn calls_may_be_taken_over() {
    arbtest(|u| {
        let script = generate(u)?;
        let slots = u.int_in_range(20..=2000)?;
        let every = u.int_in_range(1..=5)?;
        for case in &script.cases {
            let alone = Interpreter::new(slots).run(&script.program, case.function, &case.arguments);
            let mut host = Nested::new(&script.program, slots, every);
            let placed = interpreter::place_arguments(
                &mut host.stack,
                &script.program,
                case.function,
                &case.arguments,
            );
            let nested = placed.and_then(|()| interpreter::run(&mut host, &script.program, case.function, 0));
            assert_eq!(outcome(&nested), outcome(&alone), "{} in\n{script}", script.call(case));
        }
        Ok(())
    })
    .size_min(1 << 9)
    .size_max(1 << 12)
    .budget_ms(1000);
}

/// Every position of straight code is resumed from the operands that a plain list would hold there.
#[test]
fn a_function_can_be_resumed_anywhere() {
    arbtest(|u| {
        let expr = Expr::arbitrary(u, 2, 6)?;
        let arguments = [Value::int(u.arbitrary()?), Value::int(u.arbitrary()?)];
        let mut module = ModuleBuilder::new();
        let function = module.function("f", expr.function(2));
        let program = module.finish().unwrap().verify().unwrap();
        let whole = Interpreter::new(1000).run(&program, function, &arguments);
        let base = u.int_in_range(0..=3)?;
        let mut operands: Vec<Value> = vec![];
        for (pc, op) in (0..).zip(program.function(function).code()) {
            let mut host = Nested::new(&program, 1000, 1);
            let slots = arguments.iter().chain(&operands).copied();
            host.stack.iter_mut().skip(base).zip(slots).for_each(|(slot, value)| *slot = value);
            let resumed = interpreter::resume(&mut host, &program, function, pc, base);
            assert_eq!(resumed, whole, "{expr} at {pc}");
            match *op {
                Op::Int(value) => operands.push(Value::int(value.into())),
                Op::Constant(id) => operands.push(program.function(function).constants()[id.0 as usize]),
                Op::Bool(value) => operands.push(Value::bool(value)),
                Op::Get(local) => operands.push(arguments[usize::from(local)]),
                op if Expr::UNARY.contains(&op) || Expr::BINARY.contains(&op) => {
                    let right = operands.pop().unwrap();
                    let tree = match op.info().pops {
                        Some(1) => Expr::Unary(op, Box::new(Expr::Value(right))),
                        _ => Expr::binary(op, Expr::Value(operands.pop().unwrap()), Expr::Value(right)),
                    };
                    match tree.evaluate(&[]) {
                        Ok(value) => operands.push(value),
                        Err(_) => break,
                    }
                }
                // A branch: what follows is reached in another way.
                _ => break,
            }
        }
        Ok(())
    })
    .budget_ms(1000);
}

const SUM: &str = "
func sum(1) locals 2 {
top:
    get 0
    jump_if_not end
    get 1
    get 0
    call as_int
    add
    set 1
    get 0
    int 1
    sub
    set 0
    get 0
    int 0
    eq
    jump_if end
    jump top
end:
    get 1
    ret
}
func as_int(1) {
    get 0
    bool true
    eq
    jump_if_not is
    int 1
    ret
is:
    get 0
    ret
}
";

#[test]
fn a_profile_tells_kinds_and_loops() {
    let program = text::parse(SUM).unwrap().verify().unwrap();
    let mut host = Nested::new(&program, 100, 2);
    let sum = program.find("sum").unwrap();
    for argument in [Value::int(4), Value::bool(false), Value::bool(true)] {
        host.stack[0] = argument;
        drop(interpreter::run(&mut host, &program, sum, 0));
    }
    let listing: Vec<String> =
        program.functions().map(|(id, f)| host.profiles[id.index()].listing(f.code())).collect();
    expect![[r#"
        1    jump_if_not  {int, bool} {}
        5    add          {int} {int}
        9    sub          {int, bool} {int}
        13   eq           {int} {int}
        14   jump_if      {bool} {}
        15   jump         {} {} went back 3 times

        2    eq           {int, bool} {bool}
        3    jump_if_not  {bool} {}
    "#]]
    .assert_eq(&listing.join("\n"));
    assert_eq!(host.calls, 5);
}

/// A frame that needs n slots fits into n, and into no fewer.
#[test]
fn the_stack_has_the_size_it_was_given() {
    let script =
        Script::parse("func f(2) locals 3 {\n get 0\n get 1\n add\n ret\n}\n; expect: f(1, 2)").unwrap();
    let size = script.program.function(script.cases[0].function).frame_size();
    assert_eq!(size, 5);
    let run = |slots| {
        let case = &script.cases[0];
        outcome(&Interpreter::new(slots).run(&script.program, case.function, &case.arguments))
    };
    assert_eq!(run(size), "= 3");
    for slots in 0..size {
        assert_eq!(run(slots), "! stack overflow, in `f` at 0");
    }
    let resume = |base| {
        let mut host = Nested::new(&script.program, size, 1);
        host.stack.fill(Value::int(4));
        outcome(&interpreter::resume(&mut host, &script.program, script.cases[0].function, 2, base))
    };
    assert_eq!(resume(0), "= 8");
    assert_eq!(resume(1), "! stack overflow, in `f` at 0");
    assert_eq!(resume(usize::MAX), "! stack overflow, in `f` at 0");
}

#[test]
fn programs_are_shared_between_threads() {
    let program = std::sync::Arc::new(text::parse(SUM).unwrap().verify().unwrap());
    let threads: Vec<_> = (1..4)
        .map(|n| {
            let program = program.clone();
            std::thread::spawn(move || Interpreter::new(100).run(&program, FuncId(0), &[Value::int(n)]))
        })
        .collect();
    let sums: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(sums, [1, 3, 6].map(|sum| Ok(Value::int(sum))));
}
