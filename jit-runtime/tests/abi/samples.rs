//! Values to pass, and what can be done with any signature.

use jit_runtime::abi::{AbiReturn, AbiValue, Argument, CFunction, Kind, Pair, Place, Signature, Value};
use jit_runtime::transition::{EntryPoint, FunctionPointer};
use jit_runtime::{Gpr, Xmm};
use std::cell::RefCell;
use std::hint::black_box;

/// Eight bytes that differ from seed to seed in each byte.
pub(crate) fn word(seed: u64) -> u64 {
    let mixed = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 29
}

/// A type that is passed.
pub(crate) trait Sample: AbiValue + Argument<Self> + 'static {
    /// Its name in C.
    const C: &'static str;
    fn sample(seed: u64) -> Self;
    /// In a register by its number.
    fn in_register(number: u8) -> Value<Self>;
}

fn gpr(number: u8) -> Gpr {
    Gpr::new(number).expect("below 16")
}

macro_rules! samples {
    ($($ty:ty, $c:literal, $sample:expr, $register:expr;)*) => {$(
        impl Sample for $ty {
            const C: &'static str = $c;
            fn sample(seed: u64) -> $ty {
                let sample: fn(u64) -> $ty = $sample;
                sample(word(seed))
            }
            fn in_register(number: u8) -> Value<$ty> {
                let register = $register;
                Value::reg(register(number))
            }
        }
    )*};
}

fn xmm(number: u8) -> Xmm {
    Xmm::new(number).expect("below 16")
}

samples! {
    bool, "_Bool", |w| w & 1 != 0, gpr;
    i8, "int8_t", |w| w as i8, gpr;
    u8, "uint8_t", |w| w as u8, gpr;
    i16, "int16_t", |w| w as i16, gpr;
    u16, "uint16_t", |w| w as u16, gpr;
    i32, "int32_t", |w| w as i32, gpr;
    u32, "uint32_t", |w| w as u32, gpr;
    i64, "int64_t", |w| w as i64, gpr;
    u64, "uint64_t", |w| w, gpr;
    isize, "intptr_t", |w| w as isize, gpr;
    usize, "uintptr_t", |w| w as usize, gpr;
    *const u8, "const void *", |w| std::ptr::without_provenance(w as usize), gpr;
    f32, "float", |w| w as i32 as f32 / 256.0, xmm;
    f64, "double", |w| w as i64 as f64 / 65536.0, xmm;
}

