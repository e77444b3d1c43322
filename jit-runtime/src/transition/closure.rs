//! Closures of Rust as C functions.
//!
//! **Problem.** Code calls addresses; a closure is a function and its data.
//!
//! **Idea.** A [`Closure`] is the address of a function that was compiled for the closure's type, and the address of the
//! closure, which the call passes in front of the other arguments.
//!
//! **Invariant.** Code that calls a closure keeps it: it is dropped after the last handle to the code and to itself.
//!
//! **Cost.** One register more in the call. The function inlines the closure.
#![allow(unsafe_code)]

use crate::abi::{AbiReturn, AbiValue, Callee, SealedFor, Signature, Target, for_each_arity};
use crate::stitch::Keep;
use core::fmt;
use core::marker::PhantomData;
use std::sync::Arc;

/// A closure that is called from code as if it were a function of the type `F`, which is safe: `extern "C-unwind"`
/// lets its panics pass, `extern "C"` ends the process at one.
///
/// Code may run in any thread, more than one at a time, and for as long as it likes: so the closure is `Fn`, `Send`,
/// `Sync` and `'static`.
///
/// ```
/// use jit_runtime::transition::{CHeap, Closure, EntryPoint};
/// use jit_runtime::{abi::CFunction, stitch::Assembler};
///
/// type F = extern "C-unwind" fn(i64) -> i64;
/// let offset = 40;
/// let add = Closure::<F>::new(move |n| n + offset);
/// let mut asm = Assembler::new();
/// let mut f = CFunction::<F>::begin(&mut asm);
/// let (n,) = f.arguments();
/// let sum = f.call(&add, (n,));
/// f.ret(sum);
/// let entry = f.finish()?;
/// let code = CHeap::probe()?.publish(asm.seal()?)?;
/// // SAFETY: the function only calls the closure, with its own argument.
/// let f = unsafe { EntryPoint::of_function(code, entry) }.expect("it is in this code");
/// drop(add); // the code has it
/// assert_eq!(f.call(2), 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Closure<F> {
    function: usize,
    data: usize,
    closure: Keep,
    of: PhantomData<F>,
}

/// That closures of the type `G` can be called as functions of this type.
#[diagnostic::on_unimplemented(
    message = "`{G}` is not called as a function of the type `{Self}`",
    note = "the type of the function is `extern \"C\" fn` or `extern \"C-unwind\" fn`, and the closure takes and returns what it says"
)]
pub trait Calls<G>: Signature + sealed::Sealed<G> {
    /// The function that takes the address of a `G` and the arguments, and calls it.
    fn function() -> usize;
}

mod sealed {
    /// [`super::Closure`] believes the address that it is told, so nobody else tells one.
    pub trait Sealed<G> {}
}

impl<F> Closure<F> {
    /// A closure in memory of its own.
    #[must_use]
    pub fn new<G: Send + Sync + 'static>(closure: G) -> Closure<F>
    where
        F: Calls<G>,
    {
        let closure = Arc::new(closure);
        let data = Arc::as_ptr(&closure).expose_provenance();
        Closure { function: F::function(), data, closure, of: PhantomData }
    }
}

impl<F> Clone for Closure<F> {
    fn clone(&self) -> Closure<F> {
        Closure { closure: self.closure.clone(), ..*self }
    }
}

impl<F> fmt::Debug for Closure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Closure<{}> at {:#x}", core::any::type_name::<F>(), self.data)
    }
}

impl<F: Signature> SealedFor<F> for &Closure<F> {}
impl<F: Signature> Callee<F> for &Closure<F> {
    fn target(&self) -> Target {
        Target::kept(self.function, Some(self.data), self.closure.clone())
    }
}

macro_rules! closures {
    ($(($arg:ident $passed:ident $index:tt))*) => {
        closures!(@one "C", $($arg)*);
        closures!(@one "C-unwind", $($arg)*);
    };
    (@one $abi:literal, $($arg:ident)*) => {
        impl<R: AbiReturn, $($arg: AbiValue,)* G: Fn($($arg),*) -> R> sealed::Sealed<G> for extern $abi fn($($arg),*) -> R {}
        impl<R: AbiReturn, $($arg: AbiValue,)* G: Fn($($arg),*) -> R> Calls<G> for extern $abi fn($($arg),*) -> R {
            fn function() -> usize {
                /// # Safety
                /// `closure` is the address of a closure that lives until this returns.
                #[allow(non_snake_case, clippy::too_many_arguments)] // an argument is named as its type
                unsafe extern $abi fn call<R, $($arg,)* G: Fn($($arg),*) -> R>(closure: *const G, $($arg: $arg),*) -> R {
                    // SAFETY: the caller's promise. Shared, as by everybody who calls it.
                    let closure = unsafe { &*closure };
                    closure($($arg),*)
                }
                call::<R, $($arg,)* G> as unsafe extern $abi fn(*const G, $($arg),*) -> R as usize
            }
        }
    };
}
for_each_arity!(closures);
