//! No text makes the syntax panic, and what it accepts is instructions to somebody else too.

use super::soup;
use arbtest::arbitrary::{Result, Unstructured};
use iced_x86::{Decoder, DecoderOptions};
use jit_asm::syntax::{Error, LaidOut, Piece, lay_out, parse};
use proc_macro2::TokenStream;
use std::cell::Cell;

fn assemble(text: &str) -> core::result::Result<LaidOut, Vec<Error>> {
    let tokens: TokenStream = text.parse().unwrap_or_default();
    lay_out(&parse(tokens)?)
}

/// One random template; whether it was accepted. Also a fuzz target.
pub(crate) fn check(u: &mut Unstructured) -> Result<bool> {
    let text = soup::template(u)?;
    let Ok(laid_out) = assemble(&text) else { return Ok(false) };
    let piece = &laid_out.whole;
    lines_are_instructions(&text, piece);
    fields_are_inside(&text, piece);
    lines_are_the_template(&text, piece);
    Ok(true)
}

/// iced-x86 reads whole instructions in each line, but for data.
fn lines_are_instructions(text: &str, piece: &Piece) {
    let starts = piece.lines.iter().map(|(at, _)| usize::from(*at));
    let ends = starts.clone().skip(1).chain([piece.bytes.len()]);
    for ((start, end), (_, line)) in starts.zip(ends).zip(&piece.lines) {
        if piece.data.iter().any(|data| (usize::from(data.0)..data.1.into()).contains(&start)) {
            continue;
        }
        let mut decoder = Decoder::new(64, &piece.bytes[start..end], DecoderOptions::NONE);
        let mut count = 0;
        while decoder.can_decode() {
            assert!(!decoder.decode().is_invalid(), "`{line}` in {text}: {:02x?}", &piece.bytes[start..end]);
            count += 1;
        }
        let padding = line.contains(".align");
        let nothing = line.contains(".zero 0") || line.contains(".byte b\"\"");
        assert!(padding || nothing || count == 1, "`{line}` in {text}: {:02x?}", &piece.bytes[start..end]);
    }
}

/// What is filled in lies inside the template, and data does too.
fn fields_are_inside(text: &str, piece: &Piece) {
    let len = piece.bytes.len();
    assert!(piece.holes.iter().all(|hole| usize::from(hole.at) < len), "{text}");
    let inside = |at: u16, bytes: u8| usize::from(at) + usize::from(bytes) <= len;
    assert!(piece.constants.iter().all(|constant| inside(constant.at, constant.width.bytes())), "{text}");
    assert!(piece.data.iter().all(|data| data.0 < data.1 && usize::from(data.1) <= len), "{text}");
    assert!(piece.data.windows(2).all(|pair| pair[0].1 < pair[1].0), "{text}");
    assert!(piece.lines.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{text}");
}

/// The lines of a template are the template again.
fn lines_are_the_template(text: &str, piece: &Piece) {
    let lines: Vec<&str> = piece.lines.iter().map(|(_, line)| line.as_str()).collect();
    let again = assemble(&lines.join("; ")).unwrap_or_else(|errors| panic!("{text}: {lines:?}: {errors:?}"));
    let Piece { bytes, holes, constants, data, align, lines, .. } = &again.whole;
    assert_eq!(
        (bytes, data, align, lines),
        (&piece.bytes, &piece.data, &piece.align, &piece.lines),
        "{text}"
    );
    assert_eq!((holes.len(), constants.len()), (piece.holes.len(), piece.constants.len()), "{text}");
    assert_eq!(again.whole.effects, piece.effects, "{text}");
}

#[test]
fn no_text_makes_it_panic_and_what_is_accepted_is_right() {
    let accepted = Cell::new(0);
    arbtest::arbtest(|u| {
        accepted.set(accepted.get() + u32::from(check(u)?));
        Ok(())
    })
    .budget_ms(1000);
    assert!(accepted.get() > 20, "{} templates were accepted", accepted.get());
}
