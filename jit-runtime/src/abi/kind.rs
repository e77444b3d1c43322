//! The C types that fill one register or two, as Rust types.

use super::places::{RESULT_GPRS, RESULT_VECTORS};
use super::value::{Place, Value};
use jit_asm::{Gpr, Xmm};

pub(crate) mod sealed {
    /// Keeps the traits of this module to the types that it knows.
    pub trait Sealed {}

    /// The same for traits of what stands for a `T`: code believes the places and targets that they tell.
    pub trait SealedFor<T> {}
}
use sealed::Sealed;

/// What the ABI asks about a value: its class and its width (System V AMD64 ABI, 3.2.3), and, of a value that is
/// narrower than 32 bits, its sign: compilers have callers extend it and rely on that.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the variants are the types
pub enum Kind {
    I8,
    /// `bool` too, whose value is 0 or 1.
    U8,
    I16,
    U16,
    /// `i32` and `u32`.
    W32,
    /// `i64`, `u64`, and every pointer.
    W64,
    F32,
    F64,
}

impl Kind {
    /// Whether it is passed in vector registers.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Kind::F32 | Kind::F64)
    }

    /// Its width in memory, 1 to 8.
    #[must_use]
    pub const fn bytes(self) -> u8 {
        match self {
            Kind::I8 | Kind::U8 => 1,
            Kind::I16 | Kind::U16 => 2,
            Kind::W32 | Kind::F32 => 4,
            Kind::W64 | Kind::F64 => 8,
        }
    }
}

/// A type of C that is passed in one register: the integers from `i8` to `u64`, `bool`, `f32`, `f64`, pointers, and
/// pointers to functions, which may be `None`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not passed in one register",
    note = "integers up to 64 bits, `bool`, floats and pointers are; pass the address of anything else"
)]
pub trait AbiValue: Copy + Sealed {
    /// [`Gpr`], or [`Xmm`] for floats.
    type Register: Into<Place>;
    /// Its kind.
    const KIND: Kind;

    /// What a register holds of it in its low [`Kind::bytes`]; zeros above.
    fn bits(self) -> u64;
}

/// A pointer or an integer of its width, or `f64`: what fills a half of a [`Pair`].
pub trait Eightbyte: AbiValue {}

macro_rules! values {
    ($($value:ty: $register:ty, $kind:ident, $to_bits:expr;)*) => {$(
        impl Sealed for $value {}
        impl AbiValue for $value {
            type Register = $register;
            const KIND: Kind = Kind::$kind;

            fn bits(self) -> u64 {
                let to_bits: fn($value) -> u64 = $to_bits;
                to_bits(self)
            }
        }
    )*};
}

values! {
    bool: Gpr, U8, u64::from;
    i8: Gpr, I8, |n| u64::from(n as u8);
    u8: Gpr, U8, u64::from;
    i16: Gpr, I16, |n| u64::from(n as u16);
    u16: Gpr, U16, u64::from;
    i32: Gpr, W32, |n| u64::from(n as u32);
    u32: Gpr, W32, u64::from;
    i64: Gpr, W64, |n| n as u64;
    u64: Gpr, W64, |n| n;
    isize: Gpr, W64, |n| n as u64;
    usize: Gpr, W64, |n| n as u64;
    f32: Xmm, F32, |n| u64::from(n.to_bits());
    f64: Xmm, F64, f64::to_bits;
}

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<T> Sealed for $pointer {}
        impl<T> Eightbyte for $pointer {}
        impl<T> AbiValue for $pointer {
            type Register = Gpr;
            const KIND: Kind = Kind::W64;

            fn bits(self) -> u64 {
                self.expose_provenance() as u64
            }
        }
    )*};
}

pointers!(*const T, *mut T);
impl Eightbyte for i64 {}
impl Eightbyte for u64 {}
impl Eightbyte for isize {}
impl Eightbyte for usize {}
impl Eightbyte for f64 {}

/// Two results at once: what a C function returns as a `struct` of two members of eight bytes, each in a register of
/// its own class. A Rust function returns it as it is.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Pair<A, B>(
    /// In rax or xmm0.
    pub A,
    /// In the next register of its class.
    pub B,
);

/// What a function may return: nothing, an [`AbiValue`], or a [`Pair`].
///
/// No other type is: the caller of a `struct` of more than two registers passes the address of room for it, which
/// nothing here knows of.
///
/// ```compile_fail,E0277
/// use jit_runtime::abi::{AbiReturn, Kind};
/// struct Large([u64; 8]);
/// impl AbiReturn for Large {
///     type Values = ();
///     const KINDS: &'static [Kind] = &[];
///     fn values() {}
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not returned in registers",
    note = "`()`, integers, floats, pointers and `abi::Pair` are"
)]
pub trait AbiReturn: Sealed {
    /// Where the caller finds the result: nothing, a [`Value`], or two of them.
    type Values;
    /// The kinds of its parts, none to two.
    const KINDS: &'static [Kind];

    /// The registers.
    fn values() -> Self::Values;
}

impl AbiReturn for () {
    type Values = ();
    const KINDS: &'static [Kind] = &[];

    fn values() {}
}

impl<T: AbiValue> AbiReturn for T {
    type Values = Value<T>;
    const KINDS: &'static [Kind] = &[T::KIND];

    fn values() -> Value<T> {
        Value::new(if T::KIND.is_float() { RESULT_VECTORS[0].into() } else { RESULT_GPRS[0].into() })
    }
}

impl<A: Eightbyte, B: Eightbyte> Sealed for Pair<A, B> {}
impl<A: Eightbyte, B: Eightbyte> AbiReturn for Pair<A, B> {
    type Values = (Value<A>, Value<B>);
    const KINDS: &'static [Kind] = &[A::KIND, B::KIND];

    fn values() -> (Value<A>, Value<B>) {
        let second = usize::from(A::KIND.is_float() == B::KIND.is_float());
        let second: Place =
            if B::KIND.is_float() { RESULT_VECTORS[second].into() } else { RESULT_GPRS[second].into() };
        (Value::new(A::values().place()), Value::new(second))
    }
}
