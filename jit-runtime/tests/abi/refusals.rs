//! Functions that must not run are not published, and entries fit no other code than their own.

use crate::{entry_point, heap, publish};
use jit_runtime::abi::{CFunction, CFunctionError};
use jit_runtime::stitch::{Assembler, Sealed, StitchError};
use jit_runtime::transition::EntryPoint;
use jit_runtime::x64;
use std::panic::{AssertUnwindSafe, catch_unwind};

type Number = extern "C" fn() -> i64;

fn number(asm: &mut Assembler, n: i64) -> jit_runtime::abi::CEntry<Number> {
    let mut f = CFunction::<Number>::begin(asm);
    f.ret(n);
    f.finish().expect("right")
}

fn unfinished(sealed: Result<Sealed, StitchError>) -> String {
    let error = sealed.expect_err("it must not run");
    assert!(matches!(error, StitchError::Unfinished { .. }), "{error:?}");
    error.to_string()
}

/// Whatever becomes of a function that is not finished, its assembler knows.
#[test]
fn unfinished_functions_are_not_sealed() {
    fn panic_with(f: CFunction<'_, Number>) {
        let panics = catch_unwind(AssertUnwindSafe(|| {
            let _in_the_middle = f;
            panic!("while a function is made");
        }));
        assert!(panics.is_err());
    }
    let gone: [fn(CFunction<'_, Number>); 3] = [|f| drop(f), |f| std::mem::forget(f), panic_with];
    for lose in gone {
        let mut asm = Assembler::new();
        number(&mut asm, 1);
        let f = CFunction::<Number>::begin(&mut asm);
        let at = f.entry().at();
        lose(f);
        // Another one that is right does not make up for it.
        number(&mut asm, 2);
        let told = unfinished(asm.seal());
        assert!(told.contains(&at.to_string()) && told.contains("finish"), "{told}");
    }
}

#[test]
fn refused_functions_are_not_sealed() {
    let mut asm = Assembler::new();
    let mut f = CFunction::<Number>::begin(&mut asm);
    x64!(f => mov ebp, 1);
    let wrong = f.finish().expect_err("it writes rbp");
    number(&mut asm, 2);
    let error = asm.seal().expect_err("it must not run");
    assert!(matches!(&error, StitchError::Refused { why, .. } if *why == wrong.to_string()), "{error:?}");
    assert!(error.to_string().contains(&wrong.to_string()), "{error}");
}

/// An assembler that is cleared has nothing to answer for.
#[test]
fn cleared_assemblers_forget_them() {
    let mut asm = Assembler::new();
    drop(CFunction::<Number>::begin(&mut asm));
    let mut f = CFunction::<Number>::begin(&mut asm);
    x64!(f => mov ebp, 1);
    assert!(f.finish().is_err());
    asm.clear();
    let entry = number(&mut asm, 42);
    assert_eq!(entry_point(&publish(&heap(), asm), entry).call(), 42);
}

/// An entry is that of one piece of code, although another has a function at the same offset.
#[test]
fn entries_fit_their_own_code_only() {
    let heap = heap();
    let mut asm = Assembler::new();
    let cleared = number(&mut asm, 1);
    asm.clear();
    let recycled = number(&mut asm, 2);
    let mut asm = asm.seal().expect("right").recycle();
    let entry = number(&mut asm, 3);
    let code = publish(&heap, asm);
    let mut other = Assembler::new();
    let foreign = number(&mut other, 4);
    let other = publish(&heap, other);
    assert_eq!([cleared.at(), recycled.at(), foreign.at()], [entry.at(); 3]);
    for wrong in [cleared, recycled, foreign] {
        assert!(!wrong.is_in(&code));
        // SAFETY: there is nothing that the function would have to be given.
        assert!(unsafe { EntryPoint::of_function(code.clone(), wrong) }.is_none());
    }
    assert!(entry.is_in(&code) && entry.is_in(&code.clone()) && foreign.is_in(&other));
    assert_eq!((entry_point(&code, entry).call(), entry_point(&other, foreign).call()), (3, 4));
}

#[test]
fn entries_of_other_lives_are_not_called() {
    let mut asm = Assembler::new();
    let before = number(&mut asm, 1);
    asm.clear();
    let here = number(&mut asm, 2);
    let mut f = CFunction::<Number>::begin(&mut asm);
    f.call(here, ());
    f.call(before, ());
    assert_eq!(f.finish().expect_err("another life"), CFunctionError::OtherAssembler);
}
