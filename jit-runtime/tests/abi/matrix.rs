//! The matrix: 0 to 12 integers and 0 to 12 floats in three orders, with every kind of result, both ways, against
//! rustc, the C compiler, and a caller that is neither.

use crate::compiler::{self, Library};
use crate::samples::{Ret, SEEN, Seen, Tested, word};
use crate::{caller, entry_point, heap, publish};
use jit_runtime::abi::{AbiReturn, CFunction, Kind, Pair, Place, Value};
use jit_runtime::stitch::Assembler;
use jit_runtime::transition::CHeap;
use jit_runtime::{Gpr, Template, Xmm, x64};
use std::io::{self, Write as _};

/// A signature of the matrix.
struct Case {
    arguments: Vec<&'static str>,
    returns: String,
    check: fn(&Env, usize),
}

struct Env {
    heap: CHeap,
    library: Option<Library>,
}

fn case<F: Tested>() -> Case {
    Case { arguments: F::c(), returns: <F::Return as Ret>::c(), check: check::<F> }
}

/// The rows, which are numbers of integers, one by one.
macro_rules! rows {
    ($cases:ident, [$($int:ty),*] [] $floats:tt $rets:tt) => {
        row!($cases, [$($int),*] [] $floats $rets);
    };
    ($cases:ident, [$($int:ty),*] [$next:ty $(, $more:ty)*] $floats:tt [$ret:ty $(, $rets:ty)*]) => {
        row!($cases, [$($int),*] [] $floats [$ret $(, $rets)*]);
        rows!($cases, [$($int,)* $next] [$($more),*] $floats [$($rets,)* $ret]);
    };
}

/// One row: numbers of floats, one by one, each in three orders with three results.
macro_rules! row {
    ($cases:ident, $ints:tt $floats:tt [] $rets:tt) => {
        cell!($cases, $ints $floats $rets);
    };
    (
        $cases:ident, $ints:tt [$($float:ty),*] [$next:ty $(, $more:ty)*]
        [$r1:ty, $r2:ty, $r3:ty $(, $rets:ty)*]
    ) => {
        cell!($cases, $ints [$($float),*] [$r1, $r2, $r3 $(, $rets)*]);
        row!($cases, $ints [$($float,)* $next] [$($more),*] [$($rets,)* $r1, $r2, $r3]);
    };
}

macro_rules! cell {
    ($cases:ident, [$($int:ty),*] [$($float:ty),*] [$r1:ty, $r2:ty, $r3:ty $(, $rets:ty)*]) => {
        $cases.push(case::<extern "C" fn($($int,)* $($float),*) -> $r1>());
        $cases.push(case::<extern "C" fn($($float,)* $($int),*) -> $r2>());
        mixed!($cases, [] [$($int),*] [$($float),*] $r3);
    };
}

/// Integers and floats in turns, as long as there are both.
macro_rules! mixed {
    ($cases:ident, [$($done:ty),*] [$int:ty $(, $ints:ty)*] [$float:ty $(, $floats:ty)*] $ret:ty) => {
        mixed!($cases, [$($done,)* $float, $int] [$($ints),*] [$($floats),*] $ret);
    };
    ($cases:ident, [$($done:ty),*] [$($ints:ty),*] [$($floats:ty),*] $ret:ty) => {
        $cases.push(case::<extern "C" fn($($done,)* $($ints,)* $($floats),*) -> $ret>());
    };
}

type Pointer = *const u8;

#[allow(clippy::vec_init_then_push)] // by macros, one by one
fn cases() -> Vec<Case> {
    let mut cases = vec![];
    rows!(
        cases,
        [] [i64, i32, u8, i16, Pointer, u64, i8, bool, u16, u32, isize, i16]
        [f64, f32, f64, f32, f32, f64, f32, f64, f32, f64, f64, f32]
        [
            (), i64, f64, Pair<i64, i64>, f32, i8, Pair<i64, f64>, bool, u16, Pair<f64, i64>, i32, Pointer, u8, i16,
            Pair<f64, f64>, u32, u64
        ]
    );
    cases
}

/// 13 by 13 by 3 signatures.
#[test]
fn every_signature_both_ways() {
    let cases = cases();
    assert_eq!(cases.len(), 507);
    let text: String =
        cases.iter().enumerate().map(|(n, case)| compiler::text(n, &case.arguments, &case.returns)).collect();
    let library = Library::compile(&text);
    if library.is_none() {
        // Past the capture of test output: every run tells what it could not look at.
        let _ = writeln!(
            io::stderr(),
            "signatures: there is no C compiler `cc`, so they are compared with rustc only"
        );
    }
    let env = Env { heap: heap(), library };
    for (number, case) in cases.iter().enumerate() {
        (case.check)(&env, number);
    }
}

