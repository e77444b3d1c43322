//! The reference VM: a dynamically typed stack bytecode, its verifier and its interpreter.
//!
//! It proves the runtime and shows how to use it. Programs come from a front end, the builder or the
//! text form as a [`Module`], become a [`Program`] by being verified, and run on the VM's stack:
//!
//! ```text
//! Module --verify--> Program --interpreter--> Value or VmError
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`value`] | sixteen bytes: a tag and a payload |
//! | [`op`] | the bytecode, defined once |
//! | [`semantics`] | what the operators mean, for every tier |
//! | [`module`] | functions as somebody wrote them |
//! | [`build`] | functions and modules out of method calls, with labels |
//! | [`text`] | modules as text: printed and parsed |
//! | [`verify`] | the proof that they can do no harm |
//! | [`error`] | what a program can end with |
//! | [`profile`] | what was seen while it ran |
//! | [`interpreter`] | tier 0, the meaning of the bytecode |
//! | [`abi`] | what native code and the runtime agree on |
//! | [`baseline`] | tier 1, one walk from bytecode to machine code |
//! | [`mixed`] | the VM: functions of every tier that call each other |
//!
//! The feature `testing` adds a generator of random programs and the dumb checkers.

pub mod abi;
pub mod baseline;
pub mod build;
pub mod error;
pub mod interpreter;
pub mod mixed;
pub mod module;
pub mod op;
pub mod profile;
pub mod semantics;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod value;
pub mod verify;

pub use build::{BuildErrors, FunctionBuilder, Label, ModuleBuilder};
pub use error::{ErrorKind, Operands, VmError};
pub use interpreter::{CallAction, Host, Interpreter};
pub use mixed::{Options, SetupError, Stats, Vm};
pub use module::{Function, Module};
pub use op::{ConstId, FuncId, Op, Target};
pub use profile::Profile;
pub use value::{Kind, KindSet, Value};
pub use verify::{Program, Verified, VerifyError, VerifyErrors};
