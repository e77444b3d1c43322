//! The lints by name, and what `docs/lints.md` says about them.

use core::fmt;

/// A mistake that has a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lint {
    /// A division whose upper half is not what is meant.
    WrongDividend,
    /// A comparison whose flags are overwritten unread.
    DeadFlags,
    /// A return that does not find its address.
    UnbalancedStack,
    /// A call with a misaligned stack pointer.
    MisalignedCall,
    /// A variadic call without a count of vector registers.
    VariadicWithoutAl,
    /// A function that does not keep its caller's registers.
    CalleeSavedClobbered,
}

/// What the documentation says about a lint.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// In one line.
    pub summary: &'static str,
    /// What goes wrong when the code runs.
    pub danger: &'static str,
    /// When nothing is said although it could be.
    pub quiet: &'static str,
    /// Templates that it complains about.
    pub wrong: &'static [&'static str],
    /// The same as they are meant.
    pub right: &'static [&'static str],
}

impl Lint {
    /// All of them.
    pub const ALL: [Lint; 6] = [
        Lint::WrongDividend,
        Lint::DeadFlags,
        Lint::UnbalancedStack,
        Lint::MisalignedCall,
        Lint::VariadicWithoutAl,
        Lint::CalleeSavedClobbered,
    ];

    /// As it is written in `#[allow(..)]`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Lint::WrongDividend => "wrong_dividend",
            Lint::DeadFlags => "dead_flags",
            Lint::UnbalancedStack => "unbalanced_stack",
            Lint::MisalignedCall => "misaligned_call",
            Lint::VariadicWithoutAl => "variadic_without_al",
            Lint::CalleeSavedClobbered => "callee_saved_clobbered",
        }
    }

    /// The lint with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Lint> {
        Lint::ALL.into_iter().find(|lint| lint.name() == name)
    }

    /// What the documentation says.
    #[must_use]
    pub const fn about(self) -> &'static About {
        match self {
            Lint::WrongDividend => &WRONG_DIVIDEND,
            Lint::DeadFlags => &DEAD_FLAGS,
            Lint::UnbalancedStack => &UNBALANCED_STACK,
            Lint::MisalignedCall => &MISALIGNED_CALL,
            Lint::VariadicWithoutAl => &VARIADIC_WITHOUT_AL,
            Lint::CalleeSavedClobbered => &CALLEE_SAVED_CLOBBERED,
        }
    }
}

/// The name.
impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

const WRONG_DIVIDEND: About = About {
    summary: "`div` or `idiv` with an upper half of the dividend that cannot be meant",
    danger: "A division divides twice as many bits as its operand has: rdx:rax by a 64-bit divisor. With an \
        upper half that is left over from something else the quotient is wrong or does not fit, and then the \
        processor raises #DE, which is SIGFPE. The same happens when a signed number is extended for `div`, \
        when a 32-bit number is extended for a 64-bit `idiv`, and when the divisor is the upper half itself; a \
        signed number in front of a zeroed upper half is divided as a large positive one.",
    quiet: "The upper half counts as set when anything has written it on purpose: another division (long \
        division goes on with the remainder), a multiplication, a load, a register chosen at emission. \
        `xor edx, edx` in front of `idiv` is questioned only where a sign extension made the lower half, and a \
        sign extension in front of `div` only where the lower half can be negative; neither is behind a conditional \
        jump or move, which may have looked at the sign. `#![inputs(rdx)]` says that rdx is set before the \
        template.",
    wrong: &["mov rax, [rbp - 16]; idiv rcx", "mov eax, edi; cdq; div ecx"],
    right: &["mov rax, [rbp - 16]; cqo; idiv rcx", "mov eax, edi; xor edx, edx; div ecx"],
};

