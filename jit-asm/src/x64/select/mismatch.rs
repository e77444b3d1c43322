//! Why an instruction is in no form of the table, in words for the one who wrote it.

use super::words::{self, Meant};
use super::{imm_ranges, takes, takes_imm};
use crate::x64::form::{Extension, Form, FormOperand, Kind};
use crate::x64::operand::{Imm, Index, Mem, Operand, Reg, RegClass, Vector, Width};
use core::fmt;

/// Why `select` found no form. Operands are counted from 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mismatch {
    /// The table has no such mnemonic.
    UnknownMnemonic {
        /// The word.
        mnemonic: String,
        /// What it means elsewhere.
        meant: Option<Meant>,
        /// Mnemonics that look like it, the nearest first.
        nearest: Vec<&'static str>,
    },
    /// A prefix in front of an instruction that does not have it.
    Prefix {
        /// `lock`, `rep`, ..
        prefix: String,
        /// The mnemonic behind it.
        mnemonic: String,
        /// The mnemonics that take the prefix.
        takes: Vec<&'static str>,
    },
    /// The mnemonic takes another number of operands.
    OperandCount {
        /// The mnemonic.
        mnemonic: String,
        /// How many were given.
        given: usize,
        /// How many it takes.
        takes: Vec<usize>,
        /// The AVX form of the instruction, if that takes so many.
        avx: Option<&'static str>,
        /// The form whose operands are most like those given.
        like: &'static Form,
    },
    /// Nothing says how wide a memory operand is.
    AmbiguousWidth {
        /// Which operand.
        index: usize,
        /// The widths it could have.
        widths: Vec<Width>,
    },
    /// An operand that no form of this instruction takes there.
    Operand {
        /// Which operand.
        index: usize,
        /// What it is, in words.
        is: String,
        /// What would fit, in words.
        fits: Vec<String>,
        /// The AVX form of an SSE instruction that was given a ymm register.
        avx: Option<&'static str>,
    },
    /// Two operands that must have one width have two.
    WidthsDiffer {
        /// One operand and its width.
        a: (usize, Width),
        /// The other operand and its width.
        b: (usize, Width),
    },
    /// Two operands in memory; the machine addresses one.
    TwoMemoryOperands {
        /// The second of them.
        index: usize,
    },
    /// ah, ch, dh or bh in an instruction that has a REX prefix, where its number means another register.
    HighByteWithRex {
        /// Which operand.
        index: usize,
        /// The register.
        operand: Operand,
        /// The operand that wants the prefix, unless it is the instruction's 64-bit size.
        beside: Option<usize>,
    },
    /// A literal outside the range of every field the instruction has for it.
    ImmediateOutOfRange {
        /// Which operand.
        index: usize,
        /// The literal.
        value: i128,
        /// The least and the greatest that fit.
        range: (i128, i128),
        /// The form with the widest field.
        form: &'static Form,
    },
    /// A hole of a width for which the instruction has no immediate field.
    HoleWidth {
        /// Which operand.
        index: usize,
        /// The width of the hole.
        width: Width,
        /// The widths there are.
        widths: Vec<Width>,
    },
    /// A vector register that a gather has twice.
    GatherTwice {
        /// Which operand.
        index: usize,
        /// The register.
        vector: Vector,
    },
    /// An address that cannot be encoded.
    Address {
        /// Which operand.
        index: usize,
        /// Why not.
        fault: AddressFault,
    },
}

/// Why an address cannot be encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressFault {
    /// rsp as a scaled index, or as base and index.
    RspAsIndex,
    /// An address relative to rip has no index.
    RipWithIndex,
    /// A linked address has no displacement besides.
    TargetWithDisplacement,
    /// A displacement of 8 bits wants a base register.
    ByteDisplacementWithoutBase,
}

