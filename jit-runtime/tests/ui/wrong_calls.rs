//! Each line from the mark on is one mistake.

use jit_runtime::abi::{CFunction, Pair, Value};
use jit_runtime::stitch::Assembler;
use jit_runtime::transition::Closure;
use jit_runtime::{Gpr, Xmm};

extern "C" fn scale(x: f64, n: i32) -> f64 {
    x * f64::from(n)
}

unsafe extern "C" {
    fn printf(format: *const u8, ...) -> i32;
}

fn main() {
    let scale: extern "C" fn(_, _) -> _ = scale;
    let printf: unsafe extern "C" fn(_, ...) -> _ = printf;
    let closure = Closure::<extern "C-unwind" fn(i64) -> i64>::new(|n| n);
    let mut asm = Assembler::new();
    let mut f = CFunction::<extern "C-unwind" fn(i64, f64) -> f64>::begin(&mut asm);
    let (n, x) = f.arguments();
    let local = f.local::<i32>();
    // The mark.
    f.call(scale, (n, local));
    f.call(scale, (x,));
    f.call(scale, (x, 5_u32));
    f.call(&closure, (x,));
    f.call_variadic(printf, (c"%f".as_ptr().cast::<u8>(),), (1.5_f32,));
    f.set(local, x);
    f.ret(n);
    f.ret((x, x));
    Value::<f64>::reg(Gpr::Rax);
    Value::<u8>::reg(Xmm::Xmm0);
    f.local::<[i64; 2]>();
    CFunction::<fn(i64) -> i64>::begin(&mut Assembler::new());
    CFunction::<extern "C" fn(String)>::begin(&mut Assembler::new());
    CFunction::<extern "C" fn() -> Pair<i32, i32>>::begin(&mut Assembler::new());
    Closure::<extern "C" fn(i64) -> i64>::new(|n: i32| n);
}
