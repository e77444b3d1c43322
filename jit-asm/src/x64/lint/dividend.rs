//! `wrong_dividend`: a division whose dividend is not the number that is meant.
//!
//! A division divides twice as many bits as it is wide: rdx:rax, edx:eax, dx:ax or ax. On each way it is
//! tracked where the upper half comes from (nowhere in this template, zeroed, a sign extension, something
//! else) and what is known of the sign of the lower half. *Something else* is what somebody did on purpose,
//! the remainder of another division in long division say, and is right. A way on which a division goes
//! wrong is not followed further: its second division would go wrong for the same reason.
//!
//! A sign extension in front of `div` and a zero in front of `idiv` contradict each other only if the lower
//! half can be negative. It cannot when it was made so (`movzx`, `shr`, `and`, a constant), and may not when a
//! conditional jump or move stands between, which may have seen to it; and a zero is questioned only where the
//! lower half was made by an instruction for signed numbers.

use super::flow::{Analysis, Flow, certainties};
use super::{Declared, Finding, Insn, Lint};
use crate::reg::Gpr;
use crate::x64::operand::{Imm, Operand, Reg, RegClass, Width};

/// What is known on one way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct State {
    ah: Upper,
    dx: Upper,
    /// rdx beyond dx.
    rdx: Upper,
    rax: Sign,
    /// Whether a conditional jump or move has come by, which may have seen to signs.
    guarded: bool,
}

/// Where an upper half comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Upper {
    /// Nothing in the template has written it.
    Unset,
    Zero,
    /// The sign of the lower half at a width.
    Sign(Width),
    /// A copy of the lower half at a width, which a shift makes its sign.
    Copy(Width),
    Other,
}

/// What is known of the sign of rax and eax.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Sign {
    /// Nothing.
    Plain,
    /// Computed from something of known sign.
    Derived,
    /// rax is not negative.
    NotNegative64,
    /// Neither rax nor eax is negative.
    NotNegative,
    /// Made by an instruction for signed numbers, at this width; at 32 bits, rax is not negative.
    Signed(Width),
}

impl Sign {
    fn may_be_negative(self, width: Width) -> bool {
        match self {
            Sign::Derived | Sign::NotNegative => false,
            Sign::NotNegative64 | Sign::Signed(Width::B32) => width != Width::B64,
            Sign::Plain | Sign::Signed(_) => true,
        }
    }
}

/// What is wrong with a dividend.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Unset,
    SignForUnsigned(Width),
    ZeroForSigned,
    Narrow(Width),
}

pub(super) struct Dividends<'a> {
    insns: &'a [Insn<'a>],
    declared: &'a Declared,
}

pub(super) fn check(insns: &[Insn], declared: &Declared, flow: &Flow, found: &mut Vec<Finding>) {
    if !insns.iter().any(Insn::divides) {
        return;
    }
    for (at, insn) in insns.iter().enumerate().filter(|(_, insn)| insn.divides()) {
        if let (Some(Operand::Reg(divisor)), width) = (insn.operands.first(), width(insn))
            && is_upper(*divisor, width)
        {
            found.push(divides_by_itself(at, insn));
        }
    }
    if flow.is_unknown() {
        return;
    }
    certainties(flow, &Dividends { insns, declared }, |_, at, states| {
        let mut wrongs = states.iter().map(|state| wrong(&insns[at], state));
        if insns[at].divides()
            && let Some(Some(first)) = wrongs.next()
            && wrongs.all(|wrong| wrong.is_some())
            && !found.iter().any(|finding| finding.at == at)
        {
            found.push(finding(at, &insns[at], first));
        }
    });
}

/// The width of a division.
fn width(insn: &Insn) -> Width {
    insn.form.size.unwrap_or(Width::B8)
}

/// Whether a register is the upper half of the dividend.
fn is_upper(reg: Reg, width: Width) -> bool {
    match width {
        Width::B8 => reg == Reg { gpr: Gpr::Rax, class: RegClass::R8High },
        _ => reg.gpr == Gpr::Rdx,
    }
}