impl Mismatch {
    pub(super) fn unknown(mnemonic: &str) -> Mismatch {
        if let Some((prefix, rest)) = mnemonic.split_once(' ')
            && super::is_mnemonic(rest)
        {
            let behind = |name: &'static str| name.strip_prefix(prefix)?.strip_prefix(' ');
            let takes = super::mnemonics().filter_map(behind).collect();
            return Mismatch::Prefix { prefix: prefix.to_owned(), mnemonic: rest.to_owned(), takes };
        }
        if let Some(meant) = words::meant(mnemonic) {
            return Mismatch::UnknownMnemonic {
                mnemonic: mnemonic.to_owned(),
                meant: Some(meant),
                nearest: vec![],
            };
        }
        let most = if mnemonic.len() < 4 { 1 } else { 2 };
        let letters: Vec<char> = mnemonic.chars().collect();
        // A letter more is a step more: words of other lengths need no comparison, whatever somebody typed.
        let alike = super::mnemonics().filter(|known| known.len().abs_diff(letters.len()) <= most);
        let mut near: Vec<(usize, &'static str)> =
            alike.map(|known| (distance(&letters, known.as_bytes()), known)).collect();
        near.sort_by_key(|(d, _)| *d);
        let nearest =
            near.into_iter().take_while(|(d, _)| *d <= most).map(|(_, known)| known).take(3).collect();
        Mismatch::UnknownMnemonic { mnemonic: mnemonic.to_owned(), meant: None, nearest }
    }

    pub(super) fn count(mnemonic: &str, forms: &[&'static Form], operands: &[Operand]) -> Mismatch {
        let given = operands.len();
        let mut takes: Vec<usize> = forms.iter().map(|form| form.arity()).collect();
        takes.sort_unstable();
        takes.dedup();
        let avx = avx_form(mnemonic, |form| form.arity() == given);
        let alike = |form: &Form| (0..given).take_while(|&i| takes_at(form, i, &operands[i])).count();
        let mut like = forms[0];
        for form in forms {
            if alike(form) > alike(like) {
                like = form;
            }
        }
        Mismatch::OperandCount { mnemonic: mnemonic.to_owned(), given, takes, avx, like }
    }

    /// Whether this is a word that other assemblers have.
    #[must_use]
    pub fn is_known_elsewhere(&self) -> bool {
        matches!(self, Mismatch::UnknownMnemonic { meant: Some(_), .. })
    }

    /// The operand at fault, if it is one operand's fault.
    #[must_use]
    pub fn operand(&self) -> Option<usize> {
        match self {
            Mismatch::UnknownMnemonic { .. } | Mismatch::Prefix { .. } | Mismatch::OperandCount { .. } => {
                None
            }
            Mismatch::WidthsDiffer { b, .. } => Some(b.0),
            Mismatch::AmbiguousWidth { index, .. }
            | Mismatch::Operand { index, .. }
            | Mismatch::TwoMemoryOperands { index }
            | Mismatch::HighByteWithRex { index, .. }
            | Mismatch::ImmediateOutOfRange { index, .. }
            | Mismatch::HoleWidth { index, .. }
            | Mismatch::GatherTwice { index, .. }
            | Mismatch::Address { index, .. } => Some(*index),
        }
    }

    /// What is wrong, as a sentence without a full stop.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Mismatch::UnknownMnemonic { mnemonic, .. } => {
                format!("`{mnemonic}` is no instruction of the table")
            }
            Mismatch::Prefix { prefix, mnemonic, .. } => {
                format!("`{prefix}` cannot stand in front of `{mnemonic}`")
            }
            Mismatch::OperandCount { mnemonic, given, takes, .. } => {
                let takes: Vec<String> = takes.iter().map(ToString::to_string).collect();
                format!("`{mnemonic}` takes {} {}, not {given}", or(&takes), operands(&takes))
            }
            Mismatch::AmbiguousWidth { .. } => "the width of this operand is not known".to_owned(),
            Mismatch::Operand { is, .. } => format!("{is} does not fit here"),
            Mismatch::WidthsDiffer { a, b } => {
                format!("this operand has {} bits, operand {} has {}", b.1.bits(), a.0 + 1, a.1.bits())
            }
            Mismatch::TwoMemoryOperands { .. } => "an instruction has one operand in memory".to_owned(),
            Mismatch::HighByteWithRex { operand, .. } => {
                format!("{} cannot be used in this instruction", describe(operand))
            }
            Mismatch::ImmediateOutOfRange { value, .. } => format!("{value} is out of range here"),
            Mismatch::HoleWidth { width, .. } => {
                format!("this instruction has no immediate of {} bits", width.bits())
            }
            Mismatch::GatherTwice { vector, .. } => {
                format!("xmm{} stands in this gather twice", vector.reg.number())
            }
            Mismatch::Address { fault, .. } => match fault {
                AddressFault::RspAsIndex => "rsp cannot be an index",
                AddressFault::RipWithIndex => "an address relative to rip has no index",
                AddressFault::TargetWithDisplacement => "the address of a label has no displacement",
                AddressFault::ByteDisplacementWithoutBase => "a displacement of 8 bits wants a base register",
            }
            .to_owned(),
        }
    }

    /// A few words to stand under the place.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Mismatch::UnknownMnemonic { .. } => "unknown instruction".to_owned(),
            Mismatch::Prefix { .. } => "not with this prefix".to_owned(),
            Mismatch::OperandCount { takes, .. } => {
                let takes: Vec<String> = takes.iter().map(ToString::to_string).collect();
                format!("wants {} {}", or(&takes), operands(&takes))
            }
            Mismatch::AmbiguousWidth { widths, .. } => format!("could be {}", or(&words(widths))),
            Mismatch::Operand { fits, .. } => format!("wants {}", fits.join(", or ")),
            Mismatch::WidthsDiffer { a, b } => format!("{} bits here, {} there", b.1.bits(), a.1.bits()),
            Mismatch::TwoMemoryOperands { .. } => "this is the second".to_owned(),
            Mismatch::HighByteWithRex { .. } => "not beside a REX prefix".to_owned(),
            Mismatch::ImmediateOutOfRange { range, .. } => format!("wants {} to {}", range.0, range.1),
            Mismatch::HoleWidth { widths, .. } => {
                let integers: Vec<String> = widths.iter().map(|w| format!("i{}", w.bits())).collect();
                format!("could be {}", or(&integers))
            }
            Mismatch::GatherTwice { .. } => "wants another register".to_owned(),
            Mismatch::Address { .. } => "cannot be encoded".to_owned(),
        }
    }

    /// What would fit, or how to write what was meant.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        match self {
            Mismatch::UnknownMnemonic { meant: Some(meant), .. } => Some(match meant {
                Meant::Spelled(word) => format!("write `{word}`"),
                Meant::Suffixed(word) => format!("write `{word}`: the operands say how wide it is"),
                Meant::Numbered { mnemonic, number } => {
                    format!("write `{mnemonic}` with the number {number} behind its operands")
                }
                Meant::Else(text) | Meant::Missing(text) => (*text).to_owned(),
            }),
            Mismatch::UnknownMnemonic { nearest, .. } if nearest.is_empty() => None,
            Mismatch::UnknownMnemonic { nearest, .. } => {
                let quoted: Vec<String> = nearest.iter().map(|n| format!("`{n}`")).collect();
                Some(format!("did you mean {}?", or(&quoted)))
            }
            Mismatch::Prefix { takes, .. } if takes.is_empty() => None,
            Mismatch::Prefix { prefix, takes, .. } => {
                let quoted: Vec<String> = takes.iter().map(|name| format!("`{name}`")).collect();
                Some(format!("`{prefix}` goes with {}", or(&quoted)))
            }
            Mismatch::OperandCount { avx: Some(avx), given, .. } => {
                Some(format!("`{avx}` takes {given} operands"))
            }
            Mismatch::OperandCount { like, .. } => Some(format!("a form of it is `{}`", spelled(like))),
            Mismatch::Operand { avx, .. } => Some(format!("`{}` takes ymm registers", (*avx)?)),
            Mismatch::AmbiguousWidth { widths, .. } => {
                let widest = widths.last()?;
                Some(format!("write the width in front of it, like `{widest} [..]`"))
            }
            Mismatch::WidthsDiffer { a, b } if a.1.max(b.1) > Width::B64 => {
                Some("both must have one width; xmm3 is the lower half of ymm3".to_owned())
            }
            Mismatch::WidthsDiffer { .. } => Some(
                "both must have one width; movzx, movsx and movsxd widen, and the lower half of a register has \
                 a name of its own"
                    .to_owned(),
            ),
            Mismatch::TwoMemoryOperands { .. } => Some("load one of them into a register first".to_owned()),
            Mismatch::HighByteWithRex { operand: Operand::RegHole(_), .. } => {
                Some("a register hole comes with a REX prefix; `r8` chooses among al .. r15b".to_owned())
            }
            Mismatch::HighByteWithRex { beside, .. } => Some(match beside {
                Some(beside) => format!(
                    "operand {} wants a REX prefix, with which the number of ah, ch, dh, bh means spl, bpl, sil, dil",
                    beside + 1
                ),
                None => "64 bits want a REX prefix, with which the number of ah, ch, dh, bh means spl, bpl, sil, \
                         dil"
                    .to_owned(),
            }),
            Mismatch::ImmediateOutOfRange { index, value, form, .. } => {
                let wanted = form.explicit().nth(*index)?;
                let bits = wanted.width?.bits();
                let widest = format!("`{}` takes at most {bits} bits", spelled(form));
                let loads = form.use_width(wanted) == Some(Width::B64)
                    && wanted.kind == Kind::Imm(Extension::Sign)
                    && (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(value);
                Some(match loads {
                    true => format!("{widest}; `mov r64, imm64` is the form for a 64-bit constant"),
                    false => widest,
                })
            }
            Mismatch::GatherTwice { .. } => {
                Some("destination, index and mask of a gather are three registers; ymm3 is xmm3 as well".to_owned())
            }
            Mismatch::HoleWidth { widths, .. } => {
                Some(format!("write `: i{}` behind the hole's name", widths.last()?.bits()))
            }
            Mismatch::Address { fault, .. } => Some(
                match fault {
                    AddressFault::RspAsIndex => "use rsp as the base, or another register as the index",
                    AddressFault::RipWithIndex => "load the address first: `lea rax, [rip + ..]`",
                    AddressFault::TargetWithDisplacement => "load the address first: `lea rax, [..]`",
                    AddressFault::ByteDisplacementWithoutBase => "leave out the `: i8`",
                }
                .to_owned(),
            ),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message(), self.label())?;
        if let Some(note) = self.note() {
            write!(f, "; {note}")?;
        }
        Ok(())
    }
}

