//! Nobody but the crate says which function calls a closure: code would believe any address.

use jit_runtime::transition::{Calls, Closure};

struct Mine;

impl Calls<Mine> for extern "C" fn() -> i32 {
    fn function() -> usize {
        0x1234
    }
}

fn main() {
    let _ = Closure::<extern "C" fn() -> i32>::new(Mine);
}
