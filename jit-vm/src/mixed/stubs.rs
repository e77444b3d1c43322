//! The small pieces of code between native functions and the runtime.

use crate::abi::Header;
use crate::baseline::Wiring;
use jit_runtime::deopt;
use jit_runtime::frame;
use jit_runtime::memory::CodeHeap;
use jit_runtime::stitch::{Assembler, Code, Function, Label, Sealed, StitchError};
use jit_runtime::templates;

templates! {
    /// The rest of the entry of an interpreted function. Every entry is a body of its own, 16 bytes long.
    fn interpret(function: i32, common: Label) = x64!< mov esi, {function}; jmp {common}; int3; int3 >;
    /// What the entries of interpreted functions share: the call, and both halves of the result.
    fn call_interpreter(call: Function) = x64!< mov rdx, rbx; call {call}; mov rdx, [r14 + {const Header::RESULT_TAG}] >;
    /// The tag of a result that comes from Rust.
    fn result_tag() = x64!< mov rdx, [r14 + {const Header::RESULT_TAG}] >;
    /// Raises a stack overflow in the function whose number is in eax.
    fn raise_overflow(raise: Function) = x64!< mov esi, eax; call {raise}; ud2 >;
}

/// Bytes of an entry of an interpreted function.
const ENTRY: usize = 16;

/// The stubs of a VM. All of them keep the frame convention.
#[derive(Debug)]
pub(super) struct Stubs {
    /// One entry for each function.
    interpret: Code,
    deopt: Code,
    overflow: Code,
    /// Held to keep them published.
    _rust: RustCalls,
}

/// The ways from native code into Rust; each takes the context first.
#[derive(Debug)]
pub(super) struct RustCalls {
    /// Runs an interpreted function, by its number and the address of its frame.
    pub(super) call_interpreted: Code,
    /// Goes on behind an exit, from the captured state.
    pub(super) leave_native: Code,
    /// Reports that a function, by its number, found no room on the stack.
    pub(super) raise_overflow: Code,
}

impl Stubs {
    /// The stubs for a program of `functions` functions.
    pub(super) fn new(functions: usize, heap: &CodeHeap, rust: RustCalls) -> Result<Stubs, StitchError> {
        let at = |code: &Code| Function(code.address());
        Ok(Stubs {
            interpret: publish(interpret_stubs(functions, at(&rust.call_interpreted))?, heap)?,
            deopt: publish(deopt_stub(at(&rust.leave_native))?, heap)?,
            overflow: publish(overflow_stub(at(&rust.raise_overflow))?, heap)?,
            _rust: rust,
        })
    }

    /// Where calls of an interpreted function go.
    pub(super) fn interpret(&self, function: usize) -> usize {
        self.interpret.address() + function * ENTRY
    }

    pub(super) fn wiring(&self) -> Wiring {
        Wiring { deopt: Function(self.deopt.address()), overflow: Function(self.overflow.address()) }
    }
}

type Stub = Result<Sealed, StitchError>;

fn publish(stub: Sealed, heap: &CodeHeap) -> Result<Code, StitchError> {
    debug_assert_eq!(
        frame::check(&stub.bytes()[..stub.code_len()], stub.data()),
        [],
        "the unwinder relies on the frame convention"
    );
    stub.publish(heap)
}

fn named(name: &str) -> Assembler {
    let mut asm = Assembler::new();
    asm.set_name(name);
    asm
}

fn interpret_stubs(functions: usize, call: Function) -> Stub {
    let mut asm = named("interpret");
    let common = asm.label();
    for n in 0..functions {
        debug_assert_eq!(asm.offset().0 as usize, n * ENTRY);
        frame::enter_frame(&mut asm);
        interpret(&mut asm, n as i32, common);
    }
    asm.bind(common);
    call_interpreter(&mut asm, call);
    frame::leave_frame(&mut asm);
    asm.seal()
}

fn deopt_stub(leave: Function) -> Stub {
    let mut asm = named("deopt");
    deopt::capture(&mut asm, leave);
    result_tag(&mut asm);
    frame::leave_frame(&mut asm);
    asm.seal()
}

fn overflow_stub(raise: Function) -> Stub {
    let mut asm = named("overflow");
    raise_overflow(&mut asm, raise);
    asm.seal()
}
