//! One template as text for people: bytes beside instructions, what running it does, and remarks with the place
//! they are about, in the form of rustc's.

use super::{Assembled, Remark};
use jit_asm::syntax::{PlacedHole, Value};
use jit_asm::template::{Effects, StackMove};
use jit_asm::{Features, HoleKind};
use std::io::{self, Write};

/// Instructions with more bytes go on in a line of their own.
const BYTES_IN_A_LINE: usize = 8;

/// Everything that is known about a template.
///
/// # Errors
/// If `out` cannot be written.
pub fn template(out: &mut impl Write, text: &str, assembled: &Assembled) -> io::Result<()> {
    let piece = &assembled.laid_out.whole;
    for (n, (at, line)) in piece.lines.iter().enumerate() {
        let start = usize::from(*at);
        let end = piece.lines.get(n + 1).map_or(piece.bytes.len(), |(next, _)| usize::from(*next));
        for (row, bytes) in piece.bytes[start..end].chunks(BYTES_IN_A_LINE).enumerate() {
            let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let line = if row == 0 { line } else { "" };
            let row = format!("{:4x}  {:23}  {line}", start + row * BYTES_IN_A_LINE, hex.join(" "));
            writeln!(out, "{}", row.trim_end())?;
        }
    }
    writeln!(out)?;
    for hole in &piece.holes {
        writeln!(out, "{:14} {} at {:#x}: {}", "hole", hole.hole, hole.at, what_fills(hole))?;
    }
    for constant in &piece.constants {
        let bits = constant.width.bits();
        writeln!(out, "{:14} {} at {:#x}: {bits} bits, filled by rustc", "hole", constant.hole, constant.at)?;
    }
    if !assembled.laid_out.parts.is_empty() {
        writeln!(
            out,
            "{:14} the bytes are those of the longest instructions that locations may become",
            "note"
        )?;
    }
    effects(out, &piece.effects)?;
    for warning in &assembled.warnings {
        writeln!(out)?;
        remark(out, "warning", text, warning)?;
    }
    Ok(())
}

/// What the field of a hole takes at emission.
fn what_fills(hole: &PlacedHole) -> String {
    match (hole.value, hole.kind) {
        (Value::Integer(integer), _) => {
            format!("{}{}", if integer.signed { "i" } else { "u" }, integer.width.bits())
        }
        (Value::Register, _) => "a register".to_owned(),
        (Value::Index, _) => "a register other than rsp".to_owned(),
        (Value::Vector, _) => "a vector register".to_owned(),
        (Value::Condition, _) => "a condition".to_owned(),
        (Value::Location(location), _) => format!("a location, {location}"),
        (Value::Component(_), _) => "a part of a location".to_owned(),
        (Value::Target, HoleKind::Patchable) => "a target that may change later".to_owned(),
        (Value::Target, _) => "the distance to a label or function".to_owned(),
    }
}

fn effects(out: &mut impl Write, effects: &Effects) -> io::Result<()> {
    let mut line = |name: &str, value: String| match value.is_empty() {
        true => Ok(()),
        false => writeln!(out, "{name:14} {value}"),
    };
    let set = |set: jit_asm::RegSet| {
        let general = set.iter().map(|gpr| gpr.to_string());
        general.chain(set.vectors().map(|xmm| xmm.to_string())).collect::<Vec<_>>().join(" ")
    };
    line("reads", set(effects.reads))?;
    line("writes", set(effects.writes))?;
    line("flags read", format!("{:?}", effects.reads_flags))?;
    line("flags written", format!("{:?}", effects.writes_flags))?;
    let memory = [(effects.reads_memory, "read"), (effects.writes_memory, "written")];
    line("memory", words(&memory))?;
    line(
        "rsp",
        match effects.stack {
            StackMove::By(0) => "where it was".to_owned(),
            StackMove::By(by) => format!("{by:+}"),
            StackMove::Unknown => "not known".to_owned(),
        },
    )?;
    line(
        "control",
        words(&[(effects.jumps, "jumps"), (effects.calls, "calls"), (effects.traps, "may trap")]),
    )?;
    let beyond = effects.features.difference(Features::BASELINE);
    line("needs", beyond.to_string())
}

/// Those that are true.
fn words(all: &[(bool, &str)]) -> String {
    all.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
}

/// A remark, the line of the text it is about, and what would do.
///
/// # Errors
/// If `out` cannot be written.
pub fn remark(out: &mut impl Write, level: &str, text: &str, remark: &Remark) -> io::Result<()> {
    let start = remark.place.start.min(text.len());
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let number = before.matches('\n').count() + 1;
    let line = text[line_start..].lines().next().unwrap_or_default();
    let line_end = line_start + line.len();
    let marked = text.get(start..remark.place.end.min(line_end)).unwrap_or_default();
    let column = before[line_start..].chars().count() + 1;
    let gutter = " ".repeat(number.to_string().len());
    // A tab takes the same room above and below; other control characters take none.
    let shown = |text: &str| -> String { text.chars().filter(|c| *c == '\t' || !c.is_control()).collect() };
    let room: String =
        shown(&before[line_start..]).chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    writeln!(out, "{level}: {}", remark.message)?;
    writeln!(out, "{gutter}--> {number}:{column}")?;
    writeln!(out, "{gutter} |")?;
    writeln!(out, "{number} | {}", shown(line))?;
    writeln!(out, "{gutter} | {room}{}", "^".repeat(shown(marked).chars().count().max(1)))?;
    for help in remark.help.iter().flat_map(|help| help.lines()) {
        writeln!(out, "{gutter} = help: {help}")?;
    }
    writeln!(out)
}
