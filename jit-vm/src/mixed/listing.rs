//! Native code beside the bytecode it came from, byte for byte.

use super::context::{Installed, State};
use crate::op::FuncId;
use core::fmt::Write;
use jit_runtime::observe::disassemble;
use jit_runtime::stitch::SourcePosition;

impl State {
    /// The listing of the native code of `function`, if it has some that was compiled with notes.
    pub(super) fn listing(&self, function: FuncId) -> Option<String> {
        let start = self.functions[function.index()].code?;
        let (_, installed) = self.code.at_return(start + 1)?;
        installed.code.listing()?;
        Some(self.print(function, installed))
    }

    fn print(&self, function: FuncId, installed: &Installed) -> String {
        let f = self.program.function(function);
        let mut text =
            format!("; {}: {} bytes for {} instructions\n", f.name(), installed.code.len(), f.code().len());
        // Instructions that became no code stand before the next one that did. Cold code comes back to earlier ones.
        let mut next = 0;
        // A template is named at its first instruction, and the others of it continue with a bar.
        let mut left = 0_usize;
        for line in disassemble(&installed.code) {
            let mut name = "";
            if let Some(SourcePosition(pc)) = line.position {
                for pc in (next.min(pc)..=pc).filter(|&pc| f.depth(pc).is_some()) {
                    let _ = writeln!(text, "{pc:5}: {}", self.program.instruction(function, pc));
                }
                next = next.max(pc + 1);
            }
            for template in &line.templates {
                (name, left) = (template.name, template.bytes.len());
            }
            let origin = if !name.is_empty() {
                name
            } else if left > 0 {
                "|"
            } else {
                ""
            };
            let _ = writeln!(text, "{}", format!("        {:72} {origin}", line.to_string()).trim_end());
            left = left.saturating_sub(line.bytes.len());
        }
        text
    }
}