fn check<F: Tested>(env: &Env, number: usize) {
    called_from_compilers::<F>(env, number);
    let rust: F = F::compiled();
    calls(env, number, rust, |samples| {
        let Seen { words, aligned, direction } = SEEN.take();
        assert_eq!(words, words_of(samples), "signature {number}: what rustc's function sees");
        assert!(aligned && !direction, "signature {number}: aligned {aligned}, direction {direction}");
    });
    let Some(library) = &env.library else { return };
    // SAFETY: the C function has this signature: its text is made of it.
    let c: F = unsafe { function_at(library.address(&format!("callee_{number}"))) };
    let [seen, result, misaligned] = ["seen", "result", "misaligned"].map(|name| words_at(library, name));
    for (i, word) in F::Return::sample().words().into_iter().enumerate() {
        // SAFETY: `result` has two words, and nobody else uses the library.
        unsafe { result.wrapping_add(i).write(word) };
    }
    calls(env, number, c, |samples| {
        // SAFETY: `seen` has a word for each argument.
        let words: Vec<u64> = (0..samples.len()).map(|i| unsafe { seen.wrapping_add(i).read() }).collect();
        assert_eq!(words, words_of(samples), "signature {number}: what the C function sees");
        // SAFETY: one word.
        assert_eq!(unsafe { misaligned.read() }, 0, "signature {number}: the C function's frame");
    });
}

fn words_of(samples: &[(Kind, u64)]) -> Vec<u64> {
    samples.iter().map(|(_, word)| *word).collect()
}

fn words_at(library: &Library, name: &str) -> *mut u64 {
    std::ptr::with_exposed_provenance_mut(library.address(name))
}

/// # Safety
/// A function of the type `F` is there, and stays.
unsafe fn function_at<F: Copy>(address: usize) -> F {
    let address = std::ptr::with_exposed_provenance::<()>(address);
    assert_eq!(size_of::<F>(), size_of::<*const ()>());
    // SAFETY: the caller's promise.
    unsafe { std::mem::transmute_copy::<*const (), F>(&address) }
}

const STORE_RBP: Template = x64! { mov [rax + 200], rbp };
const DESTROY: Template = x64! { mov rbx, rax; mov r12, rax; xor r13d, r13d; mov r14, -1; mov r15, rsp };
const SET_DIRECTION: Template = x64! { std };

/// A function of templates is called by rustc's code, by C code, and by a caller that looks at everything.
fn called_from_compilers<F: Tested>(env: &Env, number: usize) {
    let mut seen = Box::new([0_u64; 26]);
    let mut asm = Assembler::new();
    let mut f = CFunction::<F>::begin(&mut asm);
    f.set(Value::<u64>::reg(Gpr::Rax), (&raw mut *seen).expose_provenance() as u64);
    f.emit(const { &STORE_RBP });
    F::store_arguments(&mut f);
    // Everything that belongs to the caller is destroyed: the direction flag too, in some.
    f.emit(const { &DESTROY });
    if number % 2 == 1 {
        f.emit(const { &SET_DIRECTION });
    }
    F::Return::ret(&mut f);
    let entry = f.finish().expect("right");
    let entry = entry_point(&publish(&env.heap, asm), entry);
    let samples = F::samples();
    let mut check = |who: &str, result: &[u64]| {
        assert_eq!(seen[..samples.len()], words_of(&samples), "signature {number}, called by {who}");
        assert_eq!(result, F::Return::sample().words(), "signature {number}, result for {who}");
        assert_eq!(seen[25] % 16, 0, "signature {number}, called by {who}");
        seen.fill(0);
    };

    check("rustc", &F::call(&entry));

    let state = caller::call(entry.code().address(), &samples);
    assert_eq!(state.wrong(), None, "signature {number}");
    check("the tests' own caller", &results(&state, <F::Return as AbiReturn>::KINDS));

    if let Some(library) = &env.library {
        type Caller<F> = extern "C" fn(F, *const u64, *mut u64);
        // SAFETY: the C function has this signature.
        let c: Caller<F> = unsafe { function_at(library.address(&format!("caller_{number}"))) };
        let (passed, mut out) = (words_of(&samples), [0; 2]);
        // SAFETY: called below only, while the code lives.
        let pointer = unsafe { entry.pointer() };
        c(pointer, passed.as_ptr(), out.as_mut_ptr());
        check("C", &out[..<F::Return as AbiReturn>::KINDS.len()]);
    }
}

