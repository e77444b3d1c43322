//! Statements: labels, mnemonics and what stands between the commas.

use super::alias::{self, Aliases, Scope};
use super::attribute;
use super::constant;
use super::directive;
use super::error::{Error, Errors, Extent};
use super::hole;
use super::layout;
use super::names;
use super::operand;
use super::stmt::{Arg, Hole, Insn, Label, Name, Slot, Stmt};
use crate::x64::operand::{Distance, Imm, Operand};
use crate::x64::select::{self, Meant, Mismatch};
use proc_macro2::{Delimiter, Ident, Spacing, TokenStream, TokenTree};

/// What could be read of a template with mistakes.
#[derive(Clone, Debug)]
pub struct Misread {
    /// The mistakes, in the order of the text.
    pub errors: Vec<Error>,
    /// The statements without one.
    pub stmts: Vec<Stmt>,
}

/// Read the statements of a template. A mistake ends its operand or statement, not the reading: all of
/// them come back together, in the order of the text, and with them what is wrong with the statements that
/// could be read.
pub fn parse(tokens: TokenStream) -> Result<Vec<Stmt>, Vec<Error>> {
    parse_with(tokens, &mut Aliases::new()).map_err(|misread| misread.errors)
}

/// [`parse`] where some registers have names already. Those that the template uses are marked.
pub fn parse_with(tokens: TokenStream, aliases: &mut Aliases) -> Result<Vec<Stmt>, Misread> {
    let mut errors = Errors::new();
    let mut stmts = vec![];
    let mut unread = vec![];
    let tokens = flatten(tokens);
    let labels = labels(&tokens);
    let mut scope = Scope::new(aliases, &tokens);
    for statement in tokens.split(|token| is_punct(token, ';')) {
        errors.at(stmts.len());
        let before = errors.count();
        statement_of(statement, &mut scope, &labels, &mut stmts, &mut errors);
        if errors.count() > before {
            unread.extend(alias::words(statement).iter().map(ToString::to_string));
        }
    }
    errors.at(stmts.len());
    scope.close(&mut errors);
    if errors.count() > 0 {
        layout::mistakes(&stmts, &unread, &mut errors);
    }
    match errors.barrier(()) {
        Ok(()) => Ok(stmts),
        Err(errors) => Err(Misread { errors, stmts }),
    }
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

/// What names there are, for advice about words that are none.
pub(super) struct Known<'a> {
    pub(super) labels: &'a [String],
    pub(super) aliases: Vec<String>,
}

impl Known<'_> {
    /// The alias that is one slip away.
    pub(super) fn near_alias(&self, word: &str) -> Option<&str> {
        let mut near = self.aliases.iter().filter(|alias| alias.len() > 1 && names::one_slip(alias, word));
        near.next().map(String::as_str)
    }
}

/// The words in front of a lone colon, which are labels if they stand in front of a statement.
fn labels(tokens: &[TokenTree]) -> Vec<String> {
    let label = |at: usize| match &tokens[at..] {
        [TokenTree::Ident(word), colon, rest @ ..]
            if is_punct(colon, ':') && !rest.first().is_some_and(|next| is_punct(next, ':')) =>
        {
            Some(word.to_string())
        }
        _ => None,
    };
    (0..tokens.len()).filter_map(label).collect()
}

pub(super) fn is_punct(token: &TokenTree, ch: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == ch)
}

/// The attributes and labels in front of an instruction, and the instruction.
fn statement_of(
    tokens: &[TokenTree],
    scope: &mut Scope,
    labels: &[String],
    stmts: &mut Vec<Stmt>,
    errors: &mut Errors,
) {
    let mut tokens = attribute::attributes(tokens, scope, stmts, errors);
    while let [TokenTree::Ident(word), TokenTree::Punct(colon), rest @ ..] = tokens
        && colon.as_char() == ':'
        // `::` is a path; in `L1:;` the colon is joint with what ends the statement.
        && !rest.first().is_some_and(|next| is_punct(next, ':'))
    {
        if let Some(label) = errors.keep(label(word, scope)) {
            stmts.push(Stmt::Label(label));
        }
        tokens = rest;
    }
    match tokens {
        [] => {}
        [TokenTree::Ident(word), ..] if word == "let" => {
            errors.keep(scope.define(tokens, stmts));
        }
        [TokenTree::Ident(word), ..] if scope.has(&word.to_string()) => {
            errors.add(register_first(&name(word)))
        }
        [TokenTree::Ident(word), rest @ ..] => {
            let known = Known { labels, aliases: scope.names() };
            if let Some(rest) = scope.replace(rest, errors)
                && let Some(insn) = insn(word, &rest, tokens, &known, errors)
            {
                stmts.push(Stmt::Insn(insn));
            }
        }
        [TokenTree::Punct(p), ..] if p.as_char() == '.' => {
            stmts.extend(directive::directive(tokens, errors).map(Stmt::Directive));
        }
        [first, rest @ ..] => errors.add(
            Error::new(Extent::one(first.span()), "an instruction begins with its mnemonic")
                .help(begin_help(first, rest)),
        ),
    }
}

