//! A client of the safepoint contract that is as small as it can be and still needs all of it.
//!
//! Its program is fixed. `call(f, n)` computes, with Rust in the middle of every activation:
//!
//! ```text
//! pc 0   a = middle(f, n)                                      Rust, which does what its script says next
//! pc 1   (b, d) = n == 0 ? (0, 0) : call(f + 1, n - 1)         the numbers of functions wrap
//! pc 2   return ((3 * b ^ a) + global[f] * (n + 1), d + 1)     the numbers of globals wrap
//! ```
//!
//! Compiled code takes the global for a constant, so it is wrong as soon as somebody writes the global: the activations
//! that are suspended in either call must not come to `pc 2` in it.
#![allow(unsafe_code, dead_code)] // each test binary uses a part

use jit_runtime::deopt::{CallExits, Captured, FrameMaps, FrameMemory, Source, WordAt, capture};
use jit_runtime::frame::{enter_frame, enter_frame_sized, leave_frame};
use jit_runtime::memory::{CodeHeap, Strategy};
use jit_runtime::stitch::{Assembler, Code, Function, Sealed, SourcePosition, StitchError};
use jit_runtime::tier::policy::Pressure;
use jit_runtime::tier::{
    Assumption, Assumptions, CodeMap, EntryTable, Instead, Invalidated, Premise, Retired,
};
use jit_runtime::transition::{Checked, Cut, Exits, Gate, Machine, Safepoint};
use jit_runtime::{Gpr, x64};
use std::collections::{BTreeSet, VecDeque};
use std::mem::offset_of;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

pub(crate) const FUNCTIONS: u64 = 3;
pub(crate) const GLOBALS: usize = 2;

/// How a call ends that does not return.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Cut(NonZeroU64),
    Panic(u64),
}

pub(crate) type Outcome = Result<(u64, u64), End>;

/// What Rust does in the middle of an activation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Nothing,
    /// Write a global: code that took it for a constant is wrong.
    Write(usize, u64),
    /// Call a function, in a segment of its own. A cut ends there, and so does a panic if `n` is even.
    Enter(u64, u64),
    /// Install new code of a function in place of what it has.
    Compile(u64, Kind),
    /// Free what can be freed.
    Sweep,
    Cut,
    Panic,
    /// What a test wants to do here.
    Do(fn(&mut Toy)),
}

/// How a function is compiled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The global is a constant; both calls have exits.
    Speculative,
    /// The same, but the call of Rust has no exit.
    HalfExits,
    /// The global is read where it is.
    Plain,
}

/// The context: r14 is its address.
#[repr(C)]
pub(crate) struct Toy {
    pub(crate) machine: Machine,
    entries_at: usize,
    /// rdx of what Rust returns.
    second: u64,
    pub(crate) vm: Vm,
}

const ENTRIES: i32 = offset_of!(Toy, entries_at) as i32;
const SECOND: i32 = offset_of!(Toy, second) as i32;

/// What Rust knows.
pub(crate) struct Vm {
    pub(crate) heap: CodeHeap,
    pub(crate) gate: Gate,
    pub(crate) stubs: Stubs,
    pub(crate) entries: EntryTable,
    pub(crate) code: CodeMap<Piece>,
    pub(crate) assumptions: Assumptions<usize>,
    pub(crate) facts: [Assumption; GLOBALS],
    pub(crate) globals: Box<[u64; GLOBALS]>,
    pub(crate) script: VecDeque<Action>,
    /// Calls of `middle` so far, which is what it returns.
    pub(crate) ticks: u64,
    /// Exits that were served.
    pub(crate) exits: usize,
    pub(crate) invalidated: Vec<Invalidated>,
    /// What the last write took for dead.
    dead: BTreeSet<usize>,
    pub(crate) freed: Vec<usize>,
    /// Times that the heap was full.
    pub(crate) refusals: usize,
    pub(crate) pressure: Pressure,
}