impl core::error::Error for Mismatch {}

/// A form as the manual spells it, in small letters, the sign of immediates left to the range.
fn spelled(form: &Form) -> String {
    let mut text = form.instruction().to_lowercase().replace("simm", "imm").replace("uimm", "imm");
    if let Some(at) = text.find(" rel") {
        text.replace_range(at.., " label");
    }
    text
}

fn operands(counts: &[String]) -> &'static str {
    if counts == ["1"] { "operand" } else { "operands" }
}

/// `a`, `a or b`, `a, b or c`.
fn or(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

fn words(widths: &[Width]) -> Vec<String> {
    widths.iter().map(ToString::to_string).collect()
}

/// An operand in words.
fn describe(operand: &Operand) -> String {
    match operand {
        Operand::Reg(reg) => reg.to_string(),
        Operand::RegHole(RegClass::R8High) => "a hole for ah, ch, dh or bh".to_owned(),
        Operand::RegHole(class) => format!("a hole for a register of {} bits", class.width().bits()),
        Operand::Vector(vector) => vector.to_string(),
        Operand::VectorHole(class) => {
            format!("a hole for a vector register of {} bits", class.width().bits())
        }
        Operand::Mem(Mem {
            index: Some((Index::Vector(Vector { class, .. }) | Index::VectorHole(class), _)),
            ..
        }) => {
            format!("memory with {} index", vector_word(class.width()))
        }
        Operand::Mem(Mem { width: Some(width @ Width::B128), .. }) => format!("an {width} in memory"),
        Operand::Mem(Mem { width: Some(width), .. }) => format!("a {width} in memory"),
        Operand::Mem(_) => "a memory operand".to_owned(),
        Operand::Imm(Imm::Literal(value)) => format!("the number {value}"),
        Operand::Imm(Imm::Hole(_)) => "a hole for a number".to_owned(),
        Operand::Target(_) => "a jump target".to_owned(),
    }
}

/// The width an operand brings along.
fn own_width(operand: &Operand) -> Option<Width> {
    match operand {
        Operand::Reg(Reg { class, .. }) | Operand::RegHole(class) => Some(class.width()),
        Operand::Vector(Vector { class, .. }) | Operand::VectorHole(class) => Some(class.width()),
        Operand::Mem(mem) => mem.width,
        _ => None,
    }
}

/// Whether a form takes the operand at this place, whatever the others are.
fn takes_at(form: &Form, index: usize, given: &Operand) -> bool {
    let Some(wanted) = form.explicit().nth(index) else { return false };
    match given {
        Operand::Imm(imm) => takes_imm(form, wanted, *imm),
        _ => takes(wanted, given),
    }
}

/// Why none of these forms, all with the right number of operands, takes the operands.
pub(super) fn explain(forms: &[&'static Form], operands: &[Operand]) -> Mismatch {
    if let Some(fault) = immediate_at_fault(forms, operands) {
        return fault;
    }
    for (index, given) in operands.iter().enumerate() {
        if !forms.iter().any(|f| takes_at(f, index, given)) {
            return misfit(index, operands, forms);
        }
    }
    let in_memory = |o: &Operand| matches!(o, Operand::Mem(_));
    if operands.iter().filter(|o| in_memory(o)).count() > 1 {
        let index = operands.iter().rposition(in_memory).unwrap_or_default();
        return Mismatch::TwoMemoryOperands { index };
    }
    let sized: Vec<(usize, Width)> =
        operands.iter().enumerate().filter_map(|(i, o)| Some((i, own_width(o)?))).collect();
    if let [a, rest @ ..] = &sized[..]
        && let Some(b) = rest.iter().find(|b| b.1 != a.1)
        && forms.iter().any(|f| {
            // A form in which the two operands have one width.
            let width = |i: usize| f.explicit().nth(i).and_then(|w: &FormOperand| w.width);
            takes_at(f, a.0, &operands[a.0]) && width(a.0) == width(b.0)
        })
    {
        return Mismatch::WidthsDiffer { a: *a, b: *b };
    }
    // Each operand fits somewhere, but not together: blame the first that does not follow its predecessors.
    let mut candidates: Vec<&Form> = forms.to_vec();
    for (index, given) in operands.iter().enumerate() {
        let following: Vec<&Form> =
            candidates.iter().copied().filter(|f| takes_at(f, index, given)).collect();
        if following.is_empty() {
            return misfit(index, operands, &candidates);
        }
        candidates = following;
    }
    // All follow one another in some form: only `select`'s special cases are left, which have another form.
    misfit(0, operands, forms)
}

/// The operand at `index` is the misfit; what fits are the forms that take all the others, if there are any.
fn misfit(index: usize, operands: &[Operand], forms: &[&Form]) -> Mismatch {
    let others = |f: &&Form| (0..operands.len()).all(|i| i == index || takes_at(f, i, &operands[i]));
    let near: Vec<&Form> = forms.iter().copied().filter(others).collect();
    let near = if near.is_empty() { forms } else { &near[..] };
    let wanted: Vec<&FormOperand> = near.iter().filter_map(|f| f.explicit().nth(index)).collect();
    let ymm = own_width(&operands[index]) == Some(Width::B256);
    let avx = avx_form(forms[0].mnemonic, |form| form.explicit().any(|o| o.width == Some(Width::B256)));
    Mismatch::Operand {
        index,
        is: describe(&operands[index]),
        fits: in_words(&wanted),
        avx: avx.filter(|_| ymm),
    }
}

/// The instruction with a `v` in front, if there is one and some form of it is what is wanted.
fn avx_form(mnemonic: &str, wanted: impl Fn(&Form) -> bool) -> Option<&'static str> {
    let forms = super::forms_named(&format!("v{mnemonic}"));
    forms.iter().find(|form| wanted(form)).map(|form| form.mnemonic)
}

/// What may stand at an operand, in words, each thing once.
fn in_words(wanted: &[&FormOperand]) -> Vec<String> {
    let of = |what: &str, widths: &[Width]| {
        let bits: Vec<String> = widths.iter().map(|w| w.bits().to_string()).collect();
        (!widths.is_empty()).then(|| format!("{what} of {} bits", or(&bits)))
    };
    let registers = each(wanted, |o| o.width.filter(|_| matches!(o.kind, Kind::Reg | Kind::RegMem)));
    let memory = each(wanted, |o| o.memory.filter(|_| !matches!(o.kind, Kind::Vsib(_))));
    let immediates = each(wanted, |o| o.width.filter(|_| matches!(o.kind, Kind::Imm(_))));
    let mut fits = vectors_in_words(wanted);
    if registers == memory {
        fits.extend(of("a register or memory", &registers));
    } else {
        fits.extend(of("a register", &registers));
        fits.extend(of("memory", &memory));
    }
    for operand in wanted {
        let word = match operand.kind {
            Kind::Mem if operand.memory.is_none() => "memory".to_owned(),
            Kind::Rel => "a label or function".to_owned(),
            Kind::Fixed(_) if !operand.width.is_some_and(|w| registers.contains(&w)) => operand.to_string(),
            Kind::One if immediates.is_empty() => operand.to_string(),
            _ => continue,
        };
        if !fits.contains(&word) {
            fits.push(word);
        }
    }
    fits.extend(of("an immediate", &immediates));
    fits
}

/// Vector registers that may stand at an operand, and memory with a vector of indexes.
fn vectors_in_words(wanted: &[&FormOperand]) -> Vec<String> {
    let is_vector = |o: &&FormOperand| matches!(o.kind, Kind::Vector | Kind::VectorMem);
    let vectors = each(wanted, |o| o.width.filter(|_| is_vector(&o)));
    let indexes = each(wanted, |o| o.width.filter(|_| matches!(o.kind, Kind::Vsib(_))));
    let registers = vectors.into_iter().map(|width| format!("{} register", vector_word(width)));
    let addresses = indexes.into_iter().map(|width| format!("memory with {} index", vector_word(width)));
    registers.chain(addresses).collect()
}

fn vector_word(width: Width) -> &'static str {
    if width == Width::B256 { "a ymm" } else { "an xmm" }
}

