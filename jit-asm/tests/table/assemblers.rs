//! Bytes against GNU as and llvm-mc, where they are installed: the text of our listing goes in, and the same
//! bytes must come out.
//!
//! `cargo test` takes a sample of each form. `ASSEMBLERS=all` in the environment takes all that iced is held
//! against, some four million lines; `ASSEMBLERS=1000` takes about a thousand of a form.

use crate::iced::structure;
use crate::samples::{EveryAddress, every_register, excluded, few_addresses};
use iced_x86::{Decoder, DecoderOptions, Instruction};
use jit_asm::x64::encode;
use jit_asm::x64::form::Form;
use jit_asm::x64::listing::line;
use jit_asm::x64::operand::{Base, Distance, Mem, Operand};
use jit_asm::x64::rows::FORMS;
use jit_asm::x64::select::select;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fmt::Write as _, fs, io, process};

/// At most so many instructions of a form, unless the environment says otherwise.
const OF_A_FORM: usize = 150;

/// At most so many lines for an assembler to read at once: it keeps them all.
const AT_ONCE: usize = 250_000;

/// What the environment says of [`OF_A_FORM`].
fn of_a_form() -> usize {
    match env::var("ASSEMBLERS").as_deref() {
        Err(_) => OF_A_FORM,
        Ok("all") => usize::MAX,
        Ok(number) => number.parse().expect("ASSEMBLERS is a number of instructions for each form, or `all`"),
    }
}

/// Stands in a line for the label of the line after it.
const NEXT: &str = "@next";

struct Case {
    text: String,
    bytes: Vec<u8>,
    /// A 64-bit register that gets a value by the 32-bit instruction, which assemblers do not choose.
    widened: bool,
}

/// Operands of the form, as what selection makes of them. Near jumps are left out: an assembler makes them
/// short.
fn cases(form: &Form, every: &mut EveryAddress, at_most: usize) -> Vec<Case> {
    let mut all = every_register(form, &few_addresses());
    if at_most == usize::MAX {
        all.extend(every.rows(form));
    }
    let near = |o: &Operand| *o == Operand::Target(Distance::Near) && form.mnemonic != "call";
    all.retain(|row| !excluded(form, row) && !row.iter().any(near));
    // An odd step meets even and odd places of every list.
    let chosen = all.iter().step_by((all.len() / at_most) | 1);
    let case = |operands: &Vec<Operand>| {
        let Ok(selected) = select(&form.name(), operands) else { panic!("{form}: {operands:?}") };
        Case {
            text: assembler_text(&form.name(), operands, NEXT),
            bytes: encode(selected, operands).bytes().to_vec(),
            widened: selected.sizing == jit_asm::x64::form::Sizing::ZeroExtended,
        }
    };
    chosen.map(case).collect()
}

/// Our listing in the dialect of both assemblers.
fn assembler_text(mnemonic: &str, operands: &[Operand], next: &str) -> String {
    let mut text = line(mnemonic, operands, &mut |_| next.to_owned());
    for width in ["byte", "word", "dword", "qword", "xmmword", "ymmword"] {
        text = text.replace(&format!(" {width} "), &format!(" {width} ptr "));
    }
    let absolute = |o: &Operand| matches!(o, Operand::Mem(Mem { base: Base::None, index: None, .. }));
    if operands.iter().any(absolute) { text.replace('[', "ds:[") } else { text }
}

/// Assemble all lines at once; the bytes of each, by labels in between.
fn assemble(cases: &[Case], tool: &str, directory: &Path) -> Result<Vec<Vec<u8>>, String> {
    let mut source = String::from(".intel_syntax noprefix\n");
    for (n, case) in cases.iter().enumerate() {
        // A number alone in brackets is an immediate to some versions of as, and a target of a jump to
        // llvm-mc, which takes `ds:` for a prefix elsewhere.
        let branch = case.text.starts_with("jmp ") || case.text.starts_with("call ");
        let keep = tool == "as" || branch;
        let mut text = if keep { case.text.clone() } else { case.text.replace("ds:", "") };
        if tool == "llvm-mc" && case.text.contains("gather") {
            // It wants the width of all elements together, or none.
            text = text.replace("dword ptr ", "").replace("qword ptr ", "");
        }
        let _ = writeln!(source, "L{n}: {}", text.replace(NEXT, &format!("L{}", n + 1)));
    }
    let _ = writeln!(source, "L{}:\n.section .sizes", cases.len());
    for n in 0..cases.len() {
        let _ = writeln!(source, ".byte L{}-L{n}", n + 1);
    }
    let (input, object) = (directory.join("all.s"), directory.join("all.o"));
    fs::write(&input, source).map_err(|e| e.to_string())?;
    let arguments: &[&str] = match tool {
        "as" => &["--64"],
        _ => &["-triple=x86_64", "-filetype=obj"],
    };
    let run = |command: &mut Command| {
        let output = command.output().map_err(|e| e.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).lines().take(20).collect::<Vec<_>>().join("\n");
        if output.status.success() { Ok(()) } else { Err(said) }
    };
    run(Command::new(tool).args(arguments).arg("-o").arg(&object).arg(&input))?;
    let section = |name: &str| {
        let binary = directory.join(name);
        let flags = format!("{name}=alloc");
        let only = ["-O", "binary", "--only-section", name, "--set-section-flags", &flags];
        run(Command::new("objcopy").args(only).arg(&object).arg(&binary))?;
        fs::read(&binary).map_err(|e| e.to_string())
    };
    let (code, sizes) = (section(".text")?, section(".sizes")?);
    let mut rest = &code[..];
    let mut all = vec![];
    for size in sizes {
        let (one, after) = rest.split_at_checked(size.into()).ok_or("sizes and code differ")?;
        all.push(one.to_vec());
        rest = after;
    }
    Ok(all)
}

