//! Agreement at joins: the ways into a place of the code bring the operand stack into one state.
//!
//! **Problem.** Where two ways meet, each value must be in one place, whichever way was taken. Memory is such a place,
//! but the value of `a if c else b` is in a register on both ways, and wanted in one.
//!
//! **Idea.** The first way that is compiled decides: [`StackCache::open`] says of its state, as a [`Shape`], where the
//! others have to bring theirs. Constants and copies of locals get registers first, since other ways have other
//! constants, and a register is left free. Or the client decides ([`StackCache::shape`]): what it knows of all ways,
//! say a constant, then stays as it is. The others [`StackCache::agree`]: what the shape has at home goes home, and
//! all else is one parallel move from registers, slots and constants into the registers of the shape. At the join
//! itself compilation goes on from the shape ([`StackCache::take_up`]). A loop's header is a join whose shape is
//! taken before its body is compiled. The arguments of a call are such places too ([`StackCache::pass`]).
//!
//! What goes home is stored first: nobody but its own value reads a home, so a store waits for nothing, and no cycle
//! of moves goes through memory. Memory to memory goes through a free register; where there is none the deepest
//! value that has one goes home for it.
//!
//! **Invariants.** A shape leaves one register of the cache free: the parallel move sets a value aside there. A source
//! may be in that register: it is moved before, since a cycle has no sources outside. Nothing is emitted when ways
//! disagree.
//!
//! **Cost.** A shape is a copy of the stack. Agreement looks at all kinds, and moves at most [`super::REACH`] values:
//! a store for each that goes home, a move for each register of the shape that has not its value yet, and one more for
//! each cycle.

