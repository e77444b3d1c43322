//! Moves between slots, registers and constants: what the operand-stack cache asks for.

use super::templates as t;
use crate::value::{Kind, Value};
use jit_runtime::Gpr;
use jit_runtime::registers::{Emit, Entry, Payload, Slot, Tag};
use jit_runtime::stitch::Assembler;

/// The byte offset from rbx of the tag of a slot.
pub(super) fn tag_at(slot: Slot) -> i32 {
    (slot.0 as usize * Value::SIZE + Value::TAG) as i32
}

/// The byte offset from rbx of the payload of a slot.
pub(super) fn payload_at(slot: Slot) -> i32 {
    (slot.0 as usize * Value::SIZE + Value::PAYLOAD) as i32
}

/// The assembler, and the locals that loops keep in registers.
#[derive(Debug, Default)]
pub(super) struct Emitter {
    pub(super) asm: Assembler,
    /// Payloads of locals that are in a register as well as in their slot: reading takes the register,
    /// writing writes both. So a frame map never mentions them.
    pub(super) pinned: Vec<(Slot, Gpr)>,
}

impl Emitter {
    /// The register that mirrors the payload of `slot`.
    pub(super) fn mirror(&self, slot: Slot) -> Option<Gpr> {
        self.pinned.iter().find(|(s, _)| *s == slot).map(|&(_, r)| r)
    }

    /// Load every mirror from its slot: at entry, and after a call.
    pub(super) fn load_mirrors(&mut self) {
        for &(slot, r) in &self.pinned {
            t::load(&mut self.asm, r, payload_at(slot));
        }
    }

    /// A local becomes `value`, which is a constant or in registers. `known` is the kind that its tag in
    /// memory says already.
    pub(super) fn write(&mut self, local: Slot, value: &Entry<Kind, Value>, known: Option<Kind>) {
        if known.is_some() && value.kind() == known {
            self.store_payload(local, value.payload);
        } else {
            self.store(local, value);
        }
        match (self.mirror(local), value.payload) {
            (Some(mirror), Payload::Reg(r)) => self.copy(mirror, r),
            (Some(mirror), Payload::Const(value)) => self.load_const(mirror, value),
            _ => {}
        }
    }

    fn store_payload(&mut self, to: Slot, payload: Payload<Value>) {
        match payload {
            Payload::Reg(r) => t::store(&mut self.asm, payload_at(to), r),
            Payload::Const(value) => match i32::try_from(value.payload() as i64) {
                Ok(narrow) => t::store_const(&mut self.asm, payload_at(to), narrow),
                Err(_) => t::store_wide(&mut self.asm, payload_at(to), value.payload() as i64),
            },
            Payload::Slot(slot) => unreachable!("the cache stores from registers, not from {slot:?}"),
        }
    }

    fn store_tag(&mut self, to: Slot, kind: Kind) {
        t::store_const(&mut self.asm, tag_at(to), kind.tag() as i32);
    }
}

impl Emit for Emitter {
    type Kind = Kind;
    type Const = Value;

    fn load_payload(&mut self, to: Gpr, from: Slot) {
        match self.mirror(from) {
            Some(r) => t::copy(&mut self.asm, to, r),
            None => t::load(&mut self.asm, to, payload_at(from)),
        }
    }

    fn load_tag(&mut self, to: Gpr, from: Slot) {
        t::load(&mut self.asm, to, tag_at(from));
    }

    fn load_const(&mut self, to: Gpr, value: Value) {
        let payload = value.payload();
        if payload == 0 {
            t::zero(&mut self.asm, to);
        } else if let Ok(small) = u32::try_from(payload) {
            t::small_const(&mut self.asm, to, small as i32);
        } else if let Ok(signed) = i32::try_from(payload as i64) {
            t::signed_const(&mut self.asm, to, signed);
        } else {
            t::wide_const(&mut self.asm, to, payload as i64);
        }
    }

    fn copy(&mut self, to: Gpr, from: Gpr) {
        t::copy(&mut self.asm, to, from);
    }

    fn store(&mut self, to: Slot, value: &Entry<Kind, Value>) {
        self.store_payload(to, value.payload);
        match value.tag {
            Tag::Known(kind) => self.store_tag(to, kind),
            Tag::Reg(r) => t::store(&mut self.asm, tag_at(to), r),
            Tag::InSlot => unreachable!("a tag is in a slot only with its payload"),
        }
    }
}
