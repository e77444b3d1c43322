//! What the C calling convention costs: entering a C function from Rust, and calling Rust from one, beside trampolines
//! written by hand for the one function.
//!
//! `cargo bench -p jit-benches --bench abi`
#![allow(unsafe_code)]

use jit_benches::contest::aim_at_most;
use jit_benches::{Contestant, contest};
use jit_runtime::abi::{CFunction, Callee, Value};
use jit_runtime::memory::CodeHeap;
use jit_runtime::stitch::Assembler;
use jit_runtime::transition::{CHeap, Closure, EntryPoint};
use jit_runtime::{Gpr, x64};
use std::hint::black_box;

const ROUNDS: usize = 41;
const CALLS: i64 = 20_000;
const BY_HAND: &str = "by hand";
const C_FUNCTION: &str = "`CFunction`";
const FRAMELESS: &str = "by hand, without a frame pointer";
const CLOSURE: &str = "`CFunction`, a closure";

type F = extern "C-unwind" fn(i64, i64) -> i64;

fn main() {
    enter(
        "no register saved",
        by_hand(&|asm| x64!(asm => push rbp; mov rbp, rsp; lea rax, [rdi + rsi]; pop rbp; ret)),
        by_hand(&|asm| x64!(asm => lea rax, [rdi + rsi]; ret)),
        {
            c_function(&|f| {
                x64!(f => lea rax, [rdi + rsi]);
                f.ret(Value::<i64>::reg(Gpr::Rax));
            })
        },
    );
    let save_two = by_hand(&|asm| {
        x64!(asm =>
            push rbp; mov rbp, rsp; push rbx; push r12;
            mov rbx, rdi; mov r12, rsi; lea rax, [rbx + r12];
            pop r12; pop rbx; pop rbp; ret
        );
    });
    let save_two_frameless = by_hand(&|asm| {
        x64!(asm =>
            push rbx; push r12;
            mov rbx, rdi; mov r12, rsi; lea rax, [rbx + r12];
            pop r12; pop rbx; ret
        );
    });
    enter("two registers saved", save_two, save_two_frameless, {
        c_function(&|f| {
            x64!(f => mov rbx, rdi; mov r12, rsi; lea rax, [rbx + r12]);
            f.ret(Value::<i64>::reg(Gpr::Rax));
        })
    });
    let save_five = by_hand(&|asm| {
        x64!(asm =>
            push rbp; mov rbp, rsp; push rbx; push r12; push r13; push r14; push r15; sub rsp, 8;
            mov rbx, rdi; mov r12, rsi; mov r13, rdi; mov r14, rdi; mov r15, rdi; lea rax, [rbx + r12];
            add rsp, 8; pop r15; pop r14; pop r13; pop r12; pop rbx; pop rbp; ret
        );
    });
    let save_five_frameless = by_hand(&|asm| {
        x64!(asm =>
            push rbx; push r12; push r13; push r14; push r15;
            mov rbx, rdi; mov r12, rsi; mov r13, rdi; mov r14, rdi; mov r15, rdi; lea rax, [rbx + r12];
            pop r15; pop r14; pop r13; pop r12; pop rbx; ret
        );
    });
    enter("five registers saved", save_five, save_five_frameless, {
        c_function(&|f| {
            x64!(f => mov rbx, rdi; mov r12, rsi; mov r13, rdi; mov r14, rdi; mov r15, rdi; lea rax, [rbx + r12]);
            f.ret(Value::<i64>::reg(Gpr::Rax));
        })
    });
    call_rust();
}

/// A function as somebody would write it who knows what it needs.
fn by_hand(write: &dyn Fn(&mut Assembler)) -> EntryPoint<F> {
    let mut asm = Assembler::new();
    write(&mut asm);
    let heap = CodeHeap::probe().expect("this machine gives code memory");
    let code = asm.seal().and_then(|sealed| sealed.publish(&heap)).expect("published");
    // SAFETY: the functions below take two integers, return one, keep the ABI, and nothing that they call panics.
    unsafe { EntryPoint::new(code) }
}

