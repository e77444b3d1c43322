//! Where arguments and results are: the classification of System V (AMD64 ABI, 3.2.3), as far as values of one
//! register need it.

use super::kind::Kind;
use super::value::Place;
use jit_asm::{Gpr, Xmm};

/// The registers of the first integers and pointers.
pub const ARGUMENT_GPRS: [Gpr; 6] = [Gpr::Rdi, Gpr::Rsi, Gpr::Rdx, Gpr::Rcx, Gpr::R8, Gpr::R9];

/// The registers of the first floats.
pub const ARGUMENT_VECTORS: [Xmm; 8] =
    [Xmm::Xmm0, Xmm::Xmm1, Xmm::Xmm2, Xmm::Xmm3, Xmm::Xmm4, Xmm::Xmm5, Xmm::Xmm6, Xmm::Xmm7];

/// The registers of integer results.
pub const RESULT_GPRS: [Gpr; 2] = [Gpr::Rax, Gpr::Rdx];

/// The registers of float results.
pub const RESULT_VECTORS: [Xmm; 2] = [Xmm::Xmm0, Xmm::Xmm1];

/// Where one argument is passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgumentPlace {
    /// In a general register.
    Gpr(Gpr),
    /// In a vector register.
    Vector(Xmm),
    /// In this word of the stack: number 0 is at \[rsp\] just before the call, at \[rbp + 16\] in a frame.
    Stack(u32),
}

/// Gives arguments their places, from the first to the last.
///
/// ```
/// use jit_runtime::abi::{ArgumentPlace, ArgumentPlaces, Kind};
/// use jit_runtime::{Gpr, Xmm};
/// let mut places = ArgumentPlaces::default();
/// assert_eq!(places.next(Kind::F64), ArgumentPlace::Vector(Xmm::Xmm0));
/// assert_eq!(places.next(Kind::I8), ArgumentPlace::Gpr(Gpr::Rdi));
/// (0..5).for_each(|_| drop(places.next(Kind::W64)));
/// assert_eq!(places.next(Kind::W64), ArgumentPlace::Stack(0));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ArgumentPlaces {
    gprs: usize,
    vectors: usize,
    words: u32,
}

impl ArgumentPlaces {
    /// The place of the next argument.
    pub fn next(&mut self, kind: Kind) -> ArgumentPlace {
        let register = if kind.is_float() {
            let vector = ARGUMENT_VECTORS.get(self.vectors);
            self.vectors += usize::from(vector.is_some());
            vector.copied().map(ArgumentPlace::Vector)
        } else {
            let gpr = ARGUMENT_GPRS.get(self.gprs);
            self.gprs += usize::from(gpr.is_some());
            gpr.copied().map(ArgumentPlace::Gpr)
        };
        register.unwrap_or_else(|| {
            self.words += 1;
            ArgumentPlace::Stack(self.words - 1)
        })
    }

    /// Words of the stack that were given out.
    #[must_use]
    pub fn words(&self) -> u32 {
        self.words
    }

    /// Vector registers that were given out: what `al` says in a call with variable arguments.
    #[must_use]
    pub fn vectors(&self) -> u8 {
        self.vectors as u8
    }
}

/// Where the parts of a result are, of which there are at most two.
pub(super) fn result_places(kinds: &[Kind]) -> impl Iterator<Item = Place> {
    let (mut gprs, mut vectors) = (RESULT_GPRS.into_iter(), RESULT_VECTORS.into_iter());
    kinds.iter().filter_map(move |kind| {
        if kind.is_float() { vectors.next().map(Place::from) } else { gprs.next().map(Place::from) }
    })
}
