//! Calling Rust from JIT code.

use super::Machine;
use crate::frame::{enter_frame, leave_frame};
use crate::stitch::{Assembler, Function};
use crate::{templates, x64};

/// What a checked function returns: zero and its value, or a status that cuts the segment of its caller.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checked {
    /// 0, or what [`super::Cut`] brings out.
    pub status: u64,
    /// What the caller finds in rax when the status is 0.
    pub value: u64,
}

impl Checked {
    /// A value: the caller goes on.
    #[must_use]
    pub const fn value(value: u64) -> Checked {
        Checked { status: 0, value }
    }

    /// A cut with a status, which must not be 0: 0 would go on.
    #[must_use]
    pub const fn cut(status: core::num::NonZeroU64) -> Checked {
        Checked { status: status.get(), value: 0 }
    }
}

/// A type that fills one integer register.
pub trait Word: sealed::Sealed {}

/// What a Rust function may return to JIT code: nothing, a [`Word`] in rax, or [`Checked`].
pub trait RustReturn: sealed::Sealed {
    /// Whether the stub looks at a status.
    const CHECKED: bool;
}

/// A function that JIT code can call: `extern "C-unwind" fn(*mut Context, ..) -> ..` with up to five words
/// behind the context, which is the client's own struct that begins with its [`Machine`].
pub trait RustFunction: Copy + sealed::Sealed {
    /// Whether it returns [`Checked`].
    const CHECKED: bool;

    /// Its address.
    fn address(self) -> usize;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! words {
    ($($word:ty),*) => {$(
        impl sealed::Sealed for $word {}
        impl Word for $word {}
        impl RustReturn for $word {
            const CHECKED: bool = false;
        }
    )*};
}
words!(u64, i64, usize);

impl sealed::Sealed for () {}
impl RustReturn for () {
    const CHECKED: bool = false;
}
impl sealed::Sealed for Checked {}
impl RustReturn for Checked {
    const CHECKED: bool = true;
}
impl<T> sealed::Sealed for *mut T {}
impl<T> Word for *mut T {}
impl<T> sealed::Sealed for *const T {}
impl<T> Word for *const T {}

macro_rules! functions {
    ($(($($arg:ident),*)),*) => {$(
        functions!(@one [extern "C-unwind" fn(*mut C, $($arg),*) -> R] $($arg),*);
        functions!(@one [unsafe extern "C-unwind" fn(*mut C, $($arg),*) -> R] $($arg),*);
    )*};
    (@one [$function:ty] $($arg:ident),*) => {
        impl<C, R: RustReturn, $($arg: Word),*> sealed::Sealed for $function {}
        impl<C, R: RustReturn, $($arg: Word),*> RustFunction for $function {
            const CHECKED: bool = R::CHECKED;

            fn address(self) -> usize {
                self as usize
            }
        }
    };
}
functions!((), (A1), (A1, A2), (A1, A2, A3), (A1, A2, A3, A4), (A1, A2, A3, A4, A5));

templates! {
    /// Note the frame for walkers and call. The first argument is the machine; the others are in place.
    fn call(function: i64) = x64!<
        mov [r14 + {const Machine::EXIT_FP}], rbp;
        mov rdi, r14;
        mov rax, {function};
        call rax
    >;
}

/// Emit a stub, a body of its own, that calls `function` with the machine as its first argument.
///
/// The caller has the other arguments in rsi, rdx, rcx, r8 and r9 and finds the result in rax; it keeps
/// nothing in a register. A function that returns [`Checked`] with a status does not come back: the stub
/// jumps to `cut`, which is [`super::Gate::cut`], with the status in rax.
pub fn rust_call(asm: &mut Assembler, cut: Function, function: impl RustFunction) {
    fn emit(asm: &mut Assembler, cut: Option<Function>, function: usize) {
        enter_frame(asm);
        call(asm, function as i64);
        if let Some(cut) = cut {
            let failed = asm.label();
            x64!(asm => test rax, rax; jnz {failed}; mov rax, rdx);
            leave_frame(asm);
            asm.bind(failed);
            x64!(asm => jmp {cut});
        } else {
            leave_frame(asm);
        }
    }
    fn checked<F: RustFunction>(_: F) -> bool {
        F::CHECKED
    }
    emit(asm, checked(function).then_some(cut), function.address());
}