/// A type that is returned.
pub(crate) trait Ret: AbiReturn + 'static {
    fn c() -> String;
    fn sample() -> Self;
    fn words(&self) -> Vec<u64>;
    /// Return the sample.
    fn ret<F: Signature<Return = Self>>(f: &mut CFunction<'_, F>);
    /// Store what came out to memory at rbx.
    fn store<F: Signature>(values: Self::Values, f: &mut CFunction<'_, F>);
}

/// The seeds of results, apart from those of arguments.
const RESULTS: u64 = 1000;

impl Ret for () {
    fn c() -> String {
        "void".to_owned()
    }
    fn sample() {}
    fn words(&self) -> Vec<u64> {
        vec![]
    }
    fn ret<F: Signature<Return = ()>>(f: &mut CFunction<'_, F>) {
        f.ret(());
    }
    fn store<F: Signature>((): (), _: &mut CFunction<'_, F>) {}
}

macro_rules! returned {
    ($($ty:ty),*) => {$(
        impl Ret for $ty {
            fn c() -> String {
                <$ty as Sample>::C.to_owned()
            }
            fn sample() -> $ty {
                <$ty as Sample>::sample(RESULTS)
            }
            fn words(&self) -> Vec<u64> {
                vec![self.bits()]
            }
            fn ret<F: Signature<Return = $ty>>(f: &mut CFunction<'_, F>) {
                f.ret(<$ty as Ret>::sample());
            }
            fn store<F: Signature>(value: Value<$ty>, f: &mut CFunction<'_, F>) {
                f.set(Value::<$ty>::at(Gpr::Rbx, 0), value);
            }
        }
    )*};
}
returned!(bool, i8, u8, i16, u16, i32, u32, i64, u64, *const u8, f32, f64);

macro_rules! pairs {
    ($($a:ident $b:ident),*) => {$(
        impl Ret for Pair<$a, $b> {
            fn c() -> String {
                concat!("struct ", stringify!($a), "_", stringify!($b)).to_owned()
            }
            fn sample() -> Pair<$a, $b> {
                Pair(Sample::sample(RESULTS), Sample::sample(RESULTS + 1))
            }
            fn words(&self) -> Vec<u64> {
                vec![self.0.bits(), self.1.bits()]
            }
            fn ret<F: Signature<Return = Pair<$a, $b>>>(f: &mut CFunction<'_, F>) {
                let Pair(a, b) = Self::sample();
                f.ret((a, b));
            }
            fn store<F: Signature>((a, b): (Value<$a>, Value<$b>), f: &mut CFunction<'_, F>) {
                f.set(Value::<$a>::at(Gpr::Rbx, 0), a);
                f.set(Value::<$b>::at(Gpr::Rbx, 8), b);
            }
        }
    )*};
}
pairs!(i64 i64, i64 f64, f64 i64, f64 f64);

/// What a callee that rustc compiled has seen.
#[derive(Default, Debug)]
pub(crate) struct Seen {
    pub(crate) words: Vec<u64>,
    pub(crate) aligned: bool,
    pub(crate) direction: bool,
}

thread_local! {
    pub(crate) static SEEN: RefCell<Seen> = RefCell::default();
}

/// Note what a function sees: `object` is one of its own that is 16-aligned as long as the stack is.
#[inline(never)]
fn note(words: Vec<u64>, object: &Aligned) {
    let flags: u64;
    // SAFETY: pushes the flags and pops them.
    unsafe { std::arch::asm!("pushfq", "pop {}", out(reg) flags) };
    let aligned = (black_box(object) as *const Aligned).addr().is_multiple_of(16);
    SEEN.with_borrow_mut(|seen| *seen = Seen { words, aligned, direction: flags & 1 << 10 != 0 });
}

#[repr(align(16))]
struct Aligned(#[allow(dead_code)] [u8; 16]);

/// A signature that the matrix tests: `extern "C" fn` of samples.
pub(crate) trait Tested: Signature<Return: Ret> + FunctionPointer + 'static {
    /// The C names of its arguments.
    fn c() -> Vec<&'static str>;
    /// The kinds and words of the samples that are passed, the word of a narrow one with zeros above.
    fn samples() -> Vec<(Kind, u64)>;
    /// A function that rustc compiled: it notes what it sees and returns the sample.
    fn compiled() -> Self;
    /// A call that rustc compiles: the words of the result.
    fn call(entry: &EntryPoint<Self>) -> Vec<u64>;
    /// Store the arguments to memory at rax.
    fn store_arguments(f: &mut CFunction<'_, Self>);
    /// Call with values at these places and store the result to memory at rbx.
    fn emit_call<F: Signature>(f: &mut CFunction<'_, F>, callee: Self, at: &[Place]);
}

/// A value of any type at a place.
fn value_at<T: Sample>(place: Place) -> Value<T> {
    match place {
        Place::Gpr(register) => T::in_register(register.number()),
        Place::Vector(register) => T::in_register(register.number()),
        Place::Memory(base, disp) => Value::at(base, disp),
        Place::Constant(seed) => Value::constant(T::sample(seed)),
    }
}

macro_rules! tested {
    ($($arg:ident $name:ident $index:tt),*) => {
        impl<R: Ret, $($arg: Sample),*> Tested for extern "C" fn($($arg),*) -> R {
            fn c() -> Vec<&'static str> {
                vec![$($arg::C),*]
            }

            fn samples() -> Vec<(Kind, u64)> {
                vec![$(($arg::KIND, $arg::sample($index).bits())),*]
            }

            fn compiled() -> Self {
                #[allow(clippy::too_many_arguments)]
                extern "C" fn callee<R: Ret, $($arg: Sample),*>($($name: $arg),*) -> R {
                    let object = Aligned([0; 16]);
                    note(vec![$($name.bits()),*], &object);
                    R::sample()
                }
                callee::<R, $($arg),*>
            }

            fn call(entry: &EntryPoint<Self>) -> Vec<u64> {
                entry.call($($arg::sample($index)),*).words()
            }

            #[allow(unused_variables)]
            fn store_arguments(f: &mut CFunction<'_, Self>) {
                let arguments = f.arguments();
                $(f.set(Value::<$arg>::at(Gpr::Rax, 8 * $index), arguments.$index);)*
            }

            #[allow(unused_variables)]
            fn emit_call<F: Signature>(f: &mut CFunction<'_, F>, callee: Self, at: &[Place]) {
                let result = f.call(callee, ($(value_at::<$arg>(at[$index]),)*));
                R::store(result, f);
            }
        }
    };
}

macro_rules! tested_up_to {
    (@ [$($done:tt)*]) => { tested!($($done)*); };
    (@ [] $arg:ident $name:ident $index:tt $($more:tt)*) => {
        tested!();
        tested_up_to!(@ [$arg $name $index] $($more)*);
    };
    (@ [$($done:tt)+] $arg:ident $name:ident $index:tt $($more:tt)*) => {
        tested!($($done)+);
        tested_up_to!(@ [$($done)+, $arg $name $index] $($more)*);
    };
}
tested_up_to!(@ []
    A0 a0 0 A1 a1 1 A2 a2 2 A3 a3 3 A4 a4 4 A5 a5 5 A6 a6 6 A7 a7 7 A8 a8 8 A9 a9 9 A10 a10 10 A11 a11 11 A12 a12 12
    A13 a13 13 A14 a14 14 A15 a15 15 A16 a16 16 A17 a17 17 A18 a18 18 A19 a19 19 A20 a20 20 A21 a21 21 A22 a22 22
    A23 a23 23);
