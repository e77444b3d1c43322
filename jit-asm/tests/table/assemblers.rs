//! Bytes against GNU as and llvm-mc, where they are installed: the text of our listing goes in, and the same
//! bytes must come out.

use crate::iced::structure;
use crate::samples::{excluded, few_addresses, pairs, values};
use iced_x86::{Decoder, DecoderOptions, Instruction};
use jit_asm::x64::encode;
use jit_asm::x64::listing::line;
use jit_asm::x64::operand::{Base, Distance, Mem, Operand};
use jit_asm::x64::rows::FORMS;
use jit_asm::x64::select::select;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fmt::Write as _, fs, io, process};

/// At most so many instructions of a form.
const OF_A_FORM: usize = 150;

struct Case {
    text: String,
    bytes: Vec<u8>,
    /// A 64-bit register that gets a value by the 32-bit instruction, which assemblers do not choose.
    widened: bool,
}

/// The form's own sample of operands, as what selection makes of them. Near jumps are left out: an
/// assembler makes them short.
fn cases() -> Vec<Case> {
    let few = few_addresses();
    let mut cases = vec![];
    for form in &FORMS {
        let lists: Vec<_> = form.explicit().map(|o| values(form, o, &few, true)).collect();
        let near = |o: &Operand| *o == Operand::Target(Distance::Near) && form.mnemonic != "call";
        let all: Vec<_> =
            pairs(&lists).into_iter().filter(|row| !excluded(form, row) && !row.iter().any(near)).collect();
        // An odd step meets even and odd places of every list.
        for operands in all.iter().step_by((all.len() / OF_A_FORM) | 1) {
            let Ok(selected) = select(&form.name(), operands) else { panic!("{form}: {operands:?}") };
            let next = format!("L{}", cases.len() + 1);
            cases.push(Case {
                text: assembler_text(&form.name(), operands, &next),
                bytes: encode(selected, operands).bytes().to_vec(),
                widened: selected.sizing == jit_asm::x64::form::Sizing::ZeroExtended,
            });
        }
    }
    cases
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
        let _ = writeln!(source, "L{n}: {text}");
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

#[test]
fn the_same_bytes_as_assemblers() {
    let cases = cases();
    for tool in ["as", "llvm-mc"] {
        if !installed(tool) || !installed("objcopy") {
            say(&format!("{tool}: not installed, nothing compared"));
            continue;
        }
        let directory = env::temp_dir().join(format!("jit-asm-{tool}-{}", process::id()));
        fs::create_dir_all(&directory).expect("a directory for temporary files");
        let assembled = assemble(&cases, tool, &directory);
        let _ = fs::remove_dir_all(&directory);
        let assembled = assembled.unwrap_or_else(|error| panic!("{tool} refuses\n{error}"));
        assert_eq!(assembled.len(), cases.len(), "{tool}");
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        let mut wrong = vec![];
        for (case, theirs) in cases.iter().zip(&assembled).filter(|(case, theirs)| case.bytes != **theirs) {
            match reason(case, theirs) {
                Some(reason) => *others.entry(reason).or_default() += 1,
                None => wrong.push(format!("{}: {:02x?} here, {theirs:02x?}", case.text, case.bytes)),
            }
        }
        say(&format!("{tool}: {} instructions, other bytes: {others:?}", cases.len()));
        assert!(
            wrong.is_empty(),
            "{tool}: {} differ\n{}",
            wrong.len(),
            wrong[..wrong.len().min(60)].join("\n")
        );
    }
}
