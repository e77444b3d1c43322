//! Exits behind calls: how a frame that is suspended in a call leaves its code when the callee returns.
//!
//! **Problem.** Code may turn wrong while frames of it are suspended in calls. They must not go on in it, and there
//! is no guard behind each call that would tell them.
//!
//! **Idea.** The compiler emits an exit for the call in the cold section, which nothing jumps to. Whoever finds the
//! code to be wrong writes the exit's address over the frame's return address, so that the callee returns into the exit
//! ([`crate::transition::Safepoint::re_aim`]).
//!
//! ```text
//!   hot    call f
//!          ..              <- behind the call: map `during`, while f runs
//!   cold   nop
//!          call common     <- the exit: map `during`, while f runs and the frame is re-aimed
//!          ..              <- behind it, the exit's name: map `after`, when f has returned
//! ```
//!
//! **Invariants.** Each of the three places has an offset of its own, or one lookup by offset could not serve
//! both who walks over suspended frames and who serves exits: hence the `nop`, without which an exit would
//! begin where the exit in front of it has its name. Who looks up the address in front of a return address, as
//! unwinders do, finds the `nop`, which is the exit's own and has the position of the call in the client's
//! program; the exit itself has the position at which the frame goes on. An exit begins with a `call`, which the
//! frame convention takes for the middle of a body, so unwinders and walkers see the re-aimed frame as they saw it
//! before.
//!
//! **Cost.** Six bytes of cold code a call; nothing when the code runs.

use super::map::{FrameMaps, MapEntry};
use crate::stitch::{Assembler, Label, Sealed, SourcePosition};
use crate::templates;
use std::mem;

templates! {
    /// Never runs: it keeps an exit away from the name of the one in front.
    fn gap() = x64!< nop >;
    fn exit(common: Label) = x64!< call {common} >;
}

/// The calls of a piece of code that have exits, while it is compiled.
///
/// ```
/// use jit_runtime::deopt::{CallExits, FrameMaps};
/// use jit_runtime::frame::{enter_frame, leave_frame};
/// use jit_runtime::stitch::{Assembler, Function, SourcePosition};
/// use jit_runtime::x64;
///
/// # let (callee, capture) = (Function(0x1000), Function(0x2000));
/// let (mut asm, mut exits, mut maps) = (Assembler::new(), CallExits::new(), FrameMaps::new());
/// enter_frame(&mut asm);
/// x64!(asm => call {callee});
/// let entry = maps.write(0, [].into_iter());
/// exits.behind_call(&mut asm, (SourcePosition(7), entry), (SourcePosition(8), entry));
/// x64!(asm => inc rax);
/// leave_frame(&mut asm);
///
/// let common = asm.label();
/// exits.emit(&mut asm, common);
/// asm.cold(|asm| {
///     asm.bind(common);
///     x64!(asm => jmp {capture}); // a stub that begins with `deopt::capture`
/// });
/// let sealed = asm.seal()?;
/// exits.place(&sealed, &mut maps);
/// maps.finish();
/// assert_eq!(maps.exit_of(9), Some(sealed.cold_start().0 + 1), "four bytes of prologue, five of call");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct CallExits {
    calls: Vec<Call>,
    /// How many of them have had their exits emitted.
    emitted: usize,
}

#[derive(Debug)]
struct Call {
    behind: Label,
    exit: Label,
    name: Label,
    during: (SourcePosition, MapEntry),
    after: (SourcePosition, MapEntry),
}

impl CallExits {
    /// None yet.
    #[must_use]
    pub fn new() -> CallExits {
        CallExits::default()
    }

    /// Have an exit for the call that was emitted last, whatever its target and section. `during` is the position of
    /// the call, and the frame while the callee runs, all of it in slots; `after` is where the frame goes on, and what
    /// it is when the callee has returned, its results being in rax and rdx. Registers that this callee is known to
    /// keep may be in `after` too.
    pub fn behind_call(
        &mut self,
        asm: &mut Assembler,
        during: (SourcePosition, MapEntry),
        after: (SourcePosition, MapEntry),
    ) {
        let [behind, exit, name] = asm.labels();
        asm.bind(behind);
        self.calls.push(Call { behind, exit, name, during, after });
    }

    /// Emit the exits, in the cold section, behind which no position is marked. They call `common`, where the client
    /// jumps to its stub of [`super::capture`], as for exits of guards.
    pub fn emit(&mut self, asm: &mut Assembler, common: Label) {
        asm.cold(|asm| {
            for call in &self.calls {
                asm.mark(call.during.0);
                gap(asm);
                asm.mark(call.after.0);
                asm.bind(call.exit);
                exit(asm, common);
                asm.bind(call.name);
            }
            asm.unmark();
        });
        self.emitted = self.calls.len();
    }

    /// Place the maps of the calls and of their exits, and forget them. [`FrameMaps::finish`] is the caller's.
    ///
    /// # Panics
    /// If [`CallExits::emit`] was not called before sealing, or if `sealed` comes from another assembler than the calls,
    /// which shows where it has no such labels.
    #[track_caller]
    pub fn place(&mut self, sealed: &Sealed, maps: &mut FrameMaps) {
        let (calls, emitted) = (self.calls.len(), mem::take(&mut self.emitted));
        assert!(
            emitted == calls,
            "{calls} calls have exits, and {emitted} of these were emitted: `CallExits::emit` comes behind the last call, before the code is sealed"
        );
        let at = |label| sealed.offset_of(label).map(|at| at.0);
        for call in self.calls.drain(..) {
            let (Some(behind), Some(exit), Some(name)) = (at(call.behind), at(call.exit), at(call.name))
            else {
                panic!("this code comes from another assembler than the calls: it has no such labels")
            };
            maps.place(call.during.1, behind);
            maps.place(call.during.1, exit);
            maps.place(call.after.1, name);
            maps.place_exit(behind, exit);
        }
    }

    /// Forget all calls, when the code is thrown away.
    pub fn clear(&mut self) {
        self.calls.clear();
        self.emitted = 0;
    }
}
