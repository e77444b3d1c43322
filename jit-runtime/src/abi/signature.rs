//! Types of functions, and the tuples of their arguments.

use super::kind::sealed::{Sealed, SealedFor};
use super::kind::{AbiReturn, AbiValue, Eightbyte, Kind, Pair};
use super::value::{Argument, Local, Place, Value};
use jit_asm::Gpr;

/// The arguments of a function: a tuple of up to 24 [`AbiValue`]s.
pub trait AbiArguments: Sealed {
    /// A [`Value`] for each.
    type Values;
    /// A [`Local`] for each.
    type Locals;
    /// Their kinds, in order.
    const KINDS: &'static [Kind];

    /// The values at these places, one an argument.
    fn values(places: &[Place]) -> Self::Values;

    /// The locals at these distances from rbp, one an argument.
    fn locals(disps: &[i32]) -> Self::Locals;
}

/// What can be passed for the arguments `T`: a tuple of what can be passed for each.
#[diagnostic::on_unimplemented(
    message = "these are not the arguments `{T}` of the function",
    label = "`{Self}` where `{T}` is wanted",
    note = "a tuple with a `Value`, a `Local` or a constant of the right type for each"
)]
pub trait Passed<T>: SealedFor<T> {
    /// Where they are, in order.
    fn places(&self) -> Vec<Place>;
}

/// The type of a pointer to a C function: `extern "C"` or `extern "C-unwind"`, safe or unsafe, with up to 24 arguments
/// that are [`AbiValue`]s, and an [`AbiReturn`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the type of a C function",
    note = "`extern \"C\" fn(..) -> ..` and `extern \"C-unwind\" fn(..) -> ..` are, with up to 24 arguments that fill a register each; name its pointer first: `let f: extern \"C\" fn(_) -> _ = f;`"
)]
pub trait Signature: AbiValue {
    /// Its arguments, as a tuple.
    type Arguments: AbiArguments;
    /// Its result.
    type Return: AbiReturn;
    /// Whether a panic may pass through it.
    const UNWINDS: bool;

    /// The address of the function.
    fn address(self) -> usize;
}

/// The type of a pointer to a C function with variable arguments behind one to eight others:
/// `unsafe extern "C" fn(A, ...) -> R`.
pub trait VariadicSignature: Copy + Sealed {
    /// The arguments in front of the variable ones, as a tuple.
    type Arguments: AbiArguments;
    /// Its result.
    type Return: AbiReturn;
    /// Whether a panic may pass through it.
    const UNWINDS: bool;

    /// The address of the function.
    fn address(self) -> usize;
}

/// A type that C passes as a variable argument as it is: integers of 32 and 64 bits, pointers, `f64`. Narrower types
/// C turns into `i32` and `f64` first, and so must whoever calls (C23, 6.5.3.3).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not passed as a variable argument",
    note = "integers of 32 and 64 bits, pointers and `f64` are; extend what is narrower, as C does"
)]
pub trait Promoted: AbiValue {}

impl Promoted for i32 {}
impl Promoted for u32 {}
impl Promoted for i64 {}
impl Promoted for u64 {}
impl Promoted for isize {}
impl Promoted for usize {}
impl Promoted for f64 {}
impl<T> Promoted for *const T {}
impl<T> Promoted for *mut T {}

/// What can be passed as a variable argument: a constant, [`Value`] or [`Local`] of a [`Promoted`] type.
pub trait VariableArgument: Sealed {
    /// Its kind.
    const KIND: Kind;

    /// Where it is.
    fn place(&self) -> Place;
}

impl<T: Promoted> VariableArgument for T {
    const KIND: Kind = T::KIND;

    fn place(&self) -> Place {
        Argument::<T>::place(self)
    }
}

impl<T: Promoted> VariableArgument for Value<T> {
    const KIND: Kind = T::KIND;

    fn place(&self) -> Place {
        Argument::<T>::place(self)
    }
}

impl<T: Promoted> VariableArgument for Local<T> {
    const KIND: Kind = T::KIND;

    fn place(&self) -> Place {
        Argument::<T>::place(self)
    }
}

/// Stands for the type of any variable arguments.
#[derive(Debug)]
pub enum Variable {}

/// A tuple of up to 24 variable arguments.
pub trait VariableArguments: SealedFor<Variable> {
    /// Their kinds and places, in order.
    fn all(&self) -> Vec<(Kind, Place)>;
}

/// What a function that returns `R` can return: `()`, what can be passed for an `R`, or for a [`Pair`] a tuple of two.
#[diagnostic::on_unimplemented(
    message = "this is not what the function returns",
    label = "`{Self}` where `{R}` is returned",
    note = "a `Value`, a `Local` or a constant of that type; for a `Pair` a tuple of two; else `()`"
)]
pub trait Returned<R>: SealedFor<R> {
    /// Where the parts are.
    fn places(&self) -> Vec<Place>;
}

impl Returned<()> for () {
    fn places(&self) -> Vec<Place> {
        vec![]
    }
}

impl<T: AbiValue, X: Argument<T>> Returned<T> for X {
    fn places(&self) -> Vec<Place> {
        vec![self.place()]
    }
}

