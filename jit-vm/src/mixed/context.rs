//! What native code and the runtime share, and what the runtime keeps behind it.

use super::stack::ValueStack;
use super::stubs::Stubs;
use super::{Options, Stats};
use crate::abi::Header;
use crate::baseline::Compiler;
use crate::error::VmError;
use crate::op::FuncId;
use crate::profile::Profile;
use crate::verify::Program;
use core::mem::offset_of;
use jit_runtime::deopt::FrameMaps;
use jit_runtime::memory::CodeHeap;
use jit_runtime::stitch::Code;
use jit_runtime::tier::policy::History;
use jit_runtime::tier::{CodeMap, EntryTable};
use jit_runtime::transition::{Gate, NativeStack};
use std::rc::Rc;
use std::sync::Arc;

/// The context of a VM: r14 holds its address while native code runs.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Context {
    pub(super) header: Header,
    pub(super) state: State,
}

const _: () = assert!(offset_of!(Context, header) == 0, "r14 is the address of the header");

/// The part of the context that only Rust looks at.
#[derive(Debug)]
pub(super) struct State {
    pub(super) program: Arc<Program>,
    pub(super) options: Options,
    pub(super) stack: ValueStack,
    pub(super) functions: Vec<FunctionState>,
    pub(super) entries: EntryTable,
    pub(super) code: CodeMap<Installed>,
    pub(super) compiler: Compiler,
    /// The error that a cut brings out of native code.
    pub(super) error: Option<VmError>,
    pub(super) native: NativeStack,
    pub(super) stats: Stats,
    pub(super) gate: Rc<Gate>,
    pub(super) stubs: Stubs,
    pub(super) heap: CodeHeap,
}

/// One function of the program, as it runs.
#[derive(Debug)]
pub(super) struct FunctionState {
    pub(super) history: History,
    pub(super) profile: Profile,
    /// The start of its code, if it runs natively.
    pub(super) code: Option<usize>,
    /// Its tier was set by hand: the policy leaves it alone.
    pub(super) fixed: bool,
}

/// Code in the code map.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) function: FuncId,
    pub(super) maps: FrameMaps,
    /// Held to keep it published.
    pub(super) code: Code,
}
