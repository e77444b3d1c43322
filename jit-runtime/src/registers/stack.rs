//! The operand-stack cache: the top of a bytecode's stack in registers, constants nowhere at all.
//!
//! **Problem.** A stack machine moves every value through memory twice. Most values live for two or
//! three bytecodes, so most of those moves are waste; but a compiler that is to take nanoseconds a
//! bytecode cannot build an intermediate form to see it.
//!
//! **Idea.** Run the stack at compile time. Each operand-stack slot has an [`Entry`] that tells where its
//! value is *now*: a constant that no instruction has produced yet, a register, the slot of a local it
//! was copied from, or its own place in memory, its *home*. Pushing a constant or a local emits nothing;
//! an operation takes its operands wherever they are and pushes a register. When registers run out the
//! deepest entry goes home, since the top is what comes next. Before calls everything goes home
//! ([`StackCache::flush`]), or arguments to where the callee wants them and the rest home ([`StackCache::pass`]). The
//! ways into a join agree on everything at home, or on a [`super::Shape`] that leaves the top in registers.
//!
//! **Invariants.**
//! - A register belongs to one entry, or to the client that took or popped it, or it is free.
//! - A slot that an entry names as its place is not written before the entry has left it: homes of
//!   operands are only written by the entry at that depth, and a client that writes a local says so
//!   first ([`StackCache::before_write`]).
//! - An entry's value is the same whatever the cache does to its place.
//! - All but the top [`REACH`] entries are at home.
//!
//! **Cost.** A push is a `Vec` push; a pop is a `Vec` pop. Nothing but [`StackCache::restart`] takes longer on
//! a deeper stack: flushes, writes of locals and frame maps look at [`REACH`] entries.
//!
//! A value is a payload word and a tag. A client without tags gives [`Tag::Known`] everywhere and pays
//! nothing for them.

use super::watch::Watch;
use jit_asm::{Gpr, RegSet};
use std::fmt::Debug;

/// How many entries, from the top, may be away from home. Deeper ones go home even if they are constants or
/// copies of locals: else each exit of a deep expression would have to say of every operand where it is.
pub const REACH: usize = 16;

/// A slot of the client's frame, by its number. The client knows its width and its base register.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(pub u32);

/// Where the payload of a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payload<C> {
    /// Nowhere yet: it is this constant.
    Const(C),
    /// In a register, which the holder of the entry owns.
    Reg(Gpr),
    /// In a slot: the home of its entry, or a local of which it is a copy.
    Slot(Slot),
}

/// What is known about the kind of a value, or where its tag is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tag<K> {
    /// It is of this kind; its tag need not exist anywhere.
    Known(K),
    /// In a register, which the holder of the entry owns.
    Reg(Gpr),
    /// Beside the payload in its slot. Only with [`Payload::Slot`].
    InSlot,
}

/// A value on the operand stack and where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<K, C> {
    /// Where the payload is.
    pub payload: Payload<C>,
    /// What is known of the kind.
    pub tag: Tag<K>,
}

impl<K: Copy, C: Copy> Entry<K, C> {
    /// A value of known kind in a register.
    #[must_use]
    pub fn in_reg(payload: Gpr, kind: K) -> Self {
        Entry { payload: Payload::Reg(payload), tag: Tag::Known(kind) }
    }

    /// The kind, if it is known.
    #[must_use]
    pub fn kind(&self) -> Option<K> {
        match self.tag {
            Tag::Known(kind) => Some(kind),
            _ => None,
        }
    }

    /// The registers that belong to it.
    #[must_use]
    pub fn registers(&self) -> RegSet {
        let mut set = RegSet::EMPTY;
        if let Payload::Reg(r) = self.payload {
            set = set.with(r);
        }
        if let Tag::Reg(r) = self.tag {
            set = set.with(r);
        }
        set
    }
}

/// The moves that the cache wants from its client. None may change a register or a slot other than the
/// one named first; flags may change.
pub trait Emit {
    /// The client's kinds of value.
    type Kind: Copy + PartialEq + Debug;
    /// The client's constants. Equal ones have one payload, and each is equal to itself.
    type Const: Copy + PartialEq + Debug;

    /// `to` becomes the payload in `from`.
    fn load_payload(&mut self, to: Gpr, from: Slot);
    /// `to` becomes the tag in `from`.
    fn load_tag(&mut self, to: Gpr, from: Slot);
    /// `to` becomes the payload of a constant.
    fn load_const(&mut self, to: Gpr, value: Self::Const);
    /// `to` becomes `from`.
    fn copy(&mut self, to: Gpr, from: Gpr);
    /// The slot becomes the whole value, tag and payload. The value is a constant or in registers.
    fn store(&mut self, to: Slot, value: &Entry<Self::Kind, Self::Const>);
}

