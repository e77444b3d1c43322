//! A calculator that compiles what is typed, on the spot: `cargo run --example expression -- 'r = 2.5; 3.14 * r * r'`,
//! or without an expression at a prompt. `--asm` shows the code.
#![allow(unsafe_code)] // what machine code does, only you can vouch for

use jit_runtime::stitch::{Assembler, Code, Constant};
use jit_runtime::{Xmm, memory::CodeHeap, observe::disassemble, templates, x64};
use std::process::ExitCode;

// One template for each operation. What stands in braces is filled in when the template is emitted: a register,
// a distance, a constant in memory. Everything else was checked and encoded when this file was compiled.
templates! {
    fn number(to: Xmm, value: Constant) = x64!< movsd {to: xmm}, [{value}] >;
    fn variable(to: Xmm, at: i32) = x64!< movsd {to: xmm}, [rdi + {at}] >;
    fn negate(x: Xmm, sign: Constant) = x64!< xorpd {x: xmm}, [{sign}] >;
    fn add(to: Xmm, by: Xmm) = x64!< addsd {to: xmm}, {by: xmm} >;
    fn subtract(to: Xmm, by: Xmm) = x64!< subsd {to: xmm}, {by: xmm} >;
    fn multiply(to: Xmm, by: Xmm) = x64!< mulsd {to: xmm}, {by: xmm} >;
    fn divide(to: Xmm, by: Xmm) = x64!< divsd {to: xmm}, {by: xmm} >;
}

type Level = [(char, fn(&mut Assembler, Xmm, Xmm)); 2];
/// What binds weaker comes first.
const OPERATORS: [Level; 2] = [[('+', add), ('-', subtract)], [('*', multiply), ('/', divide)]];

/// A parser without a tree: as soon as it knows an operation it emits the template. Values that wait for their
/// operator are in xmm0, xmm1, and so on, so the result ends up in xmm0, where a C function returns it.
struct Compiler<'a> {
    text: &'a str,
    at: usize,
    names: &'a [String],
    asm: Assembler,
}

impl<'a> Compiler<'a> {
    /// The rest of the text, without spaces in front.
    fn rest(&mut self) -> &'a str {
        self.at = self.text.len() - self.text[self.at..].trim_start().len();
        &self.text[self.at..]
    }

    /// Whether `wanted` comes next; if so it is read.
    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    /// Emit what computes operands of this level, and the operators between them, into register `depth`.
    fn expression(&mut self, level: usize, depth: usize) -> Result<(), String> {
        let Some(operators) = OPERATORS.get(level) else { return self.operand(depth) };
        self.expression(level + 1, depth)?;
        while let Some((_, emit)) = operators.iter().find(|(sign, _)| self.take(*sign)) {
            self.expression(level + 1, depth + 1)?;
            emit(&mut self.asm, Xmm::ALL[depth], Xmm::ALL[depth + 1]);
        }
        Ok(())
    }

    fn operand(&mut self, depth: usize) -> Result<(), String> {
        let rest = self.rest();
        let &to = Xmm::ALL.get(depth).ok_or_else(|| self.wrong("too deep: put a part into a variable"))?;
        let word = &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '.').unwrap_or(rest.len())];
        if self.take('(') {
            self.expression(0, depth)?;
            return if self.take(')') { Ok(()) } else { Err(self.wrong("`)` is missing")) };
        } else if self.take('-') {
            self.operand(depth)?;
            negate(&mut self.asm, to, Constant::u128(1 << 63)); // the sign is one bit of the lower half
        } else if let Some(n) = self.names.iter().position(|name| name == word) {
            variable(&mut self.asm, to, 8 * n as i32);
        } else if word.starts_with(char::is_alphabetic) {
            return Err(self.wrong(&format!("`{word}` has no value yet; `{word} = 1` gives it one")));
        } else if let Ok(value) = word.parse() {
            number(&mut self.asm, to, Constant::f64(value));
        } else {
            return Err(self.wrong("a number, a variable, `-` or `(` is wanted"));
        }
        self.at += word.len();
        Ok(())
    }

    /// All of the text as a C function from the values of the variables to the value of the expression.
    fn compile(mut self, heap: &CodeHeap) -> Result<Code, String> {
        self.expression(0, 0)?;
        if !self.rest().is_empty() {
            return Err(self.wrong("an operator is wanted"));
        }
        x64!(self.asm => ret);
        self.asm.seal().and_then(|sealed| sealed.publish(heap)).map_err(|error| error.to_string())
    }

    /// The text with a mark under what is wrong.
    fn wrong(&self, what: &str) -> String {
        let column = self.text[..self.at].chars().count() + 1;
        format!("{}\n{:>column$} {what}", self.text, '^')
    }
}

/// The variables: their names, and in the same order their values.
pub(crate) type Variables = (Vec<String>, Vec<f64>);

/// The value of `expression` or of `name = expression`, and its code.
pub(crate) fn evaluate(text: &str, known: &mut Variables, heap: &CodeHeap) -> Result<(f64, Code), String> {
    let (names, values) = known;
    let (name, at) = text.find('=').map_or(("", 0), |at| (text[..at].trim(), at + 1));
    let compiler = Compiler { text, at, names, asm: Assembler::new() };
    if at > 0 && !(name.starts_with(char::is_alphabetic) && name.chars().all(char::is_alphanumeric)) {
        return Err(compiler.wrong("the name in front of `=` is a letter, then letters and digits"));
    }
    if text.len() > 1000 {
        return Err(compiler.wrong("more than 1000 bytes: put a part into a variable")); // a parenthesis is a recursion
    }
    let code = compiler.compile(heap)?;
    // SAFETY: the code has this signature. It reads variables that have a value, behind the pointer in rdi, and
    // writes to xmm registers, which belong to it. The function borrows `code`, so it cannot outlive it.
    let value = unsafe { code.entry::<extern "C" fn(*const f64) -> f64>() }.call(values.as_ptr());
    match names.iter().position(|known| known == name) {
        Some(n) => values[n] = value,
        None if name.is_empty() => {}
        None => (names.push(name.into()), values.push(value)).0,
    }
    Ok((value, code))
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let given = std::env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned());
    let (options, texts): (Vec<_>, Vec<_>) = given.partition(|text| text == "--asm");
    if texts.iter().any(|text| text == "--help" || text == "-h") {
        println!("usage: expression [--asm] ['NAME = EXPRESSION; EXPRESSION' ..]; without any, at a prompt");
        return Ok(ExitCode::SUCCESS);
    }
    let (heap, mut variables, mut status) = (CodeHeap::probe()?, Variables::default(), ExitCode::SUCCESS);
    let (prompt, lines) = if texts.is_empty() { ("> ", usize::MAX) } else { ("", 0) };
    eprint!("{prompt}");
    for line in texts.into_iter().map(Ok).chain(std::io::stdin().lines().take(lines)) {
        for text in line?.split(';').map(str::trim).filter(|text| !text.is_empty()) {
            match evaluate(text, &mut variables, &heap) {
                Ok((value, code)) => {
                    let listing = if options.is_empty() { vec![] } else { disassemble(&code) };
                    listing.iter().for_each(|instruction| println!("{instruction}"));
                    println!("{value}");
                }
                Err(error) => (eprintln!("{error}"), status = ExitCode::FAILURE).0,
            }
        }
        eprint!("{prompt}");
    }
    Ok(status)
}
