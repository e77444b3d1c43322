//! The code of the trampoline and of the cut, and the record of each of their instructions.

use super::Machine;
use crate::frame::{CodeRecord, Row};
use crate::stitch::{Assembler, CodePtr};
use crate::x64;
use jit_asm::Gpr;

/// From the stack pointer in the trampoline to its rbp: five registers, and eight bytes that align.
pub(super) const FRAME_BYTES: usize = 48;

/// Where the saved registers are, from the frame address (which is rbp + 16).
const SAVED: [(Gpr, i32); 6] =
    [(Gpr::Rbp, -16), (Gpr::Rbx, -24), (Gpr::R12, -32), (Gpr::R13, -40), (Gpr::R14, -48), (Gpr::R15, -56)];

/// Emit the trampoline, `extern "C-unwind" fn(machine, code, base) -> (rax, rdx)`, and behind it the cut.
/// The result is where the cut begins, and the record.
///
/// The trampoline saves the registers that belong to its caller, sets r14 and rbx, notes its stack
/// pointer, and calls the code. A jump to the cut has the trampoline return what is in rax and rdx from
/// wherever the segment is; it wants r14 only.
pub(super) fn emit(asm: &mut Assembler) -> (CodePtr, CodeRecord) {
    let mut record = CodeRecord::new();
    let restore = asm.label();

    x64!(asm => push rbp);
    record.row(asm.offset().0, Row::Frame(Gpr::Rsp, 16));
    record.row(asm.offset().0, Row::Saved(Gpr::Rbp, -16));
    x64!(asm => mov rbp, rsp);
    record.row(asm.offset().0, Row::Frame(Gpr::Rbp, 16));
    x64!(asm => push rbx);
    record.row(asm.offset().0, Row::Saved(Gpr::Rbx, -24));
    x64!(asm => push r12);
    record.row(asm.offset().0, Row::Saved(Gpr::R12, -32));
    x64!(asm => push r13);
    record.row(asm.offset().0, Row::Saved(Gpr::R13, -40));
    x64!(asm => push r14);
    record.row(asm.offset().0, Row::Saved(Gpr::R14, -48));
    x64!(asm => push r15);
    record.row(asm.offset().0, Row::Saved(Gpr::R15, -56));
    x64!(asm =>
        sub rsp, 8;
        mov r14, rdi;
        mov rbx, rdx;
        mov [r14 + {const Machine::ENTRY_SP}], rsp;
        call rsi
    );
    asm.bind(restore);
    // The saved values stay where they are until the return, and so do their rows.
    x64!(asm =>
        mov rbx, [rbp - 8];
        mov r12, [rbp - 16];
        mov r13, [rbp - 24];
        mov r14, [rbp - 32];
        mov r15, [rbp - 40];
        leave
    );
    record.row(asm.offset().0, Row::Frame(Gpr::Rsp, 8));
    for (register, _) in SAVED {
        record.row(asm.offset().0, Row::Kept(register));
    }
    x64!(asm => ret);

    let cut = asm.offset();
    record.row(cut.0, Row::FrameAt(Gpr::R14, Machine::ENTRY_SP, FRAME_BYTES as u32 + 16));
    for (register, at) in SAVED {
        record.row(cut.0, Row::Saved(register, at));
    }
    x64!(asm =>
        mov rsp, [r14 + {const Machine::ENTRY_SP}];
        lea rbp, [rsp + {const FRAME_BYTES as i32}];
        mov qword [r14 + {const Machine::CUT}], 1;
        jmp {restore}
    );
    (cut, record)
}
