//! Values of C types and where they are while code is emitted.

use super::kind::AbiValue;
use super::kind::sealed::{Sealed, SealedFor};
use super::signature::Signature;
use crate::stitch::{Keep, Label, Life};
use core::fmt;
use core::marker::PhantomData;
use jit_asm::{Address, Gpr, Xmm};

/// Where a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In a general register.
    Gpr(Gpr),
    /// In a vector register.
    Vector(Xmm),
    /// In memory at a register and a displacement.
    Memory(Gpr, i32),
    /// Nowhere: these are its bits, zeros above its width.
    Constant(u64),
}

impl From<Gpr> for Place {
    fn from(register: Gpr) -> Place {
        Place::Gpr(register)
    }
}

impl From<Xmm> for Place {
    fn from(register: Xmm) -> Place {
        Place::Vector(register)
    }
}

/// A value of the C type `T`, and where it is. Nothing keeps the place: as long as it is used the register or the
/// memory must hold the value.
pub struct Value<T> {
    place: Place,
    of: PhantomData<fn() -> T>,
}

impl<T> Value<T> {
    pub(super) const fn new(place: Place) -> Value<T> {
        Value { place, of: PhantomData }
    }

    /// Where it is.
    #[must_use]
    pub const fn place(self) -> Place {
        self.place
    }

    /// The value in memory at `base + disp`.
    #[must_use]
    pub const fn at(base: Gpr, disp: i32) -> Value<T> {
        Value::new(Place::Memory(base, disp))
    }
}

impl<T: AbiValue> Value<T> {
    /// The value in a register, which for floats is an [`Xmm`].
    #[must_use]
    pub fn reg(register: T::Register) -> Value<T> {
        Value::new(register.into())
    }

    /// A constant.
    #[must_use]
    pub fn constant(value: T) -> Value<T> {
        Value::new(Place::Constant(value.bits()))
    }
}

impl<T> Clone for Value<T> {
    fn clone(&self) -> Value<T> {
        *self
    }
}

impl<T> Copy for Value<T> {}

impl<T> fmt::Debug for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value<{}>({:?})", core::any::type_name::<T>(), self.place)
    }
}

/// A word of the frame that holds a value of the C type `T`.
pub struct Local<T> {
    disp: i32,
    of: PhantomData<fn() -> T>,
}

impl<T> Local<T> {
    pub(super) const fn new(disp: i32) -> Local<T> {
        Local { disp, of: PhantomData }
    }

    /// Its distance from rbp: `mov rax, [rbp + {local.disp()}]`.
    #[must_use]
    pub const fn disp(self) -> i32 {
        self.disp
    }

    /// Its address, for holes that take one: `inc {local.address(): m64}`.
    #[must_use]
    pub const fn address(self) -> Address {
        Address::new(Gpr::Rbp, self.disp)
    }

    /// What it holds.
    #[must_use]
    pub const fn value(self) -> Value<T> {
        Value::at(Gpr::Rbp, self.disp)
    }
}

impl<T> Clone for Local<T> {
    fn clone(&self) -> Local<T> {
        *self
    }
}

impl<T> Copy for Local<T> {}

impl<T> fmt::Debug for Local<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Local<{}>([rbp{:+}])", core::any::type_name::<T>(), self.disp)
    }
}

impl<T> From<Local<T>> for Value<T> {
    fn from(local: Local<T>) -> Value<T> {
        local.value()
    }
}

/// What can be passed where C wants a `T`: a [`Value`] or a [`Local`] of that type, or a constant.
#[diagnostic::on_unimplemented(
    message = "this is no value of the C type `{T}`",
    label = "`{Self}` where `{T}` is wanted",
    note = "a `Value<{T}>`, a `Local<{T}>` and a constant `{T}` are"
)]
pub trait Argument<T>: SealedFor<T> {
    /// Where it is.
    fn place(&self) -> Place;
}

impl<T: AbiValue> SealedFor<T> for T {}
impl<T: AbiValue> SealedFor<T> for Value<T> {}
impl<T: AbiValue> SealedFor<T> for Local<T> {}
impl<T: AbiValue> Sealed for Value<T> {}
impl<T: AbiValue> Sealed for Local<T> {}

impl<T: AbiValue> Argument<T> for T {
    fn place(&self) -> Place {
        Place::Constant(self.bits())
    }
}

impl<T: AbiValue> Argument<T> for Value<T> {
    fn place(&self) -> Place {
        self.place
    }
}

impl<T: AbiValue> Argument<T> for Local<T> {
    fn place(&self) -> Place {
        self.value().place
    }
}

/// What can be called as a function of the type `F`: a pointer to one, a [`Value`] that is one, the
/// [`CEntry`](super::CEntry) of a function of the same assembler; from [`transition`](crate::transition) a closure or
/// an entry point.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not called as a function of the type `{F}`",
    note = "name its pointer first: `let f: extern \"C\" fn(_) -> _ = f;`"
)]
pub trait Callee<F>: SealedFor<F> {
    /// How it is reached.
    fn target(&self) -> Target;
}

/// How a callee is reached.
#[derive(Clone, Debug)]
pub struct Target {
    pub(super) to: To,
    /// What is passed in front of the arguments.
    pub(super) data: Option<u64>,
    /// What lives as long as the code that calls it.
    pub(super) keep: Option<Keep>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    Address(u64),
    /// A function of the same assembler, in the same life of it.
    Entry(Label, Life),
    Place(Place),
}

impl Target {
    pub(super) const fn new(to: To) -> Target {
        Target { to, data: None, keep: None }
    }

    /// A function at an address, kept there by `keep`; what is in `data` is passed in front of its arguments.
    pub(crate) fn kept(address: usize, data: Option<usize>, keep: Keep) -> Target {
        Target { to: To::Address(address as u64), data: data.map(|data| data as u64), keep: Some(keep) }
    }
}

impl<F: Signature> Callee<F> for F {
    fn target(&self) -> Target {
        Target::new(To::Address(self.address() as u64))
    }
}

impl<F: Signature> Callee<F> for Value<F> {
    fn target(&self) -> Target {
        Target::new(To::Place(self.place))
    }
}

impl<F: Signature> Callee<F> for Local<F> {
    fn target(&self) -> Target {
        self.value().target()
    }
}
