//! Templates out of the words of the syntax: what is accepted is instructions to iced-x86 too.
#![no_main]

#[path = "../../jit-asm/tests/syntax/fuzz.rs"]
#[allow(unused_imports)] // its test uses more
mod fuzz;
#[path = "../../jit-asm/tests/syntax/soup.rs"]
#[allow(dead_code)] // the tests use more of it
mod soup;

use arbtest::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // An error says that the bytes are at their end.
    let _ = fuzz::check(&mut Unstructured::new(bytes));
});
