//! A function in assembly, made while the program runs and called from Rust: `cargo run --example hello`. It takes no
//! arguments.
#![allow(unsafe_code)] // what machine code does, only you can vouch for

use jit_runtime::{memory::CodeHeap, stitch::Assembler, x64};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A C function finds its arguments in rdi and rsi and returns its result in rax. The compiler has
    // checked and encoded these lines already; what is left to do here is to copy bytes and to put `bonus`
    // into the hole in braces.
    let bonus = 30;
    let mut asm = Assembler::new();
    x64!(asm => lea rax, [rdi + rsi]; add rax, {bonus}; ret);

    // Sealed code is complete: every label that is jumped to stands somewhere. Published code has an address
    // and can run, and from then on its memory cannot be written.
    let heap = CodeHeap::probe()?;
    let code = asm.seal()?.publish(&heap)?;

    // SAFETY: the code above takes two integers, returns one, and changes nothing else.
    let add = unsafe { code.entry::<extern "C" fn(i64, i64) -> i64>() };
    println!("10 + 2 + {bonus} = {}", add.call(10, 2)); // `add` borrows `code`: it cannot outlive it
    Ok(())
}
