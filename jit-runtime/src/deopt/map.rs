//! Frame maps: where the interpreter's state is, at every place where native code can be left.
//!
//! **Problem.** Native code keeps a frame's values wherever it likes. When a guard fails, the
//! interpreter wants them all where *it* keeps them. The same facts are wanted for tracebacks, for a collector and
//! by a debugger.
//!
//! **Idea.** A frame is slots of one or more 64-bit *words* (an eight-byte client has one, a client with
//! tagged values has a payload word and a tag word). For each safepoint the compiler records the
//! depth of the operand stack, and each word that is *not* in its slot: in a register, equal to a constant, or a
//! copy of another slot. What a word means is the client's business, so no kind or tag of a client occurs here.
//! At which bytecode the frame is stands in the code's [`Positions`](crate::stitch::Positions), as for all code.
//!
//! **Invariants.** Writer and reader stand in this file, since they are two halves of one format; what
//! is written reads back equal. Rebuilding reads every source before it writes any slot, so the order of
//! the words does not matter and a slot may be the source of another and be overwritten itself.
//!
//! **Cost.** A few bytes a word in one vector per function; nothing when the code runs.

use jit_asm::{Gpr, Xmm};
use std::fmt;

/// One 64-bit word of a frame: word `word` of slot `slot`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WordAt {
    /// The slot, counted from the frame's first.
    pub slot: u32,
    /// The word in the slot.
    pub word: u8,
}

/// Where a word of the frame is when it is not in its own slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// In a register.
    Register(Gpr),
    /// In the low half of a vector register, where a scalar double is.
    Vector(Xmm),
    /// Nowhere: it is this value.
    Constant(u64),
    /// The same word of this other slot.
    Slot(u32),
}

/// The state of a frame at one safepoint.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FrameState {
    /// How many values are on its operand stack.
    pub depth: u32,
    /// The words that are not in their slots.
    pub words: Vec<(WordAt, Source)>,
}

/// The frame maps of one function, by the offset in its code: of the instruction behind a call.
#[derive(Clone, Debug, Default)]
pub struct FrameMaps {
    /// Offset of the code, and where its entry starts in `bytes`; ascending after [`FrameMaps::finish`].
    index: Vec<(u32, usize)>,
    bytes: Vec<u8>,
    /// How often they were cleared.
    age: u32,
    /// Offset behind a call, and that of its exit; also each exit with itself. Ordered as `index` is.
    exits: Vec<(u32, u32)>,
}

/// An entry that was written and waits for its code offset: of the maps that wrote it, until they are cleared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapEntry {
    at: usize,
    /// That of its maps.
    age: u32,
}

const REGISTER: u8 = 0;
const CONSTANT: u8 = 1;
const SLOT: u8 = 2;
const VECTOR: u8 = 3;
/// Behind the last word of a state. Slots are counted from 1, so it stands where none would.
const END: u8 = 0;

impl FrameMaps {
    /// No maps.
    #[must_use]
    pub fn new() -> FrameMaps {
        FrameMaps::default()
    }

    /// Forget everything, keep the memory.
    pub fn clear(&mut self) {
        self.index.clear();
        self.bytes.clear();
        self.age = self.age.wrapping_add(1);
        self.exits.clear();
    }

    /// Write a state. It is found once [`FrameMaps::place`] gives its entry an offset.
    pub fn write(&mut self, depth: u32, words: impl Iterator<Item = (WordAt, Source)>) -> MapEntry {
        let entry = MapEntry { at: self.bytes.len(), age: self.age };
        self.put(u64::from(depth));
        // Not a loop: clients chain and flatten iterators here, which is slow from outside.
        words.for_each(|(at, source)| {
            self.put(u64::from(at.slot) + 1);
            self.bytes.push(at.word);
            match source {
                Source::Register(r) => self.bytes.extend([REGISTER, r.number()]),
                Source::Vector(r) => self.bytes.extend([VECTOR, r.number()]),
                Source::Constant(value) => {
                    self.bytes.push(CONSTANT);
                    self.put(value);
                }
                Source::Slot(slot) => {
                    self.bytes.push(SLOT);
                    self.put(u64::from(slot));
                }
            }
        });
        self.bytes.push(END);
        entry
    }

    /// The state of `entry` holds at this offset. Several offsets may share one entry.
    ///
    /// # Panics
    /// If the entry is of before these maps were cleared. Of one of other maps it is known only if these are
    /// shorter, or of another age.
    #[track_caller]
    pub fn place(&mut self, entry: MapEntry, offset: u32) {
        let written = entry.age == self.age && entry.at < self.bytes.len();
        assert!(written, "an entry of other frame maps, or from before these were cleared: write it again");
        self.index.push((offset, entry.at));
    }

