//! What the ways into a join agree on, and why they cannot.

use super::stack::{Entry, Payload, REACH, Slot, StackCache, Tag};
use core::fmt::{self, Debug};
use jit_asm::{Gpr, RegSet};

/// Where each value of the operand stack is at a join. The first way makes it by [`StackCache::open`], or the client by
/// [`StackCache::shape`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape<K, C> {
    pub(super) entries: Vec<Entry<K, C>>,
    pub(super) registers: RegSet,
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

/// Why values cannot be kept or passed in the places that a client names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misfit {
    /// There are more places than values.
    TooMany {
        /// How many values there are.
        values: usize,
        /// How many places.
        places: usize,
    },
    /// A value away from home is too deep: in a register below the window, or anywhere below [`REACH`].
    Deep {
        /// Which place, the deepest first.
        at: usize,
    },
    /// A register that the cache does not own.
    Foreign {
        /// Which place.
        at: usize,
        /// The register.
        register: Gpr,
    },
    /// Two words in one place.
    Shared {
        /// The second place.
        at: usize,
    },
    /// Every register of the cache is a place.
    NoneFree,
    /// A slot in which, or in whose home, another value is.
    Taken {
        /// Which place.
        at: usize,
        /// The slot.
        slot: Slot,
    },
    /// A tag that is not where the payload allows.
    Tag {
        /// Which place.
        at: usize,
    },
    /// An argument is to be in no place: a constant.
    Nowhere {
        /// Which place.
        at: usize,
    },
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::TooMany { values, places } => {
                write!(f, "{places} places for {values} values: name the places of the top ones only")
            }
            Misfit::Deep { at } => {
                write!(
                    f,
                    "place {at} is too far below the top: leave values below the cache's window at home"
                )
            }
            Misfit::Foreign { at, register } => {
                write!(
                    f,
                    "place {at} is {register}, which the cache does not own: choose one of its registers"
                )
            }
            Misfit::Shared { at } => write!(f, "place {at} holds a word already: each wants one of its own"),
            Misfit::NoneFree => {
                write!(f, "the places take every register of the cache, and moves need one: leave one free")
            }
            Misfit::Taken { at, slot } => {
                let Slot(slot) = slot;
                write!(
                    f,
                    "place {at} is slot {slot}, where another value of the stack is or goes: choose one outside"
                )
            }
            Misfit::Tag { at } => write!(
                f,
                "place {at} has its tag where it cannot be: beside a register it is in another or known, in a slot it is \
                 there or known, and that of a constant is known"
            ),
            Misfit::Nowhere { at } => write!(f, "place {at} is a constant: pass it in a register or a slot"),
        }
    }
}

impl std::error::Error for Misfit {}

/// Why a way cannot lead to a join, or to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disagreement<K> {
    /// The stack is not as deep as on the other ways.
    Depth {
        /// Values on this way.
        here: usize,
        /// Values at the join.
        there: usize,
    },
    /// A value is of a kind that has no tag there, and here it is not known to be of that kind.
    Kind {
        /// Which value, counted from the deepest.
        at: usize,
        /// What is known here.
        here: Option<K>,
        /// What is relied on there.
        there: K,
    },
    /// A value has a tag there, and here its kind is known and without one.
    Untagged {
        /// Which value, counted from the deepest.
        at: usize,
        /// Its kind.
        here: K,
    },
    /// A value is a constant there, or a copy of a local, and not the same here.
    Kept {
        /// Which value, counted from the deepest.
        at: usize,
    },
    /// The places of arguments are not possible.
    Place(Misfit),
}

impl<K> From<Misfit> for Disagreement<K> {
    fn from(misfit: Misfit) -> Self {
        Disagreement::Place(misfit)
    }
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
            Disagreement::Untagged { at, here } => write!(
                f,
                "join: value {at} has a tag on the other ways, and `tag_of` says none of {here:?}, which it is here: \
                 let it give that kind a tag"
            ),
            Disagreement::Kept { at } => write!(
                f,
                "join: value {at} is a constant or a copy of a local on the other ways, and another value here: give it \
                 a register at the join, or its home"
            ),
            Disagreement::Place(misfit) => write!(f, "call: {misfit}"),
        }
    }
}

impl<K: Debug> std::error::Error for Disagreement<K> {}

impl<K: Copy + PartialEq + Debug, C: Copy + PartialEq + Debug> StackCache<K, C> {
    /// A shape that the client has chosen, for a join of `depth` values: the top ones are where `top` says, deepest
    /// first, and all below are at home, with their tags. The present stack does not matter.
    ///
    /// A loop keeps the top of the stack in given registers by it. What all ways are known to have in common stays
    /// where it is: a constant that no instruction has produced, a copy of a local (not of an operand), a kind without
    /// a tag. A way on which it is different will be refused.
    ///
    /// # Errors
    /// A join cannot have its values there.
    pub fn shape(&self, depth: usize, top: &[Entry<K, C>]) -> Result<Shape<K, C>, Misfit> {
        let Some(below) = depth.checked_sub(top.len()) else {
            return Err(Misfit::TooMany { values: depth, places: top.len() });
        };
        for (at, entry) in top.iter().enumerate() {
            let from_top = top.len() - at;
            let home = self.home(below + at);
            if entry.payload != Payload::Slot(home)
                && (from_top > REACH || !entry.registers().is_empty() && from_top > self.window)
            {
                return Err(Misfit::Deep { at });
            }
            if let Payload::Slot(slot) = entry.payload
                && slot != home
                && slot >= self.home(0)
            {
                return Err(Misfit::Taken { at, slot });
            }
            let foreign = entry.registers().difference(self.allocatable).first();
            if let Some(register) = foreign {
                return Err(Misfit::Foreign { at, register });
            }
        }
        let registers = words_apart(top)?;
        if self.allocatable.difference(registers).is_empty() {
            return Err(Misfit::NoneFree);
        }
        let at_home = (0..below).map(|at| Entry { payload: Payload::Slot(self.home(at)), tag: Tag::InSlot });
        Ok(Shape { entries: at_home.chain(top.iter().copied()).collect(), registers })
    }
}

/// The registers of `places`, each of which holds one word, and whose tags are where they can be.
pub(super) fn words_apart<K: Copy, C: Copy>(places: &[Entry<K, C>]) -> Result<RegSet, Misfit> {
    let mut registers = RegSet::EMPTY;
    for (at, entry) in places.iter().enumerate() {
        let tag_is_possible = match (&entry.payload, &entry.tag) {
            (_, Tag::Known(_)) | (Payload::Reg(_), Tag::Reg(_)) | (Payload::Slot(_), Tag::InSlot) => true,
            (Payload::Const(_) | Payload::Slot(_), Tag::Reg(_))
            | (Payload::Const(_) | Payload::Reg(_), Tag::InSlot) => false,
        };
        if !tag_is_possible {
            return Err(Misfit::Tag { at });
        }
        let own = entry.registers();
        let doubled =
            matches!((&entry.payload, &entry.tag), (Payload::Reg(payload), Tag::Reg(tag)) if payload == tag);
        if doubled || !own.intersection(registers).is_empty() {
            return Err(Misfit::Shared { at });
        }
        registers = registers.union(own);
    }
    Ok(registers)
}
