//! The workload of the compile-time benchmark: sources with the same instructions, said to each contestant.
//!
//! A function takes slots, an exit and a register, and emits one body of ten instructions. The bodies are kinds of
//! code that a baseline compiler has; their constants differ from function to function, so that nobody gets away
//! with having seen them.

use std::fmt::Write as _;

/// Instructions of each body.
const LINES: usize = 10;
/// Functions in a source.
const FUNCTIONS: usize = 200;
/// Instructions in a source.
pub const INSTRUCTIONS: usize = LINES * FUNCTIONS;

/// `@a` is a parameter, `@exit` the label of a parameter, `@r` the register; `<l` and `>l` are jumps to a label of the
/// body, back and forth, `l:` in front of an instruction is its place; `#` is a number of the function.
const BODIES: [[&str; LINES]; 4] = [
    [
        "mov rax, [rbp + @a]",
        "add rax, [rbp + @b]",
        "jo @exit",
        "mov [rbp + @c], rax",
        "mov rcx, [rbp + @b]",
        "lea rdx, [rcx + #]",
        "cmp rdx, #",
        "jbe @exit",
        "cqo",
        "idiv rcx",
    ],
    [
        "xor eax, eax",
        "mov ecx, @n",
        "again: add rax, rcx",
        "dec rcx",
        "jnz <again",
        "cmp rax, #",
        "jb >done",
        "imul rax, rax, #",
        "done: mov [rbp + @a], rax",
        "ret",
    ],
    [
        "mov rsi, [rbp + @a]",
        "movzx eax, byte [rsi + #]",
        "shl rax, 3",
        "mov rdx, [rsi + rax*8 + #]",
        "test rdx, rdx",
        "js @exit",
        "xor rdx, rax",
        "setne al",
        "and rdx, #",
        "mov dword [rsi + 8], #",
    ],
    [
        "mov @r, [rbp + @a]",
        "cmp @r, #",
        "jae @exit",
        "push rbx",
        "lea rbx, [rbp + @b]",
        "mov rdi, rbx",
        "sub rdi, @n",
        "cmovl rax, rcx",
        "sar rax, #",
        "pop rbx",
    ],
];

/// Who a source is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contestant {
    /// `x64!(asm => ..)` in every function.
    X64,
    /// `templates! { .. }`, and every template emitted by a function.
    Templates,
    /// What the macros make of it, without them: bytes, and stores into them.
    Ready,
    /// `dynasm!` in every function.
    Dynasm,
}

/// The source of the functions, or of the same with nothing in them.
#[must_use]
pub fn source(contestant: Contestant, empty: bool) -> String {
    let mut text = String::from("#![allow(unused)]\n");
    text += match contestant {
        Contestant::Dynasm => {
            "use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, VecAssembler, dynasm, x64::X64Relocation};\n\
             type Assembler = VecAssembler<X64Relocation>; type Label = DynamicLabel; type Gpr = u8;\n"
        }
        _ => {
            "use jit_runtime::{Gpr, LinkSink, Sink, jit_asm::Field, stitch::{Assembler, Label}, templates, x64};\n"
        }
    };
    for number in 0..FUNCTIONS {
        let body = &BODIES[number % BODIES.len()];
        if contestant == Contestant::Templates && !empty {
            template(&mut text, number, body);
        }
        let _ = writeln!(
            text,
            "pub fn f{number}(asm: &mut Assembler, a: i32, b: i32, c: i32, n: i32, exit: Label, r: Gpr) {{"
        );
        if !empty {
            text += &match contestant {
                Contestant::X64 => format!("    x64!(asm => {});\n", ours(number, body)),
                Contestant::Templates => format!("    t{number}(asm{});\n", arguments(body, ", ", "")),
                Contestant::Ready => ready(number, body),
                Contestant::Dynasm => format!("    dynasm!(asm; .arch x64{});\n", dynasm(number, body)),
            };
        }
        text += "}\n";
    }
    text
}

/// What the functions have as parameters, and the types of those.
const PARAMETERS: [(&str, &str); 6] =
    [("a", "i32"), ("b", "i32"), ("c", "i32"), ("n", "i32"), ("exit", "Label"), ("r", "Gpr")];

