//! What stands between braces, and what will only come later.

use jit_asm_macros::x64;

fn main() {
    let mut code = vec![];
    let (n, r, l, c) = (1, 2, 3, 4);
    x64!(code =>
        add rax, {};
        add rax, {const};
        add rax, {n: i128};
        add rax, {n: usize};
        add rax, {n:};
        mov rax, [rbp - {n}];
        mov rax, [rbp - {const 8}];
        mov rax, [rbp + {n} + 8];
        mov rax, [rbp + {n} + {n}];
        mov rax, [rbp + {n: i64}];
        mov rax, [rbp + {r}*8];
        mov rax, [{r: r32} + 8];
        mov {const 5: r64}, rax;
        addsd {r: xmm}, xmm1;
        j{c} {l};
        set{c} al;
        cmov{c} rax, rcx;
        mov rax, rcx {k1}
    );
    // Types that the instruction has no field for, and what rustc could not read.
    x64!(code => add rax, {n: i64}; mov {n}, rax; jmp {l: i32});
    x64!(code => add rax, {n: u32}; add rcx, {const n: u8});
    x64!(code => add rax, {n; n}; add rax, {n n}; add rax, {n +});
    // Values want a sink.
    x64! { add rax, {n}; jmp {l}; mov {r: r64}, 5 };
}
