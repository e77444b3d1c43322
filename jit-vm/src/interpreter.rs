//! The interpreter: the meaning of the bytecode, and the tier that every other one is compared with.
//!
//! It must be able to share everything with native code: a compiled function calls an interpreted one
//! and the other way round, and compiled code may be left in the middle of an expression. So it keeps
//! nothing of its own that matters. The VM's stack belongs to the [`Host`], is addressed by slot
//! numbers, and has one layout:
//!
//! ```text
//!           base                base + locals         base + locals + depth
//!            v                        v                      v
//!  ... caller | locals: params first | operands, bottom first | free ...
//! ```
//!
//! Arguments are passed in place: the caller's topmost operands become the first locals of the callee,
//! whose base is the slot of its first argument. The result lands where the first argument stood.
//!
//! Calls between interpreted functions push a record on a list and use no Rust stack. A call that the
//! host takes over is its own affair: it may run native code, which may interpret again.
//!
//! Invariants: between two instructions the slots of the running frame are all there is to know, next to
//! function, position and base; the depth of the operand stack follows from the position
//! ([`Verified::depth`]). All slots of a frame are within the stack, since that is checked when the frame
//! is made; the checked indexing below never fails for a verified program.
//!
//! Cost: one switch an instruction; a call is about ten instructions' worth.

use crate::error::{ErrorKind, VmError};
use crate::op::{FuncId, Op};
use crate::profile::Profile;
use crate::semantics::{binary, unary};
use crate::value::Value;
use crate::verify::{Program, Verified};

/// Who owns the stack and decides how a function runs.
pub trait Host {
    /// The VM's stack and, if what happens in `function` is to be noted, its profile. The stack has the
    /// same length and contents at each call, but for what ran in between.
    fn frame(&mut self, function: FuncId) -> (&mut [Value], Option<&mut Profile>);

    /// An interpreted function is about to call `callee`, whose arguments stand at slot `base` and
    /// above. The host runs it and gives its result, or asks the interpreter to.
    ///
    /// # Errors
    /// What the callee threw. The interpreter passes it on.
    fn call(&mut self, program: &Program, callee: FuncId, base: usize) -> Result<CallAction, VmError>;
}

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallAction {
    /// The interpreter goes into the callee.
    Interpret,
    /// The callee has run and this is its result.
    Done(Value),
}

/// Interprets `function`, whose arguments stand at slot `base` and above, until it returns.
///
/// # Errors
/// The error that the program ended with.
///
/// # Panics
/// If `function` is none of the program's.
pub fn run<H: Host>(
    host: &mut H,
    program: &Program,
    function: FuncId,
    base: usize,
) -> Result<Value, VmError> {
    enter(host, program, function, base)?;
    execute(host, program, Frame { function, pc: 0, base })
}

/// Goes on in the middle of `function`, at instruction `pc`, until the function returns. Its locals and
/// operands stand in their slots from `base` on; there are [`Verified::depth`] operands.
///
/// # Errors
/// The error that the program ended with.
///
/// # Panics
/// If `function` is none of the program's, or `pc` is no reachable position of it.
pub fn resume<H: Host>(
    host: &mut H,
    program: &Program,
    function: FuncId,
    pc: u32,
    base: usize,
) -> Result<Value, VmError> {
    if base.saturating_add(program.function(function).frame_size()) > host.frame(function).0.len() {
        return Err(VmError::at(program, ErrorKind::StackOverflow, function, 0));
    }
    execute(host, program, Frame { function, pc, base })
}

/// Where an activation stands. Its values are on the VM's stack.
#[derive(Clone, Copy)]
struct Frame {
    function: FuncId,
    pc: u32,
    base: usize,
}

/// Makes the frame of `function` at `base`: there must be room, and locals that are no parameters are 0.
#[inline]
fn enter<H: Host>(host: &mut H, program: &Program, function: FuncId, base: usize) -> Result<(), VmError> {
    let f = program.function(function);
    let (stack, _) = host.frame(function);
    let Some(frame) = stack.get_mut(base..base.saturating_add(f.frame_size())) else {
        return Err(VmError::at(program, ErrorKind::StackOverflow, function, 0));
    };
    frame[f.params()..f.locals()].fill(Value::ZERO);
    Ok(())
}