pub(crate) struct Stubs {
    pub(crate) enter: Code,
    pub(crate) interpreted: Vec<Code>,
    pub(crate) middle: Code,
    pub(crate) leave: Code,
    pub(crate) capture: Code,
    pub(crate) interpret: Code,
}

/// Installed code.
pub(crate) struct Piece {
    pub(crate) function: u64,
    pub(crate) maps: FrameMaps,
    pub(crate) code: Code,
}

// SAFETY: the maps were written by the compiler of this very code, with `CallExits`, and only for offsets in it; the
// code is held.
unsafe impl Exits for Piece {
    fn exit_of(&self, return_address: usize) -> Option<usize> {
        let exit = self.maps.exit_of(self.code.offset_of(return_address)?.0)?;
        Some(self.code.address() + exit as usize)
    }
}

/// All that a compilation looks at: it may go to another thread.
pub(crate) struct Snapshot {
    pub(crate) function: u64,
    kind: Kind,
    global: u64,
    global_at: usize,
    middle: Function,
    capture: Function,
}

/// Code that is not published.
pub(crate) struct Translated {
    function: u64,
    sealed: Sealed,
    maps: FrameMaps,
}

/// Slot `n` of a frame, from rbp.
const fn slot(n: i32) -> i32 {
    -8 * (n + 1)
}

/// Compile. Slots 0 to 3 are `n`, `a`, `b` and `d`.
pub(crate) fn translate(snapshot: &Snapshot) -> Translated {
    let (mut asm, mut exits, mut maps) = (Assembler::new(), CallExits::new(), FrameMaps::new());
    let in_slot = |slot, r| (WordAt { slot, word: 0 }, Source::Register(r));
    let f = snapshot.function;
    asm.mark(SourcePosition(0));
    let size = enter_frame_sized(&mut asm);
    x64!(asm => mov [rbp + {const slot(0)}], rsi; mov rdx, rsi; mov esi, {f as i32}; call {snapshot.middle});
    if snapshot.kind != Kind::HalfExits {
        let during = maps.write(1, [].into_iter());
        let after = maps.write(2, [in_slot(1, Gpr::Rax)].into_iter());
        exits.behind_call(&mut asm, (SourcePosition(0), during), (SourcePosition(1), after));
    }
    let [call, last] = asm.labels();
    asm.mark(SourcePosition(1));
    x64!(asm =>
        mov [rbp + {const slot(1)}], rax;
        xor eax, eax;
        xor edx, edx;
        mov rsi, [rbp + {const slot(0)}];
        test rsi, rsi;
        jnz {call}
    );
    asm.bind(last);
    x64!(asm => lea rax, [rax + rax * 2]; xor rax, [rbp + {const slot(1)}]);
    if snapshot.kind == Kind::Plain {
        x64!(asm => mov rcx, {snapshot.global_at as i64}; mov rcx, [rcx]);
    } else {
        x64!(asm => mov rcx, {snapshot.global as i64});
    }
    x64!(asm => mov rsi, [rbp + {const slot(0)}]; inc rsi; imul rsi, rcx; add rax, rsi; inc rdx);
    leave_frame(&mut asm);
    // The call stands in the cold section, which is where its exit comes to stand as well.
    asm.cold(|asm| {
        let callee = 8 * ((f + 1) % FUNCTIONS) as i32;
        asm.bind(call);
        x64!(asm => dec rsi; mov rcx, [r14 + {const ENTRIES}]; call [rcx + {callee}]);
        let during = maps.write(2, [].into_iter());
        let after = maps.write(4, [in_slot(2, Gpr::Rax), in_slot(3, Gpr::Rdx)].into_iter());
        exits.behind_call(asm, (SourcePosition(1), during), (SourcePosition(2), after));
        x64!(asm => jmp {last});
    });
    size.set(&mut asm, 4);
    let common = asm.label();
    exits.emit(&mut asm, common);
    asm.cold(|asm| {
        asm.bind(common);
        x64!(asm => jmp {snapshot.capture});
    });
    let sealed = asm.seal().expect("every label is bound");
    #[cfg(feature = "disassemble")]
    assert_eq!(jit_runtime::frame::check(&sealed.bytes()[..sealed.code_len()], sealed.data()), []);
    exits.place(&sealed, &mut maps);
    maps.finish();
    Translated { function: f, sealed, maps }
}

