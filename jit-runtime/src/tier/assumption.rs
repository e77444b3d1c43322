//! Facts that code relies on without looking, and which code relies on which.
//!
//! **Problem.** Code is faster when it takes for granted what hardly ever changes: that a global is not reassigned,
//! that a class has no subclass. When one of these changes, the code that relies on it has to go, that code only,
//! and code that is being compiled under the old fact must not come.
//!
//! **Idea.** A fact is a number with a *version*, which counts how often it has changed. Code relies on facts as of a
//! version, a *premise*. Who compiles collects premises; who installs has them compared, which is all that
//! it takes to know whether anything changed meanwhile, on whatever thread it was compiled. What a fact says is
//! the client's business: it keeps the number beside the thing that the fact is about.
//!
//! **Invariants.** Code is listed under each fact that it relies on, from its installation to the fact's next change,
//! and until then also when it has been replaced: frames of it may go on. Freed code is listed nowhere, or the
//! next code at its address would be taken for it. A fact knows its registry, which refuses those of others.
//!
//! **Cost.** To state, look at or compare a fact is an index. To rely on p of them is p insertions in ordered sets,
//! and as much to be forgotten; a change takes the set of its dependants and touches no other fact.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of a fact, in the registry that stated it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Assumption {
    registry: u64,
    number: u32,
}

/// A fact as it was when somebody looked: what code relies on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Premise {
    assumption: Assumption,
    version: u64,
}

impl Premise {
    /// The fact.
    #[must_use]
    pub const fn assumption(&self) -> Assumption {
        self.assumption
    }
}

/// A premise does not hold any more: the code that relies on it must not be installed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outdated {
    /// The fact that changed.
    pub assumption: Assumption,
}

impl fmt::Display for Outdated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code relies on assumption {}, which has changed; compile it anew", self.assumption.number)
    }
}

impl std::error::Error for Outdated {}

/// All facts of a client, and the code that relies on them. `K` names a piece of code: its start address will do.
#[derive(Debug)]
pub struct Assumptions<K> {
    /// No other of this process has it.
    serial: u64,
    facts: Vec<Fact<K>>,
    /// What each piece of code is, or was, listed under.
    relies_on: BTreeMap<K, Vec<Assumption>>,
}

#[derive(Debug)]
struct Fact<K> {
    version: u64,
    dependants: BTreeSet<K>,
}

impl<K> Default for Assumptions<K> {
    fn default() -> Self {
        static REGISTRIES: AtomicU64 = AtomicU64::new(0);
        let serial = REGISTRIES.fetch_add(1, Ordering::Relaxed);
        Assumptions { serial, facts: vec![], relies_on: BTreeMap::new() }
    }
}

impl<K> Assumptions<K> {
    /// No facts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new fact.
    ///
    /// # Panics
    /// At the 2³²nd.
    pub fn state(&mut self) -> Assumption {
        let number = u32::try_from(self.facts.len()).expect("fewer than 2^32 assumptions");
        self.facts.push(Fact { version: 0, dependants: BTreeSet::new() });
        Assumption { registry: self.serial, number }
    }

    /// Where it stands among the facts.
    #[track_caller]
    fn index(&self, Assumption { registry, number }: Assumption) -> usize {
        assert!(
            registry == self.serial,
            "assumption {number} was stated by another registry; this one has {} of its own, and knows only those",
            self.facts.len()
        );
        number as usize
    }

    /// The fact as it is now, to rely on.
    ///
    /// # Panics
    /// If the fact is another registry's.
    #[must_use]
    #[track_caller]
    pub fn premise(&self, assumption: Assumption) -> Premise {
        Premise { assumption, version: self.facts[self.index(assumption)].version }
    }

    /// Whether the fact has not changed since.
    ///
    /// # Panics
    /// If the fact is another registry's.
    #[must_use]
    #[track_caller]
    pub fn holds(&self, premise: &Premise) -> bool {
        self.premise(premise.assumption) == *premise
    }

    /// Whether all of `premises` hold.
    ///
    /// # Errors
    /// The first that does not.
    ///
    /// # Panics
    /// If a fact is another registry's.
    #[track_caller]
    pub fn check(&self, premises: &[Premise]) -> Result<(), Outdated> {
        for premise in premises {
            if !self.holds(premise) {
                return Err(Outdated { assumption: premise.assumption });
            }
        }
        Ok(())
    }
}

impl<K: Ord + Copy> Assumptions<K> {
    /// `code`, which is being installed, relies on `premises`.
    ///
    /// # Errors
    /// One of them does not hold; nothing is listed then.
    ///
    /// # Panics
    /// If a fact is another registry's.
    #[track_caller]
    pub fn rely(&mut self, code: K, premises: &[Premise]) -> Result<(), Outdated> {
        self.check(premises)?;
        if premises.is_empty() {
            return Ok(());
        }
        let listed = self.relies_on.entry(code).or_default();
        for Premise { assumption, .. } in premises {
            // It is of this registry, as `check` has seen.
            if self.facts[assumption.number as usize].dependants.insert(code) {
                listed.push(*assumption);
            }
        }
        Ok(())
    }

    /// The fact changes: a new version of it holds from here on. The result is the code that relied on the old one,
    /// to be invalidated before JIT code runs again.
    ///
    /// # Panics
    /// If the fact is another registry's.
    #[must_use = "code that relied on the fact is wrong from here on"]
    #[track_caller]
    pub fn refute(&mut self, assumption: Assumption) -> BTreeSet<K> {
        let fact = self.index(assumption);
        let fact = &mut self.facts[fact];
        fact.version += 1;
        std::mem::take(&mut fact.dependants)
    }

    /// `code` was freed. Code that relies on nothing may be forgotten too.
    pub fn forget(&mut self, code: K) {
        for assumption in self.relies_on.remove(&code).into_iter().flatten() {
            self.facts[assumption.number as usize].dependants.remove(&code);
        }
    }

    /// How many pieces of code it remembers.
    #[must_use]
    pub fn dependants(&self) -> usize {
        self.relies_on.len()
    }
}