/// The cache. `K` and `C` are the client's kinds and constants; see [`Emit`].
#[derive(Clone, Debug)]
pub struct StackCache<K, C> {
    pub(super) entries: Vec<Entry<K, C>>,
    pub(super) free: RegSet,
    pub(super) allocatable: RegSet,
    /// How many entries, from the top, may keep registers.
    pub(super) window: usize,
    /// The slot that is the home of the deepest entry; those above follow.
    pub(super) first_home: u32,
    pub(super) watch: Watch<K, C>,
}

impl<K: Copy + PartialEq + Debug, C: Copy + PartialEq + Debug> StackCache<K, C> {
    /// An empty stack. `allocatable` are the registers it may use; at least four, so that two operands
    /// with their tags fit. At most `window` entries, and never more than [`REACH`], keep registers across a
    /// push.
    ///
    /// # Panics
    /// If there are fewer than four registers.
    #[must_use]
    pub fn new(allocatable: RegSet, window: usize, first_home: Slot) -> Self {
        assert!(allocatable.iter().count() >= 4, "two operands with tags want four registers");
        StackCache {
            entries: vec![],
            free: allocatable,
            allocatable,
            window: window.clamp(1, REACH),
            first_home: first_home.0,
            watch: Watch::new(),
        }
    }

    /// Start over with an empty stack whose homes begin at `first_home`; keeps the memory.
    pub fn reset(&mut self, first_home: Slot) {
        self.entries.clear();
        self.free = self.allocatable;
        self.first_home = first_home.0;
        self.arrived();
    }

