//! Code as a function of Rust: a type for its signature, a life tied to its memory.
#![allow(unsafe_code)]

use crate::stitch::Code;
use core::fmt;
use core::mem::{size_of, transmute_copy};
use core::ptr;

/// Code that is called as a C function of the type `F`, such as `extern "C" fn(i64, i64) -> i64`, with up
/// to six arguments. It keeps its code published, and a call borrows it: there is no pointer to outlive it.
///
/// ```
/// use jit_runtime::memory::CodeHeap;
/// use jit_runtime::stitch::Assembler;
/// use jit_runtime::{transition::EntryPoint, x64};
///
/// let mut asm = Assembler::new();
/// x64!(asm => lea rax, [rdi + rsi * 2]; ret);
/// let code = asm.seal()?.publish(&CodeHeap::probe()?)?;
/// // SAFETY: the code takes two integers in rdi and rsi, returns one in rax, and changes nothing else.
/// let f = unsafe { EntryPoint::<extern "C" fn(i64, i64) -> i64>::new(code) };
/// assert_eq!(f.call(30, 6), 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EntryPoint<F> {
    function: F,
    code: Code,
}

/// The function pointers that an [`EntryPoint`] can be of.
pub trait FunctionPointer: Copy + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

impl<F: FunctionPointer> EntryPoint<F> {
    /// The first instruction of `code` as a function.
    ///
    /// # Safety
    /// Code of that signature stands there, for every value of the arguments: it keeps what the ABI says of
    /// a callee (System V AMD64 ABI, 3.2), and what it touches in memory is its to touch. Under
    /// `extern "C-unwind"` a panic may pass through it, so the unwinder has its record.
    #[must_use]
    pub unsafe fn new(code: Code) -> EntryPoint<F> {
        const { assert!(size_of::<F>() == size_of::<*const ()>()) };
        let address = ptr::with_exposed_provenance::<()>(code.address());
        // SAFETY: `F` is a function pointer (the trait is sealed), of the size of a pointer; a function of
        // this type stands at the address (the caller's promise), as long as `code` lives.
        let function = unsafe { transmute_copy::<*const (), F>(&address) };
        EntryPoint { function, code }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &Code {
        &self.code
    }
}

impl<F> fmt::Debug for EntryPoint<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryPoint<{}> at {:#x}", core::any::type_name::<F>(), self.code.address())
    }
}

macro_rules! signatures {
    ($(($($arg:ident),*)),*) => {$(
        signatures!(@one extern "C" fn($($arg),*) -> R, $($arg),*);
        signatures!(@one extern "C-unwind" fn($($arg),*) -> R, $($arg),*);
    )*};
    (@one $function:ty, $($arg:ident),*) => {
        impl<R, $($arg),*> sealed::Sealed for $function {}
        impl<R, $($arg),*> FunctionPointer for $function {}
        impl<R, $($arg),*> EntryPoint<$function> {
            /// Call it.
            #[inline]
            #[allow(non_snake_case, clippy::too_many_arguments)] // an argument is named as its type
            pub fn call(&self, $($arg: $arg),*) -> R {
                (self.function)($($arg),*)
            }
        }
    };
}
signatures!((), (A), (A, B), (A, B, C), (A, B, C, D), (A, B, C, D, E), (A, B, C, D, E, G));
