//! What native code and the runtime agree on.
//!
//! Compiled code and the stubs around it reach the VM through two registers: rbx holds the address of slot 0
//! of the running frame, r14 that of the VM's context, which begins with this [`Header`]. The compiler names
//! the header's fields by their offsets, the runtime by their names; neither knows more of the other.
//!
//! A result is a payload in rax and a tag in rdx. Where it comes from Rust, the tag is in the header and the
//! stub loads it. All other rules (frames, calls, cuts) are those of [`jit_runtime::transition`].

use crate::value::Kind;
use core::mem::offset_of;
use jit_runtime::transition::Machine;

/// The beginning of a VM's context.
#[repr(C)]
#[derive(Debug)]
pub struct Header {
    /// The machine; its stack limit is the address that no frame may reach beyond.
    pub(crate) machine: Machine,
    /// The address of the entry table.
    pub(crate) table: usize,
    /// Guards until the next one that leaves although it holds; 0 if none ever does.
    pub(crate) stress: u64,
    /// The tag of a result that comes from Rust.
    pub(crate) result_tag: u64,
}

const _: () = assert!(offset_of!(Header, machine) == 0, "r14 is the address of the machine too");

impl Header {
    /// Where the bound of the VM's stack is, from r14.
    pub const LIMIT: i32 = Machine::STACK_LIMIT;
    /// Where the address of the entry table is, from r14.
    pub const TABLE: i32 = offset_of!(Header, table) as i32;
    /// Where the counter of deopt stress is, from r14.
    pub const STRESS: i32 = offset_of!(Header, stress) as i32;
    /// Where Rust leaves the tag of a result, from r14.
    pub const RESULT_TAG: i32 = offset_of!(Header, result_tag) as i32;
    /// The tag of booleans.
    pub const BOOL: i32 = Kind::Bool.tag() as i32;
}
