//! What characters and strings mean.

/// The code of `'a'`, `b'a'` and their escapes.
pub(super) fn character(text: &str) -> Option<i128> {
    let inner = text.strip_prefix('b').unwrap_or(text).strip_prefix('\'')?.strip_suffix('\'')?;
    let (code, rest) = one(inner)?;
    rest.is_empty().then_some(i128::from(code))
}

/// The bytes of `"text"` and `b"text"`, in UTF-8.
pub(super) fn string(text: &str) -> Option<Vec<u8>> {
    let (is_bytes, quoted) = match text.strip_prefix('b') {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let mut rest = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = vec![];
    while !rest.is_empty() {
        // A line may be broken behind a backslash.
        if let Some(continued) = rest.strip_prefix("\\\n").or_else(|| rest.strip_prefix("\\\r\n")) {
            rest = continued.trim_start();
            continue;
        }
        let (code, behind) = one(rest)?;
        rest = behind;
        match (is_bytes, u8::try_from(code)) {
            (true, byte) => bytes.push(byte.ok()?),
            (false, _) => bytes.extend(char::from_u32(code)?.to_string().bytes()),
        }
    }
    Some(bytes)
}

/// The code of the first character, and what follows it.
fn one(text: &str) -> Option<(u32, &str)> {
    let Some(escape) = text.strip_prefix('\\') else {
        let first = text.chars().next()?;
        return Some((u32::from(first), &text[first.len_utf8()..]));
    };
    let plain = |code| Some((code, &escape[1..]));
    match *escape.as_bytes().first()? {
        b'n' => plain(10),
        b'r' => plain(13),
        b't' => plain(9),
        b'0' => plain(0),
        b'\\' => plain(92),
        b'\'' => plain(39),
        b'"' => plain(34),
        b'x' => Some((u32::from_str_radix(escape.get(1..3)?, 16).ok()?, &escape[3..])),
        b'u' => {
            let (digits, rest) = escape.strip_prefix("u{")?.split_once('}')?;
            Some((u32::from_str_radix(&digits.replace('_', ""), 16).ok()?, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_characters_mean_what_they_do_in_rust() {
        assert_eq!(string(r#""a\n\"\\\u{20AC}\x7f€""#), Some("a\n\"\\\u{20AC}\x7f€".into()));
        assert_eq!(string(r#"b"\xff\0""#), Some(vec![255, 0]));
        assert_eq!(string("\"a\\\n   b\""), Some("ab".into()));
        for no_string in ["5", "'a'", "r\"a\"", "c\"a\"", "\"", "\"\\q\"", "\"\\x\"", "b\"€\""] {
            assert_eq!(string(no_string), None, "{no_string}");
        }
        for (text, code) in
            [("'a'", 97), ("b'\\''", 39), ("'\\u{20_ac}'", 0x20ac), ("'€'", 0x20ac), ("'\\x41'", 65)]
        {
            assert_eq!(character(text), Some(code), "{text}");
        }
        assert_eq!(character("'ab'"), None);
    }
}
