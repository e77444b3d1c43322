//! Calls of the C library, of closures, and of code.

use crate::support::{PATTERN, registers_after};
use crate::{caller, entry_point, function, heap, publish};
use jit_runtime::abi::{CFunction, Pair, Value};
use jit_runtime::stitch::Assembler;
use jit_runtime::transition::{Closure, EntryPoint};
use jit_runtime::{Gpr, Xmm, x64};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

unsafe extern "C" {
    fn snprintf(to: *mut c_char, size: usize, format: *const c_char, ...) -> c_int;
    fn printf(format: *const c_char, ...) -> c_int;
    fn qsort(base: *mut c_void, count: usize, size: usize, compare: Comparator);
    fn hypot(x: f64, y: f64) -> f64;
    fn ldiv(numerator: i64, denominator: i64) -> Pair<i64, i64>;
}

type Comparator = extern "C" fn(*const c_void, *const c_void) -> c_int;

/// No, two, and nine doubles; an odd and an even number of arguments on the stack.
#[test]
fn printf_finds_its_arguments() {
    let heap = heap();
    let snprintf: unsafe extern "C" fn(_, _, _, ...) -> _ = snprintf;
    let mut text = [0 as c_char; 200];
    let to = text.as_mut_ptr();
    // SAFETY: `text` is long enough, and ended by the C library.
    let read = || unsafe { CStr::from_ptr(to) }.to_str().expect("ASCII").to_owned();

    let none = function::<extern "C" fn() -> c_int>(&heap, |f| {
        let length = f.call_variadic(snprintf, (to, 200, c"%d %s".as_ptr()), (-7, c"none".as_ptr()));
        f.ret(length);
    });
    assert_eq!((none.call(), read()), (7, "-7 none".to_owned()));

    let two = function::<extern "C" fn(f64, i64) -> c_int>(&heap, |f| {
        let (x, n) = f.keep_arguments();
        let format = c"%.2f %ld %d %d %d %.1f".as_ptr();
        // Integers behind the sixth: two words of the stack, then one.
        let length = f.call_variadic(snprintf, (to, 200, format), (x, n, 1, 2, 3, 0.5));
        f.ret(length);
    });
    assert_eq!((two.call(1.25, 1 << 40), read()), (28, "1.25 1099511627776 1 2 3 0.5".to_owned()));

    let nine = function::<extern "C" fn(f64) -> c_int>(&heap, |f| {
        let x = f.arguments().0;
        let format = c"%g %g %g %g %g %g %g %g %g|%d %d %d %lu".as_ptr();
        let doubles = (x, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0);
        let (a, b, c, d, e, g, h, i, j) = doubles;
        let length =
            f.call_variadic(snprintf, (to, 200, format), (a, b, c, d, e, g, h, i, j, 1, 2, 3, u64::MAX));
        f.ret(length);
    });
    assert_eq!((nine.call(1.5), read()), (46, format!("1.5 2 3 4 5 6 7 8 9|1 2 3 {}", u64::MAX)));
    for entry in [none.code(), two.code(), nine.code()] {
        assert_eq!(caller::call(entry.address(), &[]).wrong(), None);
    }

    let printed = function::<extern "C" fn(f64) -> c_int>(&heap, |f| {
        let x = f.arguments().0;
        let printf: unsafe extern "C" fn(_, ...) -> _ = printf;
        let length = f.call_variadic(printf, (c"%.1f + %.1f\n".as_ptr(),), (x, 0.5));
        f.ret(length);
    });
    assert_eq!(printed.call(2.5), 10);
}

/// What `al` says: the number of vector registers, at most eight.
#[test]
fn al_counts_vector_registers() {
    let heap = heap();
    // A C function that looks at al. As a function with variable arguments it has any type.
    let look = function::<extern "C" fn() -> u64>(&heap, |f| {
        x64!(f => movzx eax, al);
        f.ret(Value::<u64>::reg(Gpr::Rax));
    });
    type Look = unsafe extern "C" fn(f64, ...) -> u64;
    // SAFETY: called below only, while the code lives.
    let pointer = unsafe { look.pointer() };
    // SAFETY: it takes nothing, whatever it is given.
    let look = unsafe { std::mem::transmute::<extern "C" fn() -> u64, Look>(pointer) };
    let count = |build: &dyn Fn(&mut CFunction<'_, extern "C" fn() -> u64>) -> Value<u64>| {
        let entry = function::<extern "C" fn() -> u64>(&heap, |f| {
            let count = build(f);
            f.ret(count);
        });
        entry.call()
    };
    assert_eq!(count(&|f| f.call_variadic(look, (1.0,), ())), 1);
    assert_eq!(count(&|f| f.call_variadic(look, (1.0,), (5_i64, 2.0, 3_u32))), 2);
    let eight = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0);
    assert_eq!(count(&|f| f.call_variadic(look, (1.0,), eight)), 8);
}

