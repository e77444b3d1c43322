//! What an error advises is right: every instruction that it says to write assembles.

use crate::mistakes::MISTAKES;
use arbtest::arbitrary::{Result, Unstructured};
use jit_asm::Gpr;
use jit_asm::syntax::{LaidOut, lay_out, parse};
use jit_asm::x64::form::{Form, FormOperand, Kind};
use jit_asm::x64::operand::{Reg, RegClass, Width};
use jit_asm::x64::rows::FORMS;
use jit_asm::x64::select;

/// Help for each mistake of a template; none if it is right.
fn advice(text: &str) -> Vec<String> {
    match assemble(text) {
        Ok(_) => vec![],
        Err(help) => help,
    }
}

fn assemble(text: &str) -> std::result::Result<LaidOut, Vec<String>> {
    let tokens = text.parse().map_err(|_| vec![])?;
    let result = parse(tokens).and_then(|stmts| lay_out(&stmts));
    result.map_err(|errors| errors.into_iter().filter_map(|error| error.help).collect())
}

const PREFIXES: &[&str] = &["lock", "rep", "repe", "repne"];

/// The instructions among the quoted words of an advice, which are more than a mnemonic. A form of the manual
/// (`imul r64, r/m64, imm32`) is none.
fn instructions(help: &str) -> Vec<&str> {
    let forms = help.starts_with("a form of it is") || help.contains(" takes at most ");
    let quoted = help.split('`').skip(1).step_by(2);
    let is_instruction = |text: &&str| {
        let mut words = text.split_whitespace().filter(|word| !PREFIXES.contains(word));
        let mnemonic = words.next().is_some_and(select::is_mnemonic);
        mnemonic && words.next().is_some() && !text.contains("..") && !text.ends_with(':')
    };
    if forms { vec![] } else { quoted.filter(is_instruction).collect() }
}

/// The labels that an advice may speak of: those of the template, and those of examples.
fn labels(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .filter_map(|word| word.strip_suffix(':'))
        .chain(["label", "again", "count", "name"])
}

fn names(instruction: &str, label: &str) -> bool {
    instruction.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == label)
}

fn bound(label: &str) -> String {
    format!("; {label}: nop")
}

/// How many instructions were advised; all of them assemble.
fn check(text: &str) -> usize {
    let mut checked = 0;
    for help in advice(text) {
        for instruction in instructions(&help) {
            let labels: String = labels(text).filter(|label| names(instruction, label)).map(bound).collect();
            let right = assemble(&format!("{instruction}{labels}"));
            assert!(right.is_ok(), "{text}\n{help}\n{instruction}: {:?}", right.err());
            checked += 1;
        }
    }
    checked
}

#[test]
fn what_is_advised_assembles() {
    let inputs = MISTAKES.lines().filter(|line| {
        !line.starts_with([' ', '^']) && !line.starts_with("help:") && !line.starts_with("# ")
    });
    let checked: usize = inputs.map(check).sum();
    assert!(checked > 60, "{checked}");
}

const OPERANDS: &[&str] = &[
    "rax",
    "ecx",
    "dx",
    "bl",
    "ah",
    "sil",
    "rsp",
    "r9",
    "r10d",
    "r11w",
    "r12b",
    "cl",
    "dx",
    "xmm0",
    "xmm9",
    "ymm1",
    "ymm12",
    "1",
    "5",
    "300",
    "-1",
    "0x1_0000_0000",
    "[rax]",
    "[rbx + rcx*8]",
    "byte [rax]",
    "word [rsp]",
    "dword [rbp - 8]",
    "qword [r8]",
    "xmmword [rdi]",
    "ymmword [rsi]",
    "[rax + xmm1*4]",
    "{x}",
    "{x: i32}",
    "{x: i64}",
    "{r: r64}",
    "{r: r32}",
    "{r: r8}",
    "{v: xmm}",
    "{v: ymm}",
    "{s: rm64}",
    "{s: rm32}",
    "{s: rmi64}",
    "{m: m}",
    "{m: m32}",
    "{m: xm}",
    "{const N}",
    "l",
    "[l]",
    "[{f}]",
];

/// An operand as the form wants it, or anything.
fn operand(wanted: &FormOperand, u: &mut Unstructured) -> Result<String> {
    if u.ratio(1, 4)? {
        return Ok((*u.choose(OPERANDS)?).to_owned());
    }
    let register = |class| Reg { gpr: Gpr::Rcx, class }.to_string();
    let vector = if wanted.width == Some(Width::B256) { "ymm3" } else { "xmm3" };
    Ok(match (wanted.kind, wanted.width) {
        (Kind::Reg | Kind::RegMem, Some(Width::B8)) => register(RegClass::R8),
        (Kind::Reg | Kind::RegMem, Some(Width::B16)) => register(RegClass::R16),
        (Kind::Reg | Kind::RegMem, Some(Width::B32)) => register(RegClass::R32),
        (Kind::Reg | Kind::RegMem, _) => register(RegClass::R64),
        (Kind::Mem, _) => "[rdi]".to_owned(),
        (Kind::Vector | Kind::VectorMem, _) => vector.to_owned(),
        (Kind::Vsib(_), _) => format!("[rax + {vector}]"),
        (Kind::Imm(_), _) => "5".to_owned(),
        (Kind::Rel, _) => "l".to_owned(),
        _ => wanted.to_string(),
    })
}

/// The words that other assemblers have for some instructions.
fn mnemonic(form: &Form, u: &mut Unstructured) -> Result<String> {
    let name = form.name();
    Ok(match u.int_in_range(0..=9)? {
        0 => format!("{name}{}", u.choose(&["b", "w", "l", "q"])?),
        1 => (*u.choose(&["movabs", "movslq", "movzbl", "cmpeqps", "vcmptrue_uspd", "goto"])?).to_owned(),
        2 => (*u
            .choose(&["mov", "movzx", "movsx", "movsxd", "movd", "movq", "movsd", "lea", "mul", "div"])?)
        .to_owned(),
        _ => name,
    })
}

/// An instruction with something wrong in it, mostly.
fn wrong(u: &mut Unstructured) -> Result<String> {
    let form = u.choose(&FORMS)?;
    let mut operands = vec![];
    for wanted in form.explicit() {
        operands.push(operand(wanted, u)?);
    }
    match u.int_in_range(0..=5)? {
        0 => {
            operands.pop();
        }
        1 => operands.push((*u.choose(OPERANDS)?).to_owned()),
        _ => {}
    }
    Ok(format!("l: {} {}", mnemonic(form, u)?, operands.join(", ")))
}

#[test]
fn what_is_advised_for_random_instructions_assembles() {
    let mut checked = 0;
    arbtest::arbtest(|u: &mut Unstructured| {
        checked += check(&wrong(u)?);
        Ok(())
    })
    .budget_ms(1000);
    assert!(checked > 10, "{checked}");
}
