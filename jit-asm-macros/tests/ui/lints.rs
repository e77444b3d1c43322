//! What assembles and goes wrong is a use of something deprecated, wherever a template may stand.
#![deny(deprecated)]

use jit_asm::Template;
use jit_asm_macros::{templates, x64};

const DIVIDE: Template = x64! { mov rax, [rbp - 16]; idiv rcx };
static COMPARE: Template = x64! { cmp rax, rcx; add rdx, 1 };
const LEFT: Template = x64! { #![function] sub rsp, 24; mov [rsp], rdi; mov rax, [rsp]; ret };
const CALL: Template = x64! { #![function] call [rax + 8]; ret };
const SAVED: Template = x64! { #![function] mov rbx, rdi; lea rax, [rbx + rbx*2]; ret };

templates! {
    /// Prints.
    fn print(format: i64, printf: i64) = x64!<
        #![function]
        sub rsp, 8; lea rdi, [{format}]; call {printf: variadic}; add rsp, 8; ret
    >;
    #[allow(deprecated)]
    fn quiet() = x64!< idiv rcx >;
    #[cfg(any())]
    fn nowhere() = x64!< idiv rcx >;
}

/// Two in one statement, one of them in a macro of the user.
fn emit<T>(code: &mut Vec<u8>) {
    macro_rules! emit {
        ($($template:tt)*) => { x64!(code => $($template)* cmp rax, rbx; test rax, rax) };
    }
    emit!(test al, al; xor edx, edx;);
    #[allow(deprecated)]
    {
        emit!(test al, al;);
    }
}

fn main() {
    emit::<u8>(&mut vec![]);
}
