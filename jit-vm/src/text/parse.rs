//! From text to modules.

use super::{is_word, is_word_char};
use crate::module::{Function, Module};
use crate::op::{ConstId, FuncId, OPS, Op, Operand, OperandKind, Target};
use crate::value::Value;
use core::fmt;
use core::str::FromStr;
use std::collections::HashMap;

/// One mistake in a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what would do.
    pub message: String,
}

/// `3:9: ...`
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl core::error::Error for ParseError {}

/// All mistakes in a text, by line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseErrors(pub Vec<ParseError>);

/// One mistake a line.
impl fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|error| writeln!(f, "{error}"))
    }
}

impl core::error::Error for ParseErrors {}

/// Reads a module in its [text form](super).
///
/// # Errors
/// Every mistake, at most one a line.
pub fn parse(text: &str) -> Result<Module, ParseErrors> {
    let mut parser = Parser::default();
    for (i, line) in text.lines().enumerate() {
        parser.number = i + 1;
        let mut rest = Line { whole: line, at: 0 };
        if let Err((at, message)) = parser.line(&mut rest) {
            parser.error(Place { line: i + 1, column: rest.column_of(at) }, message);
        }
    }
    parser.finish()
}

impl FromStr for Module {
    type Err = ParseErrors;
    fn from_str(text: &str) -> Result<Module, ParseErrors> {
        parse(text)
    }
}

#[derive(Clone, Copy, Debug)]
struct Place {
    line: usize,
    column: usize,
}

/// A mistake at a byte of the current line.
type Mistake = (usize, String);

/// The line that is being read.
struct Line<'a> {
    whole: &'a str,
    /// Bytes read.
    at: usize,
}

impl<'a> Line<'a> {
    fn column_of(&self, at: usize) -> usize {
        self.whole[..at].chars().count() + 1
    }

    /// What is left, from the next thing that is neither space nor comment.
    fn rest(&mut self) -> &'a str {
        let rest = self.whole[self.at..].trim_start();
        self.at = self.whole.len() - rest.len();
        if rest.starts_with(';') { "" } else { rest }
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn expect(&mut self, token: &str, example: &str) -> Result<(), Mistake> {
        if self.eat(token) { Ok(()) } else { Err(self.unexpected(&format!("`{token}`, as in `{example}`"))) }
    }

    fn unexpected(&mut self, wanted: &str) -> Mistake {
        let rest = self.rest();
        let got = rest.split(|c: char| c.is_whitespace() || c == ';').next().unwrap_or("");
        let got = if got.is_empty() { "the end of the line".to_owned() } else { format!("`{got}`") };
        (self.at, format!("expected {wanted}, found {got}"))
    }

    /// Word characters, and a sign in front of them.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let end = rest[sign..].find(|c| !is_word_char(c)).map_or(rest.len(), |end| sign + end);
        self.at += end;
        &rest[..end]
    }

    fn number<N: FromStr>(&mut self, wanted: &str) -> Result<N, Mistake> {
        self.rest();
        let at = self.at;
        let word = self.word();
        word.parse().map_err(|_| {
            self.at = at;
            self.unexpected(wanted)
        })
    }

    /// The name of a function: a word, or anything in quotes.
    fn name(&mut self) -> Result<String, Mistake> {
        let rest = self.rest();
        let at = self.at;
        if !rest.starts_with('"') {
            let word = self.word();
            if is_word(word) {
                return Ok(word.to_owned());
            }
            self.at = at;
            return Err(
                self.unexpected("a name: a letter and letters, digits, `_` or `.`, or text in quotes")
            );
        }
        let mut end = None;
        let mut escaped = false;
        for (i, c) in rest.char_indices().skip(1) {
            match c {
                '"' if !escaped => {
                    end = Some(i);
                    break;
                }
                _ => escaped = c == '\\' && !escaped,
            }
        }
        let end = end.ok_or((at, "this name has no closing quote".to_owned()))?;
        self.at = at + end + 1;
        unescape(&rest[1..end])
            .ok_or((at, "use only \\n, \\r, \\t, \\', \\\", \\\\ and \\u{..} here".to_owned()))
    }
}

/// The inverse of [`str::escape_default`].
fn unescape(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits: String = chars.by_ref().take_while(|&c| c != '}').collect();
                    char::from_u32(u32::from_str_radix(digits.strip_prefix('{')?, 16).ok()?)?
                }
                c @ ('\'' | '"' | '\\') => c,
                _ => return None,
            },
            c => c,
        });
    }
    Some(out)
}

