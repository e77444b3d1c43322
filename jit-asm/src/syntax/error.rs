//! Errors with a place, and a collector of them that cannot be forgotten.

use core::fmt;
use proc_macro2::{Span, TokenTree};

/// From the first token of something to its last. Stable Rust cannot join two spans into one, so both
/// ends are kept.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// The first token.
    pub start: Span,
    /// The last token.
    pub end: Span,
}

impl Extent {
    /// One token.
    #[must_use]
    pub fn one(span: Span) -> Extent {
        Extent { start: span, end: span }
    }

    /// From the first of `tokens` to the last; `otherwise` when there is none.
    #[must_use]
    pub fn of(tokens: &[TokenTree], otherwise: Span) -> Extent {
        let start = tokens.first().map_or(otherwise, TokenTree::span);
        let end = tokens.last().map_or(otherwise, TokenTree::span);
        Extent { start, end }
    }
}

/// One mistake: where it is, what it is, and what would do.
#[derive(Clone, Debug)]
pub struct Error {
    /// The tokens at fault.
    pub extent: Extent,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What would fit, or how to write it.
    pub help: Option<String>,
}

impl Error {
    /// A mistake without advice.
    #[must_use]
    pub fn new(extent: Extent, message: impl Into<String>) -> Error {
        Error { extent, message: message.into(), help: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Error {
        self.help = Some(help.into());
        self
    }
}

/// The message, and the advice on a line of its own.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

/// Gathers errors, and gives them back in the order of the text. Dropping it without asking for the result is
/// a bug, and panics.
#[derive(Debug)]
pub struct Errors {
    found: Option<Vec<(usize, Error)>>,
    /// Where in the text what comes next belongs: the number of a statement.
    place: usize,
}

impl Errors {
    /// None so far.
    #[must_use]
    #[allow(clippy::new_without_default)] // a default would be a collector by accident
    pub fn new() -> Errors {
        Errors { found: Some(vec![]), place: 0 }
    }

    /// What is added from here on belongs to the statement of this number. Two stages that look at the same
    /// statements so tell of them together.
    pub fn at(&mut self, place: usize) {
        self.place = place;
    }

    /// How many there are so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.found.as_ref().map_or(0, Vec::len)
    }

    /// One more.
    pub fn add(&mut self, error: Error) {
        self.found.get_or_insert_default().push((self.place, error));
    }

    /// Keep the error of a result and go on without its value.
    pub fn keep<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    /// The barrier: `value` if nothing was wrong, otherwise everything that was.
    pub fn barrier<T>(mut self, value: T) -> Result<T, Vec<Error>> {
        let mut found = self.found.take().unwrap_or_default();
        if found.is_empty() {
            return Ok(value);
        }
        found.sort_by_key(|(place, _)| *place);
        Err(found.into_iter().map(|(_, error)| error).collect())
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        if self.found.is_some() && !std::thread::panicking() {
            panic!("a stage gathered errors and never looked at them");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_gives_back_everything_it_was_given() {
        let mut errors = Errors::new();
        for n in 0..3 {
            errors.add(Error::new(Extent::one(Span::call_site()), format!("mistake {n}")));
        }
        let all: Vec<String> = errors.barrier(()).unwrap_err().iter().map(Error::to_string).collect();
        assert_eq!(all, ["mistake 0", "mistake 1", "mistake 2"]);
        assert_eq!(Errors::new().barrier(7).unwrap(), 7);
    }

    #[test]
    fn errors_come_in_the_order_of_the_text() {
        let mut errors = Errors::new();
        for place in [0, 2, 1, 2] {
            errors.at(place);
            errors.add(Error::new(Extent::one(Span::call_site()), format!("{place}, {}", errors.count())));
        }
        let all: Vec<String> = errors.barrier(()).unwrap_err().iter().map(Error::to_string).collect();
        assert_eq!(all, ["0, 0", "1, 2", "2, 1", "2, 3"]);
    }

    #[test]
    fn a_forgotten_collector_is_noticed() {
        let dropped = std::panic::catch_unwind(|| drop(Errors::new()));
        assert!(dropped.is_err());
    }
}
