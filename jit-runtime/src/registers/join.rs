//! Agreement at joins: the ways into a place of the code bring the operand stack into one state.
//!
//! **Problem.** Where two ways meet, each value must be in one place, whichever way was taken. Memory is such a place,
//! but the value of `a if c else b` is in a register on both ways, and wanted in one.
//!
//! **Idea.** The first way that is compiled decides: [`StackCache::open`] says of its state, as a [`Shape`], where the
//! others have to bring theirs. Constants and copies of locals get registers first, since other ways have other
//! constants, and a register is left free. The others [`StackCache::agree`]: what the shape has at home goes home, and
//! all else is one parallel move from registers, slots and constants into the registers of the shape. At the join
//! itself compilation goes on from the shape ([`StackCache::take_up`]). A loop's header is a join whose shape is
//! taken before its body is compiled.
//!
//! **Invariants.** A shape has registers and homes only, and leaves one register of the cache free: the parallel move
//! sets a value aside there. Nothing is emitted when ways disagree.
//!
//! **Cost.** A shape is a copy of the stack. Agreement looks at all kinds, and moves at most [`super::REACH`] values.

use super::parallel_move::{Moves, parallel_move};
use super::stack::{Emit, Entry, Payload, Slot, StackCache, Tag};
use core::fmt::{self, Debug};
use jit_asm::{Gpr, RegSet};

/// Where each value of the operand stack is at a join. Made by [`StackCache::open`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape<K, C> {
    entries: Vec<Entry<K, C>>,
    registers: RegSet,
}

impl<K, C> Shape<K, C> {
    /// How many values are on the stack.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.entries.len()
    }

    /// Where they are, deepest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry<K, C>] {
        &self.entries
    }

    /// The registers in which some are.
    #[must_use]
    pub fn registers(&self) -> RegSet {
        self.registers
    }
}

/// Why a way cannot lead to a join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disagreement<K> {
    /// The stack is not as deep as on the other ways.
    Depth {
        /// Values on this way.
        here: usize,
        /// Values at the join.
        there: usize,
    },
    /// A value is of a kind that has no tag at the join, and here it is not known to be of that kind.
    Kind {
        /// Which value, counted from the deepest.
        at: usize,
        /// What is known here.
        here: Option<K>,
        /// What is relied on there.
        there: K,
    },
}

impl<K: Debug> fmt::Display for Disagreement<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disagreement::Depth { here, there } => {
                write!(
                    f,
                    "join: {here} values on the stack here, {there} on the other ways: verify the bytecode first"
                )
            }
            Disagreement::Kind { at, here, there } => write!(
                f,
                "join: value {at} is {there:?} without a tag on the other ways, {here:?} here: have `tag_of` give such \
                 kinds a tag when the join is opened, or check the kind in front of it"
            ),
        }
    }
}

impl<K: Debug> std::error::Error for Disagreement<K> {}

impl<K: Copy + PartialEq + Debug, C: Copy + PartialEq + Debug> StackCache<K, C> {
    /// Bring the stack into a state that other ways can reach, and tell it. This way needs no agreement then.
    ///
    /// `tag_of` is the constant whose payload is the tag of a kind, for values that may be of another kind on
    /// another way: their tags will be in registers or slots. It says `None` for a kind on which all ways are known
    /// to agree, for instance where the bytecode is typed.
    pub fn open<E: Emit<Kind = K, Const = C>>(
        &mut self,
        emit: &mut E,
        tag_of: impl Fn(K) -> Option<C>,
    ) -> Shape<K, C> {
        for at in self.settled()..self.entries.len() {
            if at + self.window < self.entries.len() {
                self.send_home(emit, at);
            } else {
                self.make_joinable(emit, at, &tag_of);
            }
        }
        while self.free.is_empty() {
            // Whoever is deepest gives a register back.
            let deepest = self.away().find(|(_, entry)| !entry.registers().is_empty());
            let (at, _) = deepest.expect("the client holds no register at a join");
            self.send_home(emit, at);
        }
        for at in 0..self.entries.len() {
            if let Tag::Known(kind) = self.entries[at].tag
                && tag_of(kind).is_some()
            {
                debug_assert!(self.is_home(at), "a value in registers has got its tag there");
                self.entries[at].tag = Tag::InSlot;
            }
        }
        self.debug_check();
        Shape { entries: self.entries.clone(), registers: self.live() }
    }

    /// The value at `at` goes home or into registers, with its tag where it needs one. Taking a register may send
    /// any value home, this one too.
    fn make_joinable<E: Emit<Kind = K, Const = C>>(
        &mut self,
        emit: &mut E,
        at: usize,
        tag_of: &impl Fn(K) -> Option<C>,
    ) {
        if self.is_home(at) {
            return;
        }
        self.lift(emit, at);
        if let Payload::Const(value) = self.entries[at].payload {
            let r = self.take(emit);
            self.watch.over(emit).load_const(r, value);
            self.entries[at].payload = Payload::Reg(r);
        }
        if let Tag::Known(kind) = self.entries[at].tag
            && let Some(tag) = tag_of(kind)
        {
            let r = self.take(emit);
            if self.is_home(at) {
                self.release(r);
            } else {
                let tag = self.watch.tag(kind, tag);
                self.watch.over(emit).load_const(r, tag);
                self.entries[at].tag = Tag::Reg(r);
            }
        }
    }