/// The parameters that a body uses, with their types behind `colon` unless it is empty.
fn arguments(body: &[&str], before: &str, colon: &str) -> String {
    let uses =
        |name: &str| body.iter().any(|line| words(line).any(|word| word.strip_prefix('@') == Some(name)));
    let typed = |(name, ty): (&str, &str)| match colon {
        "" => format!("{before}{name}"),
        _ => format!("{before}{name}{colon}{ty}"),
    };
    PARAMETERS.into_iter().filter(|(name, _)| uses(name)).map(typed).collect()
}

/// The number of a function among those of its body. LLVM compiles functions that are the same but once, so no two
/// may be.
fn numbered(function: usize) -> usize {
    function / BODIES.len() + 2
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || "@#<>".contains(c)))
}

/// A line with each word that is marked replaced by what `say` makes of it.
fn say(line: &str, number: usize, say: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(word) = words(rest).next() {
        let said = if word == "#" { Some(numbered(number).to_string()) } else { say(word) };
        text += &said.unwrap_or_else(|| word.to_owned());
        let behind = rest[word.len()..].chars().next().map_or(0, char::len_utf8);
        text += &rest[word.len()..word.len() + behind];
        rest = &rest[word.len() + behind..];
        if rest.is_empty() {
            break;
        }
    }
    text
}

fn ours(number: usize, body: &[&str]) -> String {
    let word = |word: &str| match word.split_at_checked(1)? {
        ("@", "r") => Some("{r: r64}".to_owned()),
        ("@", name) => Some(format!("{{{name}}}")),
        ("<" | ">", label) => Some(label.to_owned()),
        _ => None,
    };
    let lines: Vec<String> = body.iter().map(|line| say(line, number, word)).collect();
    lines.join("; ")
}

fn dynasm(number: usize, body: &[&str]) -> String {
    let word = |word: &str| match word.split_at_checked(1)? {
        ("@", "r") => Some("Rq(r)".to_owned()),
        ("@", "exit") => Some("=>exit".to_owned()),
        ("@", name) => Some(name.to_owned()),
        _ if word == "byte" || word == "dword" => Some(word.to_uppercase()),
        _ => None,
    };
    body.iter().map(|line| format!("; {}", say(line, number, word).replace(": ", ":; "))).collect()
}

fn template(text: &mut String, number: usize, body: &[&str]) {
    let parameters =
        arguments(body, "", ": ").replace("i32", "i32, ").replace("Label", "Label, ").replace("Gpr", "Gpr, ");
    let _ = writeln!(
        text,
        "templates! {{\n    /// Body {number}.\n    pub fn t{number}({}) = x64!< {} >;\n}}",
        parameters.trim_end_matches(", "),
        ours(number, body)
    );
}

/// Five bytes an instruction, and a store for each parameter that it names.
fn ready(number: usize, body: &[&str]) -> String {
    let mut text = String::new();
    let (mut links, mut stores) = (String::new(), String::new());
    for (n, line) in body.iter().enumerate() {
        let (at, end) = (5 * n + 1, 5 * n + 5);
        for word in words(line) {
            match word.strip_prefix('@') {
                Some("exit") => {
                    let _ = writeln!(
                        links,
                        "    let link{n} = asm.link_rel32(Field {{ ahead: {at}, tail: 0, width: 0 }}, exit);"
                    );
                    let _ = writeln!(stores, "    out[{at}..{end}].copy_from_slice(&link{n});");
                }
                Some("r") => {
                    let _ = writeln!(stores, "    out[{at}] |= r.number() & 7;");
                }
                Some(name) => {
                    let _ = writeln!(stores, "    out[{at}..{end}].copy_from_slice(&{name}.to_le_bytes());");
                }
                None => {}
            }
        }
    }
    let number = numbered(number);
    let bytes: String =
        (0..LINES).map(|n| format!("\\x{number:02x}\\x{:02x}\\x85\\x00\\x00", 0x80 + n)).collect();
    let _ = writeln!(text, "{links}    let out = asm.put_piece(b\"{bytes}\");\n{stores}");
    text
}
