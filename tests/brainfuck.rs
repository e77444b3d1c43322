//! The example `brainfuck`: its compiled code and its interpreter against a reader of single characters, and
//! what it says about programs and command lines that are wrong.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]

#[path = "../examples/support/brainfuck/mod.rs"]
mod brainfuck;

use arbtest::arbitrary::Unstructured;
use brainfuck::compile::Compiled;
use brainfuck::console::{Live, Replay, Stop};
use brainfuck::interpret::Interpreter;
use brainfuck::program::Operations;
use expect_test::{Expect, expect};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What a program did: its output, and on which side it left the tape.
type Outcome = (Vec<u8>, Option<Side>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Left,
    Right,
}

/// The meaning of the eight characters, one at a time. `None` after so many steps.
fn one_by_one(source: &[u8], input: &[u8], tape: usize, steps: usize) -> Option<Outcome> {
    let (mut cells, mut cell, mut at) = (vec![0_u8; tape], 0, 0);
    let (mut input, mut output) = (input.iter(), vec![]);
    for _ in 0..steps {
        match source.get(at) {
            None => return Some((output, None)),
            Some(b'<') if cell == 0 => return Some((output, Some(Side::Left))),
            Some(b'>') if cell == tape - 1 => return Some((output, Some(Side::Right))),
            Some(b'<') => cell -= 1,
            Some(b'>') => cell += 1,
            Some(b'+') => cells[cell] = cells[cell].wrapping_add(1),
            Some(b'-') => cells[cell] = cells[cell].wrapping_sub(1),
            Some(b'.') => output.push(cells[cell]),
            Some(b',') => cells[cell] = input.next().copied().unwrap_or(0),
            Some(b'[') if cells[cell] == 0 => at = partner(source, at, true),
            Some(b']') if cells[cell] != 0 => at = partner(source, at, false),
            Some(_) => {}
        }
        at += 1;
    }
    None
}

/// The place of the other bracket.
fn partner(source: &[u8], from: usize, forward: bool) -> usize {
    let (mut at, mut depth) = (from, 0_i32);
    loop {
        depth += i32::from(source[at] == b'[') - i32::from(source[at] == b']');
        if depth == 0 {
            return at;
        }
        at = if forward { at + 1 } else { at - 1 };
    }
}

fn side(stop: Stop) -> Side {
    match stop {
        Stop::Outside { cell, .. } if cell < 0 => Side::Left,
        Stop::Outside { .. } => Side::Right,
        Stop::Console(error) => panic!("memory can be read and written: {error}"),
    }
}

/// Compiled and interpreted, the program does what it does one character after the other.
fn all_ways_agree(source: &[u8], input: &[u8], tape: usize, steps: usize) -> bool {
    let Some(expected) = one_by_one(source, input, tape, steps) else { return false };
    let shown = String::from_utf8_lossy(source);

    let mut output = vec![];
    let compiled = Compiled::new(source, tape).expect("balanced brackets and memory");
    let (mut live, ended) = compiled.run(Live::new(input, &mut output));
    live.flush().expect("memory can be written");
    let (read, written) = (live.read.clone(), live.written);
    assert_eq!(ended.is_err(), expected.1.is_some(), "{shown}");
    let stop = ended.err();

    let operations = Operations::of(source).collect::<Result<_, _>>().expect("balanced brackets");
    let mut replay = Replay::of(&read);
    let interpreted = Interpreter::new(operations).run(tape, &mut replay, Duration::MAX);
    assert_eq!(replay.written, written, "{shown}");
    assert_eq!(format!("{:?}", interpreted.err()), format!("{stop:?}"), "{shown}");

    assert_eq!((output, stop.map(side)), expected, "{shown}");
    true
}

/// A program of balanced brackets, with many of the loops that have templates of their own.
fn random_program(
    u: &mut Unstructured<'_>,
    source: &mut Vec<u8>,
    depth: u32,
) -> arbtest::arbitrary::Result<()> {
    for _ in 0..u.int_in_range(0..=6)? {
        match u.int_in_range(0..=11)? {
            0..=5 => {
                let character = *u.choose(b"++--<>>.,")?;
                source.extend(std::iter::repeat_n(character, u.int_in_range(1..=3)?));
            }
            6 if depth > 0 => {
                source.push(b'[');
                random_program(u, source, depth - 1)?;
                source.push(b']');
            }
            _ => source.extend(*u.choose(&[
                &b"[-]"[..],
                b"[+++]",
                b"[>]",
                b"[<<]",
                b"[->+>++<<]",
                b"[>-<-]",
                b"[+<->]",
                b"[comment->.<]",
                b"[>++<-]",
            ])?),
        }
    }
    Ok(())
}

#[test]
fn random_programs() {
    let mut compared = 0;
    arbtest::arbtest(|u| {
        let mut source = vec![];
        random_program(u, &mut source, 3)?;
        let input = [7, 0, 255, 1, 3];
        compared += u32::from(all_ways_agree(&source, &input, 8, 20_000));
        Ok(())
    })
    .size_max(1 << 10);
    assert!(compared > 50, "only {compared} programs came to an end");
}

