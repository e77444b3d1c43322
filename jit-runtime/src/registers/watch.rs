//! What the values of the operand stack are, as symbols: the checker that goes with every cache in debug builds.
//!
//! **Problem.** The cache's books can be in order while a value is lost: a register was written before it was read, a
//! home belongs to another. The code that comes of it is wrong only when it runs.
//!
//! **Idea.** A plain stack of symbols, which never moves anything, beside a machine of symbols that does what the
//! cache asks of its client ([`Over`] stands between the two). What a client pushes in a register is a symbol of its
//! own; pops, copies and exchanges are those of a plain stack. After every change each entry must denote, on the
//! machine, what the plain stack has. It knows where entries say that they are, and nothing of why.
//!
//! **Invariants.** What is in a register that is free, or the client's, is not known, and equals nothing: whoever reads
//! it is found out. What the plain stack has for the top `REACH + 1` values is known; deeper ones stand in their homes,
//! which nobody writes. Control that comes from elsewhere brings new symbols. Behind a check that cannot pass nothing
//! is looked at until it does.
//!
//! **Cost.** In a debug build a look at [`REACH`] entries for each change of the cache, whatever the depth: a few
//! microseconds where nothing is optimised. Compiling twenty thousand operands deep takes six times as long by it, and
//! programs whose stacks are short take as long as before. Nothing in other builds, where all of this is empty.

use super::stack::{Emit, Entry, Payload, REACH, Slot, Tag};
use core::fmt::{self, Debug};
use jit_asm::Gpr;
use std::collections::{BTreeMap, VecDeque};

/// Whether the checkers run.
pub(super) const ON: bool = cfg!(debug_assertions);

/// What a word is.
#[derive(Clone, Copy, Debug)]
enum Word<K, C> {
    /// Nobody knows; not even equal to itself.
    Unknown,
    /// Made by the client, or there from the beginning.
    Symbol(u32),
    Const(C),
    /// The tag of a kind.
    Kind(K),
}

/// Payload and tag.
type Value<K, C> = [Word<K, C>; 2];

/// The plain stack and the machine.
#[derive(Clone)]
pub(super) struct Watch<K, C> {
    /// How many values, from the bottom, stand in their homes, too deep to be looked at since control came here.
    deep: usize,
    /// Those above.
    stack: VecDeque<Value<K, C>>,
    registers: [Word<K, C>; 16],
    slots: BTreeMap<Slot, Value<K, C>>,
    symbols: u32,
    /// Symbols that turned out to be the tag of a kind.
    learnt: BTreeMap<u32, K>,
    /// Constants whose payload is the tag of a kind.
    tags: Vec<(K, C)>,
    /// No control comes here.
    dead: bool,
}

impl<K, C> Debug for Watch<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl<K: Copy + PartialEq + Debug, C: Copy + PartialEq + Debug> Watch<K, C> {
    pub(super) fn new() -> Self {
        Watch {
            deep: 0,
            stack: VecDeque::new(),
            registers: [Word::Unknown; 16],
            slots: BTreeMap::new(),
            symbols: 0,
            learnt: BTreeMap::new(),
            tags: vec![],
            dead: false,
        }
    }

    /// Control comes from elsewhere, and finds `entries`, whose homes begin at `first_home`.
    pub(super) fn arrive(&mut self, entries: &[Entry<K, C>], first_home: u32) {
        if !ON {
            return;
        }
        self.stack.clear();
        self.registers = [Word::Unknown; 16];
        self.slots.clear();
        self.learnt.clear();
        self.dead = false;
        self.deep = entries.len().saturating_sub(REACH + 1);
        for (at, entry) in entries.iter().enumerate().skip(self.deep) {
            self.push(entry, Slot(first_home + at as u32));
        }
    }

    /// The client pushes `entry`, above a value whose home is in front of `home`.
    pub(super) fn push(&mut self, entry: &Entry<K, C>, home: Slot) {
        if !ON {
            return;
        }
        if entry.payload == Payload::Slot(home) {
            // Whatever was there before: the client has put it there, with its tag.
            let value = self.new_value(entry.tag);
            self.slots.insert(home, value);
        }
        let payload = match entry.payload {
            Payload::Const(value) => Word::Const(value),
            Payload::Reg(r) => self.new_in(r),
            Payload::Slot(slot) => self.read(slot)[0],
        };
        let tag = match (entry.tag, entry.payload) {
            (Tag::Known(kind), _) => Word::Kind(kind),
            (Tag::Reg(r), _) => self.new_in(r),
            (Tag::InSlot, Payload::Slot(slot)) => self.read(slot)[1],
            (Tag::InSlot, _) => Word::Unknown,
        };
        self.stack.push_back([payload, tag]);
    }

