//! Aiming code that runs elsewhere.
#![allow(unsafe_code)]

use crate::stitch::{Code, PatchError, PatchPoint, PatchTarget};

impl Code {
    /// Aim a patch point at another target. Other threads may be executing it: each call and each jump goes to one
    /// of its targets, and those that begin after this returns go to the new one: of this thread, and of all where the
    /// heap has [`HeapOptions::other_threads`](crate::memory::HeapOptions::other_threads).
    ///
    /// The bounds of [`Strategy::ProtectFlip`](crate::memory::Strategy::ProtectFlip) hold: with it no other
    /// thread may be running code of the heap meanwhile.
    ///
    /// ```
    /// use jit_runtime::{memory::CodeHeap, stitch::Assembler, x64};
    ///
    /// let mut asm = Assembler::new();
    /// let (one, two) = (asm.label(), asm.label());
    /// x64!(asm => jmp {one: patchable});
    /// let jump = asm.last_patch_point().expect("it was just emitted");
    /// asm.bind(one);
    /// x64!(asm => mov eax, 1; ret);
    /// asm.bind(two);
    /// x64!(asm => mov eax, 2; ret);
    /// let sealed = asm.seal()?;
    /// let second = sealed.offset_of(two).expect("bound");
    /// let code = sealed.publish(&CodeHeap::probe()?)?;
    /// // SAFETY: the code takes nothing and returns an integer, wherever its jump goes.
    /// let f = unsafe { code.entry::<extern "C" fn() -> i32>() };
    /// assert_eq!(f.call(), 1);
    /// // SAFETY: the jump goes to the other of its two places.
    /// unsafe { code.retarget(jump, second) }?;
    /// assert_eq!(f.call(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PatchError`]. After [`PatchError::Memory`] the patch point goes where it went or to the new target, since the
    /// host may refuse before or after the change: both stay published until a later call succeeds.
    ///
    /// # Safety
    /// What was promised of the code ([`EntryPoint::at`](super::EntryPoint::at), [`Gate::enter`](super::Gate::enter)), by
    /// whoever runs it, holds with the new target too: an instruction stands there that can take the place of the old
    /// one, and stays published as long as it is aimed at, or may be after an error.
    pub unsafe fn retarget(&self, point: PatchPoint, to: impl Into<PatchTarget>) -> Result<(), PatchError> {
        self.aim_patch_point(point, to.into())
    }
}
