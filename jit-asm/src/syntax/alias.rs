//! Names for registers: `let acc = rax;`.
//!
//! An alias is replaced by its register before a statement is read, so that nothing behind this file knows of
//! them. The register is put at the place of the name: errors stand where the user wrote it.

use super::error::{Error, Errors, Extent};
use super::names;
use super::parse::{is_punct, name};
use super::stmt::{Name, Stmt};
use crate::x64::select;
use proc_macro2::{Delimiter, Group, Ident, TokenTree};
use std::borrow::Cow;

/// Names for registers that hold from their `let` on.
#[derive(Clone, Debug, Default)]
pub struct Aliases(Vec<Alias>);

#[derive(Clone, Debug)]
struct Alias {
    name: Name,
    /// The register's own name. `None` after a mistake, which is reported once.
    register: Option<String>,
    used: bool,
}

const SPELLING: &str = "an alias is `let name = register`: `let acc = rax`";

impl Aliases {
    /// None.
    #[must_use]
    pub fn new() -> Aliases {
        Aliases::default()
    }

    /// Read `let name = register`, all of `tokens`.
    ///
    /// # Errors
    /// What is wrong with it. If that is the register, the name counts as defined all the same.
    pub fn define(&mut self, tokens: &[TokenTree]) -> Result<(), Error> {
        let [_, TokenTree::Ident(word), equals, register @ ..] = tokens else {
            return Err(no_alias(tokens));
        };
        if !is_punct(equals, '=') {
            return Err(no_alias(tokens));
        }
        let name = name(word);
        if let Some(error) = taken(&name) {
            return Err(error);
        }
        let register = self.replace(register).into_owned();
        if self.find(&name.text).is_some() {
            let message = format!("`{}` names a register already", name.text);
            return Err(Error::new(Extent::one(name.span), message)
                .help("an alias holds to the end of its template; choose another name"));
        }
        // After a mistake nothing more is said about the name.
        let (register, result) = match register_of(&register, equals) {
            Ok(register) => (Some(register), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.0.push(Alias { name, used: register.is_none(), register });
        result
    }

    /// An error for each alias that nothing has used.
    pub fn report_unused(&self, errors: &mut Errors) {
        for Alias { name, .. } in self.0.iter().filter(|alias| !alias.used) {
            let message = format!("nothing here uses the alias `{}`", name.text);
            errors.add(Error::new(Extent::one(name.span), message).help("remove its `let`"));
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|alias| alias.name.text == name)
    }

    /// The tokens with registers in the place of aliases. What stands in braces and parentheses is Rust and
    /// stays, and so does a word that belongs to a path or names a macro.
    fn replace<'a>(&mut self, tokens: &'a [TokenTree]) -> Cow<'a, [TokenTree]> {
        if self.0.is_empty() {
            return Cow::Borrowed(tokens);
        }
        let rust = |at: usize| {
            let beside = |at: Option<usize>| at.and_then(|at| tokens.get(at));
            let path = |at| beside(at).is_some_and(|token| is_punct(token, ':'));
            let called = beside(Some(at + 1)).is_some_and(|token| is_punct(token, '!'));
            called || path(at.checked_sub(1)) || path(Some(at + 1))
        };
        let replaced = |(at, token): (usize, &TokenTree)| match token {
            TokenTree::Ident(word) if !rust(at) => self.register(word),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                let inside = self.replace(&inside).iter().cloned().collect();
                let mut replaced = Group::new(Delimiter::Bracket, inside);
                replaced.set_span(group.span());
                TokenTree::Group(replaced)
            }
            token => token.clone(),
        };
        Cow::Owned(tokens.iter().enumerate().map(replaced).collect())
    }

    /// The register that the word names, at its place, or the word.
    fn register(&mut self, word: &Ident) -> TokenTree {
        let named = self.find(&word.to_string()).map(|at| &mut self.0[at]);
        let register = named.and_then(|alias| {
            alias.used = true;
            alias.register.as_deref()
        });
        TokenTree::Ident(register.map_or(word.clone(), |register| Ident::new(register, word.span())))
    }
}

/// The register behind the `=`, which is all of `tokens`.
fn register_of(tokens: &[TokenTree], equals: &TokenTree) -> Result<String, Error> {
    let extent = Extent::of(tokens, equals.span());
    match tokens {
        [TokenTree::Ident(word)] => {
            let text = names::small(&word.to_string()).into_owned();
            if names::register(&text).is_some() || names::vector(&text).is_some() {
                return Ok(text);
            }
            let error = Error::new(extent, format!("`{word}` is no register"));
            Err(match names::nearest_register(&text) {
                Some(register) => error.help(format!("did you mean `{register}`?")),
                None => error.help(SPELLING),
            })
        }
        [TokenTree::Literal(literal)] => Err(Error::new(extent, format!("`{literal}` is no register"))
            .help("a number has a name in Rust: `{const N}`")),
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::Brace => {
            Err(Error::new(extent, "an alias names a register that is known here")
                .help("a register chosen when the code is emitted has its name in Rust: `{acc: r64}`"))
        }
        [] => Err(Error::new(extent, "a register is missing behind this").help(SPELLING)),
        _ => Err(Error::new(extent, "an alias names one register").help(SPELLING)),
    }
}