fn installed(tool: &str) -> bool {
    let silent = || Stdio::null();
    Command::new(tool).arg("--version").stdout(silent()).stderr(silent()).status().is_ok_and(|s| s.success())
}

/// Past the capture of test output: every run tells what it was compared with.
fn say(what: &str) {
    let _ = writeln!(io::stderr(), "{what}");
}

fn decode(bytes: &[u8]) -> Instruction {
    Decoder::new(64, bytes, DecoderOptions::NONE).decode()
}

/// Why our bytes may differ from an assembler's.
fn reason(case: &Case, theirs: &[u8]) -> Option<&'static str> {
    if case.widened && case.bytes.len() < theirs.len() {
        return Some("mov of a 64-bit register by the shorter 32-bit instruction");
    }
    let (a, b) = (decode(&case.bytes), decode(theirs));
    let registers = |insn: &Instruction| [insn.op0_register(), insn.op1_register()];
    let mut swapped = registers(&b);
    swapped.reverse();
    if case.text.starts_with("xchg ") && a.code() == b.code() && registers(&a) == swapped {
        return Some("xchg of two registers in the other order");
    }
    if case.text.contains("ds:") && *theirs == [&[0x3E], &case.bytes[..]].concat() {
        return Some("the prefix of ds");
    }
    let sorted = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    };
    if structure(&a) == structure(&b) && sorted(&case.bytes) == sorted(theirs) {
        return Some("prefixes in another order");
    }
    if case.text == "xchg rax, rax" && theirs == [0x90] {
        return Some("xchg rax, rax, a nop with REX.W here and without there");
    }
    None
}

/// What an assembler made of all lines so far.
#[derive(Default)]
struct Comparison {
    equal: usize,
    /// By the reason why.
    others: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

impl Comparison {
    fn add(&mut self, cases: &[Case], tool: &str) {
        let directory = env::temp_dir().join(format!("jit-asm-{tool}-{}", process::id()));
        fs::create_dir_all(&directory).expect("a directory for temporary files");
        let assembled = assemble(cases, tool, &directory);
        let _ = fs::remove_dir_all(&directory);
        let assembled = assembled.unwrap_or_else(|error| panic!("{tool} refuses\n{error}"));
        assert_eq!(assembled.len(), cases.len(), "{tool}");
        for (case, theirs) in cases.iter().zip(&assembled) {
            if case.bytes == *theirs {
                self.equal += 1;
            } else if let Some(reason) = reason(case, theirs) {
                *self.others.entry(reason).or_default() += 1;
            } else {
                self.wrong.push(format!("{}: {:02x?} here, {theirs:02x?}", case.text, case.bytes));
            }
        }
    }
}

#[test]
fn the_same_bytes_as_assemblers() {
    let at_most = of_a_form();
    for tool in ["as", "llvm-mc"] {
        if !installed(tool) || !installed("objcopy") {
            say(&format!("{tool}: not installed, nothing compared"));
            continue;
        }
        let mut comparison = Comparison::default();
        let (mut cases, mut every) = (vec![], EveryAddress::new());
        for form in &FORMS {
            cases.extend(self::cases(form, &mut every, at_most));
            if cases.len() >= AT_ONCE {
                comparison.add(&std::mem::take(&mut cases), tool);
            }
        }
        comparison.add(&cases, tool);
        let Comparison { equal, others, wrong } = comparison;
        say(&format!("{tool}: {equal} instructions with the same bytes, others: {others:?}"));
        assert!(
            wrong.is_empty(),
            "{tool}: {} differ\n{}",
            wrong.len(),
            wrong[..wrong.len().min(60)].join("\n")
        );
    }
}