use super::parallel_move::{Moves, parallel_move};
use super::shape::{Disagreement, Misfit, Shape, words_apart};
use super::stack::{Emit, Entry, Payload, REACH, Slot, StackCache, Tag};
use core::fmt::Debug;
use jit_asm::{Gpr, RegSet};

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
        let (here, there) = (self.entries.len(), shape.entries.len());
        if here != there {
            return Err(Disagreement::Depth { here, there });
        }
        self.check_kinds(&shape.entries, &tag_of)?;
        self.check_kept(&shape.entries)?;
        self.send_away(emit, |cache, at| {
            let home = cache.home(at);
            (shape.entries[at].payload == Payload::Slot(home)).then_some(home)
        });
        self.move_to(emit, shape.registers, &shape.entries, tag_of);
        self.stand_at(shape);
        self.debug_check();
        Ok(())
    }

    /// Pop the top values into fixed places, the arguments of a call, as if at once; the deepest has the first place.
    /// All other values go home.
    ///
    /// A place is a register, with its tag in another one, or a slot, with its tag beside it; where the tag is
    /// [`Tag::Known`] the value has to be known to be of that kind, and a register gets no tag. The registers may be
    /// others than those of the cache; those of the cache are the client's afterwards, who gives them back by
    /// [`StackCache::release`]. A slot is the home of the value itself, or none in which an operand is or has its home.
    ///
    /// # Errors
    /// The values cannot be passed there; nothing was emitted.
    pub fn pass<E: Emit<Kind = K, Const = C>>(
        &mut self,
        emit: &mut E,
        places: &[Entry<K, C>],
        tag_of: impl Fn(K) -> Option<C>,
    ) -> Result<(), Disagreement<K>> {
        debug_assert_eq!(self.in_use(), self.live(), "the client holds a register at a call");
        let registers = self.check_places(places)?;
        self.check_kinds(places, &tag_of)?;
        let below = self.entries.len() - places.len();
        self.send_away(emit, |cache, at| match at.checked_sub(below).map(|n| places[n].payload) {
            None => Some(cache.home(at)),
            Some(Payload::Slot(slot)) => Some(slot),
            Some(_) => None,
        });
        self.move_to(emit, registers, places, tag_of);
        self.entries.truncate(below);
        self.entries.extend_from_slice(places);
        self.free = self.allocatable.difference(registers);
        self.debug_check();
        for _ in places {
            self.pop();
        }
        Ok(())
    }

    fn check_places(&self, places: &[Entry<K, C>]) -> Result<RegSet, Misfit> {
        let Some(below) = self.entries.len().checked_sub(places.len()) else {
            return Err(Misfit::TooMany { values: self.entries.len(), places: places.len() });
        };
        if places.len() > REACH {
            return Err(Misfit::Deep { at: 0 });
        }
        for (at, place) in places.iter().enumerate() {
            match place.payload {
                Payload::Const(_) => return Err(Misfit::Nowhere { at }),
                Payload::Slot(slot) => {
                    if slot != self.home(below + at) && self.is_taken(slot, below + at) {
                        return Err(Misfit::Taken { at, slot });
                    }
                    if places[..at].iter().any(|other| other.payload == place.payload) {
                        return Err(Misfit::Shared { at });
                    }
                }
                Payload::Reg(_) => {}
            }
        }
        let registers = words_apart(places)?;
        match self.allocatable.difference(registers).first() {
            Some(_) => Ok(registers),
            None => Err(Misfit::NoneFree),
        }
    }

    /// Whether the top values have the kinds and tags of `wanted`.
    fn check_kinds(
        &self,
        wanted: &[Entry<K, C>],
        tag_of: &impl Fn(K) -> Option<C>,
    ) -> Result<(), Disagreement<K>> {
        let below = self.entries.len() - wanted.len();
        for (at, (own, wanted)) in (below..).zip(self.entries[below..].iter().zip(wanted)) {
            match (wanted.tag, own.kind()) {
                (Tag::Known(there), here) if here != Some(there) => {
                    return Err(Disagreement::Kind { at, here, there });
                }
                (Tag::Reg(_), Some(here)) if tag_of(here).is_none() => {
                    return Err(Disagreement::Untagged { at, here });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether what the shape has in no place of its own is the same here.
    fn check_kept(&self, wanted: &[Entry<K, C>]) -> Result<(), Disagreement<K>> {
        for (at, (own, wanted)) in self.entries.iter().zip(wanted).enumerate().skip(self.settled()) {
            let same = match wanted.payload {
                Payload::Reg(_) => true,
                Payload::Slot(slot) if slot == self.home(at) => true,
                // The tag in the slot is that of the value only if the value says so.
                _ => own.payload == wanted.payload && (wanted.kind().is_some() || own.tag == wanted.tag),
            };
            if !same {
                return Err(Disagreement::Kept { at });
            }
        }
        Ok(())
    }

    /// Whether another value than that at `own` is in a slot, or has its home there.
    fn is_taken(&self, slot: Slot, own: usize) -> bool {
        let homes = self.home(0)..self.home(self.entries.len());
        let mut others = self.away().filter(|(at, _)| *at != own);
        homes.contains(&slot) || others.any(|(_, entry)| entry.payload == Payload::Slot(slot))
    }

    /// Store the values for which `target` names a slot there: first those that give their registers back by it, then
    /// those in memory, which want some on the way.
    fn send_away<E: Emit<Kind = K, Const = C>>(
        &mut self,
        emit: &mut E,
        target: impl Fn(&Self, usize) -> Option<Slot>,
    ) {
        for from_memory in [false, true] {
            for at in self.settled()..self.entries.len() {
                if matches!(self.entries[at].payload, Payload::Slot(_)) == from_memory
                    && let Some(slot) = target(self, at)
                {
                    self.send_to(emit, at, slot);
                }
            }
        }
    }

    /// Bring the top values that `wanted` has in `registers` there, at once.
    fn move_to<E: Emit<Kind = K, Const = C>>(
        &mut self,
        emit: &mut E,
        registers: RegSet,
        wanted: &[Entry<K, C>],
        tag_of: impl Fn(K) -> Option<C>,
    ) {
        let moves = self.moves_to(wanted, tag_of);
        let scratch = self.allocatable.difference(registers).first();
        let scratch = scratch.expect("places of values leave a register free");
        parallel_move(&mut Joining { emit: &mut self.watch.over(emit), scratch }, &moves);
    }

    /// What the registers of `wanted` get.
    fn moves_to(&mut self, wanted: &[Entry<K, C>], tag_of: impl Fn(K) -> Option<C>) -> Vec<(Gpr, Source<C>)> {
        let mut moves = vec![];
        let below = self.entries.len() - wanted.len();
        let skipped = self.settled().saturating_sub(below);
        for (own, wanted) in self.entries[below..].iter().zip(wanted).skip(skipped) {
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
                        let tag = tag_of(kind).expect("kinds without tags were refused");
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
