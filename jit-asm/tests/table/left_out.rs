//! Every instruction of 64-bit mode that iced has and the table has not, with the reason: nothing is
//! forgotten, and what will come is told from what will not.

use crate::iced::{Oracle, mnemonic_of};
use expect_test::expect_file;
use iced_x86::{Code, OpCodeOperandKind as K};
use jit_asm::x64::rows::FORMS;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Why an instruction is no form.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// As all of an extension or a kind: its list is one of names.
    Class(&'static str),
    /// Where others of its name are forms: the list is one of iced's codes.
    Alone(&'static str),
}

const MMX: &str = "never: MMX, whose registers are those of x87; the same is there for xmm";

/// Whole extensions by iced's names for them; the first line that has one of an instruction's counts. A name
/// that ends with `*` stands for all that begin so.
const EXTENSIONS: &[(&str, &[&str])] = &[
    (
        "never: Xeon Phi's alone, which is sold no more",
        &["KNC", "AVX512PF", "AVX512ER", "AVX512_4FMAPS", "AVX512_4VNNIW", "PREFETCHWT1"],
    ),
    ("later: AVX-512, with its mask registers and EVEX", &["AVX512*"]),
    ("later: AMX, whose registers are tiles", &["AMX*"]),
    ("never: x87, a stack of registers; SSE2 computes on doubles", &["FPU*"]),
    (MMX, &["MMX", "D3NOW*"]),
    ("never: of AMD's processors before Zen", &["XOP", "FMA4", "TBM", "LWP"]),
    (
        "never: AMD's alone",
        &["SSE4A", "CLZERO", "MONITORX", "RDPRU", "MCOMMIT", "INVLPGB", "OSS", "TSE", "RMPQUERY", "UDBG"],
    ),
    ("never: VIA's and Cyrix's alone", &["PADLOCK*", "CYRIX*"]),
    ("never: withdrawn from new processors", &["MPX", "SGX1", "PCOMMIT", "HLE_or_RTM", "RTM", "TSXLDTRK"]),
    (
        "never: for hypervisors and their guests",
        &["VMX", "SVM", "SEV*", "SMX", "TDX", "SKINIT_or_SVM", "INVEPT", "INVVPID"],
    ),
    (
        "never: for operating systems, which save the state of threads",
        &["XSAVE*", "FXSR", "PKU", "FRED", "LKGS", "ENQCMD", "HRESET"],
    ),
    ("later: shadow stacks", &["CET_SS"]),
    (
        "later: newer than AVX2, on few processors",
        &[
            "AVX_*",
            "VAES",
            "VPCLMULQDQ",
            "GFNI",
            "SHA512",
            "SM3",
            "SM4",
            "KL",
            "AESKLE",
            "WIDE_KL",
            "CMPCCXADD",
            "RAO_INT",
            "UINTR",
            "MOVDIR64B",
            "PTWRITE",
            "PREFETCHITI",
        ],
    ),
];

fn extension(code: Code) -> Option<&'static str> {
    let names: Vec<String> = code.cpuid_features().iter().map(|feature| format!("{feature:?}")).collect();
    let is = |name: &String, wanted: &str| match wanted.strip_suffix('*') {
        Some(stem) => name.starts_with(stem),
        None => name == wanted,
    };
    let has = |wanted: &str| names.iter().any(|name| is(name, wanted));
    EXTENSIONS.iter().find(|(_, extensions)| extensions.iter().copied().any(has)).map(|(reason, _)| *reason)
}

fn reason(code: Code) -> Reason {
    let op = code.op_code();
    let kinds: Vec<K> = (0..op.op_count()).map(|n| op.op_kind(n)).collect();
    let any = |wanted: &[K]| kinds.iter().any(|k| wanted.contains(k));
    // First, since MMX has twins for general registers of 64 bits as well.
    if any(&[K::mm_reg, K::mm_rm, K::mm_or_mem]) {
        Reason::Class(MMX)
    } else if let Some(reason) = odd_one(code, &any) {
        Reason::Alone(reason)
    } else if let Some(reason) = extension(code).or_else(|| system(code)) {
        Reason::Class(reason)
    } else if op.op_code_string().starts_with("a32 ") {
        Reason::Alone("addresses and counts of 32 bits, by the prefix 67")
    } else {
        panic!("{code:?} {} is missing without a reason", op.instruction_string())
    }
}

/// What only an operating system or a debugger has use for.
fn system(code: Code) -> Option<&'static str> {
    let op = code.op_code();
    let name = mnemonic_of(code);
    let pseudo = ["invalid", "db", "dw", "dd", "dq", "zero_bytes"];
    Some(match name.as_str() {
        _ if op.is_privileged() || op.must_be_cpl0() => "never: privileged",
        "sldt" | "str" | "verr" | "verw" | "sgdt" | "sidt" | "smsw" | "lar" | "lsl" | "monitor" | "mwait"
        | "rdpmc" | "sysenter" => "never: for operating systems, which let programs have them or not",
        "retf" | "iret" | "iretd" | "iretq" | "lss" | "lfs" | "lgs" => "never: they change segments",
        "wait" => "never: x87, a stack of registers; SSE2 computes on doubles",
        "reservednop" => "never: hints without a meaning, nop by another opcode",
        "int1" => "never: for debuggers of hardware",
        "ud0" | "ud1" => "never: they trap as ud2 does, and decode differently by maker",
        "endbr32" => "never: for 32-bit code",
        "prefetch" => "never: AMD's alone",
        name if pseudo.contains(&name) => "never: no instruction",
        _ => return None,
    })
}