    /// The client pops `entry`; `deep` comes within reach: which value, its tag, and the home in which it is.
    pub(super) fn pop(&mut self, entry: &Entry<K, C>, deep: Option<(usize, Tag<K>, Slot)>) {
        if !ON {
            return;
        }
        self.stack.pop_back();
        entry.registers().iter().for_each(|r| self.forget(r));
        if let Some((at, tag, home)) = deep
            && at < self.deep
        {
            let value = self.new_value(tag);
            self.slots.insert(home, value);
            self.stack.push_front(value);
            self.deep -= 1;
        }
    }

    /// Exchange the two on top.
    pub(super) fn swap(&mut self) {
        if ON {
            let top = self.stack.len() - 1;
            self.stack.swap(top, top - 1);
        }
    }

    /// The top once more.
    pub(super) fn dup(&mut self) {
        if ON {
            self.stack.push_back(self.stack[self.stack.len() - 1]);
        }
    }

    /// A check has passed.
    pub(super) fn learn(&mut self, at: usize, kind: K) {
        if !ON {
            return;
        }
        // Of what is deeper the kind is asked when it comes within reach.
        let Some(at) = at.checked_sub(self.deep) else { return };
        match self.stack[at][1] {
            Word::Symbol(symbol) => {
                let known = *self.learnt.entry(symbol).or_insert(kind);
                self.dead |= known != kind;
            }
            Word::Kind(known) => self.dead |= known != kind,
            Word::Const(tag) => self.dead |= !self.tags.contains(&(kind, tag)),
            Word::Unknown => {}
        }
    }

    /// Nothing is known of a register: it is free, or the client's.
    pub(super) fn forget(&mut self, r: Gpr) {
        if ON {
            self.registers[usize::from(r.number())] = Word::Unknown;
        }
    }

    /// The client writes a slot.
    pub(super) fn overwritten(&mut self, slot: Slot) {
        if ON {
            self.slots.remove(&slot);
        }
    }

    /// `tag_of`, which also tells the machine what it says.
    pub(super) fn tag(&mut self, kind: K, tag: C) -> C {
        if ON && !self.tags.contains(&(kind, tag)) {
            self.tags.push((kind, tag));
        }
        tag
    }

    /// What the cache asks of `emit` happens on the machine too.
    pub(super) fn over<'a, E: Emit<Kind = K, Const = C>>(&'a mut self, emit: &'a mut E) -> Over<'a, E> {
        Over { emit, watch: self }
    }

    /// The payload that `entry`, which is popped, has. With [`Watch::has`] before and after a move of the cache.
    pub(super) fn payload_of(&mut self, entry: &Entry<K, C>) -> Witness<K, C> {
        Witness(match entry.payload {
            Payload::Slot(slot) if ON => self.read(slot)[0],
            Payload::Const(value) => Word::Const(value),
            _ => Word::Unknown,
        })
    }

    /// Whether a register has the payload that was seen, if it was not in a register.
    pub(super) fn has(&self, r: Gpr, seen: Witness<K, C>) -> bool {
        !ON || self.dead || matches!(seen.0, Word::Unknown) || self.same(self.register(r), seen.0)
    }

    /// Whether each of `entries`, from `from` on, denotes what it should; else which one does not.
    pub(super) fn check(&self, entries: &[Entry<K, C>], from: usize) -> Result<(), usize> {
        if !ON || self.dead {
            return Ok(());
        }
        let values = self.deep + self.stack.len();
        if values != entries.len() || from < self.deep {
            return Err(values.min(entries.len()));
        }
        for (at, entry) in entries.iter().enumerate().skip(from) {
            let (found, wanted) = (self.denoted(entry), self.stack[at - self.deep]);
            if !(0..2).all(|n| self.same(found[n], wanted[n])) {
                return Err(at);
            }
        }
        Ok(())
    }

