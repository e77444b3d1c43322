//! Code as a function of Rust: a type for its signature, a life tied to its memory.
//!
//! **Problem.** Published code has an address, and a function pointer made of it lives forever, as far as
//! Rust knows. The memory does not.
//!
//! **Idea.** An [`EntryPoint`] holds the function pointer together with what keeps the code published: a
//! [`Code`], or a borrow of one ([`Entry`]). The pointer does not leave it without a promise, so it has a method [`call`] where
//! one would wish for `Deref`: a pointer that was copied out could be called after its code is gone.
//!
//! **Invariant.** The address lies in the code that is held.
//!
//! **Cost.** A call through a pointer. An owner counts a reference when it is cloned.
//!
//! [`call`]: EntryPoint::call
#![allow(unsafe_code)]

use crate::abi::{CEntry, Callee, SealedFor, Signature, Target, for_each_arity};
use crate::stitch::{Code, CodePtr};
use core::fmt;
use core::mem::{size_of, transmute_copy};
use core::ptr;
use std::sync::Arc;

/// Code that is called as a C function of the type `F`, such as `extern "C" fn(i64, i64) -> i64`, with up to
/// 24 arguments. It holds its code as `C`: a [`Code`] that it owns, or a borrow ([`Entry`]).
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
#[derive(Clone, Copy)]
pub struct EntryPoint<F, C = Code> {
    function: F,
    code: C,
}

/// An [`EntryPoint`] of borrowed code, made by [`Code::entry`]. It cannot outlive the code:
///
/// ```
/// # use jit_runtime::{memory::CodeHeap, stitch::Assembler, x64};
/// # let mut asm = Assembler::new();
/// # x64!(asm => mov eax, 42; ret);
/// # let code = asm.seal()?.publish(&CodeHeap::probe()?)?;
/// // SAFETY: the code takes nothing, returns an integer in eax, and changes nothing else.
/// let f = unsafe { code.entry::<extern "C" fn() -> i32>() };
/// assert_eq!(f.call(), 42);
/// drop(code);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0505
/// # use jit_runtime::{memory::CodeHeap, stitch::Assembler, x64};
/// # let mut asm = Assembler::new();
/// # x64!(asm => mov eax, 42; ret);
/// # let code = asm.seal()?.publish(&CodeHeap::probe()?)?;
/// // SAFETY: the code takes nothing, returns an integer in eax, and changes nothing else.
/// let f = unsafe { code.entry::<extern "C" fn() -> i32>() };
/// drop(code); // error: cannot move out of `code` because it is borrowed
/// assert_eq!(f.call(), 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Entry<'code, F> = EntryPoint<F, &'code Code>;

/// The function pointers that an [`EntryPoint`] can be of: `extern "C"` and `extern "C-unwind"`, safe and
/// unsafe.
pub trait FunctionPointer: Copy + sealed::Sealed {}

/// What keeps code published: [`Code`] and `&Code`.
pub trait CodeHandle: sealed::Sealed {
    /// The code.
    fn code(&self) -> &Code;
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for Code {}
impl CodeHandle for Code {
    fn code(&self) -> &Code {
        self
    }
}

impl sealed::Sealed for &Code {}
impl CodeHandle for &Code {
    fn code(&self) -> &Code {
        self
    }
}

impl Code {
    /// Its first instruction as a function.
    ///
    /// A panic may pass through the code only where unwinders know it: in a heap that has a [`super::Gate`], or in a
    /// [`super::CHeap`]. Elsewhere it ends the process with "failed to initiate panic, error 5", also where `F` is
    /// `extern "C-unwind"`.
    ///
    /// # Safety
    /// As [`EntryPoint::at`].
    #[must_use]
    pub unsafe fn entry<F: FunctionPointer>(&self) -> Entry<'_, F> {
        // SAFETY: the caller promises what `new` asks for.
        unsafe { EntryPoint::new(self) }
    }

    /// The instruction at an offset in it as a function. `None` beyond its end.
    ///
    /// # Safety
    /// As [`EntryPoint::at`].
    #[must_use]
    pub unsafe fn entry_at<F: FunctionPointer>(&self, at: CodePtr) -> Option<Entry<'_, F>> {
        // SAFETY: the caller promises what `at` asks for.
        unsafe { EntryPoint::at(self, at) }
    }
}

impl<F: FunctionPointer, C: CodeHandle> EntryPoint<F, C> {
    /// The first instruction of `code` as a function.
    ///
    /// # Safety
    /// As [`EntryPoint::at`].
    #[must_use]
    pub unsafe fn new(code: C) -> EntryPoint<F, C> {
        let address = code.code().address();
        // SAFETY: the caller promises a function there.
        unsafe { EntryPoint::of(address, code) }
    }

