//! Attributes: what a template says about itself, and which lints it allows.
//!
//! They are Rust's: `#![..]` at the start speaks of the whole template, `#[..]` of the next instruction. They
//! change what is checked, never what is assembled.

use super::alias::Scope;
use super::error::{Error, Errors, Extent};
use super::names;
use super::parse::is_punct;
use super::stmt::Stmt;
use crate::reg::RegSet;
use crate::x64::lint::{Declared, Lint};
use proc_macro2::{Delimiter, Group, Ident, TokenTree};

/// What stands in one pair of brackets.
#[derive(Clone, Debug)]
pub enum Attribute {
    /// `#![function]`: the template is a whole function of the System V ABI.
    Function,
    /// `#![inputs(rax, rdx)]`: registers, or their aliases, that are set before the template.
    Inputs(RegSet),
    /// `allow(dead_flags)`.
    Allow {
        /// What is allowed.
        lints: Vec<Lint>,
        /// In the whole template, not in the next instruction.
        everywhere: bool,
    },
}

const INNER: &str =
    "`#![function]`, `#![inputs(rax)]` and `#![allow(dead_flags)]` say something of a template";

/// Take the attributes off the front of a statement.
pub(super) fn attributes<'a>(
    mut tokens: &'a [TokenTree],
    scope: &mut Scope,
    stmts: &mut Vec<Stmt>,
    errors: &mut Errors,
) -> &'a [TokenTree] {
    let mut waits = None;
    while let [hash, rest @ ..] = tokens
        && is_punct(hash, '#')
    {
        let (bang, rest) = match rest {
            [bang, rest @ ..] if is_punct(bang, '!') => (true, rest),
            rest => (false, rest),
        };
        let [TokenTree::Group(group), rest @ ..] = rest else { break };
        if group.delimiter() != Delimiter::Bracket {
            break;
        }
        tokens = rest;
        let extent = Extent { start: hash.span(), end: group.span() };
        let first = stmts.iter().all(is_inner) && waits.is_none();
        if bang && !first {
            let error =
                Error::new(extent, "`#![..]` stands at the start of a template, before everything else");
            errors.add(error.help("in front of one instruction an attribute is written `#[..]`"));
        } else if let Some(attribute) = errors.keep(attribute(group, bang, extent, scope)) {
            stmts.push(Stmt::Attribute(attribute));
        }
        waits = (!bang).then_some(extent).or(waits);
    }
    let none = match tokens {
        [] => true,
        [TokenTree::Ident(word), ..] => word == "let",
        [first, ..] => is_punct(first, '.'),
    };
    if let (Some(extent), true) = (waits, none) {
        let error = Error::new(extent, "`#[..]` stands in front of an instruction, and none follows");
        errors.add(error.help("what is said of the whole template is written `#![..]` at its start"));
    }
    tokens
}

fn is_inner(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Attribute(Attribute::Allow { everywhere, .. }) => *everywhere,
        Stmt::Attribute(_) => true,
        _ => false,
    }
}

/// `name` or `name(words)`.
fn attribute(group: &Group, inner: bool, extent: Extent, scope: &mut Scope) -> Result<Attribute, Error> {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    let [TokenTree::Ident(name), rest @ ..] = &tokens[..] else {
        return Err(Error::new(extent, "an attribute begins with its name").help(INNER));
    };
    let text = name.to_string();
    if !inner && matches!(text.as_str(), "function" | "inputs") {
        return Err(Error::new(extent, format!("`{text}` is said of the whole template"))
            .help(format!("write `#![{text}{}]` at its start", if rest.is_empty() { "" } else { "(..)" })));
    }
    match (text.as_str(), rest) {
        ("function", []) => Ok(Attribute::Function),
        ("function", [first, ..]) => {
            Err(Error::new(Extent::of(rest, first.span()), "`function` takes nothing behind it"))
        }
        ("inputs", [TokenTree::Group(list)]) if list.delimiter() == Delimiter::Parenthesis => {
            let registers =
                words(list)?.iter().map(|word| input(word, scope)).collect::<Result<Vec<_>, _>>()?;
            Ok(Attribute::Inputs(registers.into_iter().fold(RegSet::EMPTY, RegSet::union)))
        }
        ("allow", [TokenTree::Group(list)]) if list.delimiter() == Delimiter::Parenthesis => {
            let lints = words(list)?.iter().map(lint).collect::<Result<_, _>>()?;
            Ok(Attribute::Allow { lints, everywhere: inner })
        }
        ("inputs", _) => Err(Error::new(extent, "`inputs` wants registers: `#![inputs(rax, rdx)]`")),
        ("allow", _) => Err(Error::new(extent, "`allow` wants lints: `#[allow(dead_flags)]`")),
        _ => Err(unknown(name)),
    }
}

