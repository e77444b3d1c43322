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

templates! {
    fn twice[32, 32](a: Gpr) = x64!< inc {a: r} >;
    fn odd[32, 48](a: Gpr) = x64!< inc {a: r} >;
    fn none[](a: Gpr) = x64!< inc {a: r} >;
    fn unused[32, 64](a: Gpr) = x64!< inc {a: r64} >;
    fn wrong[32, 64](a: Gpr) = x64!< inc {a: r}, rax >;
    fn without(a: Gpr) = x64!< inc {a: r} >;
}
