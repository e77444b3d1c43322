//! The labels of a template.

use crate::syntax::error::{Error, Errors, Extent};
use crate::syntax::names;
use crate::syntax::stmt::{Label, Name, Stmt};

/// The labels of the template and the number of the instruction or directive behind each.
pub(super) struct Labels<'a>(pub(super) Vec<(&'a str, usize)>);

impl<'a> Labels<'a> {
    pub(super) fn of(stmts: &'a [Stmt], errors: &mut Errors) -> Labels<'a> {
        let mut labels = Labels(vec![]);
        let mut units = 0;
        for stmt in stmts {
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
                Stmt::Label(Label { name }) => labels.0.push((&name.text, units)),
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
        for stmt in stmts {
            if let Stmt::Label(Label { name }) = stmt
                && !named.contains(&name.text.as_str())
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
        self.0.iter().find(|(n, _)| *n == name).map(|&(_, insn)| insn)
    }

    /// The labels of a unit as they are written.
    pub(super) fn in_front_of(&self, number: usize) -> String {
        self.0.iter().filter(|(_, insn)| *insn == number).map(|(label, _)| format!("{label}: ")).collect()
    }

    /// The unit behind a label that an operand names.
    pub(super) fn resolve(&self, name: &Name) -> Result<usize, Error> {
        self.find(&name.text).ok_or_else(|| {
            let error =
                Error::new(Extent::one(name.span), format!("this template has no label `{}`", name.text));
            let near = |label: &str| label.len() > 2 && names::one_slip(label, &name.text);
            if let Some((label, _)) = self.0.iter().find(|(label, _)| near(label)) {
                return error.help(format!("did you mean the label `{label}`?"));
            }
            match names::nearest_register(&name.text) {
                Some(register) => error.help(format!("did you mean the register `{register}`?")),
                None => error.help(format!(
                    "a Rust value is written `{{{0}}}`, a Rust constant `{{const {0}}}`",
                    name.text
                )),
            }
        })
    }
}