/// Two nested loops that count, in all directions and across the size of a cell.
#[test]
fn counting_programs() {
    for source in [
        &b"++++++++[>++++++++<-]>+."[..],
        b"++++[>+++++[>-[-]<-]<-]>>+++.",
        b",[.,]",
        b">>>+++++[<+++++>-]<[<+>-]<.",
        b"+++++[>+++++[>+++++[>+++++<-]<-]<-]>>>.",
        b"--[>>+<<+++++]>>.",
    ] {
        assert!(
            all_ways_agree(source, b"some input\n", 100, 1_000_000),
            "{} has an end",
            String::from_utf8_lossy(source)
        );
    }
}

/// A program in a file, which is removed again.
struct File(PathBuf);

impl File {
    fn with(name: &str, source: &str) -> File {
        let path = std::env::temp_dir().join(format!("jit-brainfuck-{}-{name}", std::process::id()));
        std::fs::write(&path, source).expect("a directory for temporary files");
        File(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The output, and the error without the directory.
fn command(name: &str, source: &str, options: &[&str]) -> String {
    let file = File::with(name, source);
    let mut arguments: Vec<OsString> = options.iter().map(OsString::from).collect();
    arguments.push(file.0.clone().into());
    told(&arguments).replace(&file.0.display().to_string(), name)
}

fn told(arguments: &[OsString]) -> String {
    let (mut output, mut errors) = (vec![], vec![]);
    let result = brainfuck::run(arguments, &b"in"[..], &mut output, &mut errors);
    let output = String::from_utf8_lossy(&output).into_owned();
    match result {
        Ok(()) => output,
        Err(error) => format!("{output}error: {error}\n"),
    }
}

fn check(said: &str, expected: &Expect) {
    expected.assert_eq(said);
}

#[test]
fn wrong_programs() {
    check(
        &command("open.bf", "+[>[-]\n comment [", &[]),
        &expect![[r#"
            error: open.bf:2:10: `[` is never closed; a `]` is missing behind it
        "#]],
    );
    check(
        &command("closed.bf", "+[-]\n é ]", &[]),
        &expect![[r#"
            error: closed.bf:2:4: `]` closes nothing; a `[` is missing in front of it
        "#]],
    );
    check(
        &command("left.bf", "++++++++[>++++++++<-]>+.\n<<", &[]),
        &expect![[r#"
            Aerror: left.bf:2:1: the program moves left of the tape, to cell -1; the first cell is 0
        "#]],
    );
    check(
        &command("right.bf", "+[>+]", &["--tape", "100"]),
        &expect![[r#"
            error: right.bf:1:3: the program moves right of the tape, to cell 100; `--tape N` makes it longer
        "#]],
    );
    check(
        &command("drain.bf", "+\n[->>+<<]", &["--tape", "2"]),
        &expect![[r#"
            error: drain.bf:2:1: the program moves right of the tape, to cell 2; `--tape N` makes it longer
        "#]],
    );
}

#[test]
fn wrong_command_lines() {
    let line = |arguments: &[&str]| told(&arguments.iter().map(OsString::from).collect::<Vec<_>>());
    check(
        &[
            line(&[]),
            line(&["--tape"]),
            line(&["--tape", "0", "a"]),
            line(&["--tapes", "a"]),
            line(&["-t"]),
            line(&["a", "b"]),
            line(&["no/such.bf"]),
        ]
        .concat(),
        &expect![[r#"
            error: no FILE was given; try `--help`
            error: `--tape` wants a number of cells behind it
            error: `--tape 0`: a number from 1 to 2147483647 is wanted
            error: `--tapes` is no option; try `--help`
            error: `-t` is no option; try `--help`
            error: two files, a and b; give one
            error: no/such.bf: No such file or directory (os error 2)
        "#]],
    );
    assert!(line(&["--help"]).starts_with("usage: brainfuck "));
}

#[test]
fn the_output_stands_alone() {
    assert_eq!(command("cat.bf", ",[.,]", &[]), "in");
    assert_eq!(command("empty.bf", "no operations at all", &["--asm"]), "");
}

/// Of both ways to run a program, on standard error; digits and units of times are left out.
#[test]
fn times_are_told_apart_from_the_output() {
    let (file, mut output, mut errors) = (File::with("timed.bf", ",[.,]"), vec![], vec![]);
    brainfuck::run(&[file.0.clone().into()], &b"in"[..], &mut output, &mut errors).expect("it ends");
    assert_eq!(output, b"in");
    let told = String::from_utf8(errors).expect("text");
    let words = told.split(|c: char| !c.is_alphabetic()).filter(|word| word.chars().count() > 2);
    let words = words.collect::<Vec<_>>().join(" ");
    assert_eq!(words, "compiled operations bytes code ran interpreted times long with the same output");
}
