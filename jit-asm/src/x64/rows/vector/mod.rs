//! SSE to SSE4.2, AVX, AVX2, FMA, F16C, AES, PCLMULQDQ and SHA.
//!
//! **Problem.** Nearly every SSE instruction has an AVX form beside it, of the same opcode in the same map with the
//! same prefix; only the operands differ, and those in a few ways.
//!
//! **Idea.** [`with_vex!`] takes the operands of both once a group, and an instruction's name, map and opcode
//! once: `66 0F` and `FC /r` are `66 0F FC /r` and `VEX.x.66.0F.WIG FC /r`. What has no counterpart is
//! a row of its own.
//!
//! The pseudo-ops that assemblers have for an instruction with one immediate (`cmpeqps`, `vcmplt_oqsd`,
//! `pclmullqlqdq`) are no rows, since a row has no immediate of one value: `cmpps xmm1, xmm2, 0` is written.
//!
//! **Invariants.** Scalar instructions keep the rest of their destination, so they read it (`rw`); a load
//! clears the rest and has a row of its own. The VEX forms take the rest from another operand.

/// An escape with its prefix, as VEX spells it; `REX.W` is VEX.W.
macro_rules! in_vex {
    ("0F") => {
        "0F"
    };
    ("66 0F") => {
        "66.0F"
    };
    ("F2 0F") => {
        "F2.0F"
    };
    ("F3 0F") => {
        "F3.0F"
    };
    ("66 0F 38") => {
        "66.0F38"
    };
    ("66 0F 3A") => {
        "66.0F3A"
    };
    ("66 REX.W 0F") => {
        "66.0F"
    };
    ("66 REX.W 0F 3A") => {
        "66.0F3A"
    };
}

/// VEX.W behind the map; nothing where it is derived from `y`.
macro_rules! in_vex_w {
    ("y") => {
        ""
    };
    ("WIG") => {
        ".WIG"
    };
    ("W0") => {
        ".W0"
    };
    ("W1") => {
        ".W1"
    };
}

/// Groups of instructions that SSE and AVX have: the operands and the length of VEX once a group, then one
/// instruction a line. Each row is a constant of its name, so that the error of a slip has the name.
macro_rules! with_vex {
    ($(
        [sse: $operands:tt, avx: $length:tt $vex_operands:tt $w:tt $vex_effects:tt]
        $($name:ident $escape:tt $opcode:tt $effects:tt;)*
    )*) => {
        &[$($(
            {
                #[allow(non_upper_case_globals)]
                const $name: Row = row(stringify!($name), $operands, concat!($escape, " ", $opcode), $effects);
                $name
            },
            {
                #[allow(non_upper_case_globals)]
                const $name: Row = row(
                    concat!("v", stringify!($name)),
                    $vex_operands,
                    concat!("VEX.", $length, ".", in_vex!($escape), in_vex_w!($w), " ", $opcode),
                    $vex_effects,
                );
                $name
            },
        )*)*]
    };
}

pub(super) mod avx;
pub(super) mod convert;
pub(super) mod float;
pub(super) mod fma;
pub(super) mod integer;
pub(super) mod lanes;
pub(super) mod moves;
