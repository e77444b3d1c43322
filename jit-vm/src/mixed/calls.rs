//! Calls between the interpreter and native code, in both directions: the VM's room of `unsafe`.
//!
//! **Problem.** Native code and Rust take turns on one context. While native code runs, no Rust reference
//! to it may be alive; and when Rust is called by native code it has only the address.
//!
//! **Idea.** A [`Runner`] is the right to borrow the context *between* runs of native code. It holds the raw
//! address; every borrow is taken from it anew, ends before native code is entered, and cannot be taken
//! while another one is alive, because it borrows the runner. Native code hands the address to the functions
//! below, each of which makes a runner for as long as it runs.
//!
//! **Invariants.** At most one runner is *active*: the one of the youngest Rust function on the stack. The
//! older ones wait in [`Runner::enter`], without a borrow.
#![allow(unsafe_code)]

use super::context::{Context, State};
use super::stubs::RustCalls;
use crate::error::{ErrorKind, VmError};
use crate::interpreter::{self, CallAction, Host};
use crate::op::FuncId;
use crate::profile::Profile;
use crate::value::Value;
use crate::verify::Program;
use core::num::NonZeroU64;
use core::ptr::NonNull;
use jit_runtime::Gpr;
use jit_runtime::deopt::{Captured, FrameMemory, WordAt};
use jit_runtime::memory::CodeHeap;
use jit_runtime::stitch::{SourcePosition, StitchError};
use jit_runtime::transition::{Checked, Gate, Machine, NativeStack, Safepoint};
use std::rc::Rc;
use std::sync::Arc;

/// Native stack, in bytes, that is kept free for Rust code that native code calls: the interpreter, the compiler, the
/// unwinder. Looked at where native code is entered, which is the only way deeper: the interpreter does not
/// nest by itself, and native frames end above the reserve.
const RESERVE: usize = 256 << 10;

/// The status of a cut: the error is in the context.
const FAILED: NonZeroU64 = NonZeroU64::MIN;

/// The context on the heap, where it does not move. It is owned through its address, which native code
/// knows.
#[derive(Debug)]
pub(super) struct Owned(NonNull<Context>);

impl Owned {
    pub(super) fn new(context: Context) -> Owned {
        Owned(NonNull::from(Box::leak(Box::new(context))))
    }

    pub(super) fn get(&self) -> &Context {
        // SAFETY: alive until `drop`; no runner is active, since the one of `runner` borrows `self` mutably
        // and native code runs only under it.
        unsafe { self.0.as_ref() }
    }

