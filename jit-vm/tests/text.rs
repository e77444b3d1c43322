//! The text form as it is printed.

use expect_test::expect;
use jit_vm::{Function, Module, Op, Target, Value, text};

#[test]
fn a_module_prints_as_it_is_read() {
    let module = text::parse(
        "; Comments and spaces are dropped, names of labels are the printer's own.\n\
         func main(0)locals 2{ ; two that are no parameters\n\
         \t.line 3\n\
         int -5\n set 1\n\
         again: get 1\n\
         call \"odd name\"\n\
         .line 4\n\
         constant 10000000000\nconstant true\nconstant 10000000000\n\
         jump_if_not done\n\
         jump again\n\
         done: ret\n\
         }\n\
         func \"odd name\"(1) {\n get 0\n call main\n jump @0\n jump @9\n call #7\n constant #3\n}",
    );
    let module = module.unwrap_or_else(|errors| panic!("{errors}"));
    expect![[r#"
        func main(0) locals 2 {
            .line 3
            int -5
            set 1
        L0:
            get 1
            call "odd name"
            .line 4
            constant 10000000000
            constant true
            constant 10000000000
            jump_if_not L1
            jump L0
        L1:
            ret
        }

        func "odd name"(1) {
        L0:
            get 0
            call main
            jump L0
            jump @9
            call #7
            constant #3
        }
    "#]]
    .assert_eq(&module.to_string());
    assert_eq!(module.functions[0].constants, [Value::int(10_000_000_000), Value::bool(true)]);
    assert_eq!(text::parse(&module.to_string()), Ok(module));
}

#[test]
fn every_name_survives() {
    for name in
        ["f", "_a.b9", "9", "", "a b", "\"", "\\", "\\\"", "tab\tline\nend", "größe", "func", "'", "\u{7}"]
    {
        let code = vec![Op::Jump(Target(1)), Op::Ret];
        let f = Function { name: name.to_owned(), code, ..Function::default() };
        let module = Module { functions: vec![f] };
        assert_eq!(text::parse(&module.to_string()).as_ref(), Ok(&module), "{module}");
    }
}

#[test]
fn a_listing_names_callees_and_positions() {
    let module =
        text::parse("func f(1) {\n get 0\n jump_if end\n int 1\n call f\n ret\nend:\n constant 7\n ret\n}");
    let program = module.unwrap().verify().unwrap();
    let f = program.find("f").unwrap();
    let lines = (0..7).map(|pc| {
        let depth = program.function(f).depth(pc).unwrap();
        format!(
            "{pc} {depth} {}{}\n",
            program.instruction(f, pc),
            ["", " <-"][usize::from(program.function(f).is_jump_target(pc))]
        )
    });
    expect![[r#"
        0 0 get 0
        1 1 jump_if @5
        2 0 int 1
        3 1 call f
        4 1 ret
        5 0 constant 7 <-
        6 1 ret
    "#]]
    .assert_eq(&lines.collect::<String>());
}