/// Runs `current` and whatever it calls until `current` returns.
fn execute<H: Host>(host: &mut H, program: &Program, mut current: Frame) -> Result<Value, VmError> {
    let mut callers = vec![];
    loop {
        let f = program.function(current.function);
        let (stack, profile) = host.frame(current.function);
        let frame = &mut stack[current.base..current.base + f.frame_size()];
        match straight_on(f, frame, &mut current.pc, profile) {
            Ok(Event::Call { callee, top }) => {
                let base = current.base + top - program.function(callee).params();
                current.pc += 1;
                match host.call(program, callee, base)? {
                    CallAction::Done(result) => host.frame(current.function).0[base] = result,
                    CallAction::Interpret => {
                        enter(host, program, callee, base)?;
                        callers.push(current);
                        current = Frame { function: callee, pc: 0, base };
                    }
                }
            }
            Ok(Event::Return(result)) => {
                let Some(caller) = callers.pop() else { return Ok(result) };
                host.frame(caller.function).0[current.base] = result;
                current = caller;
            }
            Err(kind) => return Err(VmError::at(program, kind, current.function, current.pc)),
        }
    }
}

/// Why [`straight_on`] stopped.
enum Event {
    /// At a call, with the operands up to slot `top` of the frame.
    Call { callee: FuncId, top: usize },
    /// At a return.
    Return(Value),
}

/// Runs one frame from `*pc` to the next call, return or error, and leaves `*pc` there.
#[rustfmt::skip] // One instruction of the switch, one line.
#[inline(always)]
fn straight_on(
    f: &Verified,
    frame: &mut [Value],
    pc: &mut u32,
    mut profile: Option<&mut Profile>,
) -> Result<Event, ErrorKind> {
    let code = f.code();
    // The slot above the topmost operand.
    let mut top = f.locals() + f.depth(*pc).expect("a position that control reaches");
    macro_rules! push {
        ($value:expr) => {{
            frame[top] = $value;
            top += 1;
        }};
    }
    macro_rules! pop {
        () => {{
            top -= 1;
            frame[top]
        }};
    }
    macro_rules! binary {
        ($op:ident) => {{
            let (lhs, rhs) = (frame[top - 2], frame[top - 1]);
            if let Some(profile) = &mut profile {
                profile.note_binary(*pc, lhs, rhs);
            }
            top -= 1;
            frame[top - 1] = binary(Op::$op, lhs, rhs)?;
        }};
    }
    macro_rules! unary {
        ($op:ident) => {{
            let operand = frame[top - 1];
            if let Some(profile) = &mut profile {
                profile.note_unary(*pc, operand);
            }
            frame[top - 1] = unary(Op::$op, operand)?;
        }};
    }
    macro_rules! jump {
        ($target:expr) => {{
            if let Some(profile) = &mut profile {
                profile.note_jump(*pc, $target.0);
            }
            *pc = $target.0;
            continue;
        }};
    }
    macro_rules! condition {
        () => {{
            let condition = pop!();
            if let Some(profile) = &mut profile {
                profile.note_unary(*pc, condition);
            }
            condition.is_true()
        }};
    }
    loop {
        match code[*pc as usize] {
            Op::Int(value) => push!(Value::int(value.into())),
            Op::Constant(id) => push!(f.constants()[id.0 as usize]),
            Op::Bool(value) => push!(Value::bool(value)),
            Op::Get(local) => push!(frame[usize::from(local)]),
            Op::Set(local) => frame[usize::from(local)] = pop!(),
            Op::Tee(local) => frame[usize::from(local)] = frame[top - 1],
            Op::Pop => top -= 1,
            Op::Dup => push!(frame[top - 1]),
            Op::Swap => frame.swap(top - 1, top - 2),
            Op::Add => binary!(Add),
            Op::Sub => binary!(Sub),
            Op::Mul => binary!(Mul),
            Op::Div => binary!(Div),
            Op::Rem => binary!(Rem),
            Op::Udiv => binary!(Udiv),
            Op::Urem => binary!(Urem),
            Op::Neg => unary!(Neg),
            Op::Band => binary!(Band),
            Op::Bor => binary!(Bor),
            Op::Bxor => binary!(Bxor),
            Op::Bnot => unary!(Bnot),
            Op::Shl => binary!(Shl),
            Op::Shr => binary!(Shr),
            Op::Sar => binary!(Sar),
            Op::Eq => binary!(Eq),
            Op::Ne => binary!(Ne),
            Op::Lt => binary!(Lt),
            Op::Le => binary!(Le),
            Op::Gt => binary!(Gt),
            Op::Ge => binary!(Ge),
            Op::Ult => binary!(Ult),
            Op::Ule => binary!(Ule),
            Op::Ugt => binary!(Ugt),
            Op::Uge => binary!(Uge),
            Op::Not => unary!(Not),
            Op::Jump(target) => jump!(target),
            Op::JumpIf(target) => if condition!() { jump!(target) },
            Op::JumpIfNot(target) => if !condition!() { jump!(target) },
            Op::Call(callee) => return Ok(Event::Call { callee, top }),
            Op::Ret => return Ok(Event::Return(frame[top - 1])),
        }
        *pc += 1;
    }
}

