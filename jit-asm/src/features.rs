//! Extensions of the instruction set, as the manual names them (Intel SDM vol. 1, 5.1; the CPUID bits are
//! in vol. 2, CPUID).
//!
//! Every 64-bit processor has SSE2 and what came before it; for the rest, somebody has to ask the machine.

use core::fmt;

/// A set of extensions.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Features(u64);

const fn text_of(word: &'static [u8]) -> &'static str {
    match str::from_utf8(word) {
        Ok(text) => text,
        Err(_) => panic!("the words are ASCII"),
    }
}

/// Byte strings, because those are what a `const fn` can match.
macro_rules! features {
    ($($name:ident = $word:literal, $doc:literal;)*) => {
        #[allow(clippy::upper_case_acronyms)]
        enum Number { $($name),* }

        impl Features {
            $(#[doc = $doc]
            pub const $name: Features = Features(1 << Number::$name as u32);)*

            /// Every extension and its word, in the order of the bits.
            pub const ALL: &'static [(&'static str, Features)] = &[$((text_of($word), Features::$name)),*];

            /// The extension of a word. A `match`, for which const evaluation takes the time of a few letters.
            #[cfg(feature = "table")]
            pub(crate) const fn named(word: &[u8]) -> Option<Features> {
                match word {
                    $($word => Some(Features::$name),)*
                    _ => None,
                }
            }
        }
    };
}

features! {
    SSE = b"sse", "Scalar and packed singles.";
    SSE2 = b"sse2", "Doubles and integers in xmm registers. With [`Features::SSE`] part of every x86-64.";
    SSE3 = b"sse3", "Horizontal additions, duplicating moves.";
    SSSE3 = b"ssse3", "Byte shuffles, absolute values, signs.";
    SSE41 = b"sse4.1", "Blends, rounding, insertions and extractions, widening moves.";
    SSE42 = b"sse4.2", "String comparison, CRC-32, 64-bit comparison.";
    AVX = b"avx", "VEX encodings, ymm registers.";
    AVX2 = b"avx2", "Integers in ymm registers, gathers, variable shifts.";
    FMA = b"fma", "Fused multiplication and addition.";
    F16C = b"f16c", "Conversion of half precision.";
    BMI1 = b"bmi1", "andn, bextr, blsi, blsmsk, blsr, tzcnt.";
    BMI2 = b"bmi2", "bzhi, mulx, pdep, pext, rorx, sarx, shlx, shrx.";
    ADX = b"adx", "adcx, adox.";
    LZCNT = b"lzcnt", "Leading zeros. Without it the encoding is bsr's.";
    POPCNT = b"popcnt", "Population count.";
    MOVBE = b"movbe", "Loads and stores of the other byte order.";
    AES = b"aes", "Rounds of AES.";
    PCLMULQDQ = b"pclmulqdq", "Multiplication without carries.";
    SHA = b"sha", "Rounds of SHA-1 and SHA-256.";
    CX16 = b"cx16", "cmpxchg16b.";
    RDRAND = b"rdrand", "Random numbers.";
    RDSEED = b"rdseed", "Seeds for random numbers.";
    RDTSCP = b"rdtscp", "The time-stamp counter with the processor's number.";
    RDPID = b"rdpid", "The processor's number.";
    FSGSBASE = b"fsgsbase", "Reading and writing the bases of fs and gs.";
    PREFETCHW = b"prefetchw", "Prefetching in order to write.";
    CLFLUSHOPT = b"clflushopt", "Flushing a cache line without an order.";
    CLWB = b"clwb", "Writing a cache line back.";
    WAITPKG = b"waitpkg", "Waiting for a write in user mode.";
    MOVDIRI = b"movdiri", "Direct stores.";
    SERIALIZE = b"serialize", "Serialisation in user mode.";
    CLDEMOTE = b"cldemote", "Handing a cache line down.";
}

impl Features {
    /// No extension.
    pub const NONE: Features = Features(0);

    /// What every x86-64 processor has.
    pub const BASELINE: Features = Features::SSE.union(Features::SSE2);

    /// The set whose bits are given, in the order of [`Features::ALL`].
    #[must_use]
    pub const fn from_bits(bits: u64) -> Features {
        Features(bits)
    }

    /// A bit an extension, in the order of [`Features::ALL`].
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Features) -> Features {
        Features(self.0 | other.0)
    }

    /// What is here and not in `other`: of a template and a machine, what the machine lacks.
    #[must_use]
    pub const fn difference(self, other: Features) -> Features {
        Features(self.0 & !other.0)
    }

    /// Whether everything in `other` is here.
    #[must_use]
    pub const fn contains(self, other: Features) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether nothing is.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// `avx2 fma`.
impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (word, _) in Features::ALL.iter().filter(|(_, feature)| self.contains(*feature)) {
            write!(f, "{}{word}", if first { "" } else { " " })?;
            first = false;
        }
        Ok(())
    }
}

/// `{avx2 fma}`.
impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}