    fn denoted(&self, entry: &Entry<K, C>) -> Value<K, C> {
        let slot = |slot| self.slots.get(&slot).copied().unwrap_or([Word::Unknown; 2]);
        let payload = match entry.payload {
            Payload::Const(value) => Word::Const(value),
            Payload::Reg(r) => self.register(r),
            Payload::Slot(at) => slot(at)[0],
        };
        let tag = match (entry.tag, entry.payload) {
            (Tag::Known(kind), _) => Word::Kind(kind),
            (Tag::Reg(r), _) => self.register(r),
            (Tag::InSlot, Payload::Slot(at)) => slot(at)[1],
            (Tag::InSlot, _) => Word::Unknown,
        };
        [payload, tag]
    }

    fn same(&self, a: Word<K, C>, b: Word<K, C>) -> bool {
        match (self.resolved(a), self.resolved(b)) {
            (Word::Symbol(a), Word::Symbol(b)) => a == b,
            (Word::Const(a), Word::Const(b)) => a == b,
            (Word::Kind(a), Word::Kind(b)) => a == b,
            (Word::Kind(kind), Word::Const(tag)) | (Word::Const(tag), Word::Kind(kind)) => {
                self.tags.contains(&(kind, tag))
            }
            _ => false,
        }
    }

    fn resolved(&self, word: Word<K, C>) -> Word<K, C> {
        match word {
            Word::Symbol(symbol) => self.learnt.get(&symbol).map_or(word, |&kind| Word::Kind(kind)),
            _ => word,
        }
    }

    fn register(&self, r: Gpr) -> Word<K, C> {
        self.registers[usize::from(r.number())]
    }

    fn set(&mut self, r: Gpr, word: Word<K, C>) {
        self.registers[usize::from(r.number())] = word;
    }

    fn new_word(&mut self) -> Word<K, C> {
        self.symbols += 1;
        Word::Symbol(self.symbols)
    }

    fn new_in(&mut self, r: Gpr) -> Word<K, C> {
        let word = self.new_word();
        self.set(r, word);
        word
    }

    fn new_value(&mut self, tag: Tag<K>) -> Value<K, C> {
        let payload = self.new_word();
        let tag = match tag {
            Tag::Known(kind) => Word::Kind(kind),
            _ => self.new_word(),
        };
        [payload, tag]
    }

    /// What is in a slot: from the beginning, if nobody has written it.
    fn read(&mut self, slot: Slot) -> Value<K, C> {
        if let Some(value) = self.slots.get(&slot) {
            return *value;
        }
        let value = [self.new_word(), self.new_word()];
        self.slots.insert(slot, value);
        value
    }
}

/// What a popped value was.
#[derive(Clone, Copy)]
pub(super) struct Witness<K, C>(Word<K, C>);

/// A client and the machine, which do the same.
pub(super) struct Over<'a, E: Emit> {
    emit: &'a mut E,
    watch: &'a mut Watch<E::Kind, E::Const>,
}

impl<E: Emit> Emit for Over<'_, E> {
    type Kind = E::Kind;
    type Const = E::Const;

    fn load_payload(&mut self, to: Gpr, from: Slot) {
        if ON {
            let word = self.watch.read(from)[0];
            self.watch.set(to, word);
        }
        self.emit.load_payload(to, from);
    }

    fn load_tag(&mut self, to: Gpr, from: Slot) {
        if ON {
            let word = self.watch.read(from)[1];
            self.watch.set(to, word);
        }
        self.emit.load_tag(to, from);
    }

    fn load_const(&mut self, to: Gpr, value: E::Const) {
        if ON {
            self.watch.set(to, Word::Const(value));
        }
        self.emit.load_const(to, value);
    }

    fn copy(&mut self, to: Gpr, from: Gpr) {
        if ON {
            self.watch.set(to, self.watch.register(from));
        }
        self.emit.copy(to, from);
    }

    fn store(&mut self, to: Slot, value: &Entry<E::Kind, E::Const>) {
        if ON {
            assert!(
                !matches!(value.payload, Payload::Slot(_)),
                "operand-stack cache: {value:?} is stored from memory"
            );
            let value = self.watch.denoted(value);
            self.watch.slots.insert(to, value);
        }
        self.emit.store(to, value);
    }
}