fn publish(heap: &CodeHeap, build: impl FnOnce(&mut Assembler)) -> Code {
    let mut asm = Assembler::new();
    build(&mut asm);
    asm.seal().expect("every label is bound").publish(heap).expect("room")
}

impl Stubs {
    fn new(heap: &CodeHeap, gate: &Gate) -> Stubs {
        type Call = extern "C-unwind" fn(*mut Toy, u64, u64) -> Checked;
        type Leave = extern "C-unwind" fn(*mut Toy, *const Captured) -> Checked;
        let middle = gate.rust_call(heap, middle as Call).expect("room");
        let leave = gate.rust_call(heap, leave as Leave).expect("room");
        let interpret = gate.rust_call(heap, interpret as Call).expect("room");
        let capture = publish(heap, |asm| {
            capture(asm, Function(leave.address()));
            x64!(asm => mov rdx, [r14 + {const SECOND}]);
            leave_frame(asm);
        });
        let enter = publish(heap, |asm| {
            enter_frame(asm);
            x64!(asm => mov esi, ebx; mov rcx, rbx; shr rcx, 32; mov rax, [r14 + {const ENTRIES}]);
            x64!(asm => call [rax + rcx * 8]; nop);
            leave_frame(asm);
        });
        let interpreted = |f| {
            publish(heap, |asm| {
                enter_frame(asm);
                x64!(asm => mov rdx, rsi; mov esi, {f as i32}; call {Function(interpret.address())});
                x64!(asm => mov rdx, [r14 + {const SECOND}]);
                leave_frame(asm);
            })
        };
        let interpreted = (0..FUNCTIONS).map(interpreted).collect();
        Stubs { enter, interpreted, middle, leave, capture, interpret }
    }
}

impl Toy {
    /// Nothing is compiled, and the globals are 1, 2, ...
    pub(crate) fn new() -> Box<Toy> {
        Toy::over(CodeHeap::new(Strategy::DualMapping).expect("Linux on x86-64"))
    }

    /// The same with code in this heap.
    pub(crate) fn over(heap: CodeHeap) -> Box<Toy> {
        let gate = Gate::new(&heap).expect("Linux with the GNU C library");
        let stubs = Stubs::new(&heap, &gate);
        let entries = EntryTable::new(FUNCTIONS as usize, |f| stubs.interpreted[f].address());
        let mut assumptions = Assumptions::new();
        let vm = Vm {
            facts: std::array::from_fn(|_| assumptions.state()),
            globals: Box::new(std::array::from_fn(|n| n as u64 + 1)),
            code: CodeMap::new(),
            script: VecDeque::new(),
            ticks: 0,
            exits: 0,
            invalidated: vec![],
            dead: BTreeSet::new(),
            freed: vec![],
            refusals: 0,
            pressure: Pressure::new(8 << 10),
            heap,
            gate,
            stubs,
            entries,
            assumptions,
        };
        Box::new(Toy { machine: Machine::new(0), entries_at: vm.entries.address(), second: 0, vm })
    }

    /// The safepoint at which this is called, and what it lets change: a toy is only borrowed between runs of its code
    /// and in what its code calls.
    pub(crate) fn safepoint(&mut self) -> (Safepoint<'_>, &mut Vm) {
        // SAFETY: as said; nothing enters code while the machine is borrowed.
        (unsafe { Safepoint::new(&self.machine) }, &mut self.vm)
    }

