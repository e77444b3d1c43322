//! The frame of functions that C calls: it keeps the registers that belong to the caller, and says which.
//!
//! **Problem.** A C function gives rbx, rbp and r12 to r15 back as they were (System V AMD64 ABI, 3.2.1). Which of them
//! it writes is known when its body is; an unwinder wants to know where they are at every instruction, and a record
//! for every function would have to be registered and searched.
//!
//! **Idea.** The frame tells. What is pushed first behind rbp is a word that says where each register is saved:
//!
//! ```text
//! push rbp
//! mov rbp, rsp
//! push word               at [rbp - 8]: four bits a register, the number of its place, 0 where it is not saved
//! push rbx                at [rbp - 16], place 1
//! push r13                at [rbp - 24], place 2
//! sub rsp, size           locals from [rbp - 56] down, arguments of calls from [rsp] up; rsp is 16-aligned
//! ..
//! mov rbx, [rbp - 16]
//! mov r13, [rbp - 24]
//! leave
//! ret
//! ```
//!
//! A register is in its place from the moment when rsp is not above it. So the record of a region
//! ([`callable_region_record`](super::callable_region_record)) is once more an expression: the rules of the other
//! frames for rbp and the frame address, and for each of the five registers a look at the word and at rsp.
//!
//! **Invariants.** Those of the other frames (see [the module](super)). Inside the body rsp is never above the saved
//! registers, and nobody writes to them or to the word. Locals begin behind room for all five, so that their places
//! are known before the body is.
//!
//! **Cost.** One push more than a compiler's prologue. The pushes that a body does not need are one `nop`, since they
//! are counted when its end is reached: the room for them is there already.

use crate::stitch::{Assembler, CodePtr, Label};
use crate::{templates, x64};
use jit_asm::{Field, Gpr, LinkSink, RegSet, Sink, padding};

/// The registers that belong to the caller of a C function, besides rbp and rsp, in the order of their saves.
pub const CALLER_OWNED: [Gpr; 5] = [Gpr::Rbx, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];

/// The same as a set.
pub const CALLER_OWNED_SET: RegSet = RegSet::of(&CALLER_OWNED);

/// How far below rbp locals begin: the word and five registers are above.
pub const LOCALS_BELOW: u32 = 48;

/// The largest frame that [`CallableFrame::set`] makes, in bytes.
pub const LARGEST_FRAME: u32 = 1 << 30;

/// Frames from this size on are made page by page, so that no page, the guard of the stack least of all, is skipped.
const PAGE: u32 = 4096;

/// The word at \[rbp - 8\].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameWord(u32);

impl FrameWord {
    /// From rbp to the word.
    pub(super) const DISP: i32 = -8;
    /// Bits that each register has.
    pub(super) const BITS: u32 = 4;

    /// The word of a frame that saves those of `written` that belong to its caller.
    #[must_use]
    pub const fn of(written: RegSet) -> FrameWord {
        let (mut word, mut place, mut i) = (0, 0, 0);
        while i < CALLER_OWNED.len() {
            if written.contains(CALLER_OWNED[i]) {
                place += 1;
                word |= place << (FrameWord::BITS * i as u32);
            }
            i += 1;
        }
        FrameWord(word)
    }

    /// The registers with their places, as distances from rbp.
    pub fn saved(self) -> impl Iterator<Item = (Gpr, i32)> {
        CALLER_OWNED.into_iter().enumerate().filter_map(move |(i, register)| {
            let place = self.0 >> (FrameWord::BITS * i as u32) & ((1 << FrameWord::BITS) - 1);
            (place != 0).then_some((register, FrameWord::DISP - 8 * place as i32))
        })
    }
}