    /// Run `with` the right to use the context.
    pub(super) fn run<R>(&mut self, with: impl FnOnce(&mut Runner) -> R) -> R {
        // SAFETY: the context is alive until `drop`, `self` is borrowed while the runner is, and no native
        // code runs on this context now: it only does inside this function.
        let mut runner = unsafe { Runner::new(self.0) };
        with(&mut runner)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: `new` leaked it from a box, and nothing uses it any more: every use borrows `self`.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// The right to use a context while its native code does not run. See the module.
pub(super) struct Runner(NonNull<Context>);

impl Runner {
    /// # Safety
    /// The context outlives the runner, and whoever has borrowed from it or may (another runner, native
    /// code) is waiting until this one is gone.
    pub(super) unsafe fn new(context: NonNull<Context>) -> Runner {
        Runner(context)
    }

    fn context(&mut self) -> &mut Context {
        // SAFETY: the context is alive, and nobody else uses it while this runner is the active one (the
        // promise of `new`). The borrow ends before native code is entered, since `enter` borrows `self`.
        unsafe { self.0.as_mut() }
    }

    pub(super) fn state(&mut self) -> &mut State {
        &mut self.context().state
    }

    /// The proof that native code does not run, and what it lets change.
    pub(super) fn safepoint(&mut self) -> (Safepoint<'_>, &mut State) {
        let Context { header, state } = self.context();
        // SAFETY: this runner is the active one, so native code of this context runs nowhere but in frames
        // below that called Rust through the gate's stubs, if at all; they stay as they are while the runner
        // is borrowed, which it is by the safepoint. A VM does not leave its thread, since it is not `Send`.
        (unsafe { Safepoint::new(&header.machine) }, state)
    }

    /// Run the native code of `function`, which is at `entry`, with its frame at slot `base`.
    ///
    /// What the gate asks of its caller holds:
    /// 1. The machine is valid, being the beginning of the context, and no borrow of the context is alive:
    ///    `machine` is taken from the owner's address when the last one has ended.
    /// 2. Its segments are this thread's: a VM does not leave its thread, since it is not `Send`.
    /// 3. `entry` is code of the baseline compiler, published in the heap that the gate was made for. It keeps
    ///    the frame convention (in debug builds each body is checked) and takes r14 and rbx for what they are.
    /// 4. It stays published: it is the function's current code, and what is replaced later is freed only when
    ///    no frame returns into it.
    /// 5. Code is compiled and run by this one thread.
    /// 6. Every prologue compares with a bound that keeps the reserve of the thread's stack free, and native frames
    ///    are sixteen bytes.
    fn enter(&mut self, function: FuncId, entry: usize, base: usize) -> Result<Value, VmError> {
        let context = self.context();
        let state = &context.state;
        let Some(room) = state.native.remaining().checked_sub(RESERVE) else {
            return Err(VmError::at(&state.program, ErrorKind::StackOverflow, function, 0));
        };
        let base = state.stack.address(base);
        // A native frame is sixteen bytes of the thread's stack and at least one slot, which is as much, of
        // the VM's: so one bound serves both.
        let limit = state.stack.address(state.stack.len()).min(base.saturating_add(room)) as u64;
        let outer = context.header.machine.set_bound(limit);
        let gate = Rc::clone(&state.gate);
        let machine = self.0.as_ptr().cast::<Machine>();
        // SAFETY: points 1 to 6 above.
        let result = unsafe { gate.enter(machine, entry, base as u64) };
        let context = self.context();
        context.header.machine.set_bound(outer);
        match result {
            Ok((payload, tag)) => Ok(Value::from_native(tag, payload)),
            Err(_) => Err(context.state.error.take().expect("a cut leaves its error in the context")),
        }
    }

    /// Call `function`, whose arguments stand at slot `base` and above, in whatever tier it is.
    pub(super) fn call(
        &mut self,
        program: &Program,
        function: FuncId,
        base: usize,
    ) -> Result<Value, VmError> {
        match Host::call(self, program, function, base)? {
            CallAction::Done(value) => Ok(value),
            CallAction::Interpret => interpreter::run(self, program, function, base),
        }
    }

    /// Free the code that nobody returns to.
    pub(super) fn sweep(&mut self) {
        let (at, state) = self.safepoint();
        state.sweep(&at);
    }

    /// Hand a result to native code.
    fn conclude(&mut self, result: Result<Value, VmError>) -> Checked {
        let context = self.context();
        match result {
            Ok(value) => {
                context.header.result_tag = value.tag();
                Checked::value(value.payload())
            }
            Err(error) => {
                context.state.error = Some(error);
                Checked::cut(FAILED)
            }
        }
    }
}

impl Host for Runner {
    #[inline]
    fn frame(&mut self, function: FuncId) -> (&mut [Value], Option<&mut Profile>) {
        let state = self.state();
        let profile = state.options.thresholds.failures > 0;
        (state.stack.slots(), profile.then_some(&mut state.functions[function.index()].profile))
    }

    #[inline]
    fn call(&mut self, _: &Program, callee: FuncId, base: usize) -> Result<CallAction, VmError> {
        let (at, state) = self.safepoint();
        match state.native_entry(&at, callee) {
            None => Ok(CallAction::Interpret),
            Some(entry) => self.enter(callee, entry, base).map(CallAction::Done),
        }
    }
}

/// Make the functions below callable by native code.
pub(super) fn publish(heap: &CodeHeap, gate: &Gate) -> Result<RustCalls, StitchError> {
    type Call = unsafe extern "C-unwind" fn(*mut Context, u64, u64) -> Checked;
    type Leave = unsafe extern "C-unwind" fn(*mut Context, *const Captured) -> Checked;
    type Raise = unsafe extern "C-unwind" fn(*mut Context, u64) -> Checked;
    Ok(RustCalls {
        call_interpreted: gate.rust_call_named(heap, "call_interpreted", call_interpreted as Call)?,
        leave_native: gate.rust_call_named(heap, "leave_native", leave_native as Leave)?,
        raise_overflow: gate.rust_call_named(heap, "raise_overflow", raise_overflow as Raise)?,
    })
}

/// Native code calls a function that is interpreted. `base` is rbx: the address of its first argument.
///
/// # Safety
/// Native code of this context calls, through a stub of [`Gate::rust_call`].
unsafe extern "C-unwind" fn call_interpreted(context: *mut Context, function: u64, base: u64) -> Checked {
    let context = NonNull::new(context).expect("r14 is the address of the context");
    // SAFETY: native code of this context called (the caller's promise), so it is alive and its older
    // runners wait in `enter`.
    let mut runner = unsafe { Runner::new(context) };
    let function = FuncId(function as u32);
    let (at, state) = runner.safepoint();
    let program = Arc::clone(&state.program);
    let base = state.stack.slot(base as usize);
    state.count_call(&at, function);
    let result = interpreter::run(&mut runner, &program, function, base);
    runner.conclude(result)
}

/// A prologue found no room for the frame of `function`.
///
/// # Safety
/// Native code of this context calls, through a stub of [`Gate::rust_call`].
unsafe extern "C-unwind" fn raise_overflow(context: *mut Context, function: u64) -> Checked {
    let context = NonNull::new(context).expect("r14 is the address of the context");
    // SAFETY: as in `call_interpreted`.
    let mut runner = unsafe { Runner::new(context) };
    let program = Arc::clone(&runner.state().program);
    let function = FuncId(function as u32);
    runner.conclude(Err(VmError::at(&program, ErrorKind::StackOverflow, function, 0)))
}

/// A guard failed: the frame is rebuilt, and the interpreter goes on until the function returns.
///
/// # Safety
/// The stub of [`jit_runtime::deopt::capture`] calls, in a frame of native code of this context.
unsafe extern "C-unwind" fn leave_native(context: *mut Context, captured: *const Captured) -> Checked {
    let context = NonNull::new(context).expect("r14 is the address of the context");
    // SAFETY: as in `call_interpreted`.
    let mut runner = unsafe { Runner::new(context) };
    // SAFETY: the stub of `deopt::capture` called and gave the pointer (the caller's promise).
    let captured = unsafe { Captured::read(captured) };
    let context = runner.context();
    let forced = context.state.options.stress != 0 && context.header.stress == 0;
    if forced {
        context.header.stress = context.state.options.stress;
    }
    let state = &mut context.state;
    let program = Arc::clone(&state.program);
    let (function, SourcePosition(pc), frame) = {
        let at = captured.return_address();
        let (start, installed) = state.code.at_return(at).expect("exits are in installed code");
        let position = installed.code.position_of_return(at).expect("every instruction is marked");
        let frame = installed.maps.read((at - start) as u32).expect("every exit has a frame map");
        (installed.function, position, frame)
    };
    debug_assert_eq!(
        Some(frame.depth as usize),
        program.function(function).depth(pc),
        "compiler and verifier agree about the depth at {pc} of {function:?}"
    );
    let base = state.stack.slot(captured.register(Gpr::Rbx) as usize);
    frame.rebuild(&captured, &mut Slots(&mut state.stack.slots()[base..]));
    state.stats.exits += 1;
    if !forced {
        let (at, state) = runner.safepoint();
        state.count_failure(&at, function);
        state.sweep(&at);
    }
    let result = interpreter::resume(&mut runner, &program, function, pc, base);
    runner.conclude(result)
}

/// The slots of a frame, word by word.
struct Slots<'a>(&'a mut [Value]);

impl FrameMemory for Slots<'_> {
    fn read(&self, at: WordAt) -> u64 {
        self.0[at.slot as usize].words()[usize::from(at.word)]
    }

    fn write(&mut self, at: WordAt, value: u64) {
        let slot = &mut self.0[at.slot as usize];
        let mut words = slot.words();
        words[usize::from(at.word)] = value;
        *slot = Value::from_words(words);
    }
}

/// The bounds of this thread's stack, asked for once a thread: it costs microseconds.
pub(super) fn native_stack() -> NativeStack {
    thread_local! {
        static BOUNDS: NativeStack = NativeStack::of_this_thread();
    }
    BOUNDS.with(|bounds| *bounds)
}
