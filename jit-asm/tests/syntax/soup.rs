//! Random templates: soup of the words of the language, and lines that are right until something happens to them.

use arbtest::arbitrary::{Result, Unstructured};

/// Statements that are right, alone or one behind the other: names stand in one of them only.
const LINES: &[&str] = &[
    "mov rax, [rbp - 16]",
    "mov {r: r64}, [{b: r64} + {i: r64}*8 + {d: i8}]",
    "add rax, {n: i8}",
    "ADD QWORD PTR [RBX + RCX*4], 5",
    "lea rdx, [rdi + offset_of!(Ctx, top) - Ctx::SIZE + {const N} + 8]",
    "mov ecx, -Ctx::SIZE*2 + 3",
    "cmp byte [{r: r64}], 0xff",
    "xchg ax, ax",
    "imul rax, rcx, -5",
    "shl dword [rsp + 8], cl",
    "lock add [rdi], eax",
    "rep movsb",
    "mov rax, fs:[8]",
    "movzx r9d, word [rip + 5]",
    "mov r11, 0x1122334455667788",
    "mov al, 'a'",
    "set{c} al",
    "j{c} {l}",
    "call {f}",
    "lea rax, [{l}]",
    "mov rax, {x: rm64}",
    "cmp {y: rmi32}, ecx",
    "addsd {x: xmm}, xmm3",
    "again: dec rcx; jnz again",
    "jmp over; .zero 120; .align 4; over: nop",
    "lea rsi, [table]; jmp behind; table: .byte 1, \"text\\n\", 'c', {n: u8}; .dword 0.5, Ctx::SIZE; behind: nop",
    "jmp past; .qword {q}, -1, 1e300, {const Q}; past: nop",
    ".align 16",
    "let acc = rax; add acc, [acc + acc*8]",
    "let top = r12; let stack = top; mov r13, [stack + 8]",
    "#[allow(dead_flags)] cmp rax, rcx",
    "#![inputs(rdx)]",
    "ret; .word 0x1234, -2",
    "near: loop near",
    "nop",
    "",
];

/// Words to make soup of, and to be put where something else stood.
const WORDS: &[&str] = &[
    "mov",
    "ADD",
    "jmp",
    "call",
    "lea",
    "shl",
    "cqo",
    "nop",
    "ret",
    "j",
    "set",
    "lock",
    "rep",
    "xbegin",
    "vaddps",
    "rax",
    "EAX",
    "ah",
    "r8b",
    "rsp",
    "rip",
    "xmm0",
    "ymm15",
    "fs",
    "byte",
    "QWORD",
    "ptr",
    "short",
    "word",
    "let",
    "acc",
    "let acc = rax;",
    "label",
    "label:",
    "again:",
    "const",
    "r64",
    "i8",
    "usize",
    "rm64",
    "xmm",
    "5",
    "0xff",
    "-5",
    "5u8",
    "1.5",
    "'a'",
    "'\\u{20ac}'",
    "\"text\"",
    "b\"\\xff\"",
    "r\"raw\"",
    "0FFh",
    "1e400",
    "0x1_0000_0000_0000_0000",
    "340282366920938463463374607431768211456",
    ".byte",
    ".dword",
    ".qword 1.5, {x}",
    ".zero",
    ".zero 70000",
    ".align",
    ".align 8",
    ".text",
    ",",
    ";",
    ":",
    "::",
    "+",
    "-",
    "*",
    "=>",
    "=",
    "$",
    "%",
    ".",
    "#",
    "!",
    "<",
    ">",
    "#[allow(dead_flags)]",
    "#![function]",
    "#![inputs(rax)]",
    "#[inline]",
    "{n}",
    "{r: r64}",
    "{x: rmi64}",
    "{const N}",
    "{n: i8}",
    "{f: patchable}",
    "{f: variadic}",
    "{}",
    "{:}",
    "{a::b}",
    "{const}",
    "Ctx::SIZE",
    "offset_of!(Ctx, top)",
    "size_of::<Ctx>()",
    "f::<A, B>",
    "f(x)",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "[rax]",
    "[rsp + rax*8 - 4]",
    "[label]",
    "[{l}]",
    "[]",
];

/// The text of a template, right or wrong.
pub(crate) fn template(u: &mut Unstructured) -> Result<String> {
    if u.ratio(1, 4)? {
        let mut text = String::new();
        for _ in 0..u.int_in_range(0..=30)? {
            text += u.choose(WORDS)?;
            text += u.choose(&[" ", " ", "", "; mov rax, "])?;
        }
        return Ok(text);
    }
    let mut lines = vec![];
    for _ in 0..u.int_in_range(1..=8)? {
        lines.push(*u.choose(LINES)?);
    }
    let mut words = words(&lines.join("; "));
    for _ in 0..u.choose(&[0, 0, 0, 1, 1, 2, 5])?.to_owned() {
        let at = u.choose_index(words.len())?;
        match u.int_in_range(0..=4)? {
            0 => drop(words.remove(at)),
            1 => words.insert(at, (*u.choose(WORDS)?).to_owned()),
            2 => words[at] = (*u.choose(WORDS)?).to_owned(),
            3 => words.insert(at, words[at].clone()),
            _ => {
                let other = u.choose_index(words.len())?;
                words.swap(at, other);
            }
        }
        if words.is_empty() {
            break;
        }
    }
    Ok(words.concat())
}

/// The words of a text and what stands between them.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![];
    for c in text.chars() {
        let joins = |word: &String| word.chars().all(|w| w.is_alphanumeric() || w == '_') && !word.is_empty();
        match words.last_mut() {
            Some(word) if joins(word) && (c.is_alphanumeric() || c == '_') => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    words.push(String::new());
    words
}
