//! The sixteen conditions of jumps, sets and moves (Intel SDM vol. 2, appendix B.1.4.7).

use core::fmt;

/// A condition on the status flags, by its number in the opcode. Of several names of one condition the
/// first of the manual is taken: `B` is also `c` and `nae`, `E` is also `z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Cond {
    /// Overflow.
    O = 0,
    /// No overflow.
    No,
    /// Below, unsigned: carry.
    B,
    /// Above or equal, unsigned: no carry.
    Ae,
    /// Equal: zero.
    E,
    /// Not equal: not zero.
    Ne,
    /// Below or equal, unsigned.
    Be,
    /// Above, unsigned.
    A,
    /// Sign: negative.
    S,
    /// No sign.
    Ns,
    /// Parity: after a comparison of floats, unordered.
    P,
    /// No parity: ordered.
    Np,
    /// Less, signed.
    L,
    /// Greater or equal, signed.
    Ge,
    /// Less or equal, signed.
    Le,
    /// Greater, signed.
    G,
}

impl Cond {
    /// All sixteen, in the order of their numbers.
    pub const ALL: [Cond; 16] = [
        Cond::O,
        Cond::No,
        Cond::B,
        Cond::Ae,
        Cond::E,
        Cond::Ne,
        Cond::Be,
        Cond::A,
        Cond::S,
        Cond::Ns,
        Cond::P,
        Cond::Np,
        Cond::L,
        Cond::Ge,
        Cond::Le,
        Cond::G,
    ];

    /// The number in the opcode, 0 to 15.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// What holds exactly when this does not. (Comparisons of floats have a third outcome, unordered, which
    /// is on one side of each pair.)
    #[must_use]
    pub const fn negated(self) -> Cond {
        Cond::ALL[(self as u8 ^ 1) as usize]
    }

    /// What holds of `cmp b, a` when this holds of `cmp a, b`; `None` for conditions that say more than how
    /// two numbers are ordered.
    #[must_use]
    pub const fn swapped(self) -> Option<Cond> {
        Some(match self {
            Cond::E | Cond::Ne => self,
            Cond::B => Cond::A,
            Cond::A => Cond::B,
            Cond::Ae => Cond::Be,
            Cond::Be => Cond::Ae,
            Cond::L => Cond::G,
            Cond::G => Cond::L,
            Cond::Le => Cond::Ge,
            Cond::Ge => Cond::Le,
            _ => return None,
        })
    }
}

/// The letters behind `j`, `set` and `cmov`: `ne`.
impl fmt::Display for Cond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}").to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        for cond in Cond::ALL {
            assert_ne!(cond.negated(), cond);
            assert_eq!(cond.negated().negated(), cond);
            if let Some(swapped) = cond.swapped() {
                assert_eq!(swapped.swapped(), Some(cond));
                // The order of two numbers is the same question for the negation.
                assert_eq!(cond.negated().swapped(), Some(swapped.negated()));
            }
        }
        assert_eq!(Cond::Ne.to_string(), "ne");
    }
}
