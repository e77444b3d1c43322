//! The compiler: one walk over the operations, a template for each.
//!
//! r12 is the first cell of the tape, r13 how many there are, rbx the number of the current one. All three belong to
//! the callee in the C ABI, so calls of Rust keep them; nothing else lives from one operation to the next. A move
//! is checked when it is made, by one comparison for both ends: a cell left of the tape is a very large
//! unsigned number.
#![allow(unsafe_code)] // to run code is to vouch for it

use super::console::{Console, Stop};
use super::program::{Drain, Op, Operations, Unbalanced};
use jit_runtime::frame::{enter_frame, leave_frame};
use jit_runtime::memory::{CodeHeap, MemoryError};
use jit_runtime::stitch::{Assembler, Code, Function, Label, StitchError};
use jit_runtime::templates;
use jit_runtime::transition::{Checked, Gate, GateError, Machine};
use std::fmt;
use std::mem::offset_of;
use std::num::NonZeroU64;

templates! {
    /// The gate passes the tape in rbx.
    fn begin() = x64!< mov r12, rbx; mov r13, [r14 + {const offset_of!(Context<()>, tape)}]; xor ebx, ebx >;

    fn shift(cells: i32, outside: Label) = x64!< add rbx, {cells}; cmp rbx, r13; jae {outside} >;

    fn shift_a_little(cells: i8, outside: Label) = x64!< add rbx, {cells: i8}; cmp rbx, r13; jae {outside} >;

    fn add(by: i8) = x64!< add byte [r12 + rbx], {by} >;

    fn clear() = x64!< mov byte [r12 + rbx], 0 >;

    fn open(end: Label) = x64!< cmp byte [r12 + rbx], 0; je {end} >;

    fn close(body: Label) = x64!< cmp byte [r12 + rbx], 0; jne {body} >;

    fn scan(cells: i32, outside: Label) = x64!<
        jmp test;
    again:
        add rbx, {cells}; cmp rbx, r13; jae {outside};
    test:
        cmp byte [r12 + rbx], 0; jne again
    >;

    /// Whether the cell `cells` further is there.
    fn visit(cells: i32, outside: Label) = x64!< lea rax, [rbx + {cells}]; cmp rax, r13; jae {outside} >;

    /// The value of the cell, or leave.
    fn take(end: Label) = x64!< movzx ecx, byte [r12 + rbx]; test ecx, ecx; je {end} >;

    fn give(cells: i32) = x64!< add [r12 + rbx + {cells}], cl >;

    fn give_times(cells: i32, factor: i32) = x64!< imul eax, ecx, {factor}; add [r12 + rbx + {cells}], al >;

    fn write(function: Function) = x64!< movzx esi, byte [r12 + rbx]; call {function} >;

    fn read(function: Function) = x64!< call {function}; mov [r12 + rbx], al >;

    /// Report the cell `cells` further; this does not return.
    fn report(at: i64, cells: i32, function: Function) = x64!<
        lea rdx, [rbx + {cells}]; mov rsi, {at}; call {function}; ud2
    >;
}

