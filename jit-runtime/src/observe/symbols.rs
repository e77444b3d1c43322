//! What pieces of code are called, for every tool the same.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))] // for tools that are elsewhere

use crate::memory::Event;
use crate::stitch::About;
use core::ops::Range;

/// What gets a name of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Detail {
    /// Each piece of code that was published.
    #[default]
    Functions,
    /// Each run of one template, as `function+template`, where the assembler keeps a listing
    /// ([`crate::stitch::Assembler::with_listing`]).
    Templates,
}

/// The addresses that a name stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Symbol {
    pub(super) addresses: Range<usize>,
    pub(super) name: String,
}

/// The name of published code: its own, on one line, or its address.
pub(super) fn name(about: Option<&About>, address: usize) -> String {
    match about {
        Some(about) if !about.name.is_empty() => about.name.replace(char::is_control, " "),
        _ => format!("jit_{address:x}"),
    }
}

/// The symbols of an event of publication, in order. They cover the code and do not overlap.
pub(super) fn symbols(event: &Event<'_>, detail: Detail) -> Vec<Symbol> {
    let Event::Published { address, bytes, .. } = *event else { return vec![] };
    let about = About::of(event);
    let function = name(about, address);
    let whole = || Symbol { addresses: address..address + bytes.len(), name: function.clone() };
    let Some(about) = about.filter(|about| detail == Detail::Templates && about.listing.is_some()) else {
        return vec![whole()];
    };
    let mut symbols: Vec<Symbol> = about
        .runs()
        .into_iter()
        .map(|(run, template)| {
            let name = if template.is_empty() { function.clone() } else { format!("{function}+{template}") };
            Symbol { addresses: address + run.start..address + run.end, name }
        })
        .collect();
    // Constants belong to the function.
    let constants = address + about.code_len..address + bytes.len();
    match symbols.last_mut() {
        _ if constants.is_empty() => {}
        Some(last) if last.name == function => last.addresses.end = constants.end,
        _ => symbols.push(Symbol { addresses: constants, name: function }),
    }
    symbols
}
