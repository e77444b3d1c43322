//! The proof that no JIT code of a machine runs, and what may be done with its frames then.
#![allow(unsafe_code)]

use super::{Frame, Frames, Machine};
use core::marker::PhantomData;
use core::ptr;

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

/// Code that can be left behind its calls: an *exit* of a call is an address in the code, at which a frame can go on
/// instead of behind the call.
///
/// # Safety
/// Where `exit_of` gives an address:
/// - What it was asked for is the address behind a call in this code, or what `exit_of` gave for one before.
/// - A frame that is suspended in that call can go on at the exit when the callee has returned, with its results
///   in rax and rdx and all else as behind the call. That is so of what [`crate::deopt::CallExits`] emits.
/// - The exit is an address in this code, published as long as this is held, and not that of a `push rbp`, a
///   `mov rbp, rsp` or a `ret`, for these tell an unwinder that it is not in the middle of a body.
pub unsafe trait Exits {
    /// Where a frame goes on that would go on at `return_address`. `None`: the code keeps no exit there.
    ///
    /// An exit is its own exit, so that a frame may be re-aimed twice.
    fn exit_of(&self, return_address: usize) -> Option<usize>;
}

/// What [`Safepoint::re_aim`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReAimed {
    /// Frames that leave the code by an exit when their callee returns; those that did already count.
    pub leaving: usize,
    /// Frames that go on in the code, since it keeps no exit for their call.
    pub staying: usize,
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

    /// Have every frame of some code leave it when its callee returns. `code_at` knows the code by return address: a
    /// frame for which it answers is re-aimed to the exit of its call.
    ///
    /// The frame is the same as before for every walk, but for where it goes on; for one return the
    /// processor's guess is wrong. Not for processes under a shadow stack (Intel CET), which traps on the return.
    pub fn re_aim<'e, E: Exits + 'e>(&mut self, code_at: impl Fn(usize) -> Option<&'e E>) -> ReAimed {
        let mut done = ReAimed::default();
        for frame in self.frames() {
            let Some(code) = code_at(frame.return_address) else { continue };
            match code.exit_of(frame.return_address) {
                Some(exit) => {
                    go_on_at(&frame, exit);
                    done.leaving += 1;
                }
                None => done.staying += 1,
            }
        }
        done
    }
}

/// Have a suspended frame go on at `address` when its callee returns.
///
/// Only [`Safepoint::re_aim`] asks, for a frame that it walks over and an exit of the call that the frame is suspended
/// in (the promise of [`Exits`]).
fn go_on_at(frame: &Frame, address: usize) {
    let slot = ptr::with_exposed_provenance_mut::<usize>(frame.return_slot);
    // SAFETY: the word above the saved rbp of the frame's callee, which is suspended and was pushed by the call: no
    // Rust object. The frame can go on at `address`, as said above.
    unsafe { slot.write(address) }
}
