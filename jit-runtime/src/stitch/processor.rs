//! Which extensions of the instruction set this processor has.

use crate::memory::undivided;
use jit_asm::Features;
use std::sync::OnceLock;

/// The extensions that code may use here, as processor and operating system say (Intel SDM vol. 2, CPUID). Asked
/// once; on another architecture there are none.
///
/// [`Features::FSGSBASE`] is never among them: whether the system lets programs use it is not to be had from the
/// processor. A client that knows adds it ([`super::Assembler::set_features`]).
#[must_use]
pub fn detected_features() -> Features {
    static DETECTED: OnceLock<Features> = OnceLock::new();
    let known = DETECTED.get().unwrap_or_else(|| {
        let _whole = undivided();
        DETECTED.get_or_init(detect)
    });
    *known
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Features {
    Features::NONE
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Features {
    // The macro wants literals. It knows which registers the system saves (XCR0).
    macro_rules! known {
        ($($word:tt $feature:ident,)+) => {
            [$((std::is_x86_feature_detected!($word), Features::$feature)),+]
        };
    }
    let known = known! {
        "sse" SSE, "sse2" SSE2, "sse3" SSE3, "ssse3" SSSE3, "sse4.1" SSE41, "sse4.2" SSE42, "avx" AVX, "avx2" AVX2,
        "fma" FMA, "f16c" F16C, "bmi1" BMI1, "bmi2" BMI2, "adx" ADX, "lzcnt" LZCNT, "popcnt" POPCNT,
        "movbe" MOVBE, "aes" AES, "pclmulqdq" PCLMULQDQ, "sha" SHA, "cmpxchg16b" CX16, "rdrand" RDRAND,
        "rdseed" RDSEED,
    };
    let here = known.into_iter().chain(unknown()).filter(|(here, _)| *here);
    here.fold(Features::NONE, |all, (_, feature)| all.union(feature))
}

/// What the macro does not know. None of it has registers that the system would have to save.
#[cfg(target_arch = "x86_64")]
fn unknown() -> [(bool, Features); 9] {
    use std::arch::x86_64::{__cpuid, __cpuid_count, CpuidResult};
    const EXTENDED: u32 = 0x8000_0000;
    const NOTHING: CpuidResult = CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };
    let structured = if __cpuid(0).eax >= 7 { __cpuid_count(7, 0) } else { NOTHING };
    let extended = if __cpuid(EXTENDED).eax > EXTENDED { __cpuid(EXTENDED + 1) } else { NOTHING };
    let bit = |register: u32, bit: u32| register >> bit & 1 != 0;
    [
        (bit(structured.ebx, 23), Features::CLFLUSHOPT),
        (bit(structured.ebx, 24), Features::CLWB),
        (bit(structured.ecx, 5), Features::WAITPKG),
        (bit(structured.ecx, 22), Features::RDPID),
        (bit(structured.ecx, 25), Features::CLDEMOTE),
        (bit(structured.ecx, 27), Features::MOVDIRI),
        (bit(structured.edx, 14), Features::SERIALIZE),
        (bit(extended.ecx, 8), Features::PREFETCHW),
        (bit(extended.edx, 27), Features::RDTSCP),
    ]
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// The kernel's list for this machine, in its own words. It leaves rdseed out on processors whose rdseed is
    /// faulty, which CPUID does not tell (AMD-SB-7055); other than that the two are one.
    #[test]
    fn the_kernel_says_the_same() {
        let info = std::fs::read_to_string("/proc/cpuinfo").expect("Linux");
        let flags = info.lines().find(|line| line.starts_with("flags")).expect("flags of a processor");
        let words: Vec<&str> = flags.split_whitespace().collect();
        let detected = detected_features();
        for (word, feature) in Features::ALL.iter().filter(|(_, f)| *f != Features::FSGSBASE) {
            let theirs = match *word {
                "sse3" => "pni".to_owned(),
                "lzcnt" => "abm".to_owned(),
                "sha" => "sha_ni".to_owned(),
                "prefetchw" => "3dnowprefetch".to_owned(),
                other => other.replace('.', "_"),
            };
            let (ours, theirs) = (detected.contains(*feature), words.contains(&theirs.as_str()));
            assert!(ours == theirs || ours && *feature == Features::RDSEED, "{word}: {ours}, {theirs}");
        }
        assert!(detected.contains(Features::BASELINE) && !detected.contains(Features::FSGSBASE));
    }
}
