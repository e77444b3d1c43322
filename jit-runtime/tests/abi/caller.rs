//! A caller that is nobody's compiler: it puts words where a table of the ABI says, fills the registers that a callee
//! keeps, and looks at everything afterwards. It shares no code with `jit_runtime::abi`.

use crate::support::PATTERN;
use jit_runtime::abi::Kind;
use jit_runtime::memory::{CodeHeap, Strategy};
use jit_runtime::stitch::{Assembler, Code};
use jit_runtime::x64;
use std::mem::offset_of;

/// What is in the registers before and after a call.
#[repr(C)]
#[derive(Default, Debug)]
pub(crate) struct State {
    target: u64,
    gprs: [u64; 6],
    vectors: [u64; 8],
    stack: [u64; 24],
    own_sp: u64,
    sp_before: u64,
    pub(crate) sp_after: u64,
    pub(crate) rax_rdx: [u64; 2],
    pub(crate) xmm0_1: [u64; 2],
    pub(crate) kept: [u64; 6],
    pub(crate) flags: u64,
}

pub(crate) struct Caller {
    code: Code,
}

const GPRS: i32 = offset_of!(State, gprs) as i32;
const VECTORS: i32 = offset_of!(State, vectors) as i32;
const STACK: i32 = offset_of!(State, stack) as i32;
const OWN_SP: i32 = offset_of!(State, own_sp) as i32;
const SP_BEFORE: i32 = offset_of!(State, sp_before) as i32;
const SP_AFTER: i32 = offset_of!(State, sp_after) as i32;
const RAX_RDX: i32 = offset_of!(State, rax_rdx) as i32;
const XMM0_1: i32 = offset_of!(State, xmm0_1) as i32;
const KEPT: i32 = offset_of!(State, kept) as i32;
const FLAGS: i32 = offset_of!(State, flags) as i32;

impl Caller {
    /// Code for one state, whose address it holds.
    fn new(state: *mut State) -> Caller {
        let at = state.expose_provenance() as i64;
        let mut asm = Assembler::new();
        x64!(asm =>
            push rbp; push rbx; push r12; push r13; push r14; push r15;
            mov r11, {at};
            mov [r11 + {const OWN_SP}], rsp;
            and rsp, -16;
            mov ecx, 24;
            words: push qword [r11 + rcx*8 + {const STACK - 8}]; dec ecx; jnz words;
            mov [r11 + {const SP_BEFORE}], rsp;
            mov rdi, [r11 + {const GPRS}];
            mov rsi, [r11 + {const GPRS + 8}];
            mov rdx, [r11 + {const GPRS + 16}];
            mov rcx, [r11 + {const GPRS + 24}];
            mov r8, [r11 + {const GPRS + 32}];
            mov r9, [r11 + {const GPRS + 40}];
            movsd xmm0, [r11 + {const VECTORS}];
            movsd xmm1, [r11 + {const VECTORS + 8}];
            movsd xmm2, [r11 + {const VECTORS + 16}];
            movsd xmm3, [r11 + {const VECTORS + 24}];
            movsd xmm4, [r11 + {const VECTORS + 32}];
            movsd xmm5, [r11 + {const VECTORS + 40}];
            movsd xmm6, [r11 + {const VECTORS + 48}];
            movsd xmm7, [r11 + {const VECTORS + 56}]
        );
        x64!(asm =>
            mov rbx, {PATTERN[0] as i64};
            mov rbp, {PATTERN[1] as i64};
            mov r12, {PATTERN[2] as i64};
            mov r13, {PATTERN[3] as i64};
            mov r14, {PATTERN[4] as i64};
            mov r15, {PATTERN[5] as i64};
            call [r11];
            mov r11, {at};
            mov [r11 + {const SP_AFTER}], rsp;
            pushfq; pop qword [r11 + {const FLAGS}]; cld;
            mov [r11 + {const KEPT}], rbx;
            mov [r11 + {const KEPT + 8}], rbp;
            mov [r11 + {const KEPT + 16}], r12;
            mov [r11 + {const KEPT + 24}], r13;
            mov [r11 + {const KEPT + 32}], r14;
            mov [r11 + {const KEPT + 40}], r15;
            mov [r11 + {const RAX_RDX}], rax;
            mov [r11 + {const RAX_RDX + 8}], rdx;
            movsd [r11 + {const XMM0_1}], xmm0;
            movsd [r11 + {const XMM0_1 + 8}], xmm1;
            mov rsp, [r11 + {const OWN_SP}];
            pop r15; pop r14; pop r13; pop r12; pop rbx; pop rbp;
            ret
        );
        let apart = CodeHeap::new(Strategy::DualMapping).expect("Linux on x86-64");
        Caller { code: asm.seal().expect("no labels are open").publish(&apart).expect("room") }
    }
}

/// Call `target` with arguments of these kinds. Junk is above narrow ones, and in all other places.
pub(crate) fn call(target: usize, arguments: &[(Kind, u64)]) -> State {
    let mut state = Box::new(State { target: target as u64, ..State::default() });
    let junk = |n: usize| 0xDEAD_BEEF_0000_0000 | n as u64;
    state.gprs = std::array::from_fn(junk);
    state.vectors = std::array::from_fn(junk);
    state.stack = std::array::from_fn(junk);
    let (mut gprs, mut vectors, mut words) = (0, 0, 0);
    for &(kind, word) in arguments {
        let float = matches!(kind, Kind::F32 | Kind::F64);
        let word = match kind {
            // The ABI's words are extended to 32 bits by compilers; what we make may not rely on it.
            Kind::I8 | Kind::U8 => word | 0xA5A5_A5A5_A5A5_A500,
            Kind::I16 | Kind::U16 => word | 0xA5A5_A5A5_A5A5_0000,
            Kind::W32 | Kind::F32 => word | 0xA5A5_A5A5_0000_0000,
            Kind::W64 | Kind::F64 => word,
        };
        let place = match float {
            true if vectors < 8 => {
                vectors += 1;
                &mut state.vectors[vectors - 1]
            }
            false if gprs < 6 => {
                gprs += 1;
                &mut state.gprs[gprs - 1]
            }
            _ => {
                words += 1;
                &mut state.stack[words - 1]
            }
        };
        *place = word;
    }
    let caller = Caller::new(&raw mut *state);
    let entry = std::ptr::with_exposed_provenance::<()>(caller.code.address());
    // SAFETY: published code that takes nothing and gives back what the ABI wants back; it writes to the state alone.
    let run = unsafe { std::mem::transmute::<*const (), extern "C" fn()>(entry) };
    run();
    *state
}

impl State {
    /// What is wrong with the registers and the stack after the call.
    pub(crate) fn wrong(&self) -> Option<String> {
        if self.kept != PATTERN {
            return Some(format!("registers {:x?}, wanted {PATTERN:x?}", self.kept));
        }
        if self.sp_after != self.sp_before {
            return Some(format!("rsp {:#x}, was {:#x}", self.sp_after, self.sp_before));
        }
        (self.flags & 1 << 10 != 0).then(|| "the direction flag is set".to_owned())
    }
}
