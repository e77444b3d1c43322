//! Statements: labels, mnemonics and what stands between the commas.

use super::error::{Error, Errors, Extent};
use super::names;
use super::operand;
use super::stmt::{Arg, Insn, Label, Name, Slot, Stmt};
use crate::x64::operand::{Distance, Imm, Operand};
use crate::x64::select;
use proc_macro2::{Delimiter, Ident, Spacing, TokenStream, TokenTree};

/// Read the statements of a template. A mistake ends its operand or statement, not the reading: all of
/// them come back together, in the order of the text.
pub fn parse(tokens: TokenStream) -> Result<Vec<Stmt>, Vec<Error>> {
    let mut errors = Errors::new();
    let mut stmts = vec![];
    let tokens = flatten(tokens);
    for statement in tokens.split(|token| is_punct(token, ';')) {
        statement_of(statement, &mut stmts, &mut errors);
    }
    errors.barrier(stmts)
}

/// The tokens, with the invisible groups opened that stand around what a `macro_rules!` matched as an
/// expression. Holes keep theirs: they are Rust.
pub(super) fn flatten(tokens: TokenStream) -> Vec<TokenTree> {
    let mut flat = vec![];
    let mut open = vec![tokens.into_iter()];
    while let Some(tokens) = open.last_mut() {
        match tokens.next() {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::None => {
                open.push(group.stream().into_iter());
            }
            Some(token) => flat.push(token),
            None => {
                open.pop();
            }
        }
    }
    flat
}

pub(super) fn is_punct(token: &TokenTree, ch: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == ch)
}

/// The labels in front of an instruction, and the instruction.
fn statement_of(mut tokens: &[TokenTree], stmts: &mut Vec<Stmt>, errors: &mut Errors) {
    while let [TokenTree::Ident(word), TokenTree::Punct(colon), rest @ ..] = tokens
        && colon.as_char() == ':'
        && colon.spacing() == Spacing::Alone
    {
        if let Some(label) = errors.keep(label(word)) {
            stmts.push(Stmt::Label(label));
        }
        tokens = rest;
    }
    match tokens {
        [] => {}
        [TokenTree::Ident(word), rest @ ..] => {
            if let Some(insn) = insn(word, rest, tokens, errors) {
                stmts.push(Stmt::Insn(insn));
            }
        }
        [first, ..] => errors.add(
            Error::new(Extent::one(first.span()), "an instruction begins with its mnemonic")
                .help(begin_help(first)),
        ),
    }
}

fn begin_help(first: &TokenTree) -> &'static str {
    match first {
        TokenTree::Punct(p) if p.as_char() == '.' => {
            "directives are not part of a template; a local label is written `name:`"
        }
        TokenTree::Punct(p) if p.as_char() == ':' => "a label is written with the colon behind it: `name:`",
        _ => "statements are separated by `;`: `mov rax, [rbp - 16]; cqo; idiv rcx`",
    }
}

fn label(word: &Ident) -> Result<Label, Error> {
    let name = name(word);
    let register = names::register(&name.text).is_some() || names::vector(&name.text).is_some();
    if register || names::width(&name.text).is_some() || name.text == "rip" {
        let message = format!("`{}` cannot name a label: it has a meaning in operands", name.text);
        return Err(Error::new(Extent::one(word.span()), message).help("choose another name"));
    }
    Ok(Label { name })
}

pub(super) fn name(word: &Ident) -> Name {
    Name { text: word.to_string(), span: word.span() }
}

fn insn(word: &Ident, rest: &[TokenTree], all: &[TokenTree], errors: &mut Errors) -> Option<Insn> {
    let mnemonic = name(word);
    if let Some(error) = refused_mnemonic(&mnemonic, rest) {
        errors.add(error);
        return None;
    }
    let mut args = vec![];
    let mut whole = true;
    let mut rest = rest;
    while !rest.is_empty() {
        let comma = rest.iter().position(|token| is_punct(token, ','));
        let (operand, after) = rest.split_at(comma.unwrap_or(rest.len()));
        let arg = match (operand, after) {
            ([], [comma, ..]) => Err(gap(comma, "before")),
            (_, [comma]) => Err(gap(comma, "after")),
            _ => operand::operand(operand),
        };
        match errors.keep(arg) {
            Some(arg) => args.push(arg),
            None => whole = false,
        }
        rest = after.get(1..).unwrap_or_default();
    }
    for arg in &mut args {
        aim(&mnemonic.text, arg);
    }
    whole.then(|| Insn { mnemonic, args, extent: Extent::of(all, word.span()) })
}

fn gap(comma: &TokenTree, place: &str) -> Error {
    Error::new(Extent::one(comma.span()), format!("an operand is missing {place} this comma"))
}

/// A hole without a type is a target where the mnemonic is a jump or a call, an immediate elsewhere.
fn aim(mnemonic: &str, arg: &mut Arg) {
    if let Operand::Imm(Imm::Hole(None)) = arg.operand
        && let [(slot, hole)] = &mut arg.holes[..]
        && !hole.constant
        && takes_target(mnemonic)
    {
        arg.operand = Operand::Target(Distance::Near);
        *slot = Slot::Target;
    }
}

/// Whether the mnemonic is one of a relative jump or call.
pub(super) fn takes_target(mnemonic: &str) -> bool {
    select::select(mnemonic, &[Operand::Target(Distance::Near)]).is_ok()
}

fn refused_mnemonic(mnemonic: &Name, rest: &[TokenTree]) -> Option<Error> {
    let at = Extent::one(mnemonic.span);
    let text = mnemonic.text.as_str();
    let brace = matches!(rest.first(), Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Brace);
    if brace && matches!(text, "j" | "set" | "cmov") {
        let at = Extent { start: mnemonic.span, end: rest[0].span() };
        return Some(
            Error::new(at, "condition holes are not supported in this version")
                .help(format!("name the condition: `{text}z`, `{text}l`, ..")),
        );
    }
    if names::is_prefix(text) {
        return Some(Error::new(at, format!("the prefix `{text}` is not supported in this version")));
    }
    if names::register(text).is_some() || names::vector(text).is_some() {
        return Some(
            Error::new(at, format!("`{text}` is a register; an instruction begins with its mnemonic"))
                .help("operands are separated by `,` and statements by `;`"),
        );
    }
    let lower = text.to_ascii_lowercase();
    if lower != text && select::is_mnemonic(&lower) {
        return Some(Error::new(at, format!("mnemonics are written in small letters: `{lower}`")));
    }
    None
}
