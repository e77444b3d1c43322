//! The stub that every exit reaches: it captures the machine's state for the client.
#![allow(unsafe_code)]

use super::map::Registers;
use crate::stitch::{Assembler, Function};
use crate::templates;
use core::mem::offset_of;
use jit_asm::{Gpr, Xmm};

/// The sixteen general and the sixteen vector registers as they were when an exit was taken, and which exit it was.
/// Of vector registers these are the lower 128 bits.
///
/// This is a frame on the stack, made by the stub of [`capture`]; Rust code gets a pointer to it.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Captured {
    /// Two words each, the lower first.
    vectors: [[u64; 2]; 16],
    registers: [u64; 16],
    /// The address behind the exit's call: the offset under which its frame map is found.
    return_address: usize,
}

impl Captured {
    /// What a register held. Of rsp: what it was before the call of the exit.
    #[must_use]
    pub fn register(&self, r: Gpr) -> u64 {
        self.registers[usize::from(r.number())]
    }

    /// What a vector register held.
    #[must_use]
    pub fn vector(&self, r: Xmm) -> u128 {
        let [low, high] = self.vectors[usize::from(r.number())];
        u128::from(high) << 64 | u128::from(low)
    }

    /// The address behind the exit's call, which names the exit.
    #[must_use]
    pub fn return_address(&self) -> usize {
        self.return_address
    }

    /// The state that a stub left at `at`.
    ///
    /// # Safety
    /// `at` is the pointer that a function got from the stub of [`capture`], and that function has not
    /// returned.
    #[must_use]
    pub unsafe fn read(at: *const Captured) -> Captured {
        // SAFETY: the stub made room for a whole `Captured`, wrote all of it, and keeps it until the
        // function returns (the caller's promise).
        unsafe { at.read() }
    }
}

impl Registers for Captured {
    fn register(&self, r: Gpr) -> u64 {
        Captured::register(self, r)
    }

    fn vector(&self, r: Xmm) -> u128 {
        Captured::vector(self, r)
    }
}

/// Room for the registers; the return address stands above it already.
const ROOM: i32 = offset_of!(Captured, return_address) as i32;

/// Where a register is stored, from rsp.
const fn place(r: Gpr) -> i32 {
    (offset_of!(Captured, registers) + 8 * r.number() as usize) as i32
}

/// The same of vector register `number`.
const fn vector(number: usize) -> i32 {
    (offset_of!(Captured, vectors) + 16 * number) as i32
}

templates! {
    /// Stores every register and hands a pointer to them to `handler`, as its second argument. No
    /// `push`: a `push rbp` would look like the beginning of a body.
    fn store_registers() = x64!<
        sub rsp, {const ROOM};
        mov [rsp + {const place(Gpr::Rax)}], rax;
        mov [rsp + {const place(Gpr::Rcx)}], rcx;
        mov [rsp + {const place(Gpr::Rdx)}], rdx;
        mov [rsp + {const place(Gpr::Rbx)}], rbx;
        lea rax, [rsp + {const ROOM + 8}];
        mov [rsp + {const place(Gpr::Rsp)}], rax;
        mov [rsp + {const place(Gpr::Rbp)}], rbp;
        mov [rsp + {const place(Gpr::Rsi)}], rsi;
        mov [rsp + {const place(Gpr::Rdi)}], rdi;
        mov [rsp + {const place(Gpr::R8)}], r8;
        mov [rsp + {const place(Gpr::R9)}], r9;
        mov [rsp + {const place(Gpr::R10)}], r10;
        mov [rsp + {const place(Gpr::R11)}], r11;
        mov [rsp + {const place(Gpr::R12)}], r12;
        mov [rsp + {const place(Gpr::R13)}], r13;
        mov [rsp + {const place(Gpr::R14)}], r14;
        mov [rsp + {const place(Gpr::R15)}], r15
    >;

    fn store_vectors() = x64!<
        movups [rsp + {const vector(0)}], xmm0;
        movups [rsp + {const vector(1)}], xmm1;
        movups [rsp + {const vector(2)}], xmm2;
        movups [rsp + {const vector(3)}], xmm3;
        movups [rsp + {const vector(4)}], xmm4;
        movups [rsp + {const vector(5)}], xmm5;
        movups [rsp + {const vector(6)}], xmm6;
        movups [rsp + {const vector(7)}], xmm7;
        movups [rsp + {const vector(8)}], xmm8;
        movups [rsp + {const vector(9)}], xmm9;
        movups [rsp + {const vector(10)}], xmm10;
        movups [rsp + {const vector(11)}], xmm11;
        movups [rsp + {const vector(12)}], xmm12;
        movups [rsp + {const vector(13)}], xmm13;
        movups [rsp + {const vector(14)}], xmm14;
        movups [rsp + {const vector(15)}], xmm15
    >;

    fn call_handler(handler: Function) = x64!< mov rsi, rsp; and rsp, -16; call {handler} >;
}

/// Emit the capture of the state: exits jump here behind their `call`, in the frame of the function that
/// is left. `handler` is a stub for a Rust function that takes the machine and a `*const Captured`. What
/// the client emits behind it finds the handler's result in rax and ends the frame, with
/// [`crate::frame::leave_frame`] to return to the caller of the function that was left.
pub fn capture(asm: &mut Assembler, handler: Function) {
    store_registers(asm);
    store_vectors(asm);
    call_handler(asm, handler);
}
