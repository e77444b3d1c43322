//! Running one instruction on a state of the processor that is given, registers, flags and memory.

use jit_asm::x64::operand::{Base, Disp, Mem, Operand, Vector, VectorClass};
use jit_asm::x64::select::{forms_named, select};
use jit_asm::x64::{Encoded, encode};
use jit_asm::{Gpr, Xmm};
use jit_runtime::memory::{Block, CodeHeap, Strategy};
use jit_runtime::x64;
use std::mem::offset_of;

/// All that an instruction can see. rsp is the harness's.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct State {
    pub(crate) gprs: [u64; 16],
    pub(crate) flags: u64,
    pub(crate) vectors: [[u64; 4]; 16],
    pub(crate) memory: [u8; MEMORY],
}

/// Bytes of memory that instructions may use.
pub(crate) const MEMORY: usize = 512;

/// Where addresses point to: some bytes are before it, and all that al can count behind it.
pub(crate) const MIDDLE: usize = 192;

#[repr(C, align(64))]
struct Context {
    memory: [u8; MEMORY],
    before: Registers,
    after: Registers,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Registers {
    gprs: [u64; 16],
    flags: u64,
    vectors: [[u64; 4]; 16],
}

const BEFORE: i32 = offset_of!(Context, before) as i32;
const AFTER: i32 = offset_of!(Context, after) as i32;
const FLAGS: i32 = offset_of!(Registers, flags) as i32;
const VECTORS: i32 = offset_of!(Registers, vectors) as i32;

/// Runs instructions, one after the other, on the same context.
pub(crate) struct Machine {
    heap: CodeHeap,
    context: Box<Context>,
    /// How vector registers are moved; `None` as long as the table or the processor cannot.
    vectors: Option<(&'static str, VectorClass)>,
}

impl Machine {
    pub(crate) fn new(avx: bool) -> Machine {
        let known = |name| !forms_named(name).is_empty();
        let vectors = match (avx, known("vmovups"), known("movups")) {
            (true, true, _) => Some(("vmovups", VectorClass::Ymm)),
            (_, _, true) => Some(("movups", VectorClass::Xmm)),
            _ => None,
        };
        let none = Registers { gprs: [0; 16], flags: 0, vectors: [[0; 4]; 16] };
        let context = Box::new(Context { memory: [0; MEMORY], before: none, after: none });
        let heap = CodeHeap::new(Strategy::DualMapping).expect("Linux on x86-64");
        Machine { heap, context, vectors }
    }

    /// Whether vector registers are loaded and stored.
    pub(crate) fn has_vectors(&self) -> bool {
        self.vectors.is_some()
    }

    /// What registers that address memory hold.
    pub(crate) fn middle(&mut self) -> u64 {
        (&raw mut self.context.memory).expose_provenance() as u64 + MIDDLE as u64
    }

    /// A function that loads the state, runs the instruction and stores the state.
    pub(crate) fn function(&self, instruction: &Encoded) -> Block {
        let mut code: Vec<u8> = vec![];
        x64!(code => push rbp; push rbx; push r12; push r13; push r14; push r15; push rdi);
        self.move_vectors(&mut code, |vector, at| [vector, at], Gpr::Rdi, BEFORE);
        x64!(code => push qword [rdi + {BEFORE + FLAGS}]; popfq);
        let others = |without: Gpr| Gpr::ALL.into_iter().filter(move |&r| r != Gpr::Rsp && r != without);
        let place = |r: Gpr| 8 * i32::from(r.number());
        for r in others(Gpr::Rdi).chain([Gpr::Rdi]) {
            x64!(code => mov {r: r64}, [rdi + {BEFORE + place(r)}]);
        }
        code.extend_from_slice(instruction.bytes());
        x64!(code => push rax; mov rax, [rsp + 8]);
        for r in others(Gpr::Rax) {
            x64!(code => mov [rax + {AFTER + place(r)}], {r: r64});
        }
        x64!(code => pushfq; pop qword [rax + {AFTER + FLAGS}]; pop qword [rax + {AFTER + place(Gpr::Rax)}]; cld);
        self.move_vectors(&mut code, |vector, at| [at, vector], Gpr::Rax, AFTER);
        x64!(code => pop rdi; pop r15; pop r14; pop r13; pop r12; pop rbx; pop rbp; ret);
        let space = self.heap.place(code.len()).expect("room");
        self.heap.publish(space, &code).expect("published")
    }

    fn move_vectors(
        &self,
        code: &mut Vec<u8>,
        order: fn(Operand, Operand) -> [Operand; 2],
        base: Gpr,
        at: i32,
    ) {
        let Some((mnemonic, class)) = self.vectors else { return };
        for reg in Xmm::ALL {
            let disp = Disp::Literal(at + VECTORS + 32 * i32::from(reg.number()));
            let operands = order(
                Operand::Vector(Vector { reg, class }),
                Operand::Mem(Mem { disp, ..Mem::at(Base::Reg(base)) }),
            );
            let form = select(mnemonic, &operands).expect("a move of a vector register");
            code.extend_from_slice(encode(form, &operands).bytes());
        }
    }

    /// What the state is after the instruction.
    pub(crate) fn run(&mut self, function: &Block, state: &State) -> State {
        let State { gprs, flags, vectors, memory } = *state;
        self.context.before = Registers { gprs, flags, vectors };
        self.context.after = self.context.before;
        self.context.memory = memory;
        let entry = std::ptr::with_exposed_provenance::<()>(function.address());
        // SAFETY: `function` made a function of this signature; the block lives as long as the borrow.
        let enter = unsafe { std::mem::transmute::<*const (), extern "C" fn(*mut Context)>(entry) };
        // It keeps the ABI: it saves the registers that a callee keeps, and clears the direction flag. Its one
        // instruction has addresses in the context's memory only, which `samples` sees to.
        enter(&raw mut *self.context);
        let Registers { gprs, flags, vectors } = self.context.after;
        State { gprs, flags, vectors, memory: self.context.memory }
    }
}
