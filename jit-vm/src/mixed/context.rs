//! What native code and the runtime share, and what the runtime keeps behind it.

use super::stack::ValueStack;
use super::stubs::Stubs;
use super::{Options, Stats};
use crate::baseline::Compiler;
use crate::error::VmError;
use crate::op::FuncId;
use crate::profile::Profile;
use crate::value::Kind;
use crate::verify::Program;
use core::mem::offset_of;
use jit_runtime::deopt::FrameMaps;
use jit_runtime::memory::CodeHeap;
use jit_runtime::stitch::Code;
use jit_runtime::tier::policy::History;
use jit_runtime::tier::{CodeMap, EntryTable};
use jit_runtime::transition::{Gate, Machine, NativeStack};
use std::rc::Rc;
use std::sync::Arc;

/// The context of a VM: r14 holds its address while native code runs.
#[repr(C)]
#[derive(Debug)]
pub struct Context {
    pub(super) machine: Machine,
    /// The address of the entry table.
    pub(super) table: usize,
    /// Guards until the next one that leaves although it holds; 0 if none ever does.
    pub(super) stress: u64,
    /// The tag of a result that comes from Rust; its payload is in rax.
    pub(super) result_tag: u64,
    pub(super) state: State,
}

const _: () = assert!(offset_of!(Context, machine) == 0, "r14 is the address of the machine too");

impl Context {
    /// Where the bound of the VM's stack is, from r14: an address that no frame may reach beyond.
    pub const LIMIT: i32 = Machine::STACK_LIMIT;
    /// Where the address of the entry table is, from r14.
    pub const TABLE: i32 = offset_of!(Context, table) as i32;
    /// Where the counter of deopt stress is, from r14.
    pub const STRESS: i32 = offset_of!(Context, stress) as i32;
    /// Where Rust leaves the tag of a result, from r14.
    pub const RESULT_TAG: i32 = offset_of!(Context, result_tag) as i32;
    /// The tag of booleans.
    pub const BOOL: i32 = Kind::Bool.tag() as i32;
}

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
