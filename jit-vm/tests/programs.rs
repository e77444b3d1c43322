//! The files under `files/`: programs with the outcomes of calls, and expressions with their values.
//!
//! `UPDATE_EXPECT=1` writes what comes out into the `; expect:` lines of the programs.

use jit_vm::testing::{ExprCase, Script, outcome};
use jit_vm::{Interpreter, ModuleBuilder};
use std::fs;
use std::path::{Path, PathBuf};

const STACK: usize = 100_000;

fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files")
}

/// The file with the outcomes of its calls in place of those it expects.
fn updated(text: &str, script: &Script) -> String {
    let mut outcomes = script.cases.iter().map(|case| {
        let result = Interpreter::new(STACK).run(&script.program, case.function, &case.arguments);
        outcome(&result)
    });
    let mut new = String::new();
    for line in text.lines() {
        let case = line.split_once(')').filter(|_| line.starts_with("; expect:"));
        match case {
            Some((call, _)) => new += &format!("{call}) {}\n", outcomes.next().expect("a case for each")),
            None => new += &format!("{line}\n"),
        }
    }
    new
}

#[test]
fn programs_end_as_their_files_say() {
    let mut count = 0;
    for entry in fs::read_dir(files().join("run")).expect("a directory") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a text");
        let script = Script::parse(&text).unwrap_or_else(|error| panic!("{}:\n{error}", path.display()));
        let new = updated(&text, &script);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, &new).expect("a writable file");
        } else {
            for (expected, got) in text.lines().zip(new.lines()) {
                assert_eq!(got, expected, "{}", path.display());
            }
        }
        let again = jit_vm::text::parse(&script.module.to_string());
        assert_eq!(again.as_ref(), Ok(&script.module), "{}", path.display());
        count += script.cases.len();
    }
    assert!(count > 50, "only {count} calls were found");
}

#[test]
fn expressions_have_the_values_of_their_file() {
    let text = fs::read_to_string(files().join("expressions.txt")).expect("a text");
    let cases = ExprCase::parse_all(&text).unwrap();
    assert!(cases.len() > 200, "only {} expressions were found", cases.len());
    for ExprCase { expr, arguments, expected } in cases {
        let mut module = ModuleBuilder::new();
        let function = module.function("f", expr.function(arguments.len() as u16));
        let program = module.finish().unwrap().verify().unwrap();
        let got = match Interpreter::new(STACK).run(&program, function, &arguments) {
            Ok(value) => format!("= {value}"),
            Err(error) => format!("! {}", error.kind),
        };
        assert_eq!(got, expected, "{expr} with {arguments:?}");
    }
}
