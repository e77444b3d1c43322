//! What is refused, and in which words: by the parser, and by the verifier.

use arbtest::arbtest;
use expect_test::{Expect, expect};
use jit_vm::module::{MAX_CODE, MAX_LOCALS, MAX_STACK};
use jit_vm::testing::generate;
use jit_vm::{Function, FunctionBuilder, Module, ModuleBuilder, Op, text};

fn parser_says(program: &str, expected: Expect) {
    expected.assert_eq(&text::parse(program).expect_err("a text with mistakes").to_string());
}

fn verifier_says(program: &str, expected: Expect) {
    let module = text::parse(program).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(text::parse(&module.to_string()).as_ref(), Ok(&module), "{module}");
    expected.assert_eq(&module.verify().expect_err("a module with mistakes").to_string());
}

#[test]
fn instructions_that_are_none() {
    parser_says(
        "func f(1) {\n  addd\n  get\n  get x\n  get 65536\n  int 2147483648\n  bool 1\n  push 3\n  add 1\n  9\n}",
        expect![[r#"
            2:3: expected an instruction, found `addd`; did you mean `add`?
            3:6: expected the number of a local, up to 65535, found the end of the line
            4:7: expected the number of a local, up to 65535, found `x`
            5:7: expected the number of a local, up to 65535, found `65536`
            6:7: expected an integer of 32 bits; `constant` takes any of 64, found `2147483648`
            7:8: expected `true` or `false`, found `1`
            8:3: expected an instruction, found `push`
            9:7: expected the end of the line, found `1`
            10:3: expected an instruction, found `9`
        "#]],
    );
}

#[test]
fn names_that_nothing_has() {
    parser_says(
        "func fact(1) {\nagain:\nagain:\n  jump agin ; a comment\n  jump 3\n  call fakt\n  call\n  call \"x\n  1x: ret\n}",
        expect![[r#"
            3:1: label `again` is placed twice in this function; rename one
            4:8: there is no label `agin` in this function; did you mean `again`?
            5:8: expected a label, found `3`
            6:8: there is no function `fakt`; did you mean `fact`?
            7:7: expected a name: a letter and letters, digits, `_` or `.`, or text in quotes, found the end of the line
            8:8: this name has no closing quote
            9:3: `1x` is no label; begin it with a letter or `_`
        "#]],
    );
}

#[test]
fn functions_that_do_not_open_or_close() {
    parser_says(
        "int 1\nfunc (1) {\n}\nfunc a(x) {\n}\nfunc b(1) locals {\n}\nfunc c(1) [\n}\nfunc d(0) {\n ret\nfunc e(0) {\n ret\n} }",
        expect![[r#"
            1:1: expected `func`, as in `func fib(1) locals 2 {`, found `int`
            2:6: expected a name: a letter and letters, digits, `_` or `.`, or text in quotes, found `(1)`
            4:8: expected a number of parameters, up to 65535, found `x)`
            6:18: expected a number of locals, up to 65535, found `{`
            8:11: expected `{`, as in `func fib(1) locals 2 {`, found `[`
            12:1: close the function of line 10 with `}` before the next one
            14:3: expected the end of the line, found `}`
        "#]],
    );
    parser_says(
        "func f(0) {\n  ret",
        expect![[r#"
        1:1: this function is not closed; end it with `}`
    "#]],
    );
}

#[test]
fn operands_out_of_range() {
    verifier_says(
        "func f(1) locals 2 {\n get 2\n constant #0\n call #7\n jump @9\n}\nfunc g(0) {\n get 0\n constant 7\n constant #1\n ret\n}",
        expect![[r#"
            `f` at 0: `get 2`: the last local is 1
            `f` at 1: `constant 0`: there is no constant
            `f` at 2: `call 7`: the last function is 1
            `f` at 3: `jump 9`: the last instruction is 3
            `g` at 0: `get 0`: there is no local
            `g` at 2: `constant 1`: the only constant is 0
        "#]],
    );
}

#[test]
fn stacks_that_do_not_fit() {
    verifier_says(
        "func f(2) {\n int 1\n add\n ret\n}\nfunc g(0) {\n int 1\n call f\n ret\n}\nfunc h(0) {\n pop\n}\nfunc i(0) {\n ret\n}",
        expect![[r#"
            `f` at 1: `add` takes 2 from a stack of 1; push 1 more
            `g` at 1: `call` takes 2 from a stack of 1; push 1 more
            `h` at 0: `pop` takes 1 from a stack of 0; push 1 more
            `i` at 0: `ret` takes 1 from a stack of 0; push 1 more
        "#]],
    );
}

#[test]
fn joins_that_disagree() {
    verifier_says(
        "func grows(1) {\ntop:\n int 1\n get 0\n jump_if top\n ret\n}\nfunc differs(1) {\n get 0\n jump_if one\n int 1\none:\n int 2\n ret\n}",
        expect![[r#"
            `grows` at 0: reached with 1 operands from 2 and with 0 another way; make them equal
            `differs` at 3: reached with 1 operands from 2 and with 0 another way; make them equal
        "#]],
    );
}

#[test]
fn control_that_runs_past_the_end() {
    verifier_says(
        "func a(0) {\n}\nfunc b(0) {\n int 1\n}\nfunc c(1) {\n get 0\n jump_if end\n int 1\n ret\nend:\n}\nfunc d(1) {\n get 0\n jump_if @0\n}",
        expect![[r#"
            `a`: no instructions; the least is `int 0`, `ret`
            `b` at 0: control runs past the end; end with `ret` or `jump`
            `c` at 1: `jump_if 4`: the last instruction is 3
            `d` at 1: control runs past the end; end with `ret` or `jump`
        "#]],
    );
}

#[test]
fn headers_that_contradict_themselves() {
    let function = |name: &str| Function {
        name: name.to_owned(),
        params: 3,
        locals: 2,
        code: vec![Op::Int(1), Op::Ret],
        lines: vec![1],
        ..Function::default()
    };
    let module = Module { functions: vec![function(""), function("f"), function("f")] };
    expect![[r#"
        module: function 0 has no name; give it one
        `f`: functions 1 and 2 have the same name; rename one of them
        `#0`: 3 parameters in 2 locals; declare at least 3 locals
        `#0`: 1 lines for 2 instructions; give one for each, or none
        `f`: 3 parameters in 2 locals; declare at least 3 locals
        `f`: 1 lines for 2 instructions; give one for each, or none
        `f`: 3 parameters in 2 locals; declare at least 3 locals
        `f`: 1 lines for 2 instructions; give one for each, or none
    "#]]
    .assert_eq(&module.verify().expect_err("mistakes").to_string());
}

/// The limits are what they are named, and one more is too much.
#[test]
fn limits() {
    let says = |code: Vec<Op>| {
        let f = Function { name: "f".to_owned(), code, ..Function::default() };
        Module { functions: vec![f] }.verify().map(drop).map_err(|errors| errors.to_string())
    };
    let push = |count: usize| {
        let mut code = vec![Op::Int(1); count];
        code.push(Op::Ret);
        code
    };
    assert_eq!(says(push(MAX_STACK as usize)), Ok(()));
    expect![[r#"
        `f` at 65535: the operand stack is deeper than 65535; keep values in locals
    "#]]
    .assert_eq(&says(push(MAX_STACK as usize + 1)).expect_err("too deep"));
    let long = |length: usize| {
        let mut code = vec![Op::Int(1), Op::Ret];
        code.resize(length, Op::Pop);
        code
    };
    expect![[r#"
        `f`: 16777217 instructions; the limit is 16777216, so split the function
    "#]]
    .assert_eq(&says(long(MAX_CODE + 1)).expect_err("too long"));
    let mut f = FunctionBuilder::new(MAX_LOCALS - 1);
    assert_eq!(f.local(), MAX_LOCALS - 1);
    f.local();
    let mut module = ModuleBuilder::new();
    module.function("f", f);
    expect![[r#"
        `f`: more than 65535 locals; keep values on the stack
    "#]]
    .assert_eq(&module.finish().expect_err("too many").to_string());
}

/// A text with characters changed is parsed or refused, and neither the parser nor the verifier panics.
#[test]
fn damaged_texts_do_no_harm() {
    arbtest(|u| {
        let text = generate(u)?.module.to_string();
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..u.int_in_range(1..=5)? {
            let at = u.choose_index(chars.len())?;
            let with = *u.choose(&[
                '\n', ' ', '"', '\\', '@', '#', ':', '{', '}', '(', ')', '9', '-', '.', 'ä', ';',
            ])?;
            match u.int_in_range(0..=2)? {
                0 => chars[at] = with,
                1 => chars.insert(at, with),
                _ => drop(chars.remove(at)),
            }
        }
        if let Ok(module) = text::parse(&chars.into_iter().collect::<String>()) {
            let again = text::parse(&module.to_string());
            assert_eq!(again.as_ref().map(Module::to_string), Ok(module.to_string()));
            drop(module.verify());
        }
        Ok(())
    })
    .size_min(1 << 8)
    .size_max(1 << 11)
    .budget_ms(1000);
}