const DEAD_FLAGS: About = About {
    summary: "a comparison whose flags are overwritten before anything reads them",
    danger: "Whatever was to depend on the comparison depends on later flags, or on nothing: the wrong branch \
        is taken.",
    quiet: "Only instructions that do nothing but set flags are looked at, and of these none that touches \
        memory, since a fault may be what it is for. The end of the template, a jump or return to elsewhere, a \
        call and a trap read all flags: a template may end with the comparison that the next one acts upon.",
    wrong: &["cmp rax, rcx; add rdx, 1; jz {l}"],
    right: &["add rdx, 1; cmp rax, rcx; jz {l}", "cmp rax, rcx; lea rdx, [rdx + 1]; jz {l}"],
};

const UNBALANCED_STACK: About = About {
    summary: "a `ret` that does not find the return address on top of the stack",
    danger: "The processor jumps to whatever is on top: a saved register, a local variable.",
    quiet: "In a plain template only one `ret` that is reached both with something pushed and without is \
        certain to be wrong. A template that only pushes, or one whose `ret` pops what another template has \
        pushed, is not looked at. In a whole function every `ret` must find rsp where it was at the entry. \
        `push rax; ret` is a jump, and after rsp has been set to something unknown nothing is said.",
    wrong: &[
        "#![function] sub rsp, 24; mov [rsp], rdi; mov rax, [rsp]; ret",
        "test rdi, rdi; jz out; push rdi; mov rax, [rsp]; out: ret",
    ],
    right: &[
        "#![function] sub rsp, 24; mov [rsp], rdi; mov rax, [rsp]; add rsp, 24; ret",
        "test rdi, rdi; jz out; push rdi; mov rax, [rsp]; add rsp, 8; out: ret",
    ],
};

const MISALIGNED_CALL: About = About {
    summary: "in a whole function, a call with rsp not a multiple of 16",
    danger: "The System V ABI lets the callee rely on it: the first aligned vector store to its stack faults, \
        often only deep inside a library and only on some inputs.",
    quiet: "Calls of the template's own labels, and calls when it is not known how rsp has moved.",
    wrong: &["#![function] call {f}; ret"],
    right: &["#![function] sub rsp, 8; call {f}; add rsp, 8; ret"],
};

const VARIADIC_WITHOUT_AL: About = About {
    summary: "in a whole function, a call declared variadic before which al is not set",
    danger: "A variadic function of the System V ABI finds in al how many vector registers hold arguments, and \
        saves so many of its own: with garbage in al floating-point arguments are lost, or an old prologue \
        jumps to a computed place and crashes.",
    quiet: "Any write to rax, eax, ax or al counts, also by a register chosen at emission; \
        `#![inputs(rax)]` says that the caller has set it.",
    wrong: &["#![function] sub rsp, 8; lea rdi, [{format}]; call {printf: variadic}; add rsp, 8; ret"],
    right: &["#![function] sub rsp, 8; lea rdi, [{format}]; xor eax, eax; call {printf: variadic}; \
        add rsp, 8; ret"],
};

const CALLEE_SAVED_CLOBBERED: About = About {
    summary: "in a whole function, rbx, rbp or r12 to r15 changed and not restored at `ret`",
    danger: "The caller keeps values in these registers across the call, as the System V ABI lets it: it goes \
        on with wrong ones, far away from here.",
    quiet: "A register that was saved in any way (pushed, stored, copied) counts as restored when it is loaded \
        from a place that is not known; two changes of one register may undo each other. Ends other than \
        `ret` are not looked at.",
    wrong: &[
        "#![function] mov rbx, rdi; lea rax, [rbx + rbx*2]; ret",
        "#![function] push rbx; push r12; xor ebx, ebx; xor r12d, r12d; pop rbx; pop r12; ret",
    ],
    right: &[
        "#![function] push rbx; mov rbx, rdi; lea rax, [rbx + rbx*2]; pop rbx; ret",
        "#![function] push rbx; push r12; xor ebx, ebx; xor r12d, r12d; pop r12; pop rbx; ret",
    ],
};
