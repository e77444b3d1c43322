//! The example `asm`: what it prints, what it answers, and that it agrees with other decoders.

#[path = "../examples/support/asm/mod.rs"]
mod asm;

use arbtest::arbitrary::Unstructured;
use expect_test::{Expect, expect};
use jit_asm::x64::form::{Form, FormOperand, Kind};
use jit_asm::x64::listing::line;
use jit_asm::x64::operand::{
    Base, Disp, Distance, Imm, Index, Mem, Operand, Reg, RegClass, Scale, Vector, VectorClass, Width,
};
use jit_asm::x64::rows::FORMS;
use jit_asm::x64::select::select;
use jit_asm::{Gpr, Xmm};
use std::ffi::OsString;

/// Exit status, standard output and standard error.
fn command(arguments: &[&str], input: &[u8]) -> String {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let (mut out, mut errors) = (vec![], vec![]);
    let code = asm::run(&arguments, input, &mut out, &mut errors).expect("memory can be written");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8 is written");
    format!("{}{}exit status {code}\n", text(out), text(errors))
}

fn check(arguments: &[&str], expected: &Expect) {
    expected.assert_eq(&command(arguments, b""));
}

#[test]
fn a_template_is_shown_with_its_effects() {
    check(
        &["mov rax, [rbp-16]; cqo; idiv rcx"],
        &expect![[r#"
           0  48 8b 45 f0              mov rax, [rbp - 16]
           4  48 99                    cqo
           6  48 f7 f9                 idiv rcx

        reads          rcx rbp
        writes         rax rdx
        flags written  oszapc
        memory         read
        rsp            where it was
        control        may trap
        exit status 0
    "#]],
    );
    check(
        &["lock add [rdi], eax; mov rax, 0x123456789abcdef; vaddps ymm1, ymm2, [rsi]"],
        &expect![[r#"
           0  f0 01 07                 lock add [rdi], eax
           3  48 b8 ef cd ab 89 67 45  mov rax, 0x123456789abcdef
           b  23 01
           d  c5 ec 58 0e              vaddps ymm1, ymm2, [rsi]

        reads          rax rsi rdi xmm2
        writes         rax xmm1
        flags written  oszapc
        memory         read, written
        rsp            where it was
        needs          avx
        exit status 0
    "#]],
    );
}

#[test]
fn holes_are_shown_with_their_places() {
    check(
        &[
            "add {r: r64}, [rdi + {offset}]; add rax, {const 5}; cmp rcx, {n: i8}; j{c} {l}; mov rax, {x: rm64}",
        ],
        &expect![[r#"
               0  48 03 87 00 00 00 00     add {r: r64}, [rdi + {offset}]
               7  48 05 00 00 00 00        add rax, {const 5}
               d  48 83 f9 00              cmp rcx, {n: i8}
              11  0f 80 00 00 00 00        j{c} {l}
              17  48 8b 84 20 00 00 00 00  mov rax, {x: rm64}

            hole           {r: r64} at 0x0: a register
            hole           {offset} at 0x3: i32
            hole           {n: i8} at 0x10: i8
            hole           {c} at 0x12: a condition
            hole           {l} at 0x13: the distance to a label or function
            hole           {x: rm64} at 0x17: a location, rm64
            hole           {const 5} at 0x9: 32 bits, filled by rustc
            note           the bytes are those of the longest instructions that locations may become
            reads          rax rcx rdi
            writes         rax
            flags written  oszapc
            memory         read
            rsp            where it was
            control        jumps
            exit status 0
        "#]],
    );
}

#[test]
fn lints_stand_under_their_instruction() {
    check(
        &["mov rax, [rbp - 16];\nidiv rcx"],
        &expect![[r#"
           0  48 8b 45 f0              mov rax, [rbp - 16]
           4  48 f7 f9                 idiv rcx

        reads          rcx rdx rbp
        writes         rax rdx
        flags written  oszapc
        memory         read
        rsp            where it was
        control        may trap

        warning: `idiv rcx` divides rdx:rax, and nothing here has set rdx: with what happens to be there the quotient is wrong, or does not fit and the processor raises #DE (wrong_dividend)
         --> 2:1
          |
        2 | idiv rcx
          | ^^^^^^^^
          = help: write `cqo` in front; if rdx is set before this template, `#![inputs(rdx)]` at its start

        exit status 0
    "#]],
    );
}

#[test]
fn every_mistake_is_told_with_its_place() {
    check(
        &["mov [rbp - 16], 5;\n\tadd raz, 4; add rax, ebx"],
        &expect![[r#"
        error: the width of this operand is not known: could be byte, word, dword or qword
         --> 1:5
          |
        1 | mov [rbp - 16], 5;
          |     ^^^^^^^^^^
          = help: write `mov qword [rbp - 16], 5`

        error: `raz` is no register and no label
         --> 2:6
          |
        2 | 	add raz, 4; add rax, ebx
          | 	    ^^^
          = help: did you mean `rax`?

        error: this operand has 32 bits, operand 1 has 64
         --> 2:23
          |
        2 | 	add raz, 4; add rax, ebx
          | 	                     ^^^
          = help: write `add rax, rbx` or `add eax, ebx`; movzx, movsx and movsxd widen

        exit status 1
    "#]],
    );
    check(
        &["nop; [rax"],
        &expect![[r#"
        error: the bracket `[` has no partner
         --> 1:6
          |
        1 | nop; [rax
          |      ^

        exit status 1
    "#]],
    );
    check(
        &["nop; \u{0}"],
        &expect![[r#"
        error: no token of Rust begins with `\0` here
         --> 1:6
          |
        1 | nop; 
          |      ^

        exit status 1
    "#]],
    );
    check(
        &[&"[".repeat(65)],
        &expect![[r#"
        error: brackets are nested more than 64 deep
         --> 1:65
          |
        1 | [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
          |                                                                 ^

        exit status 1
    "#]],
    );
}

#[test]
fn wrong_flags_are_refused() {
    check(
        &["--foo"],
        &expect![[r#"
        error: there is no flag `--foo`; try `--help`
        exit status 2
    "#]],
    );
    check(
        &["nop", "ret"],
        &expect![[r#"
        error: the instructions are one argument: put them in quotes; try `--help`
        exit status 2
    "#]],
    );
    check(
        &["--batch", "nop"],
        &expect![[r#"
        error: `--batch` takes lines of the standard input and nothing else; try `--help`
        exit status 2
    "#]],
    );
    check(
        &[" ; "],
        &expect![[r#"
        error: there is no instruction in it; try `--help`
        exit status 1
    "#]],
    );
    check(
        &[],
        &expect![[r#"
        error: no instructions are given

        usage: asm [--verify] INSTRUCTIONS
               asm --batch < LINES

          INSTRUCTIONS  a template: instructions with `;` between them
          --verify      compare the bytes with iced-x86, and with objdump where it is installed
          --batch       read lines `id<TAB>instructions`, with `;` or `\n` between the instructions, and write
                        lines `id<TAB>hex` or `id<TAB>error: message`
          --help        print this
        exit status 2
    "#]],
    );
    assert!(command(&["--help"], b"").ends_with("exit status 0\n"));
    assert!(command(&["--", "nop"], b"").ends_with("exit status 0\n"));
}

/// The answers to lines of `--batch`.
fn answers(input: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    asm::batch::run(input, &mut out).expect("memory can be written");
    out
}

#[test]
fn a_line_is_answered_by_a_line() {
    let input = b"1\tmov rax, [rbp-16]; cqo; idiv rcx\n2\tL1: dec rcx\\njnz L1 // again\\nret\nno tab\n\
        4\tmov al, '\\n'\n5\tadd rax, {n}\n6\tadd rax, {const 5}\n7\tmov [rax], 5; add raz, 1\n\n9\t\n\
        \xff\tnop\n11\t\xff\n12\tnop\tnop\r\n13\t]\n14\tadd \"a\nb\n15\tret";
    let answers = String::from_utf8_lossy(&answers(input)).into_owned();
    expect![[r#"
        1	488b45f0489948f7f9
        2	48ffc975fbc3
        no tab	error: a line is an id, a tab and instructions; this one has no tab
        4	b00a
        5	error: the hole `{n}` is filled when Rust compiles or the code is emitted: write a value
        6	error: the hole `{const 5}` is filled when Rust compiles or the code is emitted: write a value
        7	error: the width of this operand is not known: could be byte, word, dword or qword; help: write `mov qword [rax], 5` (and 1 more)
        	error: a line is an id, a tab and instructions; this one has no tab
        9	
        �	90
        11	error: the instructions are not UTF-8
        12	error: this template has no label `nop`; help: a Rust value is written `{nop}`, a Rust constant `{const nop}`
        13	error: the bracket `]` has no partner
        14	error: no token of Rust begins with `\"` here
        b	error: a line is an id, a tab and instructions; this one has no tab
        15	c3
    "#]].assert_eq(&answers);
}

#[test]
fn lines_are_answered_as_templates_are_assembled_alone() {
    let texts =
        ["nop", "push rbp; mov rbp, rsp", "jmp a; a: ret", "add rax, ebx", "lea rax, [rip + 16]", "\u{e9}"];
    let input: String = (0..600).map(|n| format!("id{n}\t{}\n", texts[n % texts.len()])).collect();
    let answers = String::from_utf8(answers(input.as_bytes())).expect("UTF-8");
    assert_eq!(answers.lines().count(), 600);
    for (n, answer) in answers.lines().enumerate() {
        let (id, answer) = answer.split_once('\t').expect("an id and a tab");
        assert_eq!(id, format!("id{n}"));
        match asm::assemble(texts[n % texts.len()]) {
            Ok(one) => {
                let hex: String = one.laid_out.whole.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(answer, hex);
            }
            Err(mistakes) => {
                assert!(answer.starts_with(&format!("error: {}", mistakes[0].message)), "{answer}")
            }
        }
    }
}

#[test]
fn hostile_lines_are_answered() {
    let hostile = [
        "nop;".repeat(300_000),
        "[".repeat(60_000),
        "{".repeat(64) + &"}".repeat(64),
        "/*".repeat(30_000),
        "a:".repeat(30_000),
        "jmp a;".repeat(10_000) + "a:",
        "cmp rax, rcx;".repeat(5_000),
        "\"".to_owned() + &"x".repeat(60_000),
        "\0".repeat(1000),
        "-".repeat(60_000),
    ];
    for text in &hostile {
        let answer = answers(format!("x\t{text}\n").as_bytes());
        assert!(answer.starts_with(b"x\t") && answer.ends_with(b"\n"), "{}", &text[..4]);
        assert_eq!(answer.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}

#[test]
fn any_tokens_are_answered_by_one_line() {
    const WORDS: [&str; 40] = [
        "mov", "add", "rax", "ecx", "[", "]", "{", "}", "(", ")", ",", ";", ":", "a", "a:", "jmp", "\\n",
        "'", "\"", "\0", "+", "-", "*", "8", "0x7f", "qword", "ptr", "lock", "rep", "#", "!", "allow",
        "const", "xmm1", "fs", "rip", "\u{e9}", "//", "/*", "let",
    ];
    arbtest::arbtest(|u: &mut Unstructured| {
        let mut input = vec![];
        let lines = u.int_in_range(1..=4)?;
        for n in 0..lines {
            let soup: Vec<&str> =
                (0..u.int_in_range(0..=20)?).map(|_| u.choose(&WORDS).copied()).collect::<Result<_, _>>()?;
            input.extend_from_slice(format!("{n}\t{}", soup.join(" ")).as_bytes());
            if u.ratio(1, 8)? {
                input.extend(u.bytes(3)?.iter().filter(|byte| **byte != b'\n'));
            }
            input.push(b'\n');
        }
        let answers = answers(&input);
        assert_eq!(answers.iter().filter(|byte| **byte == b'\n').count(), lines);
        Ok(())
    });
}

/// What can stand at an operand; another thing at every step.
fn sample(o: &FormOperand, step: usize) -> Operand {
    let gpr = Gpr::ALL[(5 * step + 3) % 16];
    let class = match o.width {
        Some(Width::B8) => RegClass::R8,
        Some(Width::B16) => RegClass::R16,
        Some(Width::B32) => RegClass::R32,
        _ => RegClass::R64,
    };
    let long = if o.width == Some(Width::B256) { VectorClass::Ymm } else { VectorClass::Xmm };
    let vector = |number: usize| Vector { reg: Xmm::ALL[number % 16], class: long };
    let index =
        [None, Some((Index::Reg(Gpr::R9), Scale::X4)), Some((Index::Reg(Gpr::Rcx), Scale::X1))][step % 3];
    let mem = Mem {
        width: o.memory,
        index,
        disp: Disp::Literal([0, -8, 4096][step % 3]),
        ..Mem::at(Base::Reg(gpr))
    };
    match o.kind {
        Kind::RegMem | Kind::VectorMem if step % 2 == 1 => Operand::Mem(mem),
        Kind::Mem => Operand::Mem(mem),
        Kind::Reg | Kind::RegMem => Operand::Reg(Reg { gpr, class }),
        Kind::Vector | Kind::VectorMem => Operand::Vector(vector(7 * step + o.place as usize)),
        Kind::Vsib(_) => Operand::Mem(Mem { index: Some((Index::Vector(vector(15)), Scale::X8)), ..mem }),
        Kind::Fixed(gpr) => Operand::Reg(Reg { gpr, class }),
        Kind::Rel => {
            Operand::Target(if o.width == Some(Width::B8) { Distance::Short } else { Distance::Near })
        }
        _ => Operand::Imm(Imm::Literal(1 + 3 * (step as i128 % 2) * i128::from(o.kind != Kind::One))),
    }
}

/// The text of a form with sample operands; of a jump, to the label behind it or to a hole.
fn texts(form: &Form, next: &str) -> Vec<String> {
    let one = |step: usize| {
        let operands: Vec<Operand> = form.explicit().enumerate().map(|(n, o)| sample(o, step + n)).collect();
        select(&form.name(), &operands).ok()?;
        let short = operands.contains(&Operand::Target(Distance::Short));
        let name = if short { next } else { "{l}" };
        let text = line(&form.name(), &operands, &mut |_| name.to_owned());
        Some(if short { format!("{text}; {next}: ") } else { text })
    };
    let mut all: Vec<String> = (0..8).filter_map(one).collect();
    all.dedup();
    // A label stands once.
    all.truncate(if form.explicit().any(|o| o.kind == Kind::Rel) { 1 } else { 4 });
    all
}

#[test]
fn every_form_agrees_with_other_decoders() {
    let mut lines = vec![];
    for (n, form) in FORMS.iter().enumerate() {
        let texts = texts(form, &format!("L{n}"));
        assert!(!texts.is_empty(), "{form} has no sample");
        lines.extend(texts);
    }
    assert!(lines.len() > FORMS.len());
    let mut differences = vec![];
    for chunk in lines.chunks(400) {
        let assembled = asm::assemble(&chunk.join("; ")).unwrap_or_else(|all| panic!("{all:?}"));
        differences.extend(asm::verify::against_iced(&assembled));
        differences.extend(asm::verify::against_objdump(&assembled).unwrap_or_default());
    }
    let count = differences.len();
    assert!(count == 0, "{count} of {}:\n{}", lines.len(), differences[..count.min(400)].join("\n"));
}

#[test]
fn a_difference_is_found() {
    let mut assembled = asm::assemble("add rax, 1; sub rcx, 2").unwrap_or_else(|all| panic!("{all:?}"));
    assert_eq!(asm::verify::against_iced(&assembled), [""; 0]);
    assembled.laid_out.whole.bytes[3] = 2;
    assert_eq!(
        asm::verify::against_iced(&assembled),
        ["`add rax, 1`: the operands are those of `add rax,2`"]
    );
    assembled.laid_out.whole.bytes[0] = 0x90;
    assert!(asm::verify::against_iced(&assembled)[0].contains("4 bytes are"));
    assert!(asm::verify::verify(&assembled, &mut vec![]).is_ok_and(|agrees| !agrees));
}