    pub(crate) fn compile(&mut self, function: u64, kind: Kind) {
        let (at, vm) = self.safepoint();
        let (snapshot, premises) = vm.snapshot(function, kind);
        if vm.try_install(&at, translate(&snapshot), &premises).is_err() {
            // The heap is full. What nobody runs is freed, and the code compiled once more.
            vm.refusals += 1;
            vm.sweep(&at);
            vm.install(&at, translate(&snapshot), &premises);
        }
    }

    pub(crate) fn write(&mut self, global: usize, value: u64) -> Invalidated {
        let (mut at, vm) = self.safepoint();
        vm.write(&mut at, global, value)
    }

    pub(crate) fn sweep(&mut self) -> Retired {
        let (at, vm) = self.safepoint();
        vm.sweep(&at)
    }
}

impl Vm {
    /// What a compilation of `function` looks at, and what it takes for granted.
    pub(crate) fn snapshot(&self, function: u64, kind: Kind) -> (Snapshot, Vec<Premise>) {
        let global = function as usize % GLOBALS;
        let snapshot = Snapshot {
            function,
            kind,
            global: self.globals[global],
            global_at: (&raw const self.globals[global]).expose_provenance(),
            middle: Function(self.stubs.middle.address()),
            capture: Function(self.stubs.capture.address()),
        };
        let relies = kind != Kind::Plain;
        (snapshot, relies.then(|| self.assumptions.premise(self.facts[global])).into_iter().collect())
    }

    /// Publish and install code, and retire what the function had.
    pub(crate) fn install(
        &mut self,
        at: &Safepoint<'_>,
        translated: Translated,
        premises: &[Premise],
    ) -> usize {
        self.try_install(at, translated, premises).expect("room")
    }

    /// The same where the heap may be full: nothing has changed then.
    fn try_install(
        &mut self,
        at: &Safepoint<'_>,
        translated: Translated,
        premises: &[Premise],
    ) -> Result<usize, StitchError> {
        if self.pressure.is_high(self.heap.stats().used) {
            self.sweep(at);
            self.pressure.relieve(self.heap.stats().used);
        }
        let Translated { function, sealed, maps } = translated;
        let code = sealed.publish(&self.heap)?;
        let start = code.address();
        self.assumptions.rely(start, premises).expect("nothing changed at this safepoint");
        self.code.insert(start, code.len(), Piece { function, maps, code });
        let before = self.entries.get(function as usize);
        self.entries.set(at, function as usize, start);
        self.code.retire(before);
        Ok(start)
    }

    /// Change a global, and invalidate what took it for a constant.
    fn write(&mut self, at: &mut Safepoint<'_>, global: usize, value: u64) -> Invalidated {
        self.globals[global] = value;
        self.dead = self.assumptions.refute(self.facts[global]);
        let before = self.traceback(at);
        let done = self.invalidate(at);
        assert_eq!(self.traceback(at), before, "a frame that will leave is where it was");
        let dead = at.returns().filter_map(|address| Some((address, self.code.at_return(address)?)));
        let dead = dead.filter(|(_, (start, _))| self.dead.contains(start));
        let staying = dead.filter(|&(address, (_, piece))| piece.exit_of(address) != Some(address)).count();
        assert_eq!(staying, done.staying, "all others go on at an exit, and an exit is its own exit");
        let again = self.invalidate(at);
        assert_eq!(again, Invalidated { entries: 0, ..done });
        self.invalidated.push(done);
        done
    }

    /// Where each frame of code with maps is: its function, its position, the depth of its stack.
    pub(crate) fn traceback(&self, at: &Safepoint<'_>) -> Vec<(u64, u32, u32)> {
        let place = |address| {
            let (start, piece) = self.code.at_return(address)?;
            let state = piece.maps.read((address - start) as u32)?;
            assert!(state.words.is_empty(), "what a suspended frame has is in slots");
            let position = piece.code.position_of_return(address)?;
            Some((piece.function, position.0, state.depth))
        };
        at.returns().filter_map(place).collect()
    }