impl<A: Eightbyte, B: Eightbyte, X: Argument<A>, Y: Argument<B>> SealedFor<Pair<A, B>> for (X, Y) {}
impl<A: Eightbyte, B: Eightbyte, X: Argument<A>, Y: Argument<B>> Returned<Pair<A, B>> for (X, Y) {
    fn places(&self) -> Vec<Place> {
        vec![self.0.place(), self.1.place()]
    }
}

/// Calls a macro once for each number of arguments, with that many of (type, what is passed, index).
macro_rules! for_each_arity {
    ($each:ident) => {
        for_each_arity!(@ $each []
            (A0 X0 0) (A1 X1 1) (A2 X2 2) (A3 X3 3) (A4 X4 4) (A5 X5 5) (A6 X6 6) (A7 X7 7) (A8 X8 8) (A9 X9 9)
            (A10 X10 10) (A11 X11 11) (A12 X12 12) (A13 X13 13) (A14 X14 14) (A15 X15 15) (A16 X16 16)
            (A17 X17 17) (A18 X18 18) (A19 X19 19) (A20 X20 20) (A21 X21 21) (A22 X22 22) (A23 X23 23));
    };
    (@ $each:ident [$($done:tt)*]) => { $each!($($done)*); };
    (@ $each:ident [$($done:tt)*] $next:tt $($more:tt)*) => {
        $each!($($done)*);
        for_each_arity!(@ $each [$($done)* $next] $($more)*);
    };
}
pub(crate) use for_each_arity;

macro_rules! tuples {
    ($(($arg:ident $passed:ident $index:tt))*) => {
        impl<$($arg: AbiValue),*> Sealed for ($($arg,)*) {}
        impl<$($arg: AbiValue),*> AbiArguments for ($($arg,)*) {
            type Values = ($(Value<$arg>,)*);
            type Locals = ($(Local<$arg>,)*);
            const KINDS: &'static [Kind] = &[$($arg::KIND),*];

            #[allow(unused_variables, clippy::unused_unit)] // there may be none
            fn values(places: &[Place]) -> Self::Values {
                ($(Value::<$arg>::new(places[$index]),)*)
            }

            #[allow(unused_variables, clippy::unused_unit)] // there may be none
            fn locals(disps: &[i32]) -> Self::Locals {
                ($(Local::<$arg>::new(disps[$index]),)*)
            }
        }

        impl<$($arg: AbiValue, $passed: Argument<$arg>),*> SealedFor<($($arg,)*)> for ($($passed,)*) {}
        impl<$($arg: AbiValue, $passed: Argument<$arg>),*> Passed<($($arg,)*)> for ($($passed,)*) {
            fn places(&self) -> Vec<Place> {
                vec![$(self.$index.place()),*]
            }
        }

        impl<$($passed: VariableArgument),*> SealedFor<Variable> for ($($passed,)*) {}
        impl<$($passed: VariableArgument),*> VariableArguments for ($($passed,)*) {
            fn all(&self) -> Vec<(Kind, Place)> {
                vec![$(($passed::KIND, self.$index.place())),*]
            }
        }
    };
}
for_each_arity!(tuples);

macro_rules! functions {
    ($(($arg:ident $passed:ident $index:tt))*) => {
        functions!(@one [extern "C" fn($($arg),*) -> R] false, $($arg)*);
        functions!(@one [unsafe extern "C" fn($($arg),*) -> R] false, $($arg)*);
        functions!(@one [extern "C-unwind" fn($($arg),*) -> R] true, $($arg)*);
        functions!(@one [unsafe extern "C-unwind" fn($($arg),*) -> R] true, $($arg)*);
    };
    (@one [$function:ty] $unwinds:literal, $($arg:ident)*) => {
        impl<R, $($arg),*> Sealed for $function {}
        impl<R, $($arg),*> Sealed for Option<$function> {}
        impl<R, $($arg),*> AbiValue for $function {
            type Register = Gpr;
            const KIND: Kind = Kind::W64;

            fn bits(self) -> u64 {
                self as usize as u64
            }
        }
        impl<R, $($arg),*> AbiValue for Option<$function> {
            type Register = Gpr;
            const KIND: Kind = Kind::W64;

            fn bits(self) -> u64 {
                self.map_or(0, AbiValue::bits)
            }
        }
        impl<R: AbiReturn, $($arg: AbiValue),*> Signature for $function {
            type Arguments = ($($arg,)*);
            type Return = R;
            const UNWINDS: bool = $unwinds;

            fn address(self) -> usize {
                self as usize
            }
        }
    };
}
for_each_arity!(functions);

macro_rules! variadic {
    ($(($($arg:ident)*))*) => {$(
        variadic!(@one [unsafe extern "C" fn($($arg),*, ...) -> R] false, $($arg)*);
        variadic!(@one [unsafe extern "C-unwind" fn($($arg),*, ...) -> R] true, $($arg)*);
    )*};
    (@one [$function:ty] $unwinds:literal, $($arg:ident)*) => {
        impl<R, $($arg),*> Sealed for $function {}
        impl<R: AbiReturn, $($arg: AbiValue),*> VariadicSignature for $function {
            type Arguments = ($($arg,)*);
            type Return = R;
            const UNWINDS: bool = $unwinds;

            fn address(self) -> usize {
                self as usize
            }
        }
    };
}
variadic!((A)(A B)(A B C)(A B C D)(A B C D E)(A B C D E G)(A B C D E G H)(A B C D E G H I));