/// Vector instructions that have, beside the form of the table, one with a general register of 64 bits.
const WITH_NARROW: [&str; 8] =
    ["movmskps", "movmskpd", "pmovmskb", "pextrb", "pextrw", "extractps", "pinsrb", "pinsrw"];

/// A code beside others of its name that are forms.
fn odd_one(code: Code, any: &dyn Fn(&[K]) -> bool) -> Option<&'static str> {
    let name = format!("{code:?}");
    let op = code.op_code();
    let text = op.op_code_string();
    let word = text.starts_with("o16 ") || text.starts_with("a64 o16 ");
    let fence = name.contains("fence_");
    Some(if any(&[K::seg_reg, K::fs, K::gs]) {
        "segment registers are the operating system's"
    } else if any(&[K::cr_reg, K::dr_reg]) {
        "control and debug registers are the operating system's"
    } else if any(&[K::mem_offs]) {
        "64-bit absolute addresses: rip-relative or a register reach as far"
    } else if name.starts_with("Sal_") || name.ends_with("F6r1") || name.ends_with("F7r1") {
        "an undocumented second opcode of shl or test"
    } else if fence || name.starts_with("Prefetchreserved") {
        "one of the reserved encodings that do the same"
    } else if name.starts_with("Call_m16") || name.starts_with("Jmp_m16") {
        "far jumps and calls change the code segment"
    } else if word
        && (any(&[K::br16_1, K::br16_2]) || matches!(mnemonic_of(code).as_str(), "call" | "jmp" | "ret"))
    {
        "a 16-bit branch cuts rip"
    } else if word && matches!(mnemonic_of(code).as_str(), "leave" | "enter" | "pushf" | "popf") {
        "16 bits on the stack, and its alignment lost"
    } else if word && name.starts_with("Push") {
        "an immediate has no width to be written, so push takes 64 bits"
    } else if matches!(
        code,
        Code::Movsxd_r16_rm16 | Code::Movsxd_r32_rm32 | Code::Movzx_r16_rm16 | Code::Movsx_r16_rm16
    ) {
        "extends nothing: mov"
    } else if matches!(code, Code::Nopw | Code::Nopq) {
        "written xchg ax, ax and xchg rax, rax"
    } else if matches!(code, Code::Tpause_r64 | Code::Umwait_r64) {
        "has 32 bits of an operand, whatever REX.W says"
    } else if extension(code).is_none() && WITH_NARROW.contains(&mnemonic_of(code).trim_start_matches('v')) {
        "the 32-bit register says the same: the upper half is cleared, or not used"
    } else if mnemonic_of(code).trim_start_matches('v').starts_with("pcmpestr") {
        "lengths in 64 bits, which are cut at 16 bytes as those in 32 are"
    } else if matches!(code, Code::Bswap_r16) {
        "undefined; what is meant is rol by 8"
    } else {
        return None;
    })
}

#[test]
fn what_is_left_out_is_a_decision() {
    let oracle = Oracle::new();
    let joined: HashSet<Code> =
        FORMS.iter().filter_map(|f| oracle.join(f).ok()).map(|joined| joined.code).collect();
    let all = Code::values().filter(|code| code.op_code().mode64());
    let mut missing: BTreeMap<Reason, Vec<Code>> = BTreeMap::new();
    for code in all.filter(|code| !joined.contains(code)) {
        missing.entry(reason(code)).or_default().push(code);
    }
    let mut text = String::from(
        "Instructions of 64-bit mode that iced has and the table has not. Of a class their names, of the others\n\
         iced's codes.\n",
    );
    for (reason, codes) in missing {
        let (reason, words): (_, BTreeSet<String>) = match reason {
            Reason::Class(reason) => (reason, codes.iter().copied().map(mnemonic_of).collect()),
            Reason::Alone(reason) => (reason, codes.iter().map(|code| format!("{code:?}")).collect()),
        };
        text += &format!("\n{reason} ({})\n", codes.len());
        text += &lines(&words);
    }
    expect_file!["left_out.txt"].assert_eq(&text);
}

/// The words in lines of 110 characters.
fn lines(words: &BTreeSet<String>) -> String {
    let (mut text, mut line) = (String::new(), String::new());
    for word in words {
        if line.len() + word.len() > 105 {
            text += &format!("   {line}\n");
            line.clear();
        }
        line += &format!(" {word}");
    }
    text + &format!("   {line}\n")
}