    /// Invalidate what the last write took for dead.
    pub(crate) fn invalidate(&mut self, at: &mut Safepoint<'_>) -> Invalidated {
        let Vm { code, entries, stubs, dead, .. } = self;
        code.invalidate(at, entries, dead, |piece| {
            let function = piece.function as usize;
            Some(Instead { function, entry: stubs.interpreted[function].address() })
        })
    }

    pub(crate) fn sweep(&mut self, at: &Safepoint<'_>) -> Retired {
        let Vm { code, assumptions, freed, .. } = self;
        code.sweep(at, |start, _piece| {
            assumptions.forget(start);
            freed.push(start);
        })
    }

    /// Functions that have code.
    pub(crate) fn compiled(&self) -> usize {
        let entry = |f: usize| self.entries.get(f);
        (0..FUNCTIONS as usize).filter(|&f| entry(f) != self.stubs.interpreted[f].address()).count()
    }
}

/// A reference for as long as nothing is entered.
fn toy<'a>(toy: *mut Toy) -> &'a mut Toy {
    // SAFETY: the tests own the toy and wait; the callers drop the reference before they enter code.
    unsafe { &mut *toy }
}

/// Call a function from Rust.
pub(crate) fn call(at: *mut Toy, function: u64, n: u64) -> Outcome {
    let code = toy(at).vm.stubs.enter.address();
    let gate = &raw const toy(at).vm.gate;
    // SAFETY: nobody changes the gate.
    let gate = unsafe { &*gate };
    // SAFETY: the machine is the first field of a live toy; its code keeps the convention, as `translate` checks, and is
    // freed by sweeps only.
    let result = unsafe { gate.enter(at.cast::<Machine>(), code, n | function << 32) };
    result.map_err(|Cut { status }| End::Cut(NonZeroU64::new(status).expect("a status is not 0")))
}

/// Have the panic of a call be a value.
pub(crate) fn call_catching(at: *mut Toy, function: u64, n: u64) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| call(at, function, n))) {
        Ok(outcome) => outcome,
        Err(payload) => match payload.downcast::<u64>() {
            Ok(value) => Err(End::Panic(*value)),
            Err(failure) => resume_unwind(failure),
        },
    }
}

/// What is left of an activation, from `pc` on, without code.
fn resume(at: *mut Toy, function: u64, pc: u32, slots: &mut [u64; 4]) -> Outcome {
    if pc < 1 {
        slots[1] = act(at)?;
    }
    if pc < 2 && slots[0] > 0 {
        let (b, d) = call(at, (function + 1) % FUNCTIONS, slots[0] - 1)?;
        (slots[2], slots[3]) = (b, d);
    }
    let [n, a, b, d] = *slots;
    let global = toy(at).vm.globals[function as usize % GLOBALS];
    Ok((((b.wrapping_mul(3)) ^ a).wrapping_add(global.wrapping_mul(n + 1)), d + 1))
}

/// The next action of the script.
fn act(at: *mut Toy) -> Result<u64, End> {
    let vm = &mut toy(at).vm;
    vm.ticks += 1;
    let tick = vm.ticks;
    match vm.script.pop_front().unwrap_or(Action::Nothing) {
        Action::Nothing => {}
        Action::Write(global, value) => {
            toy(at).write(global, value);
        }
        Action::Compile(function, kind) => toy(at).compile(function, kind),
        Action::Sweep => {
            toy(at).sweep();
        }
        Action::Do(what) => what(toy(at)),
        Action::Cut => return Err(End::Cut(NonZeroU64::new(tick).expect("not 0"))),
        Action::Panic => return Err(End::Panic(tick)),
        Action::Enter(function, n) => return entered(n, call_catching(at, function, n)),
    }
    Ok(tick)
}

/// What comes of a nested call with `n`.
pub(crate) fn entered(n: u64, outcome: Outcome) -> Result<u64, End> {
    match outcome {
        Ok((value, depth)) => Ok(value ^ depth << 60),
        Err(End::Cut(status)) => Ok(status.get() + 1000),
        Err(End::Panic(value)) if n.is_multiple_of(2) => Ok(value + 2000),
        Err(End::Panic(value)) => Err(End::Panic(value)),
    }
}

