//! The proof that no JIT code of a machine runs, and what may be done with its frames then.
#![allow(unsafe_code)]

use super::{Frames, Machine};
use core::marker::PhantomData;

/// A *safepoint*: the thread of a machine stands in Rust, so every frame of its JIT code is suspended in a call.
/// What may happen only then, such as freeing code, asks for one.
///
/// It stays on its thread:
///
/// ```compile_fail,E0277
/// fn elsewhere<T: Send>() {}
/// elsewhere::<jit_runtime::transition::Safepoint<'static>>(); // error: cannot be sent between threads safely
/// ```
#[derive(Debug)]
pub struct Safepoint<'m> {
    machine: &'m Machine,
    /// Not `Send` and not `Sync`, whatever a machine is.
    _this_thread: PhantomData<*mut ()>,
}

impl<'m> Safepoint<'m> {
    /// A safepoint inside or outside of a run.
    ///
    /// # Safety
    /// For as long as the safepoint is there, no JIT code runs on this machine, and the caller is on the thread whose
    /// frames it has: the caller is a Rust function that JIT code called through [`super::rust_call`], or is
    /// called by one, and neither returns nor enters JIT code before; or nothing is entered.
    #[must_use]
    pub unsafe fn new(machine: &'m Machine) -> Safepoint<'m> {
        Safepoint { machine, _this_thread: PhantomData }
    }

    /// A safepoint of a machine that runs nothing, so that it has no frame. `None` while a segment is entered.
    #[must_use]
    pub fn outside(machine: &'m mut Machine) -> Option<Safepoint<'m>> {
        // No proof is owed: there is no frame, and entering one would use the machine, which is borrowed.
        (!machine.is_entered()).then_some(Safepoint { machine, _this_thread: PhantomData })
    }

    /// Every JIT frame of every segment, the youngest first.
    #[must_use]
    pub fn frames(&self) -> Frames<'_> {
        // SAFETY: what `frames` asks of its caller is what `new` was promised; `outside` saw that there is no
        // frame. The frames borrow the safepoint, so they are not used when it is gone.
        unsafe { self.machine.frames() }
    }

    /// Where each of these frames goes on.
    pub fn returns(&self) -> impl Iterator<Item = usize> {
        self.frames().map(|frame| frame.return_address)
    }
}
