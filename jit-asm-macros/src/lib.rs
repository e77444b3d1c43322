//! `x64!` and `templates!`: assembly templates checked and encoded while Rust compiles.
//!
//! **Problem.** A macro should give its user bytes, or every mistake under the operand that is wrong.
//!
//! **Idea.** `jit_asm::syntax` reads, checks and lays out; this crate only finds the template in what the
//! user wrote and writes the result as Rust. parse, barrier, check, barrier, quote: the last stage cannot
//! fail. What is certain to go wrong at run time comes out as a warning (`lint`).
//!
//! **Invariants.** What comes out is straight-line code: one copy, one store per hole at a constant
//! offset, one call per label. Expressions of the user stand in it once, with their own places, before
//! the sink is borrowed.
//!
//! **Cost.** What `jit_asm::syntax` costs, and the tokens of one constant and a few stores.

mod emit;
mod input;
mod lint;
mod parts;
mod report;
mod templates;
#[cfg(test)]
mod tests;
mod widths;
mod x64;

use proc_macro::TokenStream;

/// Assembles a template while Rust compiles.
///
/// `x64! { .. }` is a constant of type `jit_asm::Template`; `x64!(sink => ..)` emits into a
/// `jit_asm::Sink`, such as a `Vec<u8>`.
///
/// ```
/// use jit_asm::Template;
/// use jit_asm_macros::x64;
///
/// const DIVIDE: Template = x64! { mov rax, [rbp - 16]; cqo; idiv rcx };
/// assert_eq!(DIVIDE.bytes, b"\x48\x8b\x45\xf0\x48\x99\x48\xf7\xf9");
///
/// let mut code = vec![];
/// let slot = -16;
/// x64!(code => add rax, [rbp + {slot}]; again: dec rax; jnz again; ret);
/// assert_eq!(code, b"\x48\x03\x85\xf0\xff\xff\xff\x48\xff\xc8\x75\xfb\xc3");
/// ```
///
/// # Statements
///
/// Statements are separated by `;`. One is a mnemonic with operands between commas, in Intel's order; any
/// number of labels (`name:`) may stand in front. A label belongs to its template: jumps to it are resolved
/// here, short where they reach. A label that nothing names is an error.
///
/// Operands are registers (`rax`, `eax`, `ax`, `al`, `ah`, `r8`, `r8d`, `r8w`, `r8b`, ..), integers (`10`,
/// `-5`, `0xff`, `0b101`, `'a'`) without Rust's suffixes, labels, addresses, and holes. An address is
/// `[base + index*scale + displacement]` in any order, `[rip + 5]`, or `[label]`; `byte`, `word`, `dword` or
/// `qword`, `xmmword` or `ymmword` in front (also `qword ptr`) says its width where nothing else does. The width is
/// never guessed. `fs:` or `gs:` in front of the brackets adds the base of that segment. The prefixes `lock`, `rep`,
/// `repe` and `repne` stand in front of the instructions that have them.
///
/// The words of the language may be written in capitals: `MOV RAX, QWORD PTR [RBP - 16]`. Labels and aliases
/// are told apart by case, as names of Rust are.
///
/// # Names for registers
///
/// `let acc = rax;` names a register, at its width, from there to the end of the template. An alias stands
/// wherever its register may, in addresses too, and an alias of an alias is one. What is in braces is Rust and
/// knows no aliases.
///
/// ```
/// # use jit_asm_macros::x64;
/// const SUM: jit_asm::Template = x64! { let acc = rax; let list = rdi; add acc, [list + 8] };
/// assert_eq!(SUM.lines[0].text, "add rax, [rdi + 8]");
/// ```
///
/// # Data
///
/// | directive | puts |
/// |---|---|
/// | `.byte`, `.word`, `.dword`, `.qword` | items of 8, 16, 32 or 64 bits between commas: numbers, characters, holes and constants; strings in `.byte`, floats (`1.5`) in `.dword` and `.qword` |
/// | `.zero 16` | so many zero bytes |
/// | `.align 8` | instructions that do nothing, up to a multiple of 1, 2, 4, 8 or 16 |
///
/// Data carries labels as code does: `lea rax, [table]`, `mov rax, [limit]`. It must not run: it stands behind a `ret` or
/// `jmp`, or is a template of its own. With `.align` the whole template is aligned when it is emitted, for which the sink
/// is an `AlignSink`; who copies the bytes of a constant keeps them at a multiple of `Template::align`.
///
/// ```
/// # use jit_asm_macros::x64;
/// const WEIGHT: jit_asm::Template = x64! {
///     lea rax, [table]; mov rax, [rax + rdi*8]; ret;
///     .align 8;
///     table: .qword 3, -1, 0xffff_ffff_ffff
/// };
/// assert_eq!((WEIGHT.align, WEIGHT.data[0].start), (8, 16));
/// ```
///
/// # Holes
///
/// Everything in braces is a hole, and its content is Rust. The layout of a template follows from the types
/// of its holes and never from their values.
///
/// | written | takes | fills |
/// |---|---|---|
/// | `add rax, {n}` | the widest immediate of the instruction: here `i32`; `i64` in `mov rax, {n}` | the immediate |
/// | `add rax, {n: i8}` | that type; `u8` to `u64` where the instruction does not extend the sign | the immediate |
/// | `mov rax, [rbp + {d}]` | `i32`; `{d: i8}` forces one byte | the displacement |
/// | `add {r: r64}, 1`, `[{r: r64} + 8]` | a `Gpr` at 64, 32, 16 or 8 bits; 64 in an address | the register |
/// | `[rax + {i: r64}*8]` | an `IndexGpr`, from `Gpr::index` of any register but rsp | the index |
/// | `addsd {x: xmm}, xmm1`, `vaddpd ymm0, {y: ymm}, ymm1` | an `Xmm`, as an index of a gather too | the register |
/// | `add rax, {s: rm64}` | an `Rm`, which is a register or memory; `rm8` to `rm64` | the whole operand |
/// | `add rax, {s: rmi64}` | an `Rmi`, which may be a constant too; `rmi32` and `rmi64` | the whole operand |
/// | `addsd xmm0, {s: xm}` | an `Xm`, which is a vector register or memory; `xm` and `ym` | the whole operand |
/// | `lea rax, {a: m}`, `inc {a: m32}` | an `Address`; `m` where the instruction says how wide it is | the whole operand |
/// | `j{c} {l}`, `set{c} al`, `cmov{c} rax, rcx` | a `Cond` | the condition |
/// | `jmp {l}`, `call {f}`, `lea rax, [{l}]` | whatever the sink links (`LinkSink`) | the distance |
/// | `call {f: patchable}`, `jmp {l: patchable}` | the same | the distance, in a field that is 4-aligned by padding in front of the template (`AlignSink`) |
/// | `add rax, {const SIZE * 8}` | an integer constant that fits, or it is a compile error | immediate or displacement |
///
/// Destination, index and mask of a gather must be three registers, or the processor raises #UD. One that is named
/// twice is a compile error; where some are holes, emission panics at the instruction if two are equal.
///
/// A hole for a whole operand makes its instruction into several, encoded here, of which emission takes the one for
/// the value it gets. At most one operand of an instruction may be in memory. The template then has no fixed
/// length, and its description is that of the longest.
///
/// ```
/// use jit_asm::{Address, Gpr, Rmi};
/// use jit_asm_macros::x64;
///
/// fn add(code: &mut Vec<u8>, src: Rmi) {
///     x64!(code => add rax, {src: rmi64});
/// }
/// let mut code = vec![];
/// add(&mut code, Gpr::R9.into());
/// add(&mut code, Address::new(Gpr::Rbp, -16).into());
/// add(&mut code, 1.into());
/// assert_eq!(code, b"\x4c\x01\xc8\x48\x03\x44\x25\xf0\x48\x83\xc0\x01");
/// ```
///
/// A path with `::`, a call of one, or a macro call needs no braces where a constant stands: `[rdi + offset_of!(Ctx, top)]`
/// and `mov eax, -Ctx::SIZE * 8` mean `{const ..}`. A lone word does need them; without, it is a label. The constants of
/// one address are added up with its numbers, each in its own type: `[rdi - offset_of!(Ctx, top) + {const SIZE} + 8]`.
///
/// ```
/// # use jit_asm_macros::x64;
/// use std::mem::offset_of;
/// # #[repr(C)] struct Ctx { limit: u64, top: u32 }
/// const LOAD: jit_asm::Template = x64! { mov eax, [rdi + offset_of!(Ctx, top)]; cmp eax, size_of::<Ctx>() };
/// # assert_eq!(LOAD.bytes, b"\x8b\x87\x08\0\0\0\x3d\x10\0\0\0");
/// ```
///
/// A constant template has `const` holes only. In `x64!(sink => ..)` the contents are evaluated in the order
/// of the code, each where it stands, and before the sink is borrowed.
///
/// # Lints
///
/// What assembles and is certain to go wrong is a warning: a division whose upper half nothing has set, a
/// comparison that is overwritten unread, a `ret` that misses its address. `docs/lints.md` of the repository lists
/// them. A template can say more about itself:
///
/// | written | says |
/// |---|---|
/// | `#![function]` at the start | it is a whole function of the System V ABI, and so are those it calls: rsp must be a multiple of 16 at calls, callee-saved registers must be restored |
/// | `#![inputs(rdx)]` at the start | these registers, or aliases of registers, are set before it |
/// | `call {printf: variadic}` | the callee counts its vector arguments in al |
/// | `#[allow(dead_flags)] cmp rax, rcx` | the lint is wrong about this instruction |
/// | `#![allow(dead_flags)]` at the start | the lint is wrong about this template |
///
/// rustc shows the warnings as its lint `deprecated`, so `#[allow(deprecated)]` around the macro allows all of them.
///
/// ```
/// #![deny(deprecated)]
/// # use jit_asm_macros::x64;
/// let mut code = vec![];
/// x64!(code =>
///     #![function]
///     push rbx;
///     mov rbx, rdi;
///     call [rsi];
///     add rax, rbx;
///     pop rbx;
///     ret
/// );
/// ```
///
/// ```compile_fail
/// #![deny(deprecated)]
/// # use jit_asm_macros::x64;
/// # let mut code = vec![];
/// x64!(code => mov rax, [rbp - 16]; idiv rcx);
/// ```
///
/// # Errors
///
/// All mistakes of a template are reported at once, each under its own tokens.
#[proc_macro]
pub fn x64(input: TokenStream) -> TokenStream {
    x64::expand(input.into()).into()
}

