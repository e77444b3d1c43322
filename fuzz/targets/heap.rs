//! The code heap over pages that are an account of what was asked of them, against a list of what must be there.
#![no_main]

use arbtest::arbitrary::Unstructured;
use jit_runtime::memory::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = fuzzing::heap(&mut Unstructured::new(bytes));
});