/// Upper half, lower half, sign extension and zeroing, at a width.
fn words(width: Width) -> [&'static str; 4] {
    match width {
        Width::B8 => ["ah", "al", "cbw", "movzx eax, al"],
        Width::B16 => ["dx", "ax", "cwd", "xor edx, edx"],
        Width::B32 => ["edx", "eax", "cdq", "xor edx, edx"],
        _ => ["rdx", "rax", "cqo", "xor edx, edx"],
    }
}

fn divides_by_itself(at: usize, insn: &Insn) -> Finding {
    let [upper, lower, ..] = words(width(insn));
    Finding {
        lint: Lint::WrongDividend,
        at,
        message: format!(
            "`{}` divides by the upper half of its own dividend: the quotient of {upper}:{lower} by {upper} \
             does not fit{}, and the processor raises #DE",
            insn.text,
            if insn.form.mnemonic == "idiv" { format!(" unless {upper} is -1") } else { String::new() }
        ),
        help: "move the divisor to another register before the dividend is extended".to_owned(),
    }
}

fn finding(at: usize, insn: &Insn, wrong: Wrong) -> Finding {
    let [upper, lower, extend, zero] = words(width(insn));
    let both = if width(insn) == Width::B8 { "ax".to_owned() } else { format!("{upper}:{lower}") };
    let text = &insn.text;
    let signed = insn.form.mnemonic == "idiv";
    let set = if signed { extend } else { zero };
    let (message, help) = match wrong {
        Wrong::Unset => (
            format!(
                "`{text}` divides {both}, and nothing here has set {upper}: with what happens to be there \
                 the quotient is wrong, or does not fit and the processor raises #DE"
            ),
            format!(
                "write `{set}` in front; if {upper} is set before this template, \
                 `#![inputs({})]` at its start",
                if upper == "ah" { "rax" } else { upper }
            ),
        ),
        Wrong::SignForUnsigned(from) => (
            format!(
                "`{text}` divides unsigned numbers, and {upper} was made by a sign extension: where {} has its \
                 highest bit set the quotient does not fit and the processor raises #DE, or is wrong",
                words(from)[1]
            ),
            format!("write `{zero}` instead of the extension, or `idiv` for signed numbers"),
        ),
        Wrong::ZeroForSigned => (
            format!(
                "`{text}` divides signed numbers, and {upper} was zeroed although {lower} is signed: a negative \
                 {lower} is taken for a large positive number"
            ),
            format!("write `{extend}` instead of zeroing {upper}, or `div` for unsigned numbers"),
        ),
        Wrong::Narrow(from) => (
            format!(
                "`{text}` divides {both}, and `{}` has extended a narrower number: a negative one is taken for \
                 a large positive number, or the quotient does not fit and the processor raises #DE",
                words(from)[2]
            ),
            format!("write `{extend}` instead"),
        ),
    };
    Finding { lint: Lint::WrongDividend, at, message, help }
}

fn wrong(insn: &Insn, state: &State) -> Option<Wrong> {
    if !insn.divides() {
        return None;
    }
    let width = width(insn);
    let signed = insn.form.mnemonic == "idiv";
    let upper = match width {
        Width::B8 => state.ah,
        Width::B16 => state.dx,
        _ => state.rdx,
    };
    match upper {
        Upper::Unset => Some(Wrong::Unset),
        Upper::Sign(from) if state.guarded || !state.rax.may_be_negative(from) => None,
        Upper::Sign(from) if !signed => Some(Wrong::SignForUnsigned(from)),
        Upper::Sign(from) => (from < width).then_some(Wrong::Narrow(from)),
        // ax with ah zeroed is a number that is not negative, whatever al was.
        Upper::Zero if signed && !state.guarded && width != Width::B8 => {
            (state.rax == Sign::Signed(width)).then_some(Wrong::ZeroForSigned)
        }
        _ => None,
    }
}