    /// The call in front of `behind` has an exit at `exit`. See [`super::CallExits`].
    pub fn place_exit(&mut self, behind: u32, exit: u32) {
        self.exits.extend([(behind, exit), (exit, exit)]);
    }

    /// Order the maps for lookup, once every offset is final.
    pub fn finish(&mut self) {
        self.index.sort_unstable();
        self.exits.sort_unstable();
    }

    /// How many places have a map.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Offsets that have a map, ascending.
    pub fn offsets(&self) -> impl Iterator<Item = u32> {
        self.index.iter().map(|&(offset, _)| offset)
    }

    /// The state at `offset`, if that is a safepoint. Wants [`FrameMaps::finish`].
    #[must_use]
    pub fn read(&self, offset: u32) -> Option<FrameState> {
        let at = self.index.binary_search_by_key(&offset, |&(o, _)| o).ok()?;
        let mut reader = Reader { bytes: &self.bytes[self.index[at].1..] };
        Some(reader.state())
    }

    /// Where a frame leaves that is suspended in the call in front of `offset`, if that call has an exit. An exit is
    /// its own exit. Wants [`FrameMaps::finish`].
    #[must_use]
    pub fn exit_of(&self, offset: u32) -> Option<u32> {
        let at = self.exits.binary_search_by_key(&offset, |&(behind, _)| behind).ok()?;
        Some(self.exits[at].1)
    }

    /// Unsigned LEB128 (DWARF 5, 7.6).
    #[inline]
    fn put(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn state(&mut self) -> FrameState {
        let depth = self.number() as u32;
        let words = std::iter::from_fn(|| self.word()).collect();
        FrameState { depth, words }
    }

    fn word(&mut self) -> Option<(WordAt, Source)> {
        let slot = self.number().checked_sub(1)? as u32;
        let at = WordAt { slot, word: self.byte() };
        let source = match self.byte() {
            REGISTER => {
                Source::Register(Gpr::new(self.byte()).expect("the writer wrote a register's number"))
            }
            VECTOR => Source::Vector(Xmm::new(self.byte()).expect("the writer wrote a register's number")),
            CONSTANT => Source::Constant(self.number()),
            SLOT => Source::Slot(self.number() as u32),
            other => unreachable!("no source is written as {other}"),
        };
        Some((at, source))
    }

    fn byte(&mut self) -> u8 {
        let (&first, rest) = self.bytes.split_first().expect("an entry is as long as its writer made it");
        self.bytes = rest;
        first
    }

    fn number(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return value;
            }
            shift += 7;
        }
    }
}

impl FrameState {
    /// Bring every word of the frame to its slot. `registers` is the processor's state as it was captured
    /// ([`super::Captured`]).
    pub fn rebuild(&self, registers: &impl Registers, frame: &mut impl FrameMemory) {
        let values: Vec<(WordAt, u64)> = self
            .words
            .iter()
            .map(|&(at, source)| match source {
                Source::Register(r) => (at, registers.register(r)),
                Source::Vector(r) => (at, registers.vector(r) as u64),
                Source::Constant(value) => (at, value),
                Source::Slot(slot) => (at, frame.read(WordAt { slot, word: at.word })),
            })
            .collect();
        for (at, value) in values {
            frame.write(at, value);
        }
    }
}

/// What registers held when a frame was left.
pub trait Registers {
    /// A general register.
    fn register(&self, r: Gpr) -> u64;
    /// The lower 128 bits of a vector register.
    fn vector(&self, r: Xmm) -> u128;
}

/// The slots of a frame in memory.
pub trait FrameMemory {
    /// A word of a slot.
    fn read(&self, at: WordAt) -> u64;
    /// Change a word of a slot.
    fn write(&mut self, at: WordAt, value: u64);
}

/// `depth 2: 3.0=rax 3.1=#1 4.0=slot 0`.
impl fmt::Display for FrameState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "depth {}:", self.depth)?;
        for (at, source) in &self.words {
            write!(f, " {}.{}=", at.slot, at.word)?;
            match source {
                Source::Register(r) => write!(f, "{r}")?,
                Source::Vector(r) => write!(f, "{r}")?,
                Source::Constant(value) => write!(f, "#{value}")?,
                Source::Slot(slot) => write!(f, "slot {slot}")?,
            }
        }
        Ok(())
    }
}
