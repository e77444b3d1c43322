//! The table's effects against the processor.
//!
//! **Problem.** What the table says of an instruction is compared with iced-x86, which may err in the same
//! way; and a forgotten clobber is only found by whoever loses a value.
//!
//! **Idea.** Every form that a program may run is run, on random contents of registers, flags and memory.
//! What it changed must be in its effects; and what it does must not follow from anything that its effects do
//! not read: when all of that is something else, it does the same.
//!
//! **Invariants.** The code around an instruction is made of templates and forms of the table. What is not
//! run is said, with the reason.
//!
//! **Cost.** Some microseconds a function, below one a run.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "disassemble"))]
#![allow(unsafe_code)]

mod run;
mod samples;

use jit_asm::template::Flags;
use jit_asm::x64::effects::{InsnSummary, summary};
use jit_asm::x64::encode;
use jit_asm::x64::form::{Form, Kind};
use jit_asm::x64::listing::line;
use jit_asm::x64::operand::Operand;
use jit_asm::x64::rows::{FORMS, forms_of, row};
use jit_asm::{Features, Gpr, Xmm};
use run::{Machine, State};
use samples::{ALL_FLAGS, Random, anything, bits, is_division, operands, state};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::io::Write as _;

/// The extensions of this processor, by the kernel's words for them.
fn features() -> Features {
    let info = fs::read_to_string("/proc/cpuinfo").expect("Linux");
    let flags = info.lines().find(|line| line.starts_with("flags")).expect("flags of a processor");
    let words: Vec<&str> = flags.split_whitespace().collect();
    let here = |word: &str| {
        let theirs = match word {
            "sse3" => "pni",
            "lzcnt" => "abm",
            "sha" => "sha_ni",
            "prefetchw" => "3dnowprefetch",
            other => &other.replace('.', "_"),
        };
        words.contains(&theirs)
    };
    let all = Features::ALL.iter().filter(|(word, _)| here(word));
    all.fold(Features::NONE, |all, (_, feature)| all.union(*feature))
}

/// Why some forms are run on other machines only.
const NOT_HERE: &str = "this processor has not got them";

/// Why a form is not run.
fn skipped(form: &Form, machine: &Machine, features: Features) -> Option<&'static str> {
    let a = &form.acts;
    let name = form.mnemonic.rsplit_once(' ').map_or(form.mnemonic, |(_, name)| name);
    let vectors = |kind| matches!(kind, Kind::Vector | Kind::VectorMem | Kind::FixedVector(_));
    let vectors = a.vectors || form.operands.iter().flatten().any(|o| vectors(o.kind));
    if !features.contains(form.features) {
        Some(NOT_HERE)
    } else if a.jumps || a.calls || a.leaves || a.traps && !is_division(form) {
        Some("does not go on behind itself")
    } else if a.push || a.pop {
        Some("moves the stack")
    } else if vectors && !machine.has_vectors() {
        Some("no instruction to load vector registers")
    } else {
        match name {
            "in" | "out" | "insb" | "insw" | "insd" | "outsb" | "outsw" | "outsd" => {
                Some("ports are privileged")
            }
            "cpuid" | "rdtsc" | "rdtscp" | "rdpid" | "rdrand" | "rdseed" | "umonitor" | "umwait"
            | "tpause" => Some("its result is the machine's, and another each time"),
            "rdfsbase" | "rdgsbase" | "wrfsbase" | "wrgsbase" => {
                Some("the bases of fs and gs are the process's")
            }
            "ldmxcsr" | "vldmxcsr" => Some("could let every other instruction fault"),
            _ => None,
        }
    }
}

/// Whether the form does what its effects say with these operands, on some states.
fn check(
    machine: &mut Machine,
    form: &Form,
    operands: &[Operand],
    random: &mut Random,
) -> Result<(), String> {
    const STATES: usize = 5;
    let says = summary(form, operands);
    let function = machine.function(&encode(form, operands));
    for _ in 0..STATES {
        let before = state(form, operands, machine.middle(), random);
        let after = machine.run(&function, &before);
        check_changes(form, &says, &before, &after)?;
        let other = disturbed(&says, &before, random);
        let otherwise = machine.run(&function, &other);
        check_changes(form, &says, &other, &otherwise)?;
        check_sources(form, &says, [&before, &after, &otherwise])?;
    }
    Ok(())
}