/// A name that stands for a number that is not known yet: a label or a function.
struct Fixup {
    function: usize,
    pc: usize,
    name: String,
    place: Place,
}

#[derive(Default)]
struct Parser {
    number: usize,
    module: Module,
    /// Where the function was opened that is being read.
    open: Option<Place>,
    labels: HashMap<String, u32>,
    constants: HashMap<Value, ConstId>,
    source_line: Option<u32>,
    jumps: Vec<Fixup>,
    calls: Vec<Fixup>,
    errors: Vec<ParseError>,
}

impl Parser {
    fn error(&mut self, place: Place, message: String) {
        self.errors.push(ParseError { line: place.line, column: place.column, message });
    }

    fn finish(mut self) -> Result<Module, ParseErrors> {
        if let Some(place) = self.open {
            self.error(place, "this function is not closed; end it with `}`".to_owned());
            self.resolve_jumps();
        }
        // The first of a name wins; the verifier refuses the others.
        let by_name = self.module.first_of_each_name();
        let by_name: HashMap<String, u32> = by_name.into_iter().map(|(n, i)| (n.to_owned(), i)).collect();
        for Fixup { function, pc, name, place } in std::mem::take(&mut self.calls) {
            match by_name.get(&name) {
                Some(&callee) => self.module.functions[function].code[pc] = Op::Call(FuncId(callee)),
                None => {
                    let hint = nearest(&name, self.module.functions.iter().map(|f| f.name.as_str()));
                    self.error(place, format!("there is no function `{name}`{hint}"));
                }
            }
        }
        self.errors.sort_by_key(|e| (e.line, e.column));
        if self.errors.is_empty() { Ok(self.module) } else { Err(ParseErrors(self.errors)) }
    }

    fn line(&mut self, line: &mut Line<'_>) -> Result<(), Mistake> {
        if line.rest().is_empty() {
            return Ok(());
        }
        if self.open.is_none() {
            return self.header(line);
        }
        let at = line.at;
        if line.eat("}") {
            self.close();
            return end_of(line);
        }
        let word = line.word();
        if word == "func" {
            let opened = self.open.take().map_or(0, |p| p.line);
            self.resolve_jumps();
            line.at = at;
            self.header(line)?;
            return Err((at, format!("close the function of line {opened} with `}}` before the next one")));
        }
        if line.eat(":") {
            self.label(word, at)?;
        } else if word == ".line" {
            self.source_line = Some(line.number("the number of a line, as in `.line 12`")?);
            return end_of(line);
        } else {
            line.at = at;
        }
        if line.rest().is_empty() { Ok(()) } else { self.instruction(line) }
    }

    /// `func NAME(PARAMETERS) locals N {`
    fn header(&mut self, line: &mut Line<'_>) -> Result<(), Mistake> {
        const EXAMPLE: &str = "func fib(1) locals 2 {";
        let at = line.at;
        line.expect("func", EXAMPLE)?;
        // Even a function with mistakes in its first line is one, so that its lines are read as such.
        self.open = Some(Place { line: self.number, column: line.column_of(at) });
        self.module.functions.push(Function::default());
        self.source_line = None;
        self.function().name = line.name()?;
        line.expect("(", EXAMPLE)?;
        let params = line.number("a number of parameters, up to 65535")?;
        self.function().params = params;
        self.function().locals = params;
        line.expect(")", EXAMPLE)?;
        if line.eat("locals") {
            self.function().locals = line.number("a number of locals, up to 65535")?;
        }
        line.expect("{", EXAMPLE)?;
        end_of(line)
    }

    fn function(&mut self) -> &mut Function {
        self.module.functions.last_mut().expect("`open` is set when a function is pushed")
    }

    fn close(&mut self) {
        self.open = None;
        self.resolve_jumps();
    }

    /// Labels belong to one function, so they are resolved at its end.
    fn resolve_jumps(&mut self) {
        let labels = std::mem::take(&mut self.labels);
        self.constants.clear();
        for Fixup { pc, name, place, .. } in std::mem::take(&mut self.jumps) {
            let Some(&place_of_label) = labels.get(&name) else {
                let hint = nearest(&name, labels.keys().map(String::as_str));
                self.error(place, format!("there is no label `{name}` in this function{hint}"));
                continue;
            };
            if let Op::Jump(to) | Op::JumpIf(to) | Op::JumpIfNot(to) = &mut self.function().code[pc] {
                *to = Target(place_of_label);
            }
        }
    }

