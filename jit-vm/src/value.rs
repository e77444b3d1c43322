//! Values: what a slot of the VM's stack holds.
//!
//! Every value says of itself what kind it is, because the bytecode is dynamically typed, and both
//! halves must reach a register with one load each. So a value is sixteen bytes: a tag of eight, which
//! is the number of its kind, and a payload of eight, which is the integer itself or the truth as 0 or
//! 1. An integer needs no unboxing; a check of the kind is one comparison with a small constant.
//!
//! Invariants: a tag is the number of a [`Kind`], and the payload of a boolean is 0 or 1. So two values
//! are equal exactly when their sixteen bytes are. Native code reads and writes values by the offsets
//! below and keeps these invariants too.
//!
//! Cost: twice the memory of a value packed into eight bytes, for integers of full width.

use core::fmt;
use core::mem::{offset_of, size_of};

/// What a value is. The numbers are the tags in memory; they never change, and a new kind gets the
/// next one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A 64-bit integer. Its tag is 0, so that zeroed memory reads as integers 0.
    Int = 0,
    /// A boolean.
    Bool = 1,
}

impl Kind {
    /// All of them, in the order of their tags.
    pub const ALL: [Kind; 2] = [Kind::Int, Kind::Bool];

    /// The tag of values of this kind.
    #[must_use]
    pub const fn tag(self) -> u64 {
        self as u64
    }
}

/// `int` or `bool`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Int => "int",
            Kind::Bool => "bool",
        })
    }
}

/// A value of the VM: a tag and a payload, eight bytes each.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Value {
    tag: u64,
    payload: u64,
}

impl Value {
    /// Bytes from one slot to the next.
    pub const SIZE: usize = size_of::<Value>();
    /// Where the tag stands in a value, in bytes from its start.
    pub const TAG: usize = offset_of!(Value, tag);
    /// Where the payload stands in a value, in bytes from its start.
    pub const PAYLOAD: usize = offset_of!(Value, payload);
    /// The integer 0, which is what a local holds before it is set.
    pub const ZERO: Value = Value::int(0);

    /// An integer.
    #[must_use]
    #[inline]
    pub const fn int(value: i64) -> Value {
        Value { tag: Kind::Int.tag(), payload: value as u64 }
    }

    /// A boolean.
    #[must_use]
    #[inline]
    pub const fn bool(value: bool) -> Value {
        Value { tag: Kind::Bool.tag(), payload: value as u64 }
    }

    /// What it is.
    #[must_use]
    #[inline]
    pub const fn kind(self) -> Kind {
        if self.tag == Kind::Int.tag() { Kind::Int } else { Kind::Bool }
    }

    /// The integer, if it is one.
    #[must_use]
    #[inline]
    pub const fn as_int(self) -> Option<i64> {
        if self.tag == Kind::Int.tag() { Some(self.payload as i64) } else { None }
    }

    /// The boolean, if it is one.
    #[must_use]
    #[inline]
    pub const fn as_bool(self) -> Option<bool> {
        if self.tag == Kind::Bool.tag() { Some(self.payload != 0) } else { None }
    }

    /// What a condition takes it for: only `false` is false. The integer 0 is true, as in Lua.
    #[must_use]
    #[inline]
    pub const fn is_true(self) -> bool {
        self.tag != Kind::Bool.tag() || self.payload != 0
    }

    /// The value in memory as words, for frame maps: word n stands at byte 8·n.
    #[must_use]
    pub(crate) const fn words(self) -> [u64; 2] {
        let mut words = [0; 2];
        words[Value::TAG / 8] = self.tag;
        words[Value::PAYLOAD / 8] = self.payload;
        words
    }

    /// The value with these words. Native code and frame maps make only words that are a value; while one is
    /// being put together from single words nobody reads it.
    #[must_use]
    pub(crate) const fn from_words(words: [u64; 2]) -> Value {
        Value { tag: words[Value::TAG / 8], payload: words[Value::PAYLOAD / 8] }
    }

    /// The value that native code returned in two registers.
    #[must_use]
    pub(crate) const fn from_native(tag: u64, payload: u64) -> Value {
        Value { tag, payload }
    }

    /// The eight bytes of the tag, as native code sees them.
    #[must_use]
    pub const fn tag(self) -> u64 {
        self.tag
    }

    /// The eight bytes of the payload, as native code sees them.
    #[must_use]
    pub const fn payload(self) -> u64 {
        self.payload
    }
}

/// Zero, as a slot that nothing has written yet.
impl Default for Value {
    fn default() -> Value {
        Value::ZERO
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::bool(value)
    }
}

/// `42`, `true`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::Int => fmt::Display::fmt(&(self.payload as i64), f),
            Kind::Bool => fmt::Display::fmt(&(self.payload != 0), f),
        }
    }
}

/// The same as [`Display`](fmt::Display): a value's spelling says its kind.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A set of kinds: which ones an operand has been seen with.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct KindSet(u8);

impl KindSet {
    /// No kind: nothing has been seen.
    pub const EMPTY: KindSet = KindSet(0);

    /// The set of one kind.
    #[must_use]
    #[inline]
    pub const fn of(kind: Kind) -> KindSet {
        KindSet(1 << kind as u8)
    }

    /// What is in either.
    #[must_use]
    #[inline]
    pub const fn union(self, other: KindSet) -> KindSet {
        KindSet(self.0 | other.0)
    }

    /// Whether `kind` is a member.
    #[must_use]
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & KindSet::of(kind).0 != 0
    }

    /// Whether nothing is.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The one member, if there is exactly one.
    #[must_use]
    pub fn only(self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|&kind| self == KindSet::of(kind))
    }
}

/// `{int, bool}`.
impl fmt::Debug for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<String> =
            Kind::ALL.into_iter().filter(|&k| self.contains(k)).map(|k| k.to_string()).collect();
        write!(f, "{{{}}}", members.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_what_native_code_relies_on() {
        assert_eq!((Value::SIZE, Value::TAG, Value::PAYLOAD), (16, 0, 8));
        assert_eq!(Kind::ALL.map(Kind::tag), [0, 1]);
        assert_eq!((Value::int(-1).tag(), Value::int(-1).payload()), (0, u64::MAX));
        assert_eq!((Value::bool(true).tag(), Value::bool(true).payload()), (1, 1));
    }

    #[test]
    fn equality_is_of_kind_and_payload() {
        assert_ne!(Value::int(1), Value::bool(true));
        assert_eq!(Value::int(7), Value::from(7));
        assert_eq!(Value::default(), Value::int(0));
    }

    #[test]
    fn only_false_is_false() {
        let truth = [Value::int(0), Value::int(1), Value::bool(true), Value::bool(false)].map(Value::is_true);
        assert_eq!(truth, [true, true, true, false]);
    }

    #[test]
    fn they_print_as_they_are_written() {
        assert_eq!(format!("{} {:?} {:>4}", Value::int(i64::MIN), Value::bool(true), Value::int(7)), {
            "-9223372036854775808 true    7"
        });
        assert_eq!(format!("{:?}", KindSet::of(Kind::Int).union(KindSet::of(Kind::Bool))), "{int, bool}");
    }
}