templates! {
    /// The beginning of every callable function, up to the word, which is its last four bytes.
    fn begin(word: i32) = x64!< push rbp; mov rbp, rsp; push {word} >;

    /// [`ROOM`] bytes, for what is known at the end.
    fn room() = x64!< nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop >;

    fn restore(register: Gpr, disp: i8) = x64!< mov {register: r64}, [rbp + {disp: i8}] >;

    fn grow(bytes: i32) = x64!< sub rsp, {bytes} >;

    /// Take the bytes from `rsp + to` up page by page, touching each, then those that are left.
    fn grow_by_pages(to: i32, left: i32, back: Label) = x64!<
        lea r11, [rsp + {to}];
        next: sub rsp, 4096; or qword [rsp], 0; cmp rsp, r11; jne next;
        sub rsp, {left};
        jmp {back}
    >;

    fn go(to: Distance) = x64!< jmp {to} >;

    fn end() = x64!< leave; ret >;
}

/// Bytes for five pushes, nine, and `sub rsp`, seven.
const ROOM: u32 = room::TEMPLATE.bytes.len() as u32;

/// A callable function that has begun.
#[derive(Debug)]
#[must_use = "the function saves nothing until its frame is set"]
pub struct CallableFrame {
    /// Where the word ends and the room begins.
    room: CodePtr,
    body: Label,
}

impl CallableFrame {
    /// Begin a function here, which is at a multiple of 16.
    pub fn begin(asm: &mut Assembler) -> CallableFrame {
        begin(asm, 0);
        let at = asm.offset();
        room(asm);
        CallableFrame { room: at, body: asm.bound_label() }
    }

    /// Emit the end of the function: give back what of `written` belongs to the caller, and return.
    pub fn leave(asm: &mut Assembler, written: RegSet) {
        for (register, disp) in FrameWord::of(written).saved() {
            restore(asm, register, disp as i8);
        }
        end(asm);
    }

    /// Have the function save what of `written` belongs to its caller, and have room for `locals` bytes from
    /// [`LOCALS_BELOW`] down and for `outgoing` bytes from rsp up. To be called behind the last instruction, while the
    /// assembler writes to the section in which it began.
    ///
    /// # Errors
    /// The frame would be larger than [`LARGEST_FRAME`]: its bytes.
    pub fn set(self, asm: &mut Assembler, written: RegSet, locals: u32, outgoing: u32) -> Result<(), u64> {
        let word = FrameWord::of(written);
        let pushed = 8 + 8 * word.saved().count() as u32;
        let above = if locals == 0 { pushed } else { LOCALS_BELOW };
        let size = (u64::from(above) + u64::from(locals) + u64::from(outgoing)).next_multiple_of(16);
        if size > u64::from(LARGEST_FRAME) {
            return Err(size);
        }
        let left = size as u32 - pushed;
        asm.patch_i32(CodePtr(self.room.0 - 4), word.0 as i32);
        let mut code = Patch(vec![]);
        word.saved().for_each(|(register, _)| save(&mut code, register));
        if left < PAGE {
            grow(&mut code, left as i32);
        } else {
            let from = self.room.0 + code.0.len() as u32 + go::TEMPLATE.bytes.len() as u32;
            go(&mut code, Distance(asm.offset().0 as i32 - from as i32));
            grow_by_pages(asm, -((left - left % PAGE) as i32), (left % PAGE) as i32, self.body);
        }
        padding::nops(ROOM as usize - code.0.len()).for_each(|nop| code.0.extend_from_slice(nop));
        asm.patch(self.room, &code.0);
        Ok(())
    }
}

/// Push a register by the short instruction that the room is made for: a hole for it would have a prefix always.
fn save(code: &mut Patch, register: Gpr) {
    match register {
        Gpr::Rbx => x64!(code => push rbx),
        Gpr::R12 => x64!(code => push r12),
        Gpr::R13 => x64!(code => push r13),
        Gpr::R14 => x64!(code => push r14),
        _ => x64!(code => push r15),
    }
}

/// Code for a place that is known.
struct Patch(Vec<u8>);

/// From the end of a jump to where it goes.
struct Distance(i32);

impl Sink for Patch {
    fn put_piece<const N: usize>(&mut self, bytes: &[u8; N]) -> &mut [u8; N] {
        self.0.put_piece(bytes)
    }
}

impl LinkSink<Distance> for Patch {
    fn link_rel32(&mut self, _: Field, Distance(to): Distance) -> [u8; 4] {
        to.to_le_bytes()
    }
}
