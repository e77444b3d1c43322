//! Constant expressions of templates, patched while Rust compiles.
//!
//! `{const E}` becomes a call of these functions in const evaluation. What does not fit is a panic there,
//! which is a compile error under the hole; no value is ever cut.

/// The integers that a constant of a template may be.
#[diagnostic::on_unimplemented(
    message = "a constant of a template is an integer, not `{Self}`",
    label = "this is no integer of at most 64 bits"
)]
pub trait Integer: Copy {}

impl Integer for i8 {}
impl Integer for i16 {}
impl Integer for i32 {}
impl Integer for i64 {}
impl Integer for isize {}
impl Integer for u8 {}
impl Integer for u16 {}
impl Integer for u32 {}
impl Integer for u64 {}
impl Integer for usize {}

/// The value itself; what is no integer is refused by its type.
#[must_use]
pub const fn integer<T: Integer>(value: T) -> T {
    value
}

/// `value` as a little-endian field of `W` bytes. When the instruction extends the sign of the field
/// further, the signed range fits; otherwise the unsigned range does too.
///
/// # Panics
/// When the value does not fit: in const evaluation, a compile error at the caller.
#[must_use]
#[track_caller]
pub const fn field<const W: usize>(value: i128, sign_extended: bool) -> [u8; W] {
    let least = -1 << (8 * W - 1);
    let most = if sign_extended { !least } else { (1 << (8 * W)) - 1 };
    if value < least || value > most {
        panic!("{}", does_not_fit(W, sign_extended));
    }
    let all = value.to_le_bytes();
    let mut bytes = [0; W];
    let mut i = 0;
    while i < W {
        bytes[i] = all[i];
        i += 1;
    }
    bytes
}

const fn does_not_fit(bytes: usize, sign_extended: bool) -> &'static str {
    match (bytes, sign_extended) {
        (1, true) => "this constant does not fit 8 bits: it must be from -128 to 127",
        (1, false) => "this constant does not fit 8 bits: it must be from -128 to 255",
        (2, true) => "this constant does not fit 16 bits: it must be from -32768 to 32767",
        (2, false) => "this constant does not fit 16 bits: it must be from -32768 to 65535",
        (4, true) => {
            "this constant does not fit 32 bits with a sign: it must be from -0x8000_0000 to 0x7fff_ffff"
        }
        (4, false) => "this constant does not fit 32 bits: it must be from -0x8000_0000 to 0xffff_ffff",
        _ => "this constant does not fit the field",
    }
}

/// `bytes` with `field` written over those from `at` on.
#[must_use]
pub const fn patch<const N: usize, const W: usize>(mut bytes: [u8; N], at: usize, field: [u8; W]) -> [u8; N] {
    let mut i = 0;
    while i < W {
        bytes[at + i] = field[i];
        i += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_every_field_fit_and_one_more_does_not() {
        fn edges<const W: usize>() {
            for sign_extended in [false, true] {
                let least = -(1_i128 << (8 * W - 1));
                let most = if sign_extended { -1 - least } else { -1 - 2 * least };
                assert_eq!(field::<W>(least, sign_extended)[W - 1], 0x80);
                assert_eq!(field::<W>(most, sign_extended)[W - 1], if sign_extended { 0x7f } else { 0xff });
                for beyond in [least - 1, most + 1] {
                    assert!(
                        std::panic::catch_unwind(|| field::<W>(beyond, sign_extended)).is_err(),
                        "{beyond}"
                    );
                }
            }
        }
        edges::<1>();
        edges::<2>();
        edges::<4>();
        edges::<8>();
    }

    #[test]
    fn a_field_is_written_where_it_belongs() {
        assert_eq!(
            patch([9; 6], 1, field::<4>(integer(-2_i16) as i128, true)),
            [9, 0xfe, 0xff, 0xff, 0xff, 9]
        );
    }
}