/// What is not among the effects is as it was, and flags that have a definite value have it.
fn check_changes(form: &Form, says: &InsnSummary, before: &State, after: &State) -> Result<(), String> {
    let effects = &says.effects;
    for r in Gpr::ALL.into_iter().filter(|r| *r != Gpr::Rsp && !effects.writes.contains(*r)) {
        same(
            format!("{r} changes"),
            before.gprs[usize::from(r.number())],
            after.gprs[usize::from(r.number())],
        )?;
    }
    for r in Xmm::ALL.into_iter().filter(|r| !effects.writes.contains_vector(*r)) {
        same(
            format!("{r} changes"),
            before.vectors[usize::from(r.number())],
            after.vectors[usize::from(r.number())],
        )?;
    }
    let kept = bits(ALL_FLAGS.difference(effects.writes_flags));
    same("a flag that is kept".to_owned(), before.flags & kept, after.flags & kept)?;
    if says.keeps_flags.is_empty() && !effects.writes_flags.is_empty() {
        let (cleared, set) = (bits(form.flags.cleared), bits(form.flags.set));
        same("a flag that is cleared".to_owned(), 0, after.flags & cleared)?;
        same("a flag that is set".to_owned(), set, after.flags & set)?;
    }
    if !effects.writes_memory && before.memory != after.memory {
        return Err("memory changes".to_owned());
    }
    Ok(())
}

fn same<T: PartialEq + Debug>(what: String, a: T, b: T) -> Result<(), String> {
    if a == b { Ok(()) } else { Err(format!("{what}: {a:x?}, then {b:x?}")) }
}

/// Another state, the same in all that the instruction reads.
fn disturbed(says: &InsnSummary, state: &State, random: &mut Random) -> State {
    let (mut other, effects) = (anything(random), &says.effects);
    for r in Gpr::ALL.into_iter().filter(|r| effects.reads.contains(*r)) {
        other.gprs[usize::from(r.number())] = state.gprs[usize::from(r.number())];
    }
    for r in effects.reads.vectors() {
        other.vectors[usize::from(r.number())] = state.vectors[usize::from(r.number())];
    }
    let read = bits(effects.reads_flags.union(says.keeps_flags));
    other.flags = other.flags & !read | state.flags & read;
    if effects.reads_memory {
        other.memory = state.memory;
    }
    other
}

/// What was written is the same after the two runs, on states that agree in what is read.
fn check_sources(
    form: &Form,
    says: &InsnSummary,
    [before, after, otherwise]: [&State; 3],
) -> Result<(), String> {
    let effects = &says.effects;
    for r in Gpr::ALL.into_iter().filter(|r| effects.writes.contains(*r)) {
        same(
            format!("{r} by what is not read"),
            after.gprs[usize::from(r.number())],
            otherwise.gprs[usize::from(r.number())],
        )?;
    }
    // What was before VEX keeps the upper halves, for which nobody asks.
    let halves = if form.vex.is_some() { 4 } else { 2 };
    for r in effects.writes.vectors() {
        let number = usize::from(r.number());
        same(
            format!("{r} by what is not read"),
            after.vectors[number][..halves].to_vec(),
            otherwise.vectors[number][..halves].to_vec(),
        )?;
    }
    let defined = form.flags.written.union(form.flags.cleared).union(form.flags.set);
    let defined = bits(Flags(defined.0 & effects.writes_flags.0));
    same("a flag by what is not read".to_owned(), after.flags & defined, otherwise.flags & defined)?;
    let written = before.memory.iter().zip(&after.memory).zip(&otherwise.memory);
    let differs = |((before, after), otherwise): ((&u8, &u8), &u8)| before != after && after != otherwise;
    if written.into_iter().any(differs) {
        return Err("memory by what is not read".to_owned());
    }
    Ok(())
}

