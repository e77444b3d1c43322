//! The frame of `templates!`.

use jit_asm_macros::templates;

templates! {
    fn unused(used: i32, unused: i32) = x64!< add rax, {used} >;
    fn unknown(lhs: i32) = x64!< add rax, {lhs}; add rax, {rhs}; jmp {special} >;
    fn constant(size: i32) = x64!< add rax, {const size} >;
    fn braces() = x64!{ nop };
    fn parentheses() = x64!( nop );
    fn body() { nop }
    fn returns() -> i32 = x64!< nop >;
    fn generic<T>(t: T) = x64!< nop >;
    fn receiver(self) = x64!< nop >;
    struct Other;
    fn two_mistakes(a: i32) = x64!< add rax; add [rax], {a} >;
    fn open() = x64!< nop;
}

fn main() {}
