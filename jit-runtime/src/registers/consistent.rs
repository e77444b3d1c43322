//! What debug builds look at after every change of the operand-stack cache: that its books are in order, and that each
//! value is where they say ([`super::watch`]). Whoever compiles with it in a debug build runs this on everything.

use super::stack::{Payload, StackCache, Tag};
use super::watch::ON;
use core::fmt::Debug;
use jit_asm::RegSet;

impl<K: Copy + PartialEq + Debug, C: Copy + PartialEq + Debug> StackCache<K, C> {
    /// Panics in debug builds if the cache is wrong.
    #[inline]
    pub(super) fn debug_check(&self) {
        if !ON {
            return;
        }
        if let Err(broken) = self.check_books() {
            panic!("operand-stack cache: {broken}: {self:?}");
        }
        if let Err(at) = self.watch.check(&self.entries, self.settled().saturating_sub(1)) {
            panic!("operand-stack cache: value {at} is not where its entry says: {self:?}");
        }
    }

    /// Control comes from elsewhere and finds the stack as it is in the books.
    pub(super) fn arrived(&mut self) {
        self.watch.arrive(&self.entries, self.first_home);
        self.debug_check();
    }

    fn check_books(&self) -> Result<(), &'static str> {
        if !self.free.difference(self.allocatable).is_empty() {
            return Err("a register is free that is not the cache's");
        }
        let mut owned = RegSet::EMPTY;
        // Who is deeper was looked at when it got there, and nothing touches it.
        for at in self.settled().saturating_sub(1)..self.entries.len() {
            let entry = &self.entries[at];
            let registers = entry.registers();
            if !registers.intersection(owned).is_empty() {
                return Err("a register has two owners");
            }
            if let (Payload::Reg(payload), Tag::Reg(tag)) = (entry.payload, entry.tag)
                && payload == tag
            {
                return Err("a register is payload and tag of one value");
            }
            if entry.tag == Tag::InSlot && !matches!(entry.payload, Payload::Slot(_)) {
                return Err("a tag is in a slot and its payload is not");
            }
            if at < self.settled() && !self.is_home(at) {
                return Err("a value is away from home too deep");
            }
            owned = owned.union(registers);
        }
        if owned.intersection(self.free).is_empty() { Ok(()) } else { Err("a register is free and owned") }
    }
}
