//! How tight are the nets? Every one-character slip in every row must be refused when the row is read, or
//! be found against iced.

use crate::facts::check;
use crate::iced::{Joined, Oracle};
use jit_asm::x64::form::Form;
use jit_asm::x64::rows::{FAMILIES, Row, forms_of, row, row_of};
use std::collections::HashSet;
use std::panic::{PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Arc;
use std::thread;

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

fn forms(row: &Row) -> Vec<Form> {
    let (forms, n) = forms_of(row);
    forms[..n].to_vec()
}

fn read(n: Option<u8>, [a, b, c, d]: [&'static str; 4]) -> Row {
    match n {
        None => row(a, b, c, d),
        Some(n) => row_of(n, [a, b, c, d]),
    }
}

/// Every text that differs from `text` in one character: replaced, or left out.
fn slips(text: &str) -> impl Iterator<Item = String> {
    const LETTERS: &str = "0123456789ABCDEF/+ <>:,=.abcdefghijklmnopqrstuvwxyzRW";
    let text = text.to_owned();
    (0..text.len()).flat_map(move |i| {
        let (before, after) = (text[..i].to_owned(), text[i + 1..].to_owned());
        let old = text.as_bytes()[i] as char;
        let left_out = format!("{before}{after}");
        let replaced: Vec<String> =
            LETTERS.chars().filter(|c| *c != old).map(|c| format!("{before}{c}{after}")).collect();
        replaced.into_iter().chain([left_out])
    })
}

#[derive(Default)]
struct Count {
    tried: usize,
    refused: usize,
    found: usize,
    alive: Vec<String>,
}

/// What the forms of a row are, by name and counterpart; `None` when iced says something else.
fn identity(forms: &[Form], oracle: &Oracle) -> Option<HashSet<(&'static str, Joined)>> {
    forms.iter().map(|form| Some((form.mnemonic, check(form, oracle).ok()?))).collect()
}

fn slip(row: &Row, oracle: &Oracle, count: &mut Count) {
    let true_forms = forms(row);
    let truth = identity(&true_forms, oracle).expect("the table agrees with iced");
    for column in 0..4 {
        for slip in slips(row.text[column]) {
            let mut text = row.text;
            text[column] = slip.clone().leak();
            count.tried += 1;
            let Ok(changed) = catch_unwind(|| forms(&read(row.n, text))) else {
                count.refused += 1;
                continue;
            };
            if changed == true_forms {
                count.tried -= 1; // It means the same.
                continue;
            }
            // A form lost, doubled or added shows as another set of instructions: the list of what is left
            // out and the rule of one row for one instruction hold it.
            let found = catch_unwind(|| identity(&changed, oracle)).ok().flatten();
            if found.as_ref() == Some(&truth) {
                count.alive.push(format!("{:?} -> {slip:?}", row.text));
            } else {
                count.found += 1;
            }
        }
    }
}

#[test]
fn no_slip_survives() {
    let oracle = Oracle::new();
    let mut count = Count::default();
    let hook: Arc<Hook> = Arc::from(take_hook());
    let (forward, here) = (hook.clone(), thread::current().id());
    // What reading a slip panics with is not news; panics of other tests are.
    set_hook(Box::new(move |info| {
        if thread::current().id() != here {
            forward(info);
        }
    }));
    for (f, family) in FAMILIES.iter().enumerate() {
        for (i, row) in family.iter().enumerate() {
            // The rows of one condition or operation differ from the next in name and n alone, other names of
            // one instruction in name alone.
            let same = |other: &&Row| other.text[1..] == row.text[1..];
            let before = || FAMILIES[..f].iter().copied().flatten().chain(&family[..i]);
            if !before().any(|other| same(&other)) {
                slip(row, &oracle, &mut count);
            }
        }
    }
    drop(take_hook());
    set_hook(Box::new(move |info| hook(info)));
    let Count { tried, refused, found, alive } = count;
    println!(
        "{tried} slips: {refused} refused when read, {found} found against iced, {} survive",
        alive.len()
    );
    assert!(alive.is_empty(), "{}", alive.join("\n"));
}