    /// The instruction at an offset in `code` as a function. `None` beyond its end.
    ///
    /// # Safety
    /// A function of the type `F` begins there and can be called with all values of its arguments, or, where
    /// `F` is unsafe, with those for which its callers vouch:
    /// - It keeps the C ABI (System V AMD64 ABI, 3.2): the first six integers and pointers come in rdi, rsi, rdx,
    ///   rcx, r8 and r9, the first eight floats in xmm0 to xmm7, the others on the stack, with rsp + 8 a multiple
    ///   of 16; a result goes out in rax (and rdx) or xmm0 (and xmm1); rbx, rbp and r12 to r15 are as they were
    ///   when it returns, so it saves those that it uses. [`crate::abi::CFunction`] sees to all of this.
    /// - What it touches in memory is its to touch, and code that it jumps to or calls outside this one stays
    ///   published as long as the entry point is used. Whoever gives its patch points other targets vouches for those.
    /// - Where the heap is that of one thread ([`HeapOptions::other_threads`](crate::memory::HeapOptions::other_threads)
    ///   is `false`), it is called on the thread that published it.
    /// - Where a panic may pass through it, `F` is `extern "C-unwind"`, and either it is a
    ///   [`crate::abi::CFunction`] in a [`super::CHeap`], or the code keeps the frame convention
    ///   ([`crate::frame`]) in a heap that has a [`super::Gate`], and does not touch rbx or r12 to r15: the
    ///   record of the convention restores rbp only. Other code that wants these is entered by a gate.
    ///   In a heap that has neither, no unwinder finds its way: a panic that reaches the code ends the process
    ///   ("failed to initiate panic, error 5").
    #[must_use]
    pub unsafe fn at(code: C, at: CodePtr) -> Option<EntryPoint<F, C>> {
        let address = code.code().address_of(at)?;
        // SAFETY: the caller promises a function there.
        Some(unsafe { EntryPoint::of(address, code) })
    }

    /// The C function that begins at `entry` in `code`. `None` if it is not in this code: it was made in another
    /// assembler, or in this one before it was cleared or came back from other code.
    ///
    /// # Safety
    /// As for [`EntryPoint::at`], of which
    /// [`crate::abi::CFunction`] has seen to the ABI, as far as its templates told what they do.
    #[must_use]
    pub unsafe fn of_function(code: C, entry: CEntry<F>) -> Option<EntryPoint<F, C>> {
        if !entry.is_in(code.code()) {
            return None;
        }
        // SAFETY: the function of this type that `entry` was made for begins there, and the caller promises the rest.
        unsafe { EntryPoint::at(code, entry.at()) }
    }

    /// The pointer itself, to be handed to functions that want one.
    ///
    /// # Safety
    /// It is called only as long as the code is published, that is, as long as there is a handle to it.
    #[must_use]
    pub unsafe fn pointer(&self) -> F {
        self.function
    }

    /// # Safety
    /// As [`EntryPoint::at`], and `address` lies in `code`.
    unsafe fn of(address: usize, code: C) -> EntryPoint<F, C> {
        const { assert!(size_of::<F>() == size_of::<*const ()>()) };
        let address = ptr::with_exposed_provenance::<()>(address);
        // SAFETY: `F` is a function pointer (the trait is sealed), of the size of a pointer, and not null,
        // since no code lies at 0; a function of this type stands at the address (the caller's promise), and
        // `code` keeps it there for as long as the result can be called.
        let function = unsafe { transmute_copy::<*const (), F>(&address) };
        EntryPoint { function, code }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &Code {
        self.code.code()
    }
}

impl<F: FunctionPointer + Signature, C: CodeHandle> SealedFor<F> for &EntryPoint<F, C> {}

/// Code that calls an entry point keeps the code of it.
impl<F: FunctionPointer + Signature, C: CodeHandle> Callee<F> for &EntryPoint<F, C> {
    fn target(&self) -> Target {
        Target::kept(self.function.address(), None, Arc::new(self.code().clone()))
    }
}

impl<F: FunctionPointer, C: CodeHandle> fmt::Debug for EntryPoint<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryPoint<{}> in the code at {:#x}", core::any::type_name::<F>(), self.code().address())
    }
}

macro_rules! signatures {
    ($(($arg:ident $passed:ident $index:tt))*) => {
        signatures!(@safe extern "C" fn($($arg),*) -> R, $($arg),*);
        signatures!(@safe extern "C-unwind" fn($($arg),*) -> R, $($arg),*);
        signatures!(@unsafe unsafe extern "C" fn($($arg),*) -> R, $($arg),*);
        signatures!(@unsafe unsafe extern "C-unwind" fn($($arg),*) -> R, $($arg),*);
    };
    (@safe $function:ty, $($arg:ident),*) => {
        impl<R, $($arg),*> sealed::Sealed for $function {}
        impl<R, $($arg),*> FunctionPointer for $function {}
        impl<R, $($arg,)* H: CodeHandle> EntryPoint<$function, H> {
            /// Call it.
            #[inline]
            #[allow(non_snake_case, clippy::too_many_arguments)] // an argument is named as its type
            pub fn call(&self, $($arg: $arg),*) -> R {
                (self.function)($($arg),*)
            }
        }
    };
    (@unsafe $function:ty, $($arg:ident),*) => {
        impl<R, $($arg),*> sealed::Sealed for $function {}
        impl<R, $($arg),*> FunctionPointer for $function {}
        impl<R, $($arg,)* H: CodeHandle> EntryPoint<$function, H> {
            /// Call it.
            ///
            /// # Safety
            /// The arguments are such as whoever made the entry point demands.
            #[inline]
            #[allow(non_snake_case, clippy::too_many_arguments)] // an argument is named as its type
            pub unsafe fn call(&self, $($arg: $arg),*) -> R {
                // SAFETY: the caller promises what the function demands; its code is published, as `self`
                // holds it.
                unsafe { (self.function)($($arg),*) }
            }
        }
    };
}
for_each_arity!(signatures);
