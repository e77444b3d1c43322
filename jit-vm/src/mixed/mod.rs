//! The VM: any function may be interpreted or compiled, and each calls the other.
//!
//! **Problem.** Which functions deserve native code is only known while they run, and native code may have
//! to be left again. Neither may show: results, errors and their positions are the interpreter's.
//!
//! **Idea.** Every call goes through a table of entries. The entry of an interpreted function is a stub that
//! calls the interpreter; that of a compiled one is its code. The interpreter asks its host at each call, and
//! the host, which is the [`Vm`], enters native code where there is some. Both tiers use one stack with one
//! layout, so a call passes its arguments by leaving them where they are. A counter moves a function up; a
//! guard that fails moves one *activation* of it down, in the middle of whatever it was doing; a function
//! whose guards keep failing is compiled again without them.
//!
//! ```text
//! interpreter --call--> Host::call ------> Gate::enter --> native code
//!      ^                                                   |      |
//!      +---- run ---- call_interpreted <--- entry stub <---+      |
//!      +---- resume - leave_native <------- deopt stub <--- guard-+
//! ```
//!
//! **Invariants.** An error in native code ends in the interpreter or in a stub, which leaves it in the
//! context and cuts back to the Rust code that entered; so no native code checks for errors behind its
//! calls. The stack's bound is compared in every prologue. Code that was replaced is freed when no frame
//! returns into it; that is looked at when code is left, and when the outermost call ends.
//!
//! **Cost.** A call between compiled functions is a load and an indirect call. From the interpreter into
//! native code, or back, some tens of nanoseconds.

mod calls;
mod context;
mod listing;
mod stack;
mod stubs;
mod tiering;

pub use stack::NoStack;

use crate::abi::Header;
use crate::baseline::{CompileError, Compiler};
use crate::error::VmError;
use crate::interpreter::place_arguments;
use crate::op::FuncId;
use crate::profile::Profile;
use crate::value::Value;
use crate::verify::Program;
use calls::Owned;
use context::{Context, FunctionState, State};
use core::fmt;
use jit_runtime::memory::{CodeHeap, HeapOptions, MemoryError, Strategy};
use jit_runtime::stitch::StitchError;
use jit_runtime::tier::policy::{History, Thresholds, Tier};
use jit_runtime::tier::{CodeMap, EntryTable};
use jit_runtime::transition::{Gate, GateError, Machine};
use stack::ValueStack;
use std::rc::Rc;
use std::sync::Arc;
use stubs::Stubs;

/// How a VM is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Slots of the VM's stack. A frame takes as many as its function has locals and operands.
    pub stack_slots: usize,
    /// When functions are compiled, and when speculation is given up.
    pub thresholds: Thresholds,
    /// Deopt stress: every n-th guard that native code passes leaves although it holds; 0 for none. Such
    /// exits are not counted as failures. For tests.
    pub stress: u64,
    /// Whether code remembers which template came from which bytecode, for [`Vm::listing`].
    pub listing: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { stack_slots: 1 << 20, thresholds: Thresholds::default(), stress: 0, listing: false }
    }
}

impl Options {
    /// Everything is interpreted.
    #[must_use]
    pub fn interpreted() -> Options {
        Options { thresholds: Thresholds { calls: u32::MAX, failures: 0 }, ..Options::default() }
    }

    /// Every function is compiled before its first call, without speculation.
    #[must_use]
    pub fn compiled() -> Options {
        Options { thresholds: Thresholds { calls: 0, failures: 0 }, ..Options::default() }
    }
}

/// What a VM has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Functions compiled, counting each time.
    pub compiled: u64,
    /// Times that native code was left in the middle, forced ones included.
    pub exits: u64,
    /// Guards that failed.
    pub failures: u64,
    /// Pieces of replaced code that were freed.
    pub freed: u64,
    /// Pieces of replaced code that wait until no frame returns into them.
    pub waiting: u64,
    /// Bytes of code memory in use, stubs included.
    pub code_bytes: usize,
}

/// Why there is no VM.
#[derive(Debug)]
#[non_exhaustive]
pub enum SetupError {
    /// The heap is under [`Strategy::ProtectFlip`], where code that runs while another thread publishes faults, and
    /// somebody else has it too.
    SharedFlip,
    /// No memory for the stack.
    Stack(NoStack),
    /// No memory for code.
    Memory(MemoryError),
    /// No way between Rust and native code.
    Gate(GateError),
    /// The stubs could not be made.
    Stubs(StitchError),
    /// A function that was to be compiled at once could not be.
    Compile(CompileError),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the VM cannot start: ")?;
        match self {
            SetupError::SharedFlip => f.write_str(
                "a heap that flips the protection of its pages serves one VM, and this one is shared; use one that \
                 nobody else has a handle to, or one with the dual mapping",
            ),
            SetupError::Stack(e) => e.fmt(f),
            SetupError::Memory(e) => e.fmt(f),
            SetupError::Gate(e) => e.fmt(f),
            SetupError::Stubs(e) => e.fmt(f),
            SetupError::Compile(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for SetupError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            SetupError::SharedFlip => None,
            SetupError::Stack(e) => Some(e),
            SetupError::Memory(e) => Some(e),
            SetupError::Gate(e) => Some(e),
            SetupError::Stubs(e) => Some(e),
            SetupError::Compile(e) => Some(e),
        }
    }
}