impl Analysis for Dividends<'_> {
    type State = State;

    fn entry(&self) -> State {
        let given = |gpr| if self.declared.inputs.contains(gpr) { Upper::Other } else { Upper::Unset };
        let rdx = given(Gpr::Rdx);
        State { ah: given(Gpr::Rax), dx: rdx, rdx, rax: Sign::Plain, guarded: false }
    }

    fn unknown(&self) -> State {
        let other = Upper::Other;
        State { ah: other, dx: other, rdx: other, rax: Sign::Derived, guarded: true }
    }

    fn step(&self, at: usize, before: &State) -> Option<State> {
        let insn = &self.insns[at];
        if wrong(insn, before).is_some() {
            return None;
        }
        if insn.calls() || insn.enters_system() || insn.writes_chosen_register() {
            return Some(self.unknown());
        }
        let writes = insn.summary.effects.writes;
        let mut state = *before;
        if writes.contains(Gpr::Rax) {
            state.ah = ah_after(insn, before);
            state.rax = rax_after(insn, before.rax);
            for upper in [&mut state.dx, &mut state.rdx] {
                if matches!(upper, Upper::Sign(_) | Upper::Copy(_)) {
                    *upper = Upper::Other;
                }
            }
        }
        if writes.contains(Gpr::Rdx) {
            (state.dx, state.rdx) = rdx_after(insn, before);
        }
        let jumps = insn.form.acts.jumps && insn.summary.falls_through;
        state.guarded |= jumps || insn.form.mnemonic.starts_with("cmov");
        Some(state)
    }
}

/// The number that an instruction puts into its first operand, whatever was there.
fn constant(insn: &Insn) -> Option<i128> {
    match (insn.form.mnemonic, insn.operands) {
        ("mov", [_, Operand::Imm(Imm::Literal(n))]) => Some(*n),
        ("xor" | "sub", [Operand::Reg(a), Operand::Reg(b)]) if a == b => Some(0),
        ("and", [_, Operand::Imm(Imm::Literal(0))]) => Some(0),
        _ => None,
    }
}

fn destination(insn: &Insn) -> Option<Reg> {
    match insn.operands.first() {
        Some(Operand::Reg(reg)) => Some(*reg),
        _ => None,
    }
}

/// dx and rdx after an instruction that writes some of them.
fn rdx_after(insn: &Insn, before: &State) -> (Upper, Upper) {
    let kept = |upper| if upper == Upper::Unset { Upper::Unset } else { Upper::Other };
    match insn.form.mnemonic {
        "cqo" => return (Upper::Other, Upper::Sign(Width::B64)),
        "cdq" => return (Upper::Other, Upper::Sign(Width::B32)),
        "cwd" => return (Upper::Sign(Width::B16), kept(before.rdx)),
        _ => {}
    }
    let to = destination(insn).filter(|reg| reg.gpr == Gpr::Rdx);
    match to.map(|reg| reg.class) {
        Some(RegClass::R8 | RegClass::R8High) => (kept(before.dx), kept(before.rdx)),
        Some(RegClass::R16) if constant(insn) == Some(0) => match before.rdx {
            Upper::Zero => (Upper::Zero, Upper::Zero),
            rdx => (Upper::Zero, kept(rdx)),
        },
        Some(RegClass::R16) => (Upper::Other, kept(before.rdx)),
        Some(_) if constant(insn) == Some(0) => (Upper::Zero, Upper::Zero),
        Some(class) => (Upper::Other, copied_or_shifted(insn, class.width(), before)),
        None => (Upper::Other, Upper::Other),
    }
}