    /// Bring the stack into the state of a join, for a jump to it or before falling into it. `tag_of` is as it was
    /// when the join was opened. The moves may change flags: they come before the comparison of a conditional jump.
    ///
    /// # Errors
    /// The ways disagree; nothing was emitted.
    pub fn agree<E: Emit<Kind = K, Const = C>>(
        &mut self,
        emit: &mut E,
        shape: &Shape<K, C>,
        tag_of: impl Fn(K) -> Option<C>,
    ) -> Result<(), Disagreement<K>> {
        debug_assert_eq!(self.in_use(), self.live(), "the client holds a register at a join");
        self.check_kinds(shape)?;
        for at in self.settled()..self.entries.len() {
            if matches!(shape.entries[at].payload, Payload::Slot(_)) {
                self.send_home(emit, at);
            }
        }
        let moves = self.moves_to(shape, tag_of);
        let scratch = self.allocatable.difference(shape.registers).first();
        let scratch = scratch.expect("a shape leaves a register free");
        parallel_move(&mut Joining { emit: &mut self.watch.over(emit), scratch }, &moves);
        self.stand_at(shape);
        self.debug_check();
        Ok(())
    }

    fn check_kinds(&self, shape: &Shape<K, C>) -> Result<(), Disagreement<K>> {
        let (here, there) = (self.entries.len(), shape.entries.len());
        if here != there {
            return Err(Disagreement::Depth { here, there });
        }
        for (at, (own, wanted)) in self.entries.iter().zip(&shape.entries).enumerate() {
            if let Tag::Known(there) = wanted.tag
                && own.kind() != Some(there)
            {
                return Err(Disagreement::Kind { at, here: own.kind(), there });
            }
        }
        Ok(())
    }

    /// What the registers of the shape get.
    fn moves_to(&mut self, shape: &Shape<K, C>, tag_of: impl Fn(K) -> Option<C>) -> Vec<(Gpr, Source<C>)> {
        let mut moves = vec![];
        for (own, wanted) in self.entries.iter().zip(&shape.entries).skip(self.settled()) {
            if let Payload::Reg(to) = wanted.payload {
                let from = match own.payload {
                    Payload::Reg(r) => Source::Register(r),
                    Payload::Const(value) => Source::Constant(value),
                    Payload::Slot(slot) => Source::Payload(slot),
                };
                moves.push((to, from));
            }
            if let Tag::Reg(to) = wanted.tag {
                let from = match (own.tag, own.payload) {
                    (Tag::Reg(r), _) => Source::Register(r),
                    (Tag::InSlot, Payload::Slot(slot)) => Source::Tag(slot),
                    (Tag::InSlot, _) => unreachable!("a tag is in a slot only with its payload"),
                    (Tag::Known(kind), _) => {
                        let tag = tag_of(kind).expect("`tag_of` gave the kinds of this value a tag before");
                        Source::Constant(self.watch.tag(kind, tag))
                    }
                };
                moves.push((to, from));
            }
        }
        moves
    }

    /// Go on at a join, from its shape: whatever the stack was before, which belonged to code that jumped away.
    pub fn take_up(&mut self, shape: &Shape<K, C>) {
        self.stand_at(shape);
        self.arrived();
    }

    fn stand_at(&mut self, shape: &Shape<K, C>) {
        self.entries.clone_from(&shape.entries);
        self.free = self.allocatable.difference(shape.registers);
    }
}

/// Where a register of a shape gets its value from.
#[derive(Clone, Copy)]
enum Source<C> {
    Register(Gpr),
    Constant(C),
    Payload(Slot),
    Tag(Slot),
}

struct Joining<'a, E> {
    emit: &'a mut E,
    scratch: Gpr,
}

impl<E: Emit> Moves for Joining<'_, E> {
    type Place = Gpr;
    type Source = Source<E::Const>;

    fn reads(&self, source: Self::Source, place: Gpr) -> bool {
        matches!(source, Source::Register(r) if r == place)
    }

    fn emit(&mut self, to: Gpr, from: Self::Source) {
        match from {
            Source::Register(r) if r == to => {}
            Source::Register(r) => self.emit.copy(to, r),
            Source::Constant(value) => self.emit.load_const(to, value),
            Source::Payload(slot) => self.emit.load_payload(to, slot),
            Source::Tag(slot) => self.emit.load_tag(to, slot),
        }
    }

    fn set_aside(&mut self, from: Self::Source) -> Self::Source {
        self.emit(self.scratch, from);
        Source::Register(self.scratch)
    }
}
