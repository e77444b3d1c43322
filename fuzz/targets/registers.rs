//! The operand-stack cache, joins, calls and parallel moves, each against its checker, and that of debug builds.
#![no_main]

use arbtest::arbitrary::Unstructured;
use jit_runtime::registers::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let runs = [fuzzing::cache, fuzzing::join, fuzzing::shape, fuzzing::call, fuzzing::slip, fuzzing::moves];
    let run = runs[usize::from(*which) % runs.len()];
    // An error says that the bytes are at their end.
    let _ = run(&mut Unstructured::new(rest));
});
