//! Multiplication and addition with one rounding.

use crate::x64::rows::parse::{Row, row};

/// The digits name the operands: 1 and 3 are multiplied in `132`, 2 and 1 in `213`, 2 and 3 in `231`. The opcodes
/// of the three are sixteen apart; W tells singles from doubles.
macro_rules! orders {
    (packed; $($stem:tt $o132:tt $o213:tt $o231:tt;)*) => {
        orders!(rows "VEX.x", "rw:vx, r:vx, r:vx/mx", "ps", "rw:vx, r:vx, r:vx/mx", "pd";
            $($stem "132" $o132; $stem "213" $o213; $stem "231" $o231;)*)
    };
    (scalar; $($stem:tt $o132:tt $o213:tt $o231:tt;)*) => {
        orders!(rows "VEX.LIG", "rw:xmm, r:xmm, r:xmm/m32", "ss", "rw:xmm, r:xmm, r:xmm/m64", "sd";
            $($stem "132" $o132; $stem "213" $o213; $stem "231" $o231;)*)
    };
    (rows $vex:tt, $single:tt, $s:tt, $double:tt, $d:tt; $($stem:tt $order:tt $opcode:tt;)*) => {
        &[$(
            row(concat!($stem, $order, $s), $single, concat!($vex, ".66.0F38.W0 ", $opcode, " /r"), "fma"),
            row(concat!($stem, $order, $d), $double, concat!($vex, ".66.0F38.W1 ", $opcode, " /r"), "fma"),
        )*]
    };
}

pub(in crate::x64::rows) const PACKED: &[Row] = orders! { packed;
    "vfmaddsub" "96" "A6" "B6";
    "vfmsubadd" "97" "A7" "B7";
    "vfmadd"    "98" "A8" "B8";
    "vfmsub"    "9A" "AA" "BA";
    "vfnmadd"   "9C" "AC" "BC";
    "vfnmsub"   "9E" "AE" "BE";
};

pub(in crate::x64::rows) const SCALAR: &[Row] = orders! { scalar;
    "vfmadd"    "99" "A9" "B9";
    "vfmsub"    "9B" "AB" "BB";
    "vfnmadd"   "9D" "AD" "BD";
    "vfnmsub"   "9F" "AF" "BF";
};
