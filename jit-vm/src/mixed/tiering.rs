//! Moving functions between tiers: counting, compiling, installing, retiring.

use super::Stats;
use super::context::{Installed, State};
use crate::baseline::{CompileError, Request};
use crate::op::FuncId;
use jit_runtime::tier::policy::{self, Tier};
use jit_runtime::transition::Safepoint;

impl State {
    /// An interpreted caller is about to call `function`: count it, and give the entry of its native code if
    /// it has some, or has earned it now.
    pub(super) fn native_entry(&mut self, at: &Safepoint<'_>, function: FuncId) -> Option<usize> {
        if self.functions[function.index()].history.tier == Tier::Interpreted {
            self.count_call(at, function);
        }
        self.functions[function.index()].code
    }

    /// Count a call of an interpreted function, and compile it when the policy says so.
    pub(super) fn count_call(&mut self, at: &Safepoint<'_>, function: FuncId) {
        let state = &mut self.functions[function.index()];
        state.history.calls = state.history.calls.saturating_add(1);
        self.follow_policy(at, function);
    }

    /// A guard failed in the code of `function`.
    pub(super) fn count_failure(&mut self, at: &Safepoint<'_>, function: FuncId) {
        self.stats.failures += 1;
        let history = &mut self.functions[function.index()].history;
        history.failures = history.failures.saturating_add(1);
        self.follow_policy(at, function);
    }

    fn follow_policy(&mut self, at: &Safepoint<'_>, function: FuncId) {
        let state = &mut self.functions[function.index()];
        if state.fixed {
            return;
        }
        if let Some(tier) = policy::next(&state.history, &self.options.thresholds)
            && self.set_tier(at, function, tier).is_err()
        {
            // It keeps the tier that it has, and is not asked again.
            self.functions[function.index()].history.refused = true;
        }
    }

    /// Let later calls of `function` run in `tier`. Calls that are under way go on where they are.
    pub(super) fn set_tier(
        &mut self,
        at: &Safepoint<'_>,
        function: FuncId,
        tier: Tier,
    ) -> Result<(), CompileError> {
        let code = match tier {
            Tier::Interpreted => None,
            Tier::Speculative | Tier::Plain => Some(self.compile(function, tier)?),
        };
        let entry = code.unwrap_or_else(|| self.stubs.interpret(function.index()));
        self.entries.set(at, function.index(), entry);
        let state = &mut self.functions[function.index()];
        state.history.tier = tier;
        if let Some(new) = code {
            self.heap.note(new, if tier == Tier::Plain { "plain" } else { "speculative" });
        }
        if let Some(old) = core::mem::replace(&mut state.code, code) {
            self.heap.note(old, "replaced");
            self.code.retire(old);
        }
        Ok(())
    }

    /// Compile and enter into the code map; where the code starts.
    fn compile(&mut self, function: FuncId, tier: Tier) -> Result<usize, CompileError> {
        let request = Request {
            program: &self.program,
            function,
            profile: (tier == Tier::Speculative).then_some(&self.functions[function.index()].profile),
            wiring: self.stubs.wiring(),
            stress: self.options.stress != 0,
        };
        let compiled = self.compiler.compile(&request, &self.heap)?;
        let start = compiled.code.address();
        self.code.insert(
            start,
            compiled.code.len(),
            Installed { function, maps: compiled.maps, code: compiled.code },
        );
        self.stats.compiled += 1;
        Ok(start)
    }

    /// Free the retired code that no frame returns to.
    pub(super) fn sweep(&mut self, at: &Safepoint<'_>) {
        let swept = self.code.sweep(at, |_, _| {});
        self.stats.freed += swept.freed as u64;
    }

    pub(super) fn stats(&self) -> Stats {
        Stats { code_bytes: self.heap.stats().used, waiting: self.code.retired() as u64, ..self.stats }
    }
}