/// A program that cannot be compiled.
#[derive(Debug)]
pub(crate) enum Refused {
    Unbalanced(Unbalanced),
    Stitch(StitchError),
    Gate(GateError),
    Memory(MemoryError),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Unbalanced(e) => e.fmt(f),
            Refused::Stitch(e) => e.fmt(f),
            Refused::Gate(e) => e.fmt(f),
            Refused::Memory(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

macro_rules! from {
    ($($variant:ident($error:ty)),*) => {$(
        impl From<$error> for Refused {
            fn from(error: $error) -> Refused {
                Refused::$variant(error)
            }
        }
    )*};
}
from!(Unbalanced(Unbalanced), Stitch(StitchError), Gate(GateError), Memory(MemoryError));

/// What the code finds at r14.
#[repr(C)]
struct Context<C> {
    machine: Machine,
    /// How many cells.
    tape: u64,
    console: C,
    stop: Option<Stop>,
}

impl<C> Context<C> {
    /// Keep why the program stops, and end the run of compiled code.
    fn stop(&mut self, stop: Stop) -> Checked {
        self.stop = Some(stop);
        Checked::cut(NonZeroU64::MIN)
    }
}

extern "C-unwind" fn read_byte<C: Console>(context: *mut Context<C>) -> Checked {
    // SAFETY: r14 is the context of `Compiled::run`, which nobody else uses while the code runs.
    let context = unsafe { &mut *context };
    match context.console.read() {
        Ok(byte) => Checked::value(byte.into()),
        Err(error) => context.stop(Stop::Console(error)),
    }
}

extern "C-unwind" fn write_byte<C: Console>(context: *mut Context<C>, byte: u64) -> Checked {
    // SAFETY: as in `read_byte`.
    let context = unsafe { &mut *context };
    match context.console.write(byte as u8) {
        Ok(()) => Checked::value(0),
        Err(error) => context.stop(Stop::Console(error)),
    }
}

extern "C-unwind" fn outside<C>(context: *mut Context<C>, at: u64, cell: i64) -> Checked {
    // SAFETY: as in `read_byte`.
    let context = unsafe { &mut *context };
    context.stop(Stop::Outside { at: at as usize, cell })
}

/// The stubs by which code calls Rust.
struct Stubs {
    read: Code,
    write: Code,
    outside: Code,
}

/// A compiled program, for consoles of one type.
pub(crate) struct Compiled<C> {
    gate: Gate,
    pub(crate) code: Code,
    pub(crate) operations: usize,
    tape: usize,
    _stubs: Stubs,
    console: std::marker::PhantomData<fn(C)>,
}

impl<C: Console> Compiled<C> {
    /// Compile for a tape of `tape` cells, at least one.
    pub(crate) fn new(source: &[u8], tape: usize) -> Result<Compiled<C>, Refused> {
        let heap = CodeHeap::probe()?;
        let gate = Gate::new(&heap)?;
        let stubs = Stubs {
            read: gate.rust_call_named(&heap, "read_byte", read_byte::<C> as extern "C-unwind" fn(_) -> _)?,
            write: gate.rust_call_named(
                &heap,
                "write_byte",
                write_byte::<C> as extern "C-unwind" fn(_, _) -> _,
            )?,
            outside: gate.rust_call_named(
                &heap,
                "outside",
                outside::<C> as extern "C-unwind" fn(_, _, _) -> _,
            )?,
        };
        let mut compiler = Compiler { asm: Assembler::new(), stubs: &stubs, loops: vec![] };
        let mut operations = 0;
        enter_frame(&mut compiler.asm);
        begin(&mut compiler.asm);
        for operation in Operations::of(source) {
            let (at, op) = operation?;
            compiler.emit(at, &op);
            operations += 1;
        }
        leave_frame(&mut compiler.asm);
        let code = compiler.asm.seal()?.publish(&heap)?;
        Ok(Compiled { gate, code, operations, tape, _stubs: stubs, console: std::marker::PhantomData })
    }

    /// Run the program. The console comes back in any case.
    pub(crate) fn run(&self, console: C) -> (C, Result<(), Stop>) {
        let mut tape = vec![0_u8; self.tape];
        let mut context = Context { machine: Machine::new(0), tape: tape.len() as u64, console, stop: None };
        // The machine is the context's first field: a pointer to the one is a pointer to the other.
        let machine = (&raw mut context).cast::<Machine>();
        let base = tape.as_mut_ptr().expose_provenance() as u64;
        // SAFETY: the context and the tape live until this returns, and nobody else uses them. The code keeps the
        // frame convention, calls Rust through stubs of this gate only, and writes to no cell that `shift`,
        // `scan` and `visit` have not found to be one of `self.tape`.
        let ended = unsafe { self.gate.enter(machine, self.code.address(), base) };
        let stop = context.stop.take();
        debug_assert_eq!(ended.is_err(), stop.is_some());
        (context.console, stop.map_or(Ok(()), Err))
    }
}

struct Compiler<'a> {
    asm: Assembler,
    stubs: &'a Stubs,
    /// Body and end of each loop that is open.
    loops: Vec<(Label, Label)>,
}

impl Compiler<'_> {
    fn emit(&mut self, at: usize, op: &Op) {
        match op {
            Op::Move { cells } => {
                let outside = self.outside(at, 0);
                match i8::try_from(*cells) {
                    Ok(cells) => shift_a_little(&mut self.asm, cells, outside),
                    Err(_) => shift(&mut self.asm, *cells, outside),
                }
            }
            Op::Scan { cells } => {
                let outside = self.outside(at, 0);
                scan(&mut self.asm, *cells, outside);
            }
            Op::Add { by } => add(&mut self.asm, *by as i8),
            Op::Clear => clear(&mut self.asm),
            Op::Write => write(&mut self.asm, Function(self.stubs.write.address())),
            Op::Read => read(&mut self.asm, Function(self.stubs.read.address())),
            Op::Open => {
                let [body, end] = self.asm.labels();
                open(&mut self.asm, end);
                self.asm.bind(body);
                self.loops.push((body, end));
            }
            Op::Close => {
                let (body, end) = self.loops.pop().expect("operations are balanced");
                close(&mut self.asm, body);
                self.asm.bind(end);
            }
            Op::Drain(drain) => self.drain(at, drain),
        }
    }

    fn drain(&mut self, at: usize, drain: &Drain) {
        let end = self.asm.label();
        take(&mut self.asm, end);
        for cells in [drain.lowest, drain.highest] {
            if cells != 0 {
                let outside = self.outside(at, cells);
                visit(&mut self.asm, cells, outside);
            }
        }
        for &(cells, factor) in &drain.into {
            match factor {
                1 => give(&mut self.asm, cells),
                _ => give_times(&mut self.asm, cells, factor.into()),
            }
        }
        clear(&mut self.asm);
        self.asm.bind(end);
    }

    /// Where to go when the cell `cells` from the current one is not there.
    fn outside(&mut self, at: usize, cells: i32) -> Label {
        let function = Function(self.stubs.outside.address());
        self.asm.cold(|asm| {
            let label = asm.bound_label();
            report(asm, at as i64, cells, function);
            label
        })
    }
}