/// Every form that can be run, with its r/m operand in a register and in memory.
#[test]
fn effects_are_what_the_processor_does() {
    const OPERANDS: usize = 3;
    let features = features();
    let mut machine = Machine::new(features.contains(Features::AVX));
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut wrong, mut ran) = (vec![], 0);
    for (seed, form) in FORMS.iter().enumerate() {
        if let Some(reason) = skipped(form, &machine, features) {
            *reasons.entry(reason).or_default() += 1;
            continue;
        }
        let mut random = Random::new(seed as u64);
        let mut met = false;
        for in_memory in [false, true] {
            for _ in 0..OPERANDS {
                let Some(operands) = operands(form, in_memory, &mut random) else { break };
                met = true;
                if let Err(what) = check(&mut machine, form, &operands, &mut random) {
                    let text = line(&form.name(), &operands, &mut |_| String::new());
                    wrong.push(format!("{form}\n    {text}: {what}"));
                    break;
                }
            }
        }
        assert!(met, "{form}: no operands to run it with");
        ran += 1;
    }
    println!("{ran} forms do what their effects say; not run: {reasons:#?}");
    if let Some(forms) = reasons.get(NOT_HERE) {
        // Past the capture of test output: every run tells what it could not look at.
        let _ = writeln!(std::io::stderr(), "effects: {forms} forms are not run, since {NOT_HERE}");
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// Rows with one fact wrong, and what the processor answers.
#[test]
fn wrong_effects_are_found() {
    #[rustfmt::skip] // One row, one line.
    let planted = [
        (row("xadd",      "rw:r/mv, r:rv",                 "0F C1 /r",            "w=oszapc"),      "changes"),
        (row("mul",       "r:r/mv, rw:<axv>, r:<dxv>",     "F7 /4",               "w=oc u=szap"),   "rdx changes"),
        (row("lodsb",     "r:<al>, rw:<rsi>",              "AC",                  "r=d loads"),     "rax changes"),
        (row("rep stosb", "rw:<rdi>, r:<al>, r:<rcx>",     "F3 AA",               "r=d stores"),    "rcx changes"),
        (row("and",       "rw:rv, r:r/mv",                 "23 /r",               "w=szp 0=oc"),    "a flag that is kept"),
        (row("and",       "rw:rv, r:r/mv",                 "23 /r",               "w=szp 0=o 1=c u=a"), "a flag that is set"),
        (row("sub",       "rw:r/mv, r:rv",                 "29 /r",               "w=szapc 0=o"),   "a flag that is cleared"),
        (row("movsb",     "rw:<rdi>, rw:<rsi>",            "A4",                  "r=d loads"),     "memory changes"),
        (row("movsb",     "rw:<rdi>, rw:<rsi>",            "A4",                  "loads stores"),  "by what is not read"),
        (row("add",       "w:r/mv, r:rv",                  "01 /r",               "w=oszapc"),      "memory by what"),
        (row("adc",       "rw:rv, r:r/mv",                 "13 /r",               "w=oszapc"),      "by what is not read"),
        (row("cmovz",     "w:ry, r:r/my",                  "0F 44 /r",            "r=z"),           "by what is not read"),
        (row("bsf",       "w:ry, r:r/my",                  "0F BC /r",            "w=z u=osapc"),   "by what is not read"),
        (row("shl",       "rw:r/mv, r:cl",                 "D3 /4",               "w=szpc u=oa"),   "a flag by what"),
        (row("lahf",      "w:<ah>",                        "9F",                  "r=szap"),        "rax by what"),
        (row("mulx",      "w:ry, w:ry, r:r/my",            "VEX.LZ.F2.0F38 F6 /r", "bmi2"),         "by what is not read"),
        (row("paddb",     "w:xmm, r:xmm/m128",             "66 0F FC /r",         "sse2"),          "by what is not read"),
        (row("vpaddb",    "w:xmm, n:xmm, r:xmm/m128",      "VEX.128.66.0F.WIG FC /r", "avx"),       "by what is not read"),
    ];
    let features = features();
    let mut machine = Machine::new(features.contains(Features::AVX));
    let mut random = Random::new(1);
    for (row, answer) in &planted {
        let (forms, count) = forms_of(row);
        for form in &forms[..count] {
            if skipped(form, &machine, features).is_some() {
                continue;
            }
            let found = (0..200).any(|n| {
                let Some(operands) = operands(form, n % 2 == 0, &mut random) else { return false };
                let answered = check(&mut machine, form, &operands, &mut random);
                answered.is_err_and(|what| what.contains(answer))
            });
            assert!(found, "{form}: nobody finds what is wrong");
        }
    }
}
