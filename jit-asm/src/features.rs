//! Extensions of the instruction set, as the manual names them (Intel SDM vol. 1, 5.1; the CPUID bits are
//! in vol. 2, CPUID).
//!
//! Every 64-bit processor has SSE2 and what came before it; for the rest, somebody has to ask the machine.

use core::fmt;

/// A set of extensions.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Features(u64);

macro_rules! features {
    ($($name:ident = $word:literal, $doc:literal;)*) => {
        #[allow(clippy::upper_case_acronyms)]
        enum Number { $($name),* }

        impl Features {
            $(#[doc = $doc]
            pub const $name: Features = Features(1 << Number::$name as u32);)*

            /// Every extension and its word, in the order of the bits.
            pub const ALL: &'static [(&'static str, Features)] = &[$(($word, Features::$name)),*];
        }
    };
}

features! {
    SSE = "sse", "Scalar and packed singles.";
    SSE2 = "sse2", "Doubles and integers in xmm registers. With [`Features::SSE`] part of every x86-64.";
    SSE3 = "sse3", "Horizontal additions, duplicating moves.";
    SSSE3 = "ssse3", "Byte shuffles, absolute values, signs.";
    SSE41 = "sse4.1", "Blends, rounding, insertions and extractions, widening moves.";
    SSE42 = "sse4.2", "String comparison, CRC-32, 64-bit comparison.";
    AVX = "avx", "VEX encodings, ymm registers.";
    AVX2 = "avx2", "Integers in ymm registers, gathers, variable shifts.";
    FMA = "fma", "Fused multiplication and addition.";
    F16C = "f16c", "Conversion of half precision.";
    BMI1 = "bmi1", "andn, bextr, blsi, blsmsk, blsr, tzcnt.";
    BMI2 = "bmi2", "bzhi, mulx, pdep, pext, rorx, sarx, shlx, shrx.";
    ADX = "adx", "adcx, adox.";
    LZCNT = "lzcnt", "Leading zeros. Without it the encoding is bsr's.";
    POPCNT = "popcnt", "Population count.";
    MOVBE = "movbe", "Loads and stores of the other byte order.";
    AES = "aes", "Rounds of AES.";
    PCLMULQDQ = "pclmulqdq", "Multiplication without carries.";
    SHA = "sha", "Rounds of SHA-1 and SHA-256.";
    CX16 = "cx16", "cmpxchg16b.";
    RDRAND = "rdrand", "Random numbers.";
    RDSEED = "rdseed", "Seeds for random numbers.";
    RDTSCP = "rdtscp", "The time-stamp counter with the processor's number.";
    RDPID = "rdpid", "The processor's number.";
    FSGSBASE = "fsgsbase", "Reading and writing the bases of fs and gs.";
    PREFETCHW = "prefetchw", "Prefetching in order to write.";
    CLFLUSHOPT = "clflushopt", "Flushing a cache line without an order.";
    CLWB = "clwb", "Writing a cache line back.";
    WAITPKG = "waitpkg", "Waiting for a write in user mode.";
    MOVDIRI = "movdiri", "Direct stores.";
    SERIALIZE = "serialize", "Serialisation in user mode.";
    CLDEMOTE = "cldemote", "Handing a cache line down.";
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