/// A comparator of templates sorts in C: called from Rust, and from a function of templates.
#[test]
fn qsort_with_a_comparator_of_templates() {
    let heap = heap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let count = Closure::<extern "C" fn()>::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let compare = function::<Comparator>(&heap, |f| {
        x64!(f => mov rbx, rdi; mov r12, rsi);
        f.call(&count, ());
        x64!(f => xor eax, eax; xor ecx, ecx; mov rdx, [rbx]; cmp rdx, [r12]; setg al; setl cl; sub eax, ecx);
        f.ret(Value::<c_int>::reg(Gpr::Rax));
    });
    let unsorted: Vec<i64> = (0..1000).map(|n| n * 7919 % 1000 - 500).collect();
    let sorted: Vec<i64> = (-500..500).collect();

    let mut numbers = unsorted.clone();
    // SAFETY: the code lives until the end of this test.
    let pointer = unsafe { compare.pointer() };
    // SAFETY: a thousand numbers of eight bytes, and a comparator of such.
    unsafe { qsort(numbers.as_mut_ptr().cast(), 1000, 8, pointer) };
    assert_eq!(numbers, sorted);

    let mut numbers = unsorted.clone();
    let sort = function::<extern "C" fn(*mut c_void, usize)>(&heap, |f| {
        let (base, count) = f.arguments();
        let qsort: unsafe extern "C" fn(_, _, _, _) = qsort;
        f.call(qsort, (base, count, 8, pointer));
    });
    sort.call(numbers.as_mut_ptr().cast(), 1000);
    assert_eq!(numbers, sorted);
    assert!(calls.load(Ordering::Relaxed) > 2 * 999);
}

#[test]
fn floats_and_pairs_come_back() {
    let heap = heap();
    let length = function::<extern "C" fn(f64, f64) -> f64>(&heap, |f| {
        let (x, y) = f.arguments();
        // In each other's registers.
        let hypot: unsafe extern "C" fn(_, _) -> _ = hypot;
        let length = f.call(hypot, (y, x));
        f.ret(length);
    });
    assert_eq!(length.call(3.0, 4.0), 5.0);
    let divide = function::<extern "C" fn(i64, i64) -> Pair<f64, i64>>(&heap, |f| {
        let (a, b) = f.arguments();
        let ldiv: unsafe extern "C" fn(_, _) -> _ = ldiv;
        let (quotient, rest) = f.call(ldiv, (a, b));
        assert_eq!((quotient.place(), rest.place()), (Gpr::Rax.into(), Gpr::Rdx.into()));
        x64!(f => cvtsi2sd xmm5, rax);
        f.ret((Value::reg(Xmm::Xmm5), rest));
    });
    assert_eq!(divide.call(47, 5), Pair(9.0, 2));
}

/// Narrow arguments and results are extended to 32 bits, as compilers expect: in registers and on the stack.
#[test]
fn narrow_values_are_extended() {
    type Narrow = extern "C" fn(i8, u8, i16, u16, bool, u64, i8, u8, i16, u16) -> u64;
    let heap = heap();
    let mut words = Box::new([0_u64; 9]);
    let at = words.as_mut_ptr().expose_provenance() as i64;
    let callee = function::<Narrow>(&heap, |f| {
        x64!(f => mov rax, {at}; mov [rax], rdi; mov [rax + 8], rsi; mov [rax + 16], rdx; mov [rax + 24], rcx;
            mov [rax + 32], r8);
        for word in 0..4 {
            x64!(f => mov rcx, [rbp + {16 + 8 * word}]; mov [rax + {40 + 8 * word}], rcx);
        }
        f.ret(0_u64);
    });
    let from_registers = function::<extern "C" fn()>(&heap, |f| {
        x64!(f => mov rax, -2);
        let (a, b) = (Gpr::Rax, Gpr::Rbx);
        x64!(f => mov {b: r64}, 0xFFFF_FFFF_FFFF_FE01);
        let flag = Value::<bool>::reg(b);
        let arguments = (
            Value::reg(a),
            Value::reg(a),
            Value::reg(a),
            Value::reg(a),
            flag,
            0_u64,
            Value::reg(a),
            Value::reg(a),
            Value::reg(a),
            Value::reg(a),
        );
        f.call(&callee, arguments);
    });
    let constants = function::<extern "C" fn()>(&heap, |f| {
        f.call(&callee, (-2, 254, -2, 65534, true, 0_u64, -2, 254, -2, 65534));
    });
    for entry in [from_registers, constants] {
        words.fill(0);
        entry.call();
        let found: Vec<u32> = words.iter().map(|word| *word as u32).collect();
        let (minus, byte, short) = (-2_i32 as u32, 254, 65534);
        assert_eq!(found, [minus, byte, minus, short, 1, minus, byte, minus, short]);
    }
}

