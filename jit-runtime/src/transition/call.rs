//! Calling Rust from JIT code.

use super::Machine;
use crate::frame::{CALLER_OWNED_SET, enter_frame, enter_frame_sized, leave_frame};
use crate::stitch::{Assembler, Function, Label};
use crate::{Gpr, RegSet, Xmm, templates, x64};

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

/// A type that fills one integer register: `u64`, `i64`, `usize`, and pointers to sized types.
///
/// Nothing else goes between Rust and JIT code this way. A `f64` goes as its bits, a `u64` ([`f64::to_bits`]), and
/// is moved with `movq`. `bool`, `u32` and what else is narrower is widened by whoever passes it (`u64::from(flag)`):
/// the ABI leaves the upper bits of a register undefined, and JIT code reads all of it. C functions of every type are
/// called by [`crate::abi`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fill one integer register, as what goes between Rust and JIT code must",
    note = "`u64`, `i64`, `usize` and pointers do: an `f64` goes as its bits, a `u64`; `bool`, `u32` and what else is narrower is widened to `u64` by whoever passes it"
)]
pub trait Word: sealed::Sealed {}

/// What a Rust function may return to JIT code: nothing, a [`Word`] in rax, or [`Checked`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a Rust function may return to JIT code",
    note = "`()`, `u64`, `i64`, `usize`, pointers and `transition::Checked` are: an `f64` is returned as its bits, a `u64`; `bool`, `u32` and what else is narrower is widened to `u64`"
)]
pub trait RustReturn: sealed::Sealed {
    /// Whether the stub looks at a status.
    const CHECKED: bool;
}

/// A function that JIT code can call: `extern "C-unwind" fn(*mut Context, ..) -> ..` with up to five words
/// behind the context, which is the client's own struct that begins with its [`Machine`]. A function that is declared
/// has a type of its own, which is none of these until it is named as a pointer:
///
/// ```
/// use jit_runtime::{memory::CodeHeap, transition::{Gate, Machine}};
///
/// #[repr(C)]
/// struct Context { machine: Machine, count: u64 }
///
/// extern "C-unwind" fn count(context: *mut Context, by: u64) -> u64 {
///     # let _ = (context, by); 0
/// }
///
/// let heap = CodeHeap::probe()?;
/// let stub = Gate::new(&heap)?.rust_call(&heap, count as extern "C-unwind" fn(_, _) -> _)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "JIT code cannot call `{Self}`",
    label = "not a pointer `extern \"C-unwind\" fn(*mut Context, ..) -> ..` with up to five words behind the context",
    note = "name the pointer of a function: `f as extern \"C-unwind\" fn(_, _) -> _`, with a `_` for each argument",
    note = "what is `fn` or `extern \"C\" fn` must be declared `extern \"C-unwind\" fn`, since a panic may pass through it, and its first argument `*mut Context`"
)]
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
    ($([$($of:tt)*] $word:ty;)*) => {$(
        impl $($of)* sealed::Sealed for $word {}
        impl $($of)* Word for $word {}
        impl $($of)* RustReturn for $word {
            const CHECKED: bool = false;
        }
    )*};
}
words! {
    [] u64;
    [] i64;
    [] usize;
    [<T>] *mut T;
    [<T>] *const T;
}

impl sealed::Sealed for () {}
impl RustReturn for () {
    const CHECKED: bool = false;
}
impl sealed::Sealed for Checked {}
impl RustReturn for Checked {
    const CHECKED: bool = true;
}

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
    /// Note the frame for walkers while the call lasts. The first argument is the machine; the others are in place.
    fn call(function: i64) = x64!<
        mov [r14 + {const Machine::EXIT_FP}], rbp;
        mov rdi, r14;
        mov rax, {function};
        call rax;
        mov qword [r14 + {const Machine::EXIT_FP}], 0
    >;
}

templates! {
    fn save(at: i32, register: Gpr) = x64!< mov [rbp + {at}], {register: r64} >;
    fn restore(register: Gpr, at: i32) = x64!< mov {register: r64}, [rbp + {at}] >;
    fn save_vector(at: i32, register: Xmm) = x64!< movups [rbp + {at}], {register: xmm} >;
    fn restore_vector(register: Xmm, at: i32) = x64!< movups {register: xmm}, [rbp + {at}] >;
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
        let failed = cut.map(|cut| (cut, check(asm)));
        leave_frame(asm);
        cut_at(asm, failed);
    }
    emit(asm, checked(function).then_some(cut), function.address());
}

/// [`rust_call`] for slow paths in the middle of code that has its values in registers: every register of `kept`
/// is afterwards what it was before, rax and rdx too, so nothing comes back but that the code goes on. Of vector
/// registers the lower 128 bits are kept. Flags change.
///
/// What a collector or a deoptimisation is to see has to be in a frame slot all the same: the copies that the
/// stub keeps are no part of a frame map.
pub fn rust_call_keeping(asm: &mut Assembler, cut: Function, kept: RegSet, function: impl RustFunction) {
    fn emit(asm: &mut Assembler, cut: Option<Function>, kept: RegSet, function: usize) {
        // The function keeps those of its caller, and rbp and rsp are the frame's.
        let others = CALLER_OWNED_SET.union(RegSet::of(&[Gpr::Rbp, Gpr::Rsp]));
        let general: Vec<(Gpr, i32)> = kept.difference(others).iter().zip((1..).map(|n| -8 * n)).collect();
        let words = general.len().next_multiple_of(2);
        let vectors: Vec<(Xmm, i32)> =
            kept.vectors().zip((1..).map(|n| -8 * words as i32 - 16 * n)).collect();
        let size = enter_frame_sized(asm);
        general.iter().for_each(|&(register, at)| save(asm, at, register));
        vectors.iter().for_each(|&(register, at)| save_vector(asm, at, register));
        call(asm, function as i64);
        let failed = cut.map(|cut| (cut, check(asm)));
        general.iter().for_each(|&(register, at)| restore(asm, register, at));
        vectors.iter().for_each(|&(register, at)| restore_vector(asm, register, at));
        leave_frame(asm);
        cut_at(asm, failed);
        size.set(asm, (words + 2 * vectors.len()) as u16);
    }
    emit(asm, checked(function).then_some(cut), kept, function.address());
}

fn checked<F: RustFunction>(_: F) -> bool {
    F::CHECKED
}

/// Look at the status of a checked function. A jump to the result is taken with the status in rax.
fn check(asm: &mut Assembler) -> Label {
    let failed = asm.label();
    x64!(asm => test rax, rax; jnz {failed}; mov rax, rdx);
    failed
}

/// Where the status of a checked function cuts.
fn cut_at(asm: &mut Assembler, failed: Option<(Function, Label)>) {
    if let Some((cut, failed)) = failed {
        asm.bind(failed);
        x64!(asm => jmp {cut});
    }
}
