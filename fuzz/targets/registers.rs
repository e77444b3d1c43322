//! The operand-stack cache, joins and parallel moves, each against its checker.
#![no_main]

use arbtest::arbitrary::Unstructured;
use jit_runtime::registers::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let run = [fuzzing::cache, fuzzing::join, fuzzing::moves][usize::from(which % 3)];
    // An error says that the bytes are at their end.
    let _ = run(&mut Unstructured::new(rest));
});