/// Declares functions that emit templates.
///
/// ```
/// use jit_asm::Gpr;
/// use jit_asm_macros::templates;
///
/// templates! {
///     /// Loads a frame slot.
///     pub fn load(into: Gpr, slot: i32) = x64!< mov {into: r64}, [rbp + {slot}] >;
/// }
///
/// let mut code = vec![];
/// load(&mut code, Gpr::R9, 64);
/// assert_eq!(code, b"\x4c\x8b\x8d\x40\0\0\0");
/// assert_eq!(load::TEMPLATE.lines[0].text, "mov {into: r64}, [rbp + {slot}]");
/// ```
///
/// The body is a template as [`x64!`] takes it, between angle brackets; rustc accepts that spelling only
/// inside another macro. Each entry becomes
/// - a function with the sink as its first parameter: `fn load(sink: &mut impl Sink, into: Gpr, slot: i32)`.
///   Its documentation ends with the listing of the code. Where a parameter is a jump target, the sink must be
///   `LinkSink` of its type.
/// - a type of the same name that carries `TEMPLATE`, the description with its bytes, holes and effects.
///
/// An entry with widths behind its name becomes one of each width, in which the holes of the types `r`, `rm` and
/// `rmi` have that width: `fn add[32, 64](a: Gpr, b: Rm) = x64!< add {a: r}, {b: rm} >;` makes `add32` and `add64`.
///
/// `let acc = rax;` in front of an entry names a register for all entries behind it, as it does inside a template.
///
/// Visibility and attributes are kept. The type of a parameter is the type of its hole; every parameter is
/// used by a hole.
#[proc_macro]
pub fn templates(input: TokenStream) -> TokenStream {
    templates::expand(input.into()).into()
}
