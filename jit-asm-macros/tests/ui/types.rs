//! Mistakes that rustc finds in what the macros make, at the user's own expression.

use jit_asm::Gpr;
use jit_asm_macros::{templates, x64};

templates! {
    fn wide(value: i64) = x64!< add rax, {value} >;
}

fn main() {
    let mut code = vec![];
    let (wide, text, register) = (5_i64, "text", 3_u8);
    x64!(code => add rax, {wide});
    x64!(code => mov rax, [rbp + {text}]);
    x64!(code => mov {register: r64}, [rax + {Gpr::Rcx: r64}*8]);
    x64!(code => add rax, {missing});
    x64!(code => jmp {text});
    x64!(register => nop);
    x64! { add rax, {const 1.5} };
    x64! { add rax, {const text} };
}