/// A host without any other tier: it owns a stack, and every call is interpreted.
///
/// ```
/// use jit_vm::{Function, Interpreter, Module, Op, Value};
///
/// let code = vec![Op::Get(0), Op::Int(2), Op::Mul, Op::Ret];
/// let double = Function { name: "double".into(), params: 1, locals: 1, code, ..Function::default() };
/// let program = Module { functions: vec![double] }.verify()?;
/// let function = program.find("double").ok_or("no such function")?;
/// let result = Interpreter::new(1000).run(&program, function, &[Value::int(21)])?;
/// assert_eq!(result, Value::int(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Interpreter {
    stack: Box<[Value]>,
}

impl Interpreter {
    /// An interpreter with a stack of `slots` values.
    #[must_use]
    pub fn new(slots: usize) -> Interpreter {
        Interpreter { stack: vec![Value::ZERO; slots].into() }
    }

    /// Calls a function.
    ///
    /// # Errors
    /// The error that the program ended with, or that the number of arguments is wrong.
    ///
    /// # Panics
    /// If `function` is none of the program's.
    pub fn run(
        &mut self,
        program: &Program,
        function: FuncId,
        arguments: &[Value],
    ) -> Result<Value, VmError> {
        place_arguments(&mut self.stack, program, function, arguments)?;
        run(self, program, function, 0)
    }
}

/// Puts the arguments of an outermost call at the bottom of the stack, where `function` will look for
/// them.
///
/// # Errors
/// If their number is wrong, or the stack has no room for them.
///
/// # Panics
/// If `function` is none of the program's.
pub fn place_arguments(
    stack: &mut [Value],
    program: &Program,
    function: FuncId,
    arguments: &[Value],
) -> Result<(), VmError> {
    let wanted = program.function(function).params();
    if arguments.len() != wanted {
        let kind = ErrorKind::ArgumentCount { wanted, got: arguments.len() };
        return Err(VmError::at(program, kind, function, 0));
    }
    let Some(slots) = stack.get_mut(..wanted) else {
        return Err(VmError::at(program, ErrorKind::StackOverflow, function, 0));
    };
    slots.copy_from_slice(arguments);
    Ok(())
}

impl Host for Interpreter {
    #[inline]
    fn frame(&mut self, _: FuncId) -> (&mut [Value], Option<&mut Profile>) {
        (&mut self.stack, None)
    }

    #[inline]
    fn call(&mut self, _: &Program, _: FuncId, _: usize) -> Result<CallAction, VmError> {
        Ok(CallAction::Interpret)
    }
}
