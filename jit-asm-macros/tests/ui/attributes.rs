//! Attributes of templates that are none, and words that are near.

use jit_asm_macros::x64;

fn main() {
    let mut code = vec![];
    x64!(code => #![functon] #![inputs(rxd)] #[allow(dead_flag)] cmp rax, rcx; #![function] ret);
    x64!(code => #[inputs(rdx)] idiv rcx; /// comment
        ret; #[allow(dead_flags)]);
    x64!(code => mov rax, {f: variadic});
}