fn c_function(build: &dyn Fn(&mut CFunction<'_, F>)) -> EntryPoint<F> {
    let mut asm = Assembler::new();
    let mut f = CFunction::begin(&mut asm);
    build(&mut f);
    let entry = f.finish().expect("right");
    let heap = CHeap::probe().expect("Linux with the GNU C library");
    let code = heap.publish(asm.seal().expect("no label is open")).expect("room");
    // SAFETY: as above.
    unsafe { EntryPoint::of_function(code, entry) }.expect("inside")
}

/// Rust calls both, many times: so that each call waits for the result of the one before, and so that none does.
fn enter(what: &str, by_hand: EntryPoint<F>, frameless: EntryPoint<F>, c_function: EntryPoint<F>) {
    for (waiting, how) in [(true, "each call waits for the last"), (false, "calls wait for nothing")] {
        // By hand there is a pointer and nothing else.
        let [pointer, frameless] = [&by_hand, &frameless].map(|f| {
            // SAFETY: the entry points are there until this function returns.
            black_box(unsafe { f.pointer() })
        });
        let contestants = vec![
            Contestant::new(BY_HAND, || add_up(waiting, |n, sum| pointer(n, sum))),
            Contestant::new(FRAMELESS, || add_up(waiting, |n, sum| frameless(n, sum))),
            Contestant::new(C_FUNCTION, || add_up(waiting, |n, sum| black_box(&c_function).call(n, sum))),
        ];
        let contest = contest(ROUNDS, contestants);
        contest.print(&format!("Rust enters, {what}, {how}"), "ns a call", CALLS as f64);
        let ratio = contest.ratio(C_FUNCTION, BY_HAND).median;
        aim_at_most(&format!("entry from Rust, {what}, {how}, x by hand"), ratio, 1.2);
    }
}

/// Many calls, each of which waits for the one before, or none.
fn add_up(waiting: bool, call: impl Fn(i64, i64) -> i64) {
    let next = |sum, n| if waiting { call(n, sum) } else { sum + call(n, 0) };
    assert_eq!((0..CALLS).fold(0, next), CALLS * (CALLS - 1) / 2);
}

#[inline(never)]
extern "C-unwind" fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// The body of a function that calls as often as its first argument says.
fn call_in_a_loop(f: &mut CFunction<'_, F>, callee: impl Callee<F>) {
    let (count, sum) = f.arguments();
    let (kept_count, kept_sum) = (Value::<i64>::reg(Gpr::R12), Value::<i64>::reg(Gpr::Rbx));
    f.set(kept_count, count);
    f.set(kept_sum, sum);
    let again = f.label();
    f.bind(again);
    let result = f.call(callee, (kept_sum, kept_count));
    f.set(kept_sum, result);
    x64!(f => dec r12; jnz {again});
    f.ret(kept_sum);
}

/// The loop that calls Rust, without a frame pointer.
fn by_hand_frameless() -> EntryPoint<F> {
    by_hand(&|asm| {
        let at = add as extern "C-unwind" fn(i64, i64) -> i64 as usize as i64;
        x64!(asm =>
            push rbx; push r12; push r13;
            mov r12, rdi; mov rbx, rsi; mov r13, {at};
            again: mov rdi, rbx; mov rsi, r12; call r13; mov rbx, rax; dec r12; jnz again;
            mov rax, rbx;
            pop r13; pop r12; pop rbx; ret
        );
    })
}

/// Loops that call Rust: the sum is in rbx, the count in r12.
fn call_rust() {
    let by_hand = by_hand(&|asm| {
        let at = add as extern "C-unwind" fn(i64, i64) -> i64 as usize as i64;
        x64!(asm =>
            push rbp; mov rbp, rsp; push rbx; push r12; push r13; push r14;
            mov r12, rdi; mov rbx, rsi; mov r13, {at};
            again: mov rdi, rbx; mov rsi, r12; call r13; mov rbx, rax; dec r12; jnz again;
            mov rax, rbx;
            pop r14; pop r13; pop r12; pop rbx; pop rbp; ret
        );
    });
    let frameless = by_hand_frameless();
    let plain = c_function(&|f| {
        let add: extern "C-unwind" fn(_, _) -> _ = add;
        call_in_a_loop(f, add);
    });
    let closure = Closure::<F>::new(|a, b| a + b);
    let closure = c_function(&|f| call_in_a_loop(f, &closure));
    let run = |name: &'static str, f: EntryPoint<F>| {
        Contestant::new(name, move || {
            assert_eq!(f.call(black_box(CALLS), 0), CALLS * (CALLS + 1) / 2, "{name}")
        })
    };
    let contestants =
        vec![run(BY_HAND, by_hand), run(FRAMELESS, frameless), run(C_FUNCTION, plain), run(CLOSURE, closure)];
    let contest = contest(ROUNDS, contestants);
    contest.print("code calls Rust", "ns a call", CALLS as f64);
    aim_at_most("call to Rust, x by hand", contest.ratio(C_FUNCTION, BY_HAND).median, 1.2);
}