/// The results that the registers hold.
fn results(state: &caller::State, kinds: &[Kind]) -> Vec<u64> {
    let (mut general, mut vectors) = (state.rax_rdx.iter(), state.xmm0_1.iter());
    let result = |kind: &Kind| {
        let float = matches!(kind, Kind::F32 | Kind::F64);
        let word = *if float { vectors.next() } else { general.next() }.expect("two of each");
        // Compilers rely on narrow results being extended to 32 bits, too.
        match kind {
            Kind::I8 => assert_eq!(word as u32 as i32, i32::from(word as i8)),
            Kind::U8 => assert_eq!(word as u32, u32::from(word as u8)),
            Kind::I16 => assert_eq!(word as u32 as i32, i32::from(word as i16)),
            Kind::U16 => assert_eq!(word as u32, u32::from(word as u16)),
            _ => {}
        }
        word & (u64::MAX >> (64 - 8 * kind.bytes()))
    };
    kinds.iter().map(result).collect()
}

/// A function of templates calls `callee` with its samples from wherever they may be.
fn calls<F: Tested>(env: &Env, number: usize, callee: F, seen: impl Fn(&[(Kind, u64)])) {
    let samples = F::samples();
    let call = |f: &mut CFunction<'_, Plain>, places: &[Place]| F::emit_call(f, callee, places);
    let out = call_from_anywhere(env, number, &samples, &call);
    seen(&samples);
    assert_eq!(
        out[..<F::Return as AbiReturn>::KINDS.len()],
        F::Return::sample().words(),
        "signature {number}"
    );
}

type Plain = extern "C" fn();

/// Run a function that has the samples in any places and calls. What it stored at rbx.
fn call_from_anywhere(
    env: &Env,
    number: usize,
    samples: &[(Kind, u64)],
    call: &dyn Fn(&mut CFunction<'_, Plain>, &[Place]),
) -> [u64; 2] {
    // In memory there is junk above narrow ones, and in registers too.
    let junk = |kind: Kind, word: u64| if kind.bytes() == 8 { word } else { word | !0 << (8 * kind.bytes()) };
    let memory: Vec<u64> = samples.iter().map(|&(kind, word)| junk(kind, word)).collect();
    let mut out = Box::new([0_u64; 2]);
    let mut asm = Assembler::new();
    let mut f = CFunction::<Plain>::begin(&mut asm);
    x64!(f => mov rbx, {out.as_mut_ptr().expose_provenance() as i64});
    let places = load_anywhere(&mut f, &mut Random(number as u64), samples, &memory);
    if number % 2 == 1 {
        x64!(f => std);
    }
    call(&mut f, &places);
    f.ret(());
    let entry = f.finish().expect("right");
    let entry = entry_point(&publish(&env.heap, asm), entry);
    let state = caller::call(entry.code().address(), &[]);
    assert_eq!(state.wrong(), None, "signature {number}");
    *out
}

/// Have each sample in a register, in memory, or leave it a constant.
fn load_anywhere(
    f: &mut CFunction<'_, Plain>,
    random: &mut Random,
    samples: &[(Kind, u64)],
    memory: &[u64],
) -> Vec<Place> {
    use Gpr::{R8, R9, R10, R12, R13, R14, R15, Rax, Rcx, Rdi, Rdx, Rsi};
    let at = memory.as_ptr().expose_provenance() as i64;
    let mut gprs = random.shuffled(vec![Rax, Rcx, Rdx, Rsi, Rdi, R8, R9, R10, R12, R13, R15]);
    let mut vectors = random.shuffled(Xmm::ALL.to_vec());
    // Two bases: one that no argument is passed in, and one that may be in the way.
    let bases = [R14, gprs.pop().expect("eleven")];
    for base in bases {
        x64!(f => mov {base: r64}, {at});
    }
    let mut place = |(i, &(kind, _)): (usize, &(Kind, u64))| {
        let disp = 8 * i as i32;
        let choice = random.below(6);
        let float = matches!(kind, Kind::F32 | Kind::F64);
        if choice == 0 {
            return Place::Constant(i as u64);
        }
        if let Some(register) = (choice > 1 && float).then(|| vectors.pop()).flatten() {
            x64!(f => movsd {register: xmm}, [r14 + {disp}]);
            return Place::Vector(register);
        }
        if let Some(register) = (choice > 1 && !float).then(|| gprs.pop()).flatten() {
            x64!(f => mov {register: r64}, [r14 + {disp}]);
            return Place::Gpr(register);
        }
        Place::Memory(bases[random.below(2)], disp)
    };
    samples.iter().enumerate().map(&mut place).collect()
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x1234_5677);
        (word(self.0) >> 11) as usize % limit
    }

    fn shuffled<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        for i in (1..items.len()).rev() {
            let other = self.below(i + 1);
            items.swap(i, other);
        }
        items
    }
}
