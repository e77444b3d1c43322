//! Entering JIT code from Rust.
#![allow(unsafe_code)]

use super::machine::{Entered, Machine};
use super::unwind::{self, Registered};
use super::{RustFunction, rust_call, trampoline};
use crate::frame::{RecordError, region_record};
use crate::memory::{CodeHeap, HeapOptions, MemoryError};
use crate::stitch::{Assembler, Code, Function, StitchError};
use core::fmt;
use std::sync::Arc;

/// The two result registers of the ABI.
#[repr(C)]
struct Results {
    rax: u64,
    rdx: u64,
}

type Enter = unsafe extern "C-unwind" fn(machine: *mut Machine, code: usize, base: u64) -> Results;

/// A segment ended by a cut instead of a return.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    /// What was in rax: the status that a checked Rust function returned, or what the code put there.
    pub status: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JIT code was cut with status {}", self.status)
    }
}

impl std::error::Error for Cut {}

/// Why there is no gate.
#[derive(Debug)]
#[non_exhaustive]
pub enum GateError {
    /// No unwinder of this target can be told of code at run time.
    Unsupported,
    /// The memory for the trampoline was not to be had.
    Memory(MemoryError),
    /// The trampoline could not be stitched.
    Stitch(StitchError),
    /// The trampoline could not be described.
    Record(RecordError),
}

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GateError::Unsupported => f.write_str(
                "gate: panics cannot pass JIT code on this target; Linux with the GNU C library is supported",
            ),
            GateError::Memory(e) => write!(f, "gate: {e}"),
            GateError::Stitch(e) => write!(f, "gate: {e}"),
            GateError::Record(e) => write!(f, "gate: {e}"),
        }
    }
}

impl std::error::Error for GateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GateError::Unsupported => None,
            GateError::Memory(e) => Some(e),
            GateError::Stitch(e) => Some(e),
            GateError::Record(e) => Some(e),
        }
    }
}

/// The way into the code of a heap. One serves any number of machines and threads.
pub struct Gate {
    enter: Enter,
    cut: usize,
    trampoline: Arc<Trampoline>,
}

/// The code of a gate, which its stubs keep too: they jump to the cut.
struct Trampoline {
    /// Dropped before the code that it describes.
    _record: Registered,
    code: Code,
}

impl Gate {
    /// Build the trampolines, in a region of their own, and have the unwinder know all code of `heap`,
    /// which keeps the frame convention (see [`crate::frame`]).
    ///
    /// # Errors
    /// The host refuses memory, or this target is not supported.
    pub fn new(heap: &CodeHeap) -> Result<Gate, GateError> {
        if !unwind::describe(heap, region_record) {
            return Err(GateError::Unsupported);
        }
        let mut asm = Assembler::new();
        asm.set_name("gate");
        let (cut, record) = trampoline::emit(&mut asm);
        let sealed = asm.seal().map_err(GateError::Stitch)?;
        // Their records must not overlap with that of a region of the heap.
        let apart = HeapOptions {
            region_size: sealed.len(),
            step: sealed.len(),
            ..HeapOptions::new(heap.strategy())
        };
        let apart = heap.apart(apart).map_err(GateError::Memory)?;
        let code = sealed.publish(&apart).map_err(GateError::Stitch)?;
        let bytes = record.write(code.address(), code.len()).map_err(GateError::Record)?;
        apart.describe(code.address(), &bytes);
        // SAFETY: `CodeRecord` writes well-formed lists; the rows were made instruction by instruction, and
        // stepping through them is tested; the region is new and no hook of ours is on its heap.
        let record = unsafe { Registered::new(bytes) };
        let enter = core::ptr::with_exposed_provenance::<()>(code.address());
        // SAFETY: published code of this signature (`trampoline::emit`) stands there for as long as
        // `code` is held, which is as long as this pointer.
        let enter = unsafe { core::mem::transmute::<*const (), Enter>(enter) };
        let cut = code.address() + cut.0 as usize;
        Ok(Gate { enter, cut, trampoline: Arc::new(Trampoline { _record: record, code }) })
    }

    /// Run JIT code: r14 is `machine`, rbx is `base`. The results are rax and rdx.
    ///
    /// A panic raised by a Rust function that the code called passes through; the machine is then as before.
    ///
    /// # Errors
    /// The code was cut: it jumped to [`Gate::cut`], or called a checked function that returned a status.
    ///
    /// # Panics
    /// If JIT code of the machine runs that called Rust without a stub, directly or as a C function: a walk would
    /// miss its frames.
    ///
    /// # Safety
    /// - `machine` is valid until this returns, its segments are this thread's, and nobody uses it
    ///   meanwhile except the code and what the code calls, which neither move nor replace it.
    /// - `code` is the address of a body published in the heap of this gate, which stays published until this
    ///   returns; it keeps the frame convention, and so does all that it calls through [`Gate::rust_call`]
    ///   or directly in the heap; it is right about what r14 and rbx point to.
    /// - Where the heap is for one thread ([`HeapOptions::other_threads`] is `false`), this is the one that published
    ///   the code, and what it calls.
    /// - The stack has room for it: its frames [`poll`](super::poll), and the bound of the machine reserves what
    ///   [`NativeStack::limit`](super::NativeStack::limit) asks for, or they are known to be few and small.
    #[inline]
    pub unsafe fn enter(&self, machine: *mut Machine, code: usize, base: u64) -> Result<(u64, u64), Cut> {
        // SAFETY: `machine` is valid (the caller's promise).
        let suspended = unsafe { Entered::current(machine) };
        // SAFETY: `machine` is valid until this function is left, by return or by panic.
        let mut entered = unsafe { Entered::begin(machine, &suspended) };
        // SAFETY: the trampoline keeps the ABI's promises to its caller whatever the code does under the
        // frame convention, which the caller promises that it keeps.
        let results = unsafe { (self.enter)(machine, code, base) };
        if entered.take_cut() { Err(Cut { status: results.rax }) } else { Ok((results.rax, results.rdx)) }
    }

    /// Where JIT code jumps to end its segment: `jmp {gate.cut()}` with a status in rax. It is there as long as the
    /// gate is, or a stub of [`Gate::rust_call`].
    #[must_use]
    pub fn cut(&self) -> Function {
        Function(self.cut)
    }

    /// Publish a stub that calls `function` from JIT code: see [`rust_call`]. It is code as any other, and freed with
    /// its last handle: who calls it keeps one ([`Assembler::keep`]).
    ///
    /// # Errors
    /// The host refuses memory.
    pub fn rust_call(&self, heap: &CodeHeap, function: impl RustFunction) -> Result<Code, StitchError> {
        self.rust_call_named(heap, "rust_call", function)
    }

    /// [`Gate::rust_call`] with a name by which listings, profilers and debuggers tell this stub from others.
    ///
    /// # Errors
    /// The host refuses memory.
    pub fn rust_call_named(
        &self,
        heap: &CodeHeap,
        name: &str,
        function: impl RustFunction,
    ) -> Result<Code, StitchError> {
        let mut asm = Assembler::new();
        asm.set_name(name);
        rust_call(&mut asm, self.cut(), function);
        asm.keep(self.trampoline.clone());
        asm.seal()?.publish(heap)
    }

    /// The code of the trampoline and of the cut, for listings and debuggers.
    #[must_use]
    pub fn code(&self) -> &Code {
        &self.trampoline.code
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate at {:#x}", self.code().address())
    }
}