/// `mov rdx, rax; sar rdx, 63` is `cqo`.
fn copied_or_shifted(insn: &Insn, width: Width, before: &State) -> Upper {
    match (insn.form.mnemonic, insn.operands.get(1), before.rdx) {
        ("mov", Some(Operand::Reg(Reg { gpr: Gpr::Rax, .. })), _) => Upper::Copy(width),
        ("sar", Some(Operand::Imm(Imm::Literal(63))), Upper::Copy(Width::B64)) if width == Width::B64 => {
            Upper::Sign(width)
        }
        ("sar", Some(Operand::Imm(Imm::Literal(31))), Upper::Copy(_)) if width == Width::B32 => {
            Upper::Sign(width)
        }
        _ => Upper::Other,
    }
}

/// ah after an instruction that writes some of rax.
fn ah_after(insn: &Insn, before: &State) -> Upper {
    let byte_source = || match insn.operands.get(1) {
        Some(Operand::Reg(reg)) => reg.class.width() == Width::B8,
        Some(Operand::Mem(_)) => insn.form.explicit().nth(1).is_some_and(|o| o.memory == Some(Width::B8)),
        _ => false,
    };
    let to = destination(insn).filter(|reg| reg.gpr == Gpr::Rax);
    match (insn.form.mnemonic, to.map(|reg| reg.class)) {
        ("cbw", _) => Upper::Sign(Width::B8),
        ("movsx", Some(_)) if byte_source() => Upper::Sign(Width::B8),
        ("movzx", Some(_)) if byte_source() => Upper::Zero,
        (_, Some(RegClass::R8)) => match before.ah {
            Upper::Sign(_) => Upper::Other,
            ah => ah,
        },
        (_, Some(RegClass::R8High)) if constant(insn) == Some(0) => Upper::Zero,
        (_, Some(RegClass::R16 | RegClass::R32 | RegClass::R64))
            if constant(insn).is_some_and(|n| n & 0xff00 == 0) =>
        {
            Upper::Zero
        }
        _ => Upper::Other,
    }
}

/// The sign of rax after an instruction that writes some of it.
fn rax_after(insn: &Insn, before: Sign) -> Sign {
    let reads = insn.summary.effects.reads.contains(Gpr::Rax);
    match insn.form.mnemonic {
        "cdqe" => return Sign::Signed(Width::B64),
        "cwde" => return Sign::Signed(Width::B32),
        _ => {}
    }
    let to = destination(insn).filter(|reg| reg.gpr == Gpr::Rax);
    let Some(width @ (Width::B32 | Width::B64)) = to.map(|reg| reg.class.width()) else {
        return changed(before, Width::B8);
    };
    if let Some(n) = constant(insn) {
        return match width {
            Width::B32 if n & 1 << 31 != 0 => Sign::Signed(Width::B32),
            Width::B64 if n & 1 << 63 != 0 => Sign::Signed(Width::B64),
            _ if n & 1 << 31 != 0 => Sign::NotNegative64,
            _ => Sign::NotNegative,
        };
    }
    let count = match insn.operands.get(1) {
        Some(Operand::Imm(Imm::Literal(n))) => *n,
        _ => 0,
    };
    match insn.form.mnemonic {
        "movzx" | "lzcnt" | "tzcnt" | "popcnt" | "bsf" | "bsr" => Sign::NotNegative,
        "and" if (1..1 << 31).contains(&count) => Sign::NotNegative,
        "shr" if (width == Width::B32 && count & 31 != 0) || count & 63 > 32 => Sign::NotNegative,
        "shr" if count & 63 != 0 => Sign::NotNegative64,
        "movsx" | "movsxd" => Sign::Signed(width),
        "sar" if matches!(before, Sign::Plain | Sign::Signed(_)) => Sign::Signed(width),
        _ if reads || !insn.summary.effects.reads_flags.is_empty() => changed(before, width),
        _ if width == Width::B32 => Sign::NotNegative64,
        _ => Sign::Plain,
    }
}

/// After an instruction that computes with the old value.
fn changed(before: Sign, width: Width) -> Sign {
    match before {
        Sign::Plain if width == Width::B32 => Sign::NotNegative64,
        Sign::Plain => Sign::Plain,
        _ => Sign::Derived,
    }
}