    /// How many values are on the stack.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.entries.len()
    }

    /// The home of the value at `depth`, counted from the bottom.
    #[must_use]
    pub fn home(&self, depth: usize) -> Slot {
        Slot(self.first_home + depth as u32)
    }

    /// The entries, deepest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry<K, C>] {
        &self.entries
    }

    /// The entries that may be away from home, with their depths.
    pub fn away(&self) -> impl Iterator<Item = (usize, &Entry<K, C>)> + Clone {
        let settled = self.settled();
        self.entries[settled..].iter().enumerate().map(move |(n, entry)| (settled + n, entry))
    }

    /// How many entries, from the bottom, are at home for certain.
    pub(super) fn settled(&self) -> usize {
        self.entries.len().saturating_sub(REACH)
    }

    /// The entry `n` below the top; 0 is the top.
    #[must_use]
    pub fn peek(&self, n: usize) -> &Entry<K, C> {
        &self.entries[self.entries.len() - 1 - n]
    }

    /// From here on the value `n` below the top is known to be of `kind`: a check has just passed.
    /// A register that held its tag is free.
    pub fn learn(&mut self, n: usize, kind: K) {
        let at = self.entries.len() - 1 - n;
        if let Tag::Reg(r) = self.entries[at].tag {
            self.release(r);
        }
        self.entries[at].tag = Tag::Known(kind);
        self.watch.learn(at, kind);
        self.debug_check();
    }

    /// Registers in use: by entries, or by the client.
    #[must_use]
    pub fn in_use(&self) -> RegSet {
        self.allocatable.difference(self.free)
    }

    /// Registers that entries of the stack live in: what no template may change behind the cache's back.
    #[must_use]
    pub fn live(&self) -> RegSet {
        self.away().fold(RegSet::EMPTY, |set, (_, e)| set.union(e.registers()))
    }

    /// Push a value; its registers now belong to the stack.
    pub fn push<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E, entry: Entry<K, C>) {
        debug_assert!(
            entry.registers().intersection(self.free).is_empty(),
            "a pushed register was taken before"
        );
        self.watch.push(&entry, self.home(self.entries.len()));
        self.put_on_top(emit, entry);
    }

    /// One value more, which the watch knows.
    fn put_on_top<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E, entry: Entry<K, C>) {
        self.entries.push(entry);
        if let Some(at) = self.entries.len().checked_sub(self.window + 1)
            && !self.entries[at].registers().is_empty()
        {
            self.send_home(emit, at);
        }
        if let Some(at) = self.entries.len().checked_sub(REACH + 1) {
            self.send_home(emit, at);
        }
        self.debug_check();
    }

    /// Pop a value; its registers now belong to the caller, who gives them back with
    /// [`StackCache::release`] or pushes them again.
    pub fn pop(&mut self) -> Entry<K, C> {
        let entry = self.entries.pop().expect("verified bytecode pops no empty stack");
        let deep = self.entries.len().checked_sub(REACH + 1);
        let deep = deep.map(|at| (at, self.entries[at].tag, self.home(at)));
        self.watch.pop(&entry, deep);
        entry
    }

    /// Pop a value and free its registers.
    pub fn discard(&mut self) {
        let entry = self.pop();
        self.release_entry(&entry);
    }

    /// Give a register back.
    pub fn release(&mut self, r: Gpr) {
        debug_assert!(!self.free.contains(r), "{r} is free already");
        if self.allocatable.contains(r) {
            self.free = self.free.with(r);
            self.watch.forget(r);
        }
    }

    /// Give back the registers of a popped entry.
    pub fn release_entry(&mut self, entry: &Entry<K, C>) {
        for r in entry.registers().iter() {
            self.release(r);
        }
    }

    /// Take a register: a free one, or that of the deepest entry that has one, which goes home.
    pub fn take<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E) -> Gpr {
        loop {
            if let Some(r) = self.free.first() {
                self.free = self.free.without(r);
                return r;
            }
            let (deepest, _) = self
                .away()
                .find(|(_, e)| !e.registers().is_empty())
                .expect("the client holds every register; it may hold four at a time");
            self.send_home(emit, deepest);
        }
    }

    /// Take this very register: whatever entry lives in it moves to a free one, or home. The client must
    /// not hold it itself.
    pub fn claim<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E, r: Gpr) {
        debug_assert!(self.allocatable.contains(r), "{r} does not belong to the cache");
        if self.free.contains(r) {
            self.free = self.free.without(r);
            return;
        }
        let (at, _) = self
            .away()
            .find(|(_, e)| e.registers().contains(r))
            .expect("a register that is not free belongs to an entry, or the client claims what it holds");
        if let Some(other) = self.free.first() {
            self.free = self.free.without(other);
            self.watch.over(emit).copy(other, r);
            let entry = &mut self.entries[at];
            if entry.payload == Payload::Reg(r) {
                entry.payload = Payload::Reg(other);
            } else {
                entry.tag = Tag::Reg(other);
            }
        } else {
            self.send_home(emit, at);
            self.free = self.free.without(r);
        }
        self.watch.forget(r);
        self.debug_check();
    }

    /// The payload of a popped entry in a register that the caller owns and may change. Its tag, if it
    /// had one in a register, is given back.
    pub fn into_reg<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E, entry: Entry<K, C>) -> Gpr {
        if let Tag::Reg(tag) = entry.tag {
            self.release(tag);
        }
        let seen = self.watch.payload_of(&entry);
        let r = match entry.payload {
            Payload::Reg(r) => r,
            Payload::Const(value) => {
                let r = self.take(emit);
                self.watch.over(emit).load_const(r, value);
                r
            }
            Payload::Slot(slot) => {
                let r = self.take(emit);
                self.watch.over(emit).load_payload(r, slot);
                r
            }
        };
        debug_assert!(self.watch.has(r, seen), "operand-stack cache: {r} is not the payload of {entry:?}");
        self.debug_check();
        r
    }

    /// Put the value `n` below the top into registers, tag and payload, unless it is a constant. `n` is less
    /// than [`REACH`].
    pub fn materialise<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E, n: usize) {
        debug_assert!(n < REACH, "what is deeper stays at home");
        let at = self.entries.len() - 1 - n;
        self.lift(emit, at);
        self.debug_check();
    }

    /// The payload of the value `n` below the top in a register, even if it is a constant. The value stays
    /// on the stack and keeps the register.
    pub fn load<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E, n: usize) -> Gpr {
        self.materialise(emit, n);
        let at = self.entries.len() - 1 - n;
        match self.entries[at].payload {
            Payload::Reg(r) => r,
            Payload::Const(value) => {
                let r = self.take(emit);
                self.watch.over(emit).load_const(r, value);
                self.entries[at].payload = Payload::Reg(r);
                self.debug_check();
                r
            }
            Payload::Slot(slot) => unreachable!("a materialised value is not in {slot:?}"),
        }
    }

    /// Payload and tag of the value `n` below the top, each in a register that the value keeps on the
    /// stack and that its popper may change. `tag_of` is the constant whose payload is the tag of a kind.
    pub fn load_both<E: Emit<Kind = K, Const = C>>(
        &mut self,
        emit: &mut E,
        n: usize,
        tag_of: impl FnOnce(K) -> C,
    ) -> [Gpr; 2] {
        let payload = self.load(emit, n);
        let at = self.entries.len() - 1 - n;
        let tag = match self.entries[at].tag {
            Tag::Reg(r) => r,
            Tag::Known(kind) => {
                let r = self.take(emit);
                let tag = self.watch.tag(kind, tag_of(kind));
                self.watch.over(emit).load_const(r, tag);
                self.entries[at].tag = Tag::Reg(r);
                self.debug_check();
                r
            }
            Tag::InSlot => unreachable!("a materialised value has its tag in no slot"),
        };
        [payload, tag]
    }

    /// The client is about to write `slot`, a local: entries that are copies of it move to registers.
    pub fn before_write<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E, slot: Slot) {
        for at in self.settled()..self.entries.len() {
            if self.entries[at].payload == Payload::Slot(slot) {
                self.lift(emit, at);
            }
        }
        self.watch.overwritten(slot);
        self.debug_check();
    }

    /// Copy the top. The copy of a value that is in a slot names the same slot: if that is the home of the
    /// value below, the home is not written before the copy, which stands above, has gone or taken its place.
    pub fn dup<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E) {
        let top = *self.peek(0);
        let copy = match top.payload {
            Payload::Const(_) | Payload::Slot(_) => top,
            Payload::Reg(_) => self.copy_of_top(emit),
        };
        self.watch.dup();
        self.put_on_top(emit, copy);
    }

    /// A copy, in registers of its own, of the top, which is in registers. Taking them may send the top
    /// home, so it is looked at again each time.
    fn copy_of_top<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E) -> Entry<K, C> {
        let at = self.entries.len() - 1;
        let home = self.home(at);
        let payload = self.take(emit);
        match self.entries[at].payload {
            Payload::Reg(r) => self.watch.over(emit).copy(payload, r),
            _ => self.watch.over(emit).load_payload(payload, home),
        }
        let tag = match self.entries[at].tag {
            Tag::Known(kind) => Tag::Known(kind),
            _ => {
                let r = self.take(emit);
                match self.entries[at].tag {
                    Tag::Reg(from) => self.watch.over(emit).copy(r, from),
                    _ => self.watch.over(emit).load_tag(r, home),
                }
                Tag::Reg(r)
            }
        };
        Entry { payload: Payload::Reg(payload), tag }
    }

    /// Exchange the two values on top. A value in its home leaves it: the home now belongs to the other.
    pub fn swap<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E) {
        let top = self.entries.len() - 1;
        // Lifting one may send the other home, so go on until neither is.
        while let Some(at) = [top - 1, top].into_iter().find(|&at| self.is_home(at)) {
            self.lift(emit, at);
        }
        self.entries.swap(top, top - 1);
        self.watch.swap();
        self.debug_check();
    }

    /// Everything goes home: the state of calls, and the one that joins agree on. Kinds stay known.
    pub fn flush<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E) {
        for at in self.settled()..self.entries.len() {
            self.send_home(emit, at);
        }
        self.debug_check();
    }

    /// Forget the stack and take up at a join of `depth` values, all at home and of unknown kind.
    pub fn restart(&mut self, depth: usize) {
        self.entries.clear();
        self.free = self.allocatable;
        let first = self.first_home;
        self.entries.extend(
            (0..depth as u32).map(|n| Entry { payload: Payload::Slot(Slot(first + n)), tag: Tag::InSlot }),
        );
        self.arrived();
    }

    /// Whether the value at `at` has its payload at home. Its tag is there too: a value reaches its home
    /// whole.
    pub(super) fn is_home(&self, at: usize) -> bool {
        self.entries[at].payload == Payload::Slot(self.home(at))
    }

    /// Store the value at `at` in its home and free its registers.
    pub(super) fn send_home<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E, at: usize) {
        if !self.is_home(at) {
            self.send_to(emit, at, self.home(at));
        }
    }

    /// Store the value at `at` in a slot and free its registers, unless it is there already, with its tag.
    pub(super) fn send_to<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E, at: usize, slot: Slot) {
        let there = self.entries[at].payload == Payload::Slot(slot);
        if there && (self.is_home(at) || self.entries[at].tag == Tag::InSlot) {
            return;
        }
        self.lift(emit, at);
        let entry = self.entries[at];
        self.watch.over(emit).store(slot, &entry);
        self.release_entry(&entry);
        let tag = match entry.tag {
            Tag::Known(kind) => Tag::Known(kind),
            _ => Tag::InSlot,
        };
        self.entries[at] = Entry { payload: Payload::Slot(slot), tag };
    }

    /// Move the value at `at` to registers, if it is in a slot.
    pub(super) fn lift<E: Emit<Kind = K, Const = C>>(&mut self, emit: &mut E, at: usize) {
        let Payload::Slot(slot) = self.entries[at].payload else { return };
        let payload = self.take(emit);
        self.watch.over(emit).load_payload(payload, slot);
        let tag = match self.entries[at].tag {
            Tag::InSlot => {
                let r = self.take(emit);
                self.watch.over(emit).load_tag(r, slot);
                Tag::Reg(r)
            }
            other => other,
        };
        self.entries[at] = Entry { payload: Payload::Reg(payload), tag };
    }
}
