//! Fields of published code that change: the targets of calls and jumps that were declared `patchable`.
//!
//! **Problem.** Code that runs is to be aimed elsewhere: at the better version of a function, away from one that
//! is no longer valid. Another thread may be executing the very instruction, and whatever it fetches must be
//! a whole instruction, the old or the new.
//!
//! **Idea.** `call {f: patchable}` has its 32-bit distance in a field that is 4-aligned. The assembler notes such
//! fields, and [`Code::retarget`] rewrites one by one aligned store of four bytes. No other byte of the
//! instruction changes, so a processor that fetches it meanwhile sees one target or the other (AMD APM vol. 2,
//! "Cross-Modifying Code", allows it for aligned quadwords and less; Intel SDM vol. 3, 9.1.1, has aligned
//! stores atomic, and asks for serialisation, which comes with every change of a heap that has
//! [`HeapOptions::other_threads`](crate::memory::HeapOptions::other_threads)). Every patch point has a stepping
//! stone behind the code, for targets that the field does not reach: a jump through an aligned word of eight
//! bytes, which is stored first. A thread in the middle of the jump reads the old word or the new.
//!
//! **Invariants.** Reachable code changes here and nowhere else: a client has no other way to write to what was
//! published. A patch point goes to some target that it was given, whenever a thread looks.
//!
//! **Cost.** A list entry and 16 bytes a patch point; nothing for code without. A patch costs what
//! [`crate::memory`] says of its strategy, twice for a target that is far away.

use super::code::Code;
use super::label::{CodePtr, Function};
use crate::memory::MemoryError;
use crate::templates;
use core::fmt;

/// A `patchable` target in the code of one assembler, to be re-targeted when the code is published.
///
/// It is a number, as a [`super::Label`] is: in other code it means the patch point of that number there, if there
/// is one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PatchPoint(pub(super) u32);

/// Where a patch point may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PatchTarget {
    /// A function, anywhere in the address space.
    Function(Function),
    /// An instruction of the same code, for example where a label was bound ([`super::Sealed::offset_of`]).
    Here(CodePtr),
}

impl From<Function> for PatchTarget {
    fn from(function: Function) -> PatchTarget {
        PatchTarget::Function(function)
    }
}

impl From<CodePtr> for PatchTarget {
    fn from(at: CodePtr) -> PatchTarget {
        PatchTarget::Here(at)
    }
}

/// Why a patch point was not aimed elsewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PatchError {
    /// A patch point of other code, which has more of them.
    Unknown {
        /// Which.
        point: PatchPoint,
        /// How many there are in this code.
        points: usize,
    },
    /// A target in the same code that is not among its instructions.
    Outside {
        /// Where it would be.
        at: CodePtr,
        /// Bytes of instructions.
        code_len: usize,
    },
    /// The memory of the code could not be written, or not be made executable again: the patch point goes to the one
    /// target or to the other.
    Memory(MemoryError),
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PatchError::Unknown { point, points } => write!(
                f,
                "patch point {} is of other code: this has {points}; ask the assembler for `last_patch_point`",
                point.0
            ),
            PatchError::Outside { at, code_len } => write!(
                f,
                "{at} is no instruction of the code, which has {code_len} bytes of them; \
                 a target elsewhere is a `Function`"
            ),
            PatchError::Memory(e) => write!(f, "patch point: {e}"),
        }
    }
}

impl std::error::Error for PatchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PatchError::Memory(e) => Some(e),
            _ => None,
        }
    }
}

impl From<MemoryError> for PatchError {
    fn from(e: MemoryError) -> PatchError {
        PatchError::Memory(e)
    }
}

/// Bytes of a stepping stone.
pub(super) const STONE: u32 = 16;
/// Where in it the address stands, 8-aligned as the stone is 16-aligned.
pub(super) const SLOT: u32 = 8;

templates! {
    /// A stepping stone to an address that changes. The bytes between the jump and the address trap.
    pub(super) fn stone(target: u64) = x64!< jmp [rip + 2]; .byte 0xCC, 0xCC; .qword {target: u64} >;
}

/// The patch points of sealed code.
#[derive(Clone, Debug)]
pub(super) struct PatchPoints {
    /// Where each field is.
    pub(super) fields: Box<[u32]>,
    /// Where the stepping stone of the first is; those of the others follow.
    pub(super) stones_at: u32,
}

impl PatchPoints {
    /// Where the stepping stone of a patch point is.
    pub(super) fn stone_of(&self, PatchPoint(number): PatchPoint) -> u32 {
        self.stones_at + number * STONE
    }

    /// Where the last stepping stone ends.
    pub(super) fn end(&self) -> usize {
        self.stones_at as usize + self.fields.len() * STONE as usize
    }
}

impl Code {
    /// How many patch points it has; the first is that which was emitted first.
    #[must_use]
    pub fn patch_points(&self) -> usize {
        self.patch_points.as_deref().map_or(0, |points| points.fields.len())
    }

    /// The field of a patch point: the four bytes there are what [`Code::retarget`] changes.
    ///
    /// # Errors
    /// [`PatchError::Unknown`].
    pub fn patch_point_at(&self, point: PatchPoint) -> Result<CodePtr, PatchError> {
        Ok(CodePtr(self.find(point)?.1))
    }

    /// What [`Code::retarget`] does, without its promise.
    pub(crate) fn aim_patch_point(&self, point: PatchPoint, to: PatchTarget) -> Result<(), PatchError> {
        let (points, field) = self.find(point)?;
        let to = match to {
            PatchTarget::Function(Function(address)) => address,
            PatchTarget::Here(at) if (at.0 as usize) < self.code_len() => self.address() + at.0 as usize,
            PatchTarget::Here(at) => return Err(PatchError::Outside { at, code_len: self.code_len() }),
        };
        let distance = distance(self.address(), field, to).map_or_else(
            || {
                let stone = points.stone_of(point);
                self.block.replace((stone + SLOT) as usize, (to as u64).to_le_bytes())?;
                Ok(stone.wrapping_sub(field + 4) as i32)
            },
            Ok::<i32, PatchError>,
        )?;
        Ok(self.block.replace(field as usize, distance.to_le_bytes())?)
    }

    fn find(&self, point: PatchPoint) -> Result<(&PatchPoints, u32), PatchError> {
        let found = self.patch_points.as_deref().and_then(|points| {
            let field = points.fields.get(point.0 as usize)?;
            Some((points, *field))
        });
        found.ok_or(PatchError::Unknown { point, points: self.patch_points() })
    }
}

/// What a field that ends its instruction holds so that it reaches `to`, in code that stands at `address`. `None`:
/// it does not.
pub(super) fn distance(address: usize, field: u32, to: usize) -> Option<i32> {
    let from = address + field as usize + 4;
    i32::try_from((to as i64).wrapping_sub(from as i64)).ok()
}