/// Hand an outcome to JIT code.
fn conclude(at: *mut Toy, outcome: Outcome) -> Checked {
    match outcome {
        Ok((first, second)) => {
            toy(at).second = second;
            Checked::value(first)
        }
        Err(End::Cut(status)) => Checked::cut(status),
        Err(End::Panic(value)) => resume_unwind(Box::new(value)),
    }
}

extern "C-unwind" fn middle(at: *mut Toy, _function: u64, _n: u64) -> Checked {
    let outcome = act(at);
    conclude(at, outcome.map(|a| (a, 0)))
}

extern "C-unwind" fn interpret(at: *mut Toy, function: u64, n: u64) -> Checked {
    conclude(at, resume(at, function, 0, &mut [n, 0, 0, 0]))
}

/// Serves an exit.
extern "C-unwind" fn leave(at: *mut Toy, captured: *const Captured) -> Checked {
    // SAFETY: the stub of `capture` gave the pointer.
    let captured = unsafe { Captured::read(captured) };
    let vm = &mut toy(at).vm;
    vm.exits += 1;
    let (start, piece) = vm.code.at_return(captured.return_address()).expect("exits are in installed code");
    let name = (captured.return_address() - start) as u32;
    let state = piece.maps.read(name).expect("an exit has a map");
    assert!(piece.maps.exit_of(name).is_none(), "the name of an exit is no place of a suspended frame");
    let position = piece.code.position_of_return(captured.return_address()).expect("an exit has a position");
    let function = piece.function;
    let mut slots = Slots { rbp: captured.register(Gpr::Rbp) as usize };
    state.rebuild(&captured, &mut slots);
    let mut slots: [u64; 4] = std::array::from_fn(|n| slots.read(WordAt { slot: n as u32, word: 0 }));
    // What was not computed yet is not in its slot.
    slots[state.depth as usize..].fill(0);
    conclude(at, resume(at, function, position.0, &mut slots))
}

/// The slots of a native frame.
struct Slots {
    rbp: usize,
}

impl Slots {
    fn at(&self, at: WordAt) -> *mut u64 {
        ptr::with_exposed_provenance_mut(self.rbp.wrapping_add_signed(slot(at.slot as i32) as isize))
    }
}

impl FrameMemory for Slots {
    fn read(&self, at: WordAt) -> u64 {
        // SAFETY: a slot of the frame that is being left.
        unsafe { self.at(at).read() }
    }

    fn write(&mut self, at: WordAt, value: u64) {
        // SAFETY: as above.
        unsafe { self.at(at).write(value) }
    }
}

/// The same program without any code: what every outcome must be.
pub(crate) struct Model {
    pub(crate) globals: [u64; GLOBALS],
    pub(crate) script: VecDeque<Action>,
    pub(crate) ticks: u64,
}

impl Model {
    pub(crate) fn new(script: &[Action]) -> Model {
        let globals = std::array::from_fn(|n| n as u64 + 1);
        Model { globals, script: script.iter().copied().collect(), ticks: 0 }
    }

    pub(crate) fn call(&mut self, function: u64, n: u64) -> Outcome {
        self.ticks += 1;
        let mut a = self.ticks;
        match self.script.pop_front() {
            Some(Action::Write(global, value)) => self.globals[global] = value,
            Some(Action::Enter(function, n)) => a = entered(n, self.call(function, n))?,
            Some(Action::Cut) => return Err(End::Cut(NonZeroU64::new(a).expect("not 0"))),
            Some(Action::Panic) => return Err(End::Panic(a)),
            _ => {}
        }
        let (b, d) = if n == 0 { (0, 0) } else { self.call((function + 1) % FUNCTIONS, n - 1)? };
        let global = self.globals[function as usize % GLOBALS];
        Ok(((b.wrapping_mul(3) ^ a).wrapping_add(global.wrapping_mul(n + 1)), d + 1))
    }
}