/// The answer to an attribute that there is not.
fn unknown(name: &Ident) -> Error {
    let text = name.to_string();
    let error = Error::new(Extent::one(name.span()), format!("`{text}` is no attribute of a template"));
    let near = ["function", "inputs", "allow"].into_iter().find(|known| names::one_slip(known, &text));
    match (text.as_str(), near) {
        (_, Some(near)) => error.help(format!("did you mean `{near}`?")),
        ("doc", _) => error.help("comments in a template are written `// ..`, with two strokes"),
        ("warn" | "deny" | "forbid" | "expect", _) => error.help(
            "lints of templates are levelled as `deprecated` in the Rust around the macro; inside, one can be \
             allowed: `#[allow(dead_flags)]`",
        ),
        _ => error.help(INNER),
    }
}

/// Words between commas; a lint may be written with `x64::` in front, as it is shown.
fn words(list: &Group) -> Result<Vec<Ident>, Error> {
    let tokens: Vec<TokenTree> = list.stream().into_iter().collect();
    let mut found = vec![];
    let mut rest = &tokens[..];
    while !rest.is_empty() {
        let comma = rest.iter().position(|token| is_punct(token, ',')).unwrap_or(rest.len());
        match &rest[..comma] {
            [TokenTree::Ident(word)] => found.push(word.clone()),
            [TokenTree::Ident(x64), a, b, TokenTree::Ident(word)]
                if x64 == "x64" && is_punct(a, ':') && is_punct(b, ':') =>
            {
                found.push(word.clone());
            }
            other => {
                return Err(Error::new(Extent::of(other, list.span()), "here stand words between commas"));
            }
        }
        rest = rest.get(comma + 1..).unwrap_or_default();
    }
    if found.is_empty() {
        return Err(Error::new(Extent::one(list.span()), "nothing stands between these parentheses"));
    }
    Ok(found)
}

fn input(word: &Ident, scope: &mut Scope) -> Result<RegSet, Error> {
    let text = match scope.register(word)? {
        Some(register) => register,
        None => names::small(&word.to_string()).into_owned(),
    };
    if let Some(reg) = names::register(&text) {
        return Ok(RegSet::EMPTY.with(reg.gpr));
    }
    if let Some(vector) = names::vector(&text) {
        return Ok(RegSet::EMPTY.with_vector(vector.reg));
    }
    let error = Error::new(Extent::one(word.span()), format!("`{text}` is no register"));
    match names::nearest_register(&text) {
        Some(register) => Err(error.help(format!("did you mean `{register}`?"))),
        None => Err(error.help("inputs are registers that are set before the template: `#![inputs(rdx)]`")),
    }
}

fn lint(word: &Ident) -> Result<Lint, Error> {
    let text = word.to_string();
    Lint::named(&text).ok_or_else(|| {
        let error = Error::new(Extent::one(word.span()), format!("there is no lint `{text}` of templates"));
        match nearest_lint(&text) {
            Some(lint) => error.help(format!("did you mean `{lint}`?")),
            None => {
                let all = Lint::ALL.map(|lint| format!("`{lint}`"));
                error.help(format!("there are {}", all.join(", ")))
            }
        }
    })
}

/// The lint with a slip less, or with a word in common.
fn nearest_lint(text: &str) -> Option<Lint> {
    let slip = Lint::ALL.into_iter().find(|lint| names::one_slip(lint.name(), text));
    let words: Vec<&str> = text.split('_').filter(|word| word.len() > 3).collect();
    slip.or_else(|| {
        Lint::ALL.into_iter().find(|lint| lint.name().split('_').any(|word| words.contains(&word)))
    })
}

/// What the attributes of a template declare, together.
pub(super) fn declared(stmts: &[Stmt]) -> Declared {
    let mut declared = Declared::default();
    for stmt in stmts {
        match stmt {
            Stmt::Attribute(Attribute::Function) => declared.function = true,
            Stmt::Attribute(Attribute::Inputs(registers)) => {
                declared.inputs = declared.inputs.union(*registers);
            }
            _ => {}
        }
    }
    declared
}

/// Whether a lint is allowed at an instruction, by number.
pub(super) fn allows(stmts: &[Stmt], lint: Lint, at: usize) -> bool {
    let mut next = 0;
    for stmt in stmts {
        match stmt {
            Stmt::Attribute(Attribute::Allow { lints, everywhere })
                if lints.contains(&lint) && (*everywhere || next == at) =>
            {
                return true;
            }
            Stmt::Insn(_) => next += 1,
            _ => {}
        }
    }
    false
}