/// A program that runs: interpreted, compiled, or some of each.
///
/// ```
/// use jit_vm::mixed::{Options, Vm};
/// use jit_vm::{Function, Module, Op, Value};
///
/// let code = vec![Op::Get(0), Op::Int(2), Op::Mul, Op::Ret];
/// let double = Function { name: "double".into(), params: 1, locals: 1, code, ..Function::default() };
/// let program = Module { functions: vec![double] }.verify()?;
/// let double = program.find("double").ok_or("no such function")?;
/// let mut vm = Vm::new(program, Options::compiled())?;
/// assert_eq!(vm.call(double, &[Value::int(21)])?, Value::int(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Vm {
    context: Owned,
}

impl Vm {
    /// A VM for a program. With a threshold of no calls every function is compiled here.
    ///
    /// # Errors
    /// The host refuses memory, or this target has no native code; [`crate::Interpreter`] runs everywhere.
    pub fn new(program: impl Into<Arc<Program>>, options: Options) -> Result<Vm, SetupError> {
        // A VM does not leave its thread, and its code runs nowhere else.
        let alone = HeapOptions::probe().map(|probed| HeapOptions { other_threads: false, ..probed });
        Vm::in_heap(program, options, alone.and_then(CodeHeap::with).map_err(SetupError::Memory)?)
    }

    /// The same with its code in this heap: one that is observed, for instance (see `docs/debugging.md`). Functions
    /// have their names there, a position is the index of an instruction, and observers are told when code
    /// enters a tier ([`Tier`]) and when it is replaced.
    ///
    /// # Errors
    /// As [`Vm::new`]; and a heap under [`Strategy::ProtectFlip`] must have no other handle.
    pub fn in_heap(
        program: impl Into<Arc<Program>>,
        options: Options,
        heap: CodeHeap,
    ) -> Result<Vm, SetupError> {
        if heap.strategy() == Strategy::ProtectFlip && heap.is_shared() {
            return Err(SetupError::SharedFlip);
        }
        let program: Arc<Program> = program.into();
        let gate = Gate::new(&heap).map_err(SetupError::Gate)?;
        let count = program.functions().len();
        let rust = calls::publish(&heap, &gate).map_err(SetupError::Stubs)?;
        let stubs = Stubs::new(count, &heap, rust).map_err(SetupError::Stubs)?;
        let entries = EntryTable::new(count, |n| stubs.interpret(n));
        let functions = program
            .functions()
            .map(|(_, f)| FunctionState {
                history: History::default(),
                profile: Profile::new(f),
                code: None,
                fixed: false,
            })
            .collect();
        let state = State {
            program,
            options,
            stack: ValueStack::new(options.stack_slots).map_err(SetupError::Stack)?,
            functions,
            code: CodeMap::new(),
            compiler: Compiler::new(options.listing),
            error: None,
            native: calls::native_stack(),
            stats: Stats::default(),
            gate: Rc::new(gate),
            stubs,
            heap,
            entries,
        };
        let table = state.entries.address();
        // The bound is set when native code is entered.
        let machine = Machine::growing_up(table as u64);
        let header = Header { machine, table, stress: options.stress, result_tag: 0 };
        let mut vm = Vm { context: Owned::new(Context { header, state }) };
        if options.thresholds.calls == 0 {
            vm.compile_all().map_err(SetupError::Compile)?;
        }
        Ok(vm)
    }

    /// Call a function from outside.
    ///
    /// # Errors
    /// The error that the program ended with, the same in every tier but for how deep it may recurse: native
    /// code is also bounded by the thread's own stack, of which it leaves 256 KiB to Rust. On a thread that
    /// has less, every call of native code is a stack overflow.
    ///
    /// # Panics
    /// If `function` is none of the program's.
    pub fn call(&mut self, function: FuncId, arguments: &[Value]) -> Result<Value, VmError> {
        self.context.run(|runner| {
            let state = runner.state();
            let program = Arc::clone(&state.program);
            place_arguments(state.stack.slots(), &program, function, arguments)?;
            let result = runner.call(&program, function, 0);
            runner.sweep();
            result
        })
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.context.get().state.program
    }

    /// The tier that the next call of `function` runs in.
    ///
    /// # Panics
    /// If `function` is none of the program's.
    #[must_use]
    pub fn tier(&self, function: FuncId) -> Tier {
        self.context.get().state.functions[function.index()].history.tier
    }

    /// Let `function` run in this tier from its next call on, whatever is counted.
    ///
    /// # Errors
    /// It cannot be compiled: the host refuses memory, or its code would be longer than 1 GiB. It then runs as
    /// before.
    ///
    /// # Panics
    /// If `function` is none of the program's.
    pub fn set_tier(&mut self, function: FuncId, tier: Tier) -> Result<(), CompileError> {
        self.context.run(|runner| {
            let (at, state) = runner.safepoint();
            state.set_tier(&at, function, tier)?;
            state.functions[function.index()].fixed = true;
            state.sweep(&at);
            Ok(())
        })
    }

    /// The native code of `function` beside its bytecode, with every byte and the name of each template.
    /// `None` while it is interpreted, or without [`Options::listing`].
    ///
    /// # Panics
    /// If `function` is none of the program's.
    #[must_use]
    pub fn listing(&self, function: FuncId) -> Option<String> {
        self.context.get().state.listing(function)
    }

    /// What has been seen of `function` while it was interpreted.
    ///
    /// # Panics
    /// If `function` is none of the program's.
    #[must_use]
    pub fn profile(&self, function: FuncId) -> &Profile {
        &self.context.get().state.functions[function.index()].profile
    }

    /// What the VM has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.context.get().state.stats()
    }

    fn compile_all(&mut self) -> Result<(), CompileError> {
        self.context.run(|runner| {
            let (at, state) = runner.safepoint();
            let tier = if state.options.thresholds.failures == 0 { Tier::Plain } else { Tier::Speculative };
            (0..state.functions.len()).try_for_each(|n| state.set_tier(&at, FuncId(n as u32), tier))
        })
    }
}