    fn label(&mut self, name: &str, at: usize) -> Result<(), Mistake> {
        if !is_word(name) {
            return Err((at, format!("`{name}` is no label; begin it with a letter or `_`")));
        }
        let here = self.function().code.len() as u32;
        match self.labels.insert(name.to_owned(), here) {
            None => Ok(()),
            Some(_) => Err((at, format!("label `{name}` is placed twice in this function; rename one"))),
        }
    }

    fn instruction(&mut self, line: &mut Line<'_>) -> Result<(), Mistake> {
        let at = line.at;
        let word = line.word();
        let Some(info) = OPS.iter().find(|op| op.name == word) else {
            line.at = at;
            let (at, message) = line.unexpected("an instruction");
            return Err((at, message + &nearest(word, OPS.iter().map(|op| op.name))));
        };
        let operand = match info.operand {
            Some((kind, _)) => Some(self.operand(line, kind)?),
            None => None,
        };
        // Before anything else can go wrong: a label or function to be resolved waits for this instruction.
        let op = Op::new(info.name, operand).expect("the operand is of the kind that the table says");
        let source_line = self.source_line;
        let function = self.function();
        if let Some(number) = source_line {
            function.lines.resize(function.code.len(), 0);
            function.lines.push(number);
        }
        function.code.push(op);
        end_of(line)
    }

    fn operand(&mut self, line: &mut Line<'_>, kind: OperandKind) -> Result<Operand, Mistake> {
        line.rest();
        let place = Place { line: self.number, column: line.column_of(line.at) };
        let fixup = |parser: &Parser, name| Fixup {
            function: parser.module.functions.len() - 1,
            pc: parser.module.functions.last().map_or(0, |f| f.code.len()),
            name,
            place,
        };
        Ok(match kind {
            OperandKind::Int => {
                Operand::Int(line.number("an integer of 32 bits; `constant` takes any of 64")?)
            }
            OperandKind::Bool => Operand::Bool(line.number("`true` or `false`")?),
            OperandKind::Local => Operand::Local(line.number("the number of a local, up to 65535")?),
            OperandKind::Target if line.eat("@") => {
                Operand::Target(Target(line.number("the number of an instruction")?))
            }
            OperandKind::Target => {
                let word = line.word();
                if !is_word(word) {
                    line.at -= word.len();
                    return Err(line.unexpected("a label"));
                }
                let fixup = fixup(self, word.to_owned());
                self.jumps.push(fixup);
                Operand::Target(Target(0))
            }
            OperandKind::Constant if line.eat("#") => {
                Operand::Constant(ConstId(line.number("the number of a constant")?))
            }
            OperandKind::Constant => Operand::Constant(self.constant(line)?),
            OperandKind::Function if line.eat("#") => {
                Operand::Function(FuncId(line.number("the number of a function")?))
            }
            OperandKind::Function => {
                let name = line.name()?;
                let fixup = fixup(self, name);
                self.calls.push(fixup);
                Operand::Function(FuncId(0))
            }
        })
    }

    /// A value, by its number in the pool.
    fn constant(&mut self, line: &mut Line<'_>) -> Result<ConstId, Mistake> {
        let value = match line.rest() {
            rest if rest.starts_with(['t', 'f']) => {
                Value::bool(line.number("an integer, `true` or `false`")?)
            }
            _ => Value::int(line.number("an integer of 64 bits, `true` or `false`")?),
        };
        if let Some(&id) = self.constants.get(&value) {
            return Ok(id);
        }
        let pool = &mut self.function().constants;
        pool.push(value);
        let id = ConstId(pool.len() as u32 - 1);
        self.constants.insert(value, id);
        Ok(id)
    }
}

fn end_of(line: &mut Line<'_>) -> Result<(), Mistake> {
    if line.rest().is_empty() { Ok(()) } else { Err(line.unexpected("the end of the line")) }
}

/// `; did you mean ...?` for a misspelt word, or nothing if no candidate is near.
fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|&(d, candidate)| d <= 1 + candidate.len() / 4 && d < candidate.len())
        .min()
        .map_or(String::new(), |(_, candidate)| format!("; did you mean `{candidate}`?"))
}

/// Insertions, deletions and replacements from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}