fn no_alias(tokens: &[TokenTree]) -> Error {
    let at = tokens.first().map_or_else(proc_macro2::Span::call_site, TokenTree::span);
    Error::new(Extent::of(tokens, at), "this is no alias").help(SPELLING)
}

/// The answer to a name that has a meaning of its own.
fn taken(name: &Name) -> Option<Error> {
    let text = &name.text;
    let meaning = match () {
        () if names::is_taken(text) || names::reserved(text).is_some() => "it has a meaning in operands",
        () if select::is_mnemonic(&names::small(text)) => "it is a mnemonic",
        () => return None,
    };
    let message = format!("`{text}` cannot name a register: {meaning}");
    Some(Error::new(Extent::one(name.span), message).help("choose another name"))
}

/// The aliases of one template while it is read.
pub(super) struct Scope<'a> {
    aliases: &'a mut Aliases,
    /// How many of them are defined around the template, not in it.
    outer: usize,
    /// The names that are defined further on.
    later: Vec<String>,
    /// Those that were used before, which is an error by itself.
    early: Vec<String>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(aliases: &'a mut Aliases, template: &[TokenTree]) -> Scope<'a> {
        let defined = template.windows(2).filter_map(|pair| match pair {
            [TokenTree::Ident(word), TokenTree::Ident(name)] if word == "let" => Some(name.to_string()),
            _ => None,
        });
        Scope { outer: aliases.0.len(), aliases, later: defined.collect(), early: vec![] }
    }

    /// Read a `let`. The labels in front of it are among `stmts`.
    pub(super) fn define(&mut self, tokens: &[TokenTree], stmts: &[Stmt]) -> Result<(), Error> {
        if let Some(TokenTree::Ident(word)) = tokens.get(1) {
            if let Some(at) = self.later.iter().position(|later| word == later) {
                self.later.remove(at);
            }
            let label =
                stmts.iter().any(|stmt| matches!(stmt, Stmt::Label(label) if word == &label.name.text));
            if label {
                let message = format!("`{word}` cannot name a register: it is a label of this template");
                return Err(Error::new(Extent::one(word.span()), message).help("choose another name"));
            }
        }
        self.aliases.define(tokens)?;
        if let Some(alias) = self.aliases.0.last_mut() {
            alias.used |= self.early.contains(&alias.name.text);
        }
        Ok(())
    }

    /// The register that the word names, if it is an alias.
    pub(super) fn register(&mut self, word: &Ident) -> Result<Option<String>, Error> {
        let text = word.to_string();
        let Some(at) = self.aliases.find(&text) else {
            return if self.later.contains(&text) { Err(self.early(word)) } else { Ok(None) };
        };
        let alias = &mut self.aliases.0[at];
        alias.used = true;
        match &alias.register {
            Some(register) => Ok(Some(register.clone())),
            // Its definition is wrong, which was said: any register will do.
            None => Ok(Some("rax".to_owned())),
        }
    }

    /// The answer to an alias in front of its `let`.
    fn early(&mut self, word: &Ident) -> Error {
        self.early.push(word.to_string());
        Error::new(Extent::one(word.span()), format!("`{word}` is used in front of its `let`"))
            .help("an alias holds from its `let` on")
    }

    /// The names that there are so far.
    pub(super) fn names(&self) -> Vec<String> {
        self.aliases.0.iter().map(|alias| alias.name.text.clone()).collect()
    }

    /// Whether the word is an alias, where it cannot be one.
    pub(super) fn has(&mut self, word: &str) -> bool {
        let found = self.aliases.find(word);
        found.is_some_and(|at| {
            self.aliases.0[at].used = true;
            true
        })
    }

    /// The operands of a statement with registers in the place of aliases. `None`: there was a mistake, which
    /// is reported here or was where the alias is defined.
    pub(super) fn replace<'t>(
        &mut self,
        tokens: &'t [TokenTree],
        errors: &mut Errors,
    ) -> Option<Cow<'t, [TokenTree]>> {
        if self.later.is_empty() && self.aliases.0.is_empty() {
            return Some(Cow::Borrowed(tokens));
        }
        let replaced = self.aliases.replace(tokens);
        let mut whole = true;
        for word in words(&replaced) {
            let text = word.to_string();
            if self.aliases.find(&text).is_some() {
                whole = false; // Defined, and still the word: its definition is wrong.
            } else if self.later.contains(&text) {
                whole = false;
                errors.add(self.early(&word));
            }
        }
        whole.then_some(replaced)
    }

    /// The end of the template.
    pub(super) fn close(self, errors: &mut Errors) {
        Aliases(self.aliases.0.split_off(self.outer)).report_unused(errors);
    }
}

/// The words of operands: those in brackets too, those of Rust not.
pub(super) fn words(tokens: &[TokenTree]) -> Vec<Ident> {
    let mut words = vec![];
    for token in tokens {
        match token {
            TokenTree::Ident(word) => words.push(word.clone()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                words.extend(self::words(&group.stream().into_iter().collect::<Vec<_>>()));
            }
            _ => {}
        }
    }
    words
}