fn begin_help(first: &TokenTree, rest: &[TokenTree]) -> &'static str {
    match first {
        TokenTree::Literal(_) if rest.first().is_some_and(|colon| is_punct(colon, ':')) => {
            "a label has a name: `again:`"
        }
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            "what is chosen when the code is emitted are operands, and the condition of `j{c}`, `set{c}` and `cmov{c}`"
        }
        TokenTree::Punct(p) if p.as_char() == '#' => {
            "attributes are written `#[allow(..)]` in front of a statement, before its labels"
        }
        TokenTree::Punct(p) if p.as_char() == ':' => "a label is written with the colon behind it: `name:`",
        _ => "statements are separated by `;`: `mov rax, [rbp - 16]; cqo; idiv rcx`",
    }
}

fn label(word: &Ident, scope: &mut Scope) -> Result<Label, Error> {
    let name = name(word);
    let meaning = match () {
        () if names::is_taken(&name.text) => "it has a meaning in operands",
        () if scope.has(&name.text) => "it names a register",
        () => return Ok(Label { name }),
    };
    let message = format!("`{}` cannot name a label: {meaning}", name.text);
    Err(Error::new(Extent::one(word.span()), message).help("choose another name"))
}

pub(super) fn name(word: &Ident) -> Name {
    Name { text: word.to_string(), span: word.span(), near: None }
}

/// A word of the language, which has no capitals.
fn small_name(word: &Ident) -> Name {
    Name { text: names::small(&word.to_string()).into_owned(), span: word.span(), near: None }
}

fn insn(
    word: &Ident,
    rest: &[TokenTree],
    all: &[TokenTree],
    known: &Known,
    errors: &mut Errors,
) -> Option<Insn> {
    let (mnemonic, rest) = errors.keep(with_prefix(word, rest))?;
    let (mnemonic, condition, rest) = errors.keep(with_condition(mnemonic, rest))?;
    if condition.is_none()
        && let Some(error) = refused_mnemonic(&mnemonic, rest)
    {
        errors.add(error);
        return None;
    }
    if let [equals @ TokenTree::Punct(p), ..] = rest
        && p.as_char() == '='
        && p.spacing() == Spacing::Alone
    {
        errors.add(
            Error::new(Extent::one(equals.span()), "`=` means nothing here")
                .help(format!("a name for a register is given by `let {word} = rax`")),
        );
        return None;
    }
    let mut args = vec![];
    let mut wrong = vec![];
    let mut rest = rest;
    while !rest.is_empty() {
        let comma = constant::comma(rest);
        let (operand, after) = rest.split_at(comma.unwrap_or(rest.len()));
        let arg = match (operand, after) {
            ([], [comma, ..]) => Err(gap(comma, "before")),
            (_, [comma]) => Err(gap(comma, "after")),
            _ => operand::operand(operand, known),
        };
        match arg {
            Ok(arg) => args.push(arg),
            Err(error) => wrong.push(error),
        }
        rest = after.get(1..).unwrap_or_default();
    }
    for arg in &mut args {
        aim(&mnemonic.text, arg);
    }
    let insn = Insn { mnemonic, condition, args, extent: Extent::of(all, word.span()) };
    if wrong.is_empty() {
        return Some(insn);
    }
    // Its form is not looked for, but its mnemonic may be wrong as well.
    if !select::is_mnemonic(&insn.mnemonic.text) {
        errors.add(layout::no_mnemonic(&insn, false));
    }
    wrong.into_iter().for_each(|error| errors.add(error));
    None
}

/// The mnemonic and what follows it. A prefix is a part of the mnemonic: its forms are in the table.
fn with_prefix<'a>(word: &Ident, rest: &'a [TokenTree]) -> Result<(Name, &'a [TokenTree]), Error> {
    let mut mnemonic = small_name(word);
    if !names::is_prefix(&mnemonic.text) {
        return Ok((mnemonic, rest));
    }
    let at = Extent::one(mnemonic.span);
    if !names::is_prefix_of_the_table(&mnemonic.text) {
        let message = format!("the prefix `{}` is not supported", mnemonic.text);
        return Err(Error::new(at, message).help("the prefixes are lock, rep, repe and repne"));
    }
    match rest {
        [TokenTree::Ident(behind), ..] if names::is_prefix(&small_name(behind).text) => {
            let message = format!("`{}` stands in front of an instruction, not of `{behind}`", mnemonic.text);
            Err(Error::new(at, message).help("an instruction has one prefix"))
        }
        [TokenTree::Ident(behind), rest @ ..] => {
            mnemonic.text += &format!(" {}", small_name(behind).text);
            Ok((mnemonic, rest))
        }
        _ => Err(Error::new(at, format!("an instruction is missing behind the prefix `{}`", mnemonic.text))
            .help("write it in front of one: `lock add [rdi], eax`, `rep movsb`")),
    }
}

