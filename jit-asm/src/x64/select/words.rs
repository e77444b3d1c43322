//! Words that other assemblers have, and how what they mean is written here.
//!
//! **Problem.** Who comes from AT&T syntax, NASM or MASM, or from another mode of the machine, types words that
//! are right there. A word that looks alike (`cld` for `fld`) is then no help.
//!
//! **Idea.** The words are few and known. What they are tells how to go on: another word, a number behind the
//! operands, a directive, or why there is none.
//!
//! **Invariants.** No word here is in the table, and every word that is advised is.
//!
//! **Cost.** Asked only about words that the table has not.

use super::is_mnemonic;

/// What is known of a word that is no mnemonic of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Meant {
    /// Another word for this instruction.
    Spelled(String),
    /// This instruction with AT&T's letter for the width.
    Suffixed(String),
    /// This instruction with a number behind its operands.
    Numbered {
        /// The instruction.
        mnemonic: &'static str,
        /// The number.
        number: u8,
    },
    /// What is no instruction anywhere, and what to do.
    Else(&'static str),
    /// Nothing that the table has, and why.
    Missing(&'static str),
}

/// What somebody means by `word`.
pub(super) fn meant(word: &str) -> Option<Meant> {
    if let Some((prefix, rest)) = word.split_once(' ') {
        return match meant(rest)? {
            Meant::Spelled(word) => Some(Meant::Spelled(format!("{prefix} {word}"))),
            Meant::Suffixed(word) => Some(Meant::Suffixed(format!("{prefix} {word}"))),
            other => Some(other),
        };
    }
    if let Some((_, here)) = SPELLED.iter().find(|(there, _)| *there == word) {
        return Some(Meant::Spelled((*here).to_owned()));
    }
    let listed = |list: &str| list.split_whitespace().any(|other| other == word);
    if let Some((_, written)) = ELSE.iter().find(|(words, _)| listed(words)) {
        return Some(Meant::Else(written));
    }
    if let Some((_, why)) = MISSING.iter().find(|(words, _)| listed(words)) {
        return Some(Meant::Missing(why));
    }
    numbered(word).or_else(|| extended(word)).or_else(|| suffixed(word))
}

const SPELLED: &[(&str, &str)] = &[
    ("movabs", "mov"),
    ("movabsq", "mov"),
    ("movslq", "movsxd"),
    ("cltq", "cdqe"),
    ("cqto", "cqo"),
    ("cltd", "cdq"),
    ("cwtl", "cwde"),
    ("cwtd", "cwd"),
    ("cbtw", "cbw"),
    ("xlat", "xlatb"),
    ("retn", "ret"),
    ("return", "ret"),
    ("goto", "jmp"),
    ("pushf", "pushfq"),
    ("popf", "popfq"),
    ("jcxz", "jrcxz"),
    ("jecxz", "jrcxz"),
    ("ud0", "ud2"),
    ("ud1", "ud2"),
    ("ud2a", "ud2"),
    ("ud2b", "ud2"),
    ("movs", "movsb"),
    ("stos", "stosb"),
    ("lods", "lodsb"),
    ("cmps", "cmpsb"),
    ("scas", "scasb"),
];

/// What is no instruction anywhere, and what to do instead.
const ELSE: &[(&str, &str)] = &[
    ("db", "write `.byte 1, 2`"),
    ("dw", "write `.word 1, 2`"),
    ("dd", "write `.dword 1, 2`"),
    ("dq", "write `.qword 1, 2`"),
    ("resb resw resd resq times", "write `.zero 64`"),
    ("align", "write `.align 16`"),
    ("equ", "a constant is Rust's, and is written `{const NAME}` here"),
    ("if else while for match fn const static use struct unsafe", "Rust stands around the macro, not in it"),
    (
        "section segment global extern extrn public bits org default proc endp end macro",
        "leave it out: a template has no sections and no symbols",
    ),
];

/// What the table leaves out.
const MISSING: &[(&str, &str)] = &[
    (
        "fld fst fstp fild fist fistp fisttp fadd faddp fiadd fsub fsubp fsubr fsubrp fmul fmulp fdiv fdivp fdivr \
         fdivrp fcom fcomp fcomi fcomip fucom fucomp fucomi fucomip fxch fsin fcos fsincos fptan fpatan fsqrt fabs \
         fchs fld1 fldz fldpi fldl2e fldln2 finit fninit fldcw fstcw fnstcw fstsw fnstsw fldenv fstenv ftst f2xm1 \
         fyl2x fscale fprem fprem1 frndint ffree fnop wait fwait emms",
        "x87 and MMX are not supported; xmm registers compute with floats: `addsd xmm0, xmm1`",
    ),
    (
        "pusha pushad popa popad aaa aad aam aas daa das into bound lds les arpl salc",
        "64-bit mode does not have it",
    ),
    (
        "hlt cli sti iret iretd iretq lgdt lidt lldt ltr wrmsr rdmsr invlpg wbinvd invd clts sysexit sysret sysretq",
        "it is for operating systems, and traps in a program",
    ),
    ("sysenter", "`syscall` calls the operating system in 64-bit mode"),
    ("retf lret retfq lcall ljmp", "far calls, jumps and returns are not supported"),
    ("int1 icebp", "`int3` is the trap for debuggers"),
    ("xbegin xend xabort xtest", "transactional memory is not supported"),
    (
        "kmovb kmovw kmovd kmovq kortestb kortestw vmovdqa32 vmovdqa64 vmovdqu8 vmovdqu16 vmovdqu32 vmovdqu64 \
         vpternlogd vpternlogq vpermt2d vpermt2q vpermi2d vpermi2q vpcompressd vpcompressq vpexpandd vpexpandq \
         vpscatterdd vpscatterdq vpscatterqd vpscatterqq vpmullq vpabsq vpmaxsq vpminsq vpsraq vprolq vprold",
        "AVX-512 is not supported in this version",
    ),
];

/// The predicates of `cmpps` and its kin by number, as the manual's pseudo-ops have them (vol. 2, CMPPD).
const PREDICATES: [&str; 32] = [
    "eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord", "eq_uq", "nge", "ngt", "false", "neq_oq", "ge",
    "gt", "true", "eq_os", "lt_oq", "le_oq", "unord_s", "neq_us", "nlt_uq", "nle_uq", "ord_s", "eq_us",
    "nge_uq", "ngt_uq", "false_os", "neq_os", "ge_oq", "gt_oq", "true_us",
];
/// The first sixteen with what they are silent about.
const IN_FULL: [&str; 16] = [
    "eq_oq", "lt_os", "le_os", "unord_q", "neq_uq", "nlt_us", "nle_us", "ord_q", "eq_uq", "nge_us", "ngt_us",
    "false_oq", "neq_oq", "ge_os", "gt_os", "true_uq",
];
/// The comparisons of SSE have three bits for the predicate.
const SSE_PREDICATES: usize = 8;

/// Comparisons and multiplications whose number stands in their name.
fn numbered(word: &str) -> Option<Meant> {
    let products = ["lql", "hql", "lqh", "hqh"].into_iter().zip([0x00, 0x01, 0x10, 0x11]);
    for (halves, number) in products {
        for mnemonic in ["pclmulqdq", "vpclmulqdq"] {
            if word == mnemonic.replace("ulq", &format!("ul{halves}q")) {
                return Some(Meant::Numbered { mnemonic, number });
            }
        }
    }
    let (sse, rest) = match word.strip_prefix("cmp") {
        Some(rest) => (true, rest),
        None => (false, word.strip_prefix("vcmp")?),
    };
    let (predicate, kind) = rest.split_at_checked(rest.len().checked_sub(2)?)?;
    let number = PREDICATES.iter().position(|name| *name == predicate);
    let number = number.or_else(|| IN_FULL.iter().position(|name| *name == predicate))?;
    let of = ["ps", "pd", "ss", "sd"].iter().position(|name| *name == kind)?;
    let mnemonic = match sse && number < SSE_PREDICATES {
        true => ["cmpps", "cmppd", "cmpss", "cmpsd"][of],
        false => ["vcmpps", "vcmppd", "vcmpss", "vcmpsd"][of],
    };
    Some(Meant::Numbered { mnemonic, number: number as u8 })
}

/// AT&T's `movzbl`, `movswq`, ..: both widths in the word.
fn extended(word: &str) -> Option<Meant> {
    let (mnemonic, widths) = match (word.strip_prefix("movz"), word.strip_prefix("movs")) {
        (Some(widths), _) => ("movzx", widths),
        (_, widths) => ("movsx", widths?),
    };
    let both = matches!(widths, "bw" | "bl" | "bq" | "wl" | "wq");
    both.then(|| Meant::Spelled(mnemonic.to_owned()))
}

/// AT&T's letter for the width behind a mnemonic.
fn suffixed(word: &str) -> Option<Meant> {
    let mnemonic = word.strip_suffix(['b', 'w', 'l', 'q'])?;
    is_mnemonic(mnemonic).then(|| Meant::Suffixed(mnemonic.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_in_the_table_and_all_advice_is() {
        for (there, here) in SPELLED {
            assert!(!is_mnemonic(there) && is_mnemonic(here), "{there} {here}");
        }
        for word in ELSE.iter().chain(MISSING).flat_map(|(words, _)| words.split_whitespace()) {
            assert!(!is_mnemonic(word), "{word}");
        }
        for kind in ["ps", "pd", "ss", "sd"] {
            for (number, predicate) in PREDICATES.into_iter().enumerate() {
                for (word, avx) in
                    [(format!("vcmp{predicate}{kind}"), true), (format!("cmp{predicate}{kind}"), number > 7)]
                {
                    assert!(!is_mnemonic(&word), "{word}");
                    let mnemonic = format!("{}cmp{kind}", if avx { "v" } else { "" });
                    let Some(Meant::Numbered { mnemonic: said, number: n }) = meant(&word) else {
                        panic!("{word}")
                    };
                    assert!(said == mnemonic && usize::from(n) == number && is_mnemonic(said), "{word}");
                }
            }
        }
        assert_eq!(meant("vpclmulhqlqdq"), Some(Meant::Numbered { mnemonic: "vpclmulqdq", number: 1 }));
        assert!(is_mnemonic("pclmulqdq") && is_mnemonic("vpclmulqdq"));
    }

    #[test]
    fn words_are_read_with_their_prefix() {
        assert_eq!(meant("lock addq"), Some(Meant::Suffixed("lock add".into())));
        assert_eq!(meant("rep movs"), Some(Meant::Spelled("rep movsb".into())));
        assert_eq!(meant("movzbl"), Some(Meant::Spelled("movzx".into())));
        assert_eq!(meant("cmp"), None);
        assert_eq!(meant("frobnicate"), None);
    }
}
