//! The language: eight characters, everything else is a comment. A run of one character is one operation, and so are
//! the loops that everybody writes.

use std::fmt;

/// One operation. `cells` counts from the current cell; all cells are bytes and wrap around.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    /// `>` or `<`, so many times.
    Move { cells: i32 },
    /// `+` and `-` in a row.
    Add { by: u8 },
    /// `.`
    Write,
    /// `,`
    Read,
    /// `[`: go on behind the loop if the cell is 0.
    Open,
    /// `]`: go back into the loop if the cell is not 0.
    Close,
    /// A loop like `[-]`: the cell becomes 0.
    Clear,
    /// A loop like `[>>]`: move until a cell is 0.
    Scan { cells: i32 },
    /// A loop like `[->++<]`: add multiples of the cell to others, and clear it.
    Drain(Drain),
}

/// What a loop does that ends where it began and counts its cell down, or up, by one.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Drain {
    /// Which cells get how many times the value.
    pub(crate) into: Vec<(i32, u8)>,
    /// The outermost cells that the loop visits.
    pub(crate) lowest: i32,
    pub(crate) highest: i32,
}

/// A bracket without its partner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unbalanced {
    /// Where it stands, in bytes from the beginning of the source.
    pub(crate) at: usize,
    bracket: char,
}

impl fmt::Display for Unbalanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bracket {
            '[' => f.write_str("`[` is never closed; a `]` is missing behind it"),
            _ => f.write_str("`]` closes nothing; a `[` is missing in front of it"),
        }
    }
}

impl std::error::Error for Unbalanced {}

/// A longer run is two operations, so that sums of `cells` have room.
const LONGEST_RUN: usize = 1 << 20;

/// The operations of a source, one after the other, each with the place of its first character.
pub(crate) struct Operations {
    /// The characters that mean something, and where they stand.
    characters: Vec<(usize, u8)>,
    next: usize,
    /// The places of the brackets that are open.
    open: Vec<usize>,
}

impl Operations {
    pub(crate) fn of(source: &[u8]) -> Operations {
        let characters =
            source.iter().copied().enumerate().filter(|(_, c)| b"<>+-.,[]".contains(c)).collect();
        Operations { characters, next: 0, open: vec![] }
    }

    /// How many of the next characters are one of `these`.
    fn run(&self, these: &[u8]) -> usize {
        let rest = &self.characters[self.next..];
        rest.iter().take(LONGEST_RUN).take_while(|(_, c)| these.contains(c)).count()
    }

    /// The body of a loop without loops and without input and output, which begins at the next character.
    fn simple_body(&self) -> Option<&[(usize, u8)]> {
        let body = &self.characters[self.next + 1..];
        let end = body.iter().take(LONGEST_RUN).position(|(_, c)| !b"<>+-".contains(c))?;
        (body[end].1 == b']').then_some(&body[..end])
    }

    /// The loop at the next character as one operation, if it is one of the known kinds.
    fn known_loop(&self) -> Option<(Op, usize)> {
        let body = self.simple_body()?;
        let (mut cell, mut own) = (0, 0_u8);
        let mut drain = Drain::default();
        for (_, character) in body {
            match character {
                b'>' => cell += 1,
                b'<' => cell -= 1,
                sign => {
                    let by = if *sign == b'+' { 1 } else { u8::MAX };
                    match drain.into.iter_mut().find(|(at, _)| *at == cell) {
                        _ if cell == 0 => own = own.wrapping_add(by),
                        Some((_, sum)) => *sum = sum.wrapping_add(by),
                        None => drain.into.push((cell, by)),
                    }
                }
            }
            drain.lowest = drain.lowest.min(cell);
            drain.highest = drain.highest.max(cell);
        }
        let first = body.first()?.1;
        let op = if body.iter().all(|&(_, c)| c == first && b"<>".contains(&c)) {
            Op::Scan { cells: cell }
        } else if drain.highest == drain.lowest && own % 2 == 1 {
            // An odd step meets 0 from everywhere; an even one may never.
            Op::Clear
        } else if cell == 0 && (own == 1 || own == u8::MAX) {
            if own == 1 {
                // It counts up: it runs 256 minus the value times.
                drain.into.iter_mut().for_each(|(_, factor)| *factor = factor.wrapping_neg());
            }
            Op::Drain(drain)
        } else {
            return None;
        };
        Some((op, body.len() + 2))
    }

    fn operation(&mut self, at: usize, character: u8) -> Result<Op, Unbalanced> {
        let (op, length) = match character {
            b'>' | b'<' => {
                let length = self.run(&[character]);
                let cells = length as i32;
                (Op::Move { cells: if character == b'>' { cells } else { -cells } }, length)
            }
            b'+' | b'-' => {
                let length = self.run(b"+-");
                let signs = &self.characters[self.next..self.next + length];
                let step = |sum: u8, c: u8| if c == b'+' { sum.wrapping_add(1) } else { sum.wrapping_sub(1) };
                (Op::Add { by: signs.iter().fold(0, |sum, &(_, c)| step(sum, c)) }, length)
            }
            b'.' => (Op::Write, 1),
            b',' => (Op::Read, 1),
            b'[' => self.known_loop().unwrap_or_else(|| {
                self.open.push(at);
                (Op::Open, 1)
            }),
            _ => {
                self.open.pop().ok_or(Unbalanced { at, bracket: ']' })?;
                (Op::Close, 1)
            }
        };
        self.next += length;
        Ok(op)
    }
}

impl Iterator for Operations {
    type Item = Result<(usize, Op), Unbalanced>;

    /// After an error comes nothing.
    fn next(&mut self) -> Option<Self::Item> {
        let Some(&(at, character)) = self.characters.get(self.next) else {
            return self.open.pop().map(|at| {
                self.open.clear();
                Err(Unbalanced { at, bracket: '[' })
            });
        };
        let operation = self.operation(at, character);
        if operation.is_err() {
            self.next = self.characters.len();
            self.open.clear();
        }
        Some(operation.map(|op| (at, op)))
    }
}