/// The condition behind `j`, `set` and `cmov`, if it is a hole. The mnemonic is then that of condition 0.
fn with_condition(
    mut mnemonic: Name,
    rest: &[TokenTree],
) -> Result<(Name, Option<Hole>, &[TokenTree]), Error> {
    match rest {
        [TokenTree::Group(group), rest @ ..]
            if group.delimiter() == Delimiter::Brace
                && matches!(mnemonic.text.as_str(), "j" | "set" | "cmov") =>
        {
            let hole = hole::hole(group)?;
            let at = Extent::one(hole.span);
            if hole.constant {
                let message = "a condition cannot be a `const` hole";
                return Err(Error::new(at, message)
                    .help(format!("name it: `{}z`, `{}l`, ..", mnemonic.text, mnemonic.text)));
            }
            if let Some(ty) = hole.ty {
                let message = format!("this hole is a condition, not `{ty}`");
                return Err(Error::new(at, message).help(format!("write `{{{}}}`, a `Cond`", hole.content)));
            }
            mnemonic.text.push('o');
            Ok((mnemonic, Some(hole), rest))
        }
        _ => Ok((mnemonic, None, rest)),
    }
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
    let takes = |distance| select::select(mnemonic, &[Operand::Target(distance)]).is_ok();
    takes(Distance::Near) || takes(Distance::Short)
}

/// The answer to a first word that is no mnemonic, where what follows tells what it is instead.
fn no_word_of_the_table(word: &Name, rest: &[TokenTree]) -> Option<Error> {
    let text = word.text.as_str();
    let Err(mismatch) = select::select(text, &[]) else { return None };
    let Mismatch::UnknownMnemonic { meant, .. } = &mismatch else { return None };
    let help = match meant {
        Some(Meant::Else(instead)) => (*instead).to_owned(),
        Some(_) => return None,
        None if names::is_taken(text) => return None,
        None => match rest {
            [TokenTree::Ident(behind), ..] if select::is_mnemonic(&names::small(&behind.to_string())) => {
                format!("if it is a label, write `{text}:`")
            }
            // `x64!(asm, ..)`, as `write!` has it, and `x64!(asm -> ..)`.
            [arrow, head, ..] if is_punct(arrow, ',') || is_punct(arrow, '-') && is_punct(head, '>') => {
                let near = mismatch.note().map_or_else(String::new, |note| note + " ");
                format!("{near}if it is the sink, write `x64!({text} => ..)`")
            }
            _ => return None,
        },
    };
    Some(Error::new(Extent::one(word.span), mismatch.message()).help(help))
}

/// The answer to a first word behind which the operands need not be read.
fn refused_mnemonic(mnemonic: &Name, rest: &[TokenTree]) -> Option<Error> {
    let at = Extent::one(mnemonic.span);
    let text = mnemonic.text.as_str();
    let known = select::is_mnemonic(text);
    if !known && let Some(error) = no_word_of_the_table(mnemonic, rest) {
        return Some(error);
    }
    if let [TokenTree::Group(group)] = rest
        && group.delimiter() == Delimiter::Parenthesis
        && known
        && group.stream().into_iter().any(|token| is_punct(&token, ','))
    {
        return Some(
            Error::new(Extent::one(group.span()), "operands stand without parentheses")
                .help(format!("write `{text} {}`", constant::text(&group.stream()))),
        );
    }
    if matches!(text, "set" | "cmov" | "j") {
        return Some(Error::new(at, format!("`{text}` wants a condition")).help(format!(
            "write `{text}z`, `{text}l`, .., or `{text}{{c}}` for one chosen when the code is emitted"
        )));
    }
    if names::register(text).is_some() || names::vector(text).is_some() {
        return Some(register_first(mnemonic));
    }
    None
}

fn register_first(name: &Name) -> Error {
    let message = format!("`{}` is a register; an instruction begins with its mnemonic", name.text);
    Error::new(Extent::one(name.span), message).help("operands are separated by `,` and statements by `;`")
}
