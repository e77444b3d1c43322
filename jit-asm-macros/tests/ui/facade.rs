//! Places of errors survive a facade that wraps the macros, and a `macro_rules!` of the user.

macro_rules! x64 {
    ($($t:tt)*) => { ::jit_asm_macros::x64! { @crate [::jit_asm] $($t)* } };
}
macro_rules! templates {
    ($($t:tt)*) => { ::jit_asm_macros::templates! { @crate [::jit_asm] $($t)* } };
}
macro_rules! load {
    ($sink:ident, $value:expr) => { x64!($sink => mov rax, [$value]; add rax, {$value}) };
}

templates! {
    fn add(value: i64) = x64!< add [rbp - 16], {value}; jmp {l} >;
}

fn main() {
    let mut code = vec![];
    x64!(code => inc [rbp - 16]; mov rax, nowhere);
    load!(code, 5.0);
}