/// A callee that is a value: an argument, in a register that an argument takes.
#[test]
fn functions_are_values() {
    type Apply = extern "C" fn(extern "C" fn(i64, i64) -> i64, i64, i64) -> i64;
    extern "C" fn minus(a: i64, b: i64) -> i64 {
        a - b
    }
    let heap = heap();
    let apply = function::<Apply>(&heap, |f| {
        let (function, a, b) = f.arguments();
        let result = f.call(function, (b, a));
        f.ret(result);
    });
    assert_eq!(apply.call(minus, 2, 44), 42);
    let kept = function::<Apply>(&heap, |f| {
        let (function, a, b) = f.keep_arguments();
        let first = f.call(function, (a, b));
        let first = f.local_with(first);
        let second = f.call(function, (first, b));
        f.ret(second);
    });
    assert_eq!(kept.call(minus, 50, 4), 42);
}

/// What code calls lives as long as the code.
#[test]
fn code_keeps_what_it_calls() {
    struct Noted(Arc<AtomicUsize>);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let heap = heap();
    let dropped = Arc::new(AtomicUsize::new(0));
    let noted = Noted(dropped.clone());
    let closure = Closure::<extern "C" fn(u8) -> i64>::new(move |n| {
        i64::from(n) + noted.0.load(Ordering::Relaxed) as i64
    });
    let inner = function::<extern "C" fn(u8) -> i64>(&heap, |f| {
        let result = f.call(&closure.clone(), (f.arguments().0,));
        f.ret(result);
    });
    let outer = function::<extern "C" fn() -> i64>(&heap, |f| {
        let result = f.call(&inner, (42,));
        f.ret(result);
    });
    drop((closure, inner));
    let other = outer.clone();
    drop(outer);
    assert_eq!((other.call(), dropped.load(Ordering::Relaxed)), (42, 0));
    drop(other);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

/// A panic of a closure passes functions that have destroyed every register: the thunk finds its own.
#[test]
fn a_panic_passes_with_registers_intact() {
    struct Run {
        entry: EntryPoint<extern "C-unwind" fn(u64) -> u64>,
        caught: usize,
    }
    extern "C" fn run(argument: *mut c_void) {
        // SAFETY: the test passes a `Run` that it does not use meanwhile.
        let run = unsafe { &mut *argument.cast::<Run>() };
        for depth in 0..4 {
            let caught = catch_unwind(AssertUnwindSafe(|| run.entry.call(depth)));
            run.caught +=
                usize::from(caught.expect_err("it panics").downcast_ref() == Some(&"at the bottom"));
        }
    }
    let heap = heap();
    let bottom = Closure::<extern "C-unwind" fn() -> u64>::new(|| resume_unwind(Box::new("at the bottom")));
    let mut asm = Assembler::new();
    let mut f = CFunction::<extern "C-unwind" fn(u64) -> u64>::begin(&mut asm);
    let (deeper, this) = (f.label(), f.entry());
    // Through another frame that saves other registers.
    let other = {
        x64!(f => mov rbx, -1; mov r12, rbx; mov r13, rbx; mov r14, rbx; mov r15, rbx; test rdi, rdi; jnz {deeper});
        let result = f.call(&bottom, ());
        f.ret(result);
        f.bind(deeper);
        x64!(f => dec rdi);
        let result = f.call(this, (Value::reg(Gpr::Rdi),));
        f.ret(result);
        f.finish().expect("right")
    };
    let mut f = CFunction::<extern "C-unwind" fn(u64) -> u64>::begin(&mut asm);
    x64!(f => xor r13d, r13d; mov r15d, 7);
    let result = f.call(other, (f.arguments().0,));
    f.ret(result);
    let entry = f.finish().expect("right");
    let code = publish(&heap, asm);
    let mut run_it = Run { entry: entry_point(&code, entry), caught: 0 };
    assert_eq!(registers_after(run, (&raw mut run_it).cast()), PATTERN);
    assert_eq!(run_it.caught, 4);
}