/// The widths that `of` finds in the operands, each once.
fn each(wanted: &[&FormOperand], of: impl Fn(&FormOperand) -> Option<Width>) -> Vec<Width> {
    let mut widths: Vec<Width> = wanted.iter().filter_map(|o| of(o)).collect();
    widths.sort_unstable();
    widths.dedup();
    widths
}

/// The immediate that is the only thing some form minds.
fn immediate_at_fault(forms: &[&'static Form], operands: &[Operand]) -> Option<Mismatch> {
    let index = operands.iter().position(|o| matches!(o, Operand::Imm(_)))?;
    let Operand::Imm(given) = operands[index] else { return None };
    let willing: Vec<(&'static Form, &FormOperand)> = forms
        .iter()
        .filter(|f| (0..operands.len()).all(|i| i == index || takes_at(f, i, &operands[i])))
        .filter_map(|f| Some((*f, f.explicit().nth(index)?)))
        .filter(|(_, wanted)| matches!(wanted.kind, Kind::Imm(_)))
        .collect();
    // The first of the widest.
    let (form, widest) = willing.iter().rev().copied().max_by_key(|(_, wanted)| wanted.width)?;
    match given {
        Imm::Literal(value) => {
            let [range, _] = imm_ranges(form, widest);
            let range = range?.into_inner();
            Some(Mismatch::ImmediateOutOfRange { index, value, range, form })
        }
        Imm::Hole(width) => {
            let offered = willing
                .iter()
                .filter(|(_, w)| !(w.kind == Kind::Imm(Extension::Zero) && w.width == Some(Width::B32)));
            let mut widths: Vec<Width> = offered.filter_map(|(_, w)| w.width).collect();
            widths.sort_unstable();
            widths.dedup();
            Some(Mismatch::HoleWidth { index, width: width?, widths })
        }
    }
}

/// Letters to insert, remove, replace or swap with a neighbour to get from one word to the other.
fn distance(a: &[char], b: &[u8]) -> usize {
    let same = |i: usize, j: usize| a[i] == char::from(b[j]);
    // Of the first i letters and the first j, at i * width + j.
    let width = b.len() + 1;
    let mut steps: Vec<usize> = (0..width * (a.len() + 1)).map(|at| at / width + at % width).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let to = |i: usize, j: usize| steps[i * width + j];
            let replaced = to(i - 1, j - 1) + usize::from(!same(i - 1, j - 1));
            let mut best = replaced.min(to(i - 1, j) + 1).min(to(i, j - 1) + 1);
            if i > 1 && j > 1 && same(i - 1, j - 2) && same(i - 2, j - 1) {
                best = best.min(to(i - 2, j - 2) + 1);
            }
            steps[i * width + j] = best;
        }
    }
    steps[a.len() * width + b.len()]
}
