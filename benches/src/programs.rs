//! fib and sum: as bytecode and as Rust. [`crate::cranelift`] has them a third time.
//!
//! All of them mean the same: 64-bit integers that wrap, no memory but the stack.
//!
//! The bodies of the Rust loop carry an empty `asm!` on the register of the sum, as otherwise rustc
//! replaces the whole loop by a closed form. It is no instruction and touches no memory.
#![allow(unsafe_code)]

use jit_vm::{FuncId, Program, text};
use std::arch::asm;
use std::sync::Arc;

/// Fibonacci by recursion, and the sum of 1 to n in a loop, as text of the VM.
const SOURCE: &str =
    concat!(include_str!("../../jit-vm/programs/fib.txt"), include_str!("../../jit-vm/programs/sum.txt"),);

/// A function of the verified program.
pub struct Bytecode {
    /// The program, which has both.
    pub program: Arc<Program>,
    /// The function.
    pub function: FuncId,
}

/// The function `name`, `fib` or `sum`.
#[must_use]
pub fn bytecode(name: &str) -> Bytecode {
    let module = text::parse(SOURCE).expect("the source is in the text form");
    let program = module.verify().expect("the source keeps the rules of the bytecode");
    let function = program.find(name).expect("the source has fib and sum");
    Bytecode { program: Arc::new(program), function }
}

/// fib as rustc compiles it.
#[must_use]
pub fn fib(n: i64) -> i64 {
    if n < 2 { n } else { fib(n - 1).wrapping_add(fib(n - 2)) }
}

/// sum as rustc compiles it.
#[must_use]
#[inline(never)]
pub fn sum(n: i64) -> i64 {
    let (mut i, mut s) = (0i64, 0i64);
    while i < n {
        i = i.wrapping_add(1);
        s = s.wrapping_add(i);
        // SAFETY: no instruction, and one operand that stays as it is: no register, flag or memory changes.
        unsafe { asm!("/* {0} */", inout(reg) s, options(pure, nomem, nostack, preserves_flags)) }
    }
    s
}
