//! Code may run in any thread, so what a closure captures is shared.

use jit_runtime::transition::Closure;
use std::cell::Cell;

fn main() {
    let count = Cell::new(1);
    Closure::<extern "C" fn()>::new(move || count.set(count.get() + 1));
}
