//! The labels of a template.

use crate::syntax::error::{Error, Errors, Extent};
use crate::syntax::names;
use crate::syntax::stmt::{Insn, Label, Name, Stmt};

/// The labels of a template.
pub(super) struct Labels<'a> {
    /// Each with the number of the instruction or directive behind it.
    pub(super) places: Vec<(&'a str, usize)>,
    /// Words of statements that could not be read: they may be labels, or name some.
    unread: &'a [String],
}

impl<'a> Labels<'a> {
    pub(super) fn of(stmts: &'a [Stmt], unread: &'a [String], errors: &mut Errors) -> Labels<'a> {
        let mut labels = Labels { places: vec![], unread };
        let mut units = 0;
        for (at, stmt) in stmts.iter().enumerate() {
            errors.at(at);
            match stmt {
                Stmt::Insn(_) | Stmt::Directive(_) => units += 1,
                Stmt::Attribute(_) => {}
                Stmt::Label(Label { name }) if labels.find(&name.text).is_some() => errors.add(
                    Error::new(
                        Extent::one(name.span),
                        format!("the label `{}` stands here a second time", name.text),
                    )
                    .help("a label names one place; choose another name"),
                ),
                Stmt::Label(Label { name }) => labels.places.push((&name.text, units)),
            }
        }
        labels.report_unused(stmts, errors);
        labels
    }

    /// An error for each label that no operand names, unless one may be meant by a name that is none.
    fn report_unused(&self, stmts: &[Stmt], errors: &mut Errors) {
        let named: Vec<&str> = stmts
            .iter()
            .filter_map(|stmt| if let Stmt::Insn(insn) = stmt { Some(&insn.args) } else { None })
            .flatten()
            .filter_map(|arg| Some(arg.label.as_ref()?.text.as_str()))
            .collect();
        if named.iter().any(|name| self.find(name).is_none()) {
            return;
        }
        for (at, stmt) in stmts.iter().enumerate() {
            errors.at(at);
            if let Stmt::Label(Label { name }) = stmt
                && !named.contains(&name.text.as_str())
                && !self.unread.contains(&name.text)
            {
                let message = format!("nothing here uses the label `{}`", name.text);
                errors.add(
                    Error::new(Extent::one(name.span), message)
                        .help("remove it; a place that code elsewhere jumps to is bound in the assembler"),
                );
            }
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.places.iter().find(|(n, _)| *n == name).map(|&(_, insn)| insn)
    }

    /// Whether an operand names what may be defined by a statement that could not be read.
    pub(super) fn is_open(&self, insn: &Insn) -> bool {
        let mut names = insn.args.iter().filter_map(|arg| arg.label.as_ref());
        names.any(|name| self.find(&name.text).is_none() && self.unread.contains(&name.text))
    }

    /// The labels of a unit as they are written.
    pub(super) fn in_front_of(&self, number: usize) -> String {
        self.places
            .iter()
            .filter(|(_, insn)| *insn == number)
            .map(|(label, _)| format!("{label}: "))
            .collect()
    }

    /// The unit behind a label that an operand names.
    pub(super) fn resolve(&self, name: &Name) -> Result<usize, Error> {
        self.find(&name.text).ok_or_else(|| {
            let at = Extent::one(name.span);
            let error = Error::new(at, format!("this template has no label `{}`", name.text));
            let near = |label: &str| {
                let slip = label.len() > 2 && names::one_slip(label, &name.text);
                slip || label.eq_ignore_ascii_case(&name.text)
            };
            if let Some((label, _)) = self.places.iter().find(|(label, _)| near(label)) {
                return error.help(format!("did you mean the label `{label}`?"));
            }
            if let Some(alias) = &name.near {
                return error.help(format!("did you mean the alias `{alias}`?"));
            }
            match names::nearest_register(&name.text) {
                Some(register) => Error::new(at, format!("`{}` is no register and no label", name.text))
                    .help(format!("did you mean `{register}`?")),
                None => error.help(format!(
                    "a Rust value is written `{{{0}}}`, a Rust constant `{{const {0}}}`",
                    name.text
                )),
            }
        })
    }
}
