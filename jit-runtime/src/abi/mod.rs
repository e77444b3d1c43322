//! The calling convention of C, in both directions (System V AMD64 ABI, 3.2).
//!
//! **Problem.** Code that C or Rust calls, and code that calls them, must have each value where the other side looks for
//! it, keep the registers that are not its own, and keep the stack aligned. Done by hand, a slip in any of these is
//! found much later and elsewhere.
//!
//! **Idea.** A signature is a Rust type, `extern "C" fn(i64, f64) -> i32`, and everything follows from it. A
//! [`CFunction`] of that type tells where its arguments are, gives locals, and takes templates like an assembler. They
//! say what they write ([`Effects`](jit_asm::template::Effects)), and registers that are chosen when a template is
//! emitted are read from its finished bytes: so the function saves exactly the registers of its caller that its body
//! may write. [`CFunction::call`] puts values of the right types into the places of arguments, all at once.
//!
//! ```
//! use jit_runtime::abi::CFunction;
//! use jit_runtime::stitch::Assembler;
//! use jit_runtime::transition::{CHeap, Closure, EntryPoint};
//! use jit_runtime::x64;
//! use std::ffi::{c_char, c_int};
//!
//! unsafe extern "C" { fn printf(format: *const c_char, ...) -> c_int; }
//!
//! type F = extern "C-unwind" fn(i32, i32, i32, i32, i32, i32, i32, f64) -> i32;
//! let mut asm = Assembler::new();
//! let mut f = CFunction::<F>::begin(&mut asm);
//! let (a, b, _, _, _, _, g, x) = f.keep_arguments();      // `g` is on the stack, `x` in xmm0: now all are in the frame
//! let sum = f.local::<i32>();
//! x64!(f => mov ebx, [rbp + {a.disp()}]; imul ebx, [rbp + {b.disp()}]; mov [rbp + {sum.disp()}], ebx);
//!
//! let text = c"%d times %d is %d, and not %g\n".as_ptr();
//! let printf: unsafe extern "C" fn(_, ...) -> _ = printf;
//! f.call_variadic(printf, (text,), (a, b, sum, x));
//! let add = Closure::<extern "C-unwind" fn(i32, i32) -> i32>::new(|a, b| a + b);
//! let result = f.call(&add, (sum, g));
//! f.ret(result);
//! let entry = f.finish()?;                                 // it has saved rbx, which is its caller's
//!
//! let code = CHeap::probe()?.publish(asm.seal()?)?;
//! // SAFETY: the templates write to the frame and to rbx, and what is called takes any value of its arguments.
//! let f = unsafe { EntryPoint::of_function(code, entry) }.expect("it is in this code");
//! assert_eq!(f.call(6, 7, 0, 0, 0, 0, 58, 43.5), 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What has the wrong type, or the wrong number of arguments, does not compile. What types cannot say (a template that
//! leaves something on the stack, or writes rbp) is an error of [`CFunction::finish`].
//!
//! **Invariants.** The frame is that of [`CallableFrame`](crate::frame::CallableFrame), which a [`CHeap`] has unwinders
//! know. rsp is where the body began at every call, and never above: room for the arguments of all calls is part of
//! the frame, so every call is aligned. A body may push and pop in between, the same on every way to a label. Nothing of
//! the client is in r11, which moves use. There is one end, to which every return goes: what has to be cleared there, and
//! before each [`CFunction::call`] (`vzeroupper` where a ymm register was written, `cld` where the direction flag was), is
//! known then. What a template cannot know is taken for the worst: a call *in* a template may write any register. It has
//! to find the stack aligned, and clears by itself.
//!
//! Values that fill one register are passed, and pairs of eight bytes returned; structures are passed by their address.
//! The control words of the floating-point units are the client's to restore.
//!
//! **Cost.** Noting a template costs some ten instructions, a label in it one look into a tree; a call sorts its moves.
//! The code is what a compiler would write that keeps a frame pointer, one push and one `nop` longer; calls go through an
//! address in memory near the code.
//!
//! [`CHeap`]: crate::transition::CHeap

mod body;
mod error;
mod function;
mod kind;
mod moves;
mod places;
mod signature;
mod value;
mod ways;

pub use error::CFunctionError;
pub use function::{CEntry, CFunction};
pub(crate) use kind::sealed::SealedFor;
pub use kind::{AbiReturn, AbiValue, Eightbyte, Kind, Pair};
pub use places::{
    ARGUMENT_GPRS, ARGUMENT_VECTORS, ArgumentPlace, ArgumentPlaces, RESULT_GPRS, RESULT_VECTORS,
};
pub(crate) use signature::for_each_arity;
pub use signature::{
    AbiArguments, Passed, Promoted, Returned, Signature, VariableArgument, VariableArguments,
    VariadicSignature,
};
pub use value::{Argument, Callee, Local, Place, Target, Value};
