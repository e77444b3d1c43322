//! What the program reads and writes, and why it may stop early.

use std::fmt;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// The other end of `,` and `.`.
pub(crate) trait Console {
    /// The next byte of the input; 0 at its end.
    fn read(&mut self) -> io::Result<u8>;
    fn write(&mut self, byte: u8) -> io::Result<()>;
}

/// Why a program did not come to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It moved to a cell that is not there.
    Outside { at: usize, cell: i64 },
    /// Input or output failed.
    Console(io::Error),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Outside { cell, .. } if *cell < 0 => {
                write!(f, "the program moves left of the tape, to cell {cell}; the first cell is 0")
            }
            Stop::Outside { cell, .. } => {
                write!(f, "the program moves right of the tape, to cell {cell}; `--tape N` makes it longer")
            }
            Stop::Console(error) => write!(f, "the program's input or output failed: {error}"),
        }
    }
}

impl std::error::Error for Stop {}

/// Enough of the output to tell whether another run wrote the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Digest {
    bytes: u64,
    /// FNV-1a.
    hash: u64,
}

impl Digest {
    pub(crate) const EMPTY: Digest = Digest { bytes: 0, hash: 0xCBF2_9CE4_8422_2325 };

    pub(crate) fn add(&mut self, byte: u8) {
        self.bytes += 1;
        self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
    }
}

/// Bytes that are written together.
const BUFFER: usize = 1 << 13;

/// The real input and output, and what a replay needs.
pub(crate) struct Live<I, O: Write> {
    input: I,
    output: O,
    waiting: Vec<u8>,
    /// Everything that was read, the 0 at the end of the input left out.
    pub(crate) read: Vec<u8>,
    pub(crate) written: Digest,
    /// Time that was spent on the input and output themselves.
    pub(crate) waited: Duration,
}

impl<I: Read, O: Write> Live<I, O> {
    pub(crate) fn new(input: I, output: O) -> Live<I, O> {
        let waiting = Vec::with_capacity(BUFFER);
        Live { input, output, waiting, read: vec![], written: Digest::EMPTY, waited: Duration::ZERO }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let start = Instant::now();
        let written = self.output.write_all(&self.waiting).and_then(|()| self.output.flush());
        self.waiting.clear();
        self.waited += start.elapsed();
        written
    }

    /// The next byte, if there is one.
    fn next(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        loop {
            match self.input.read(&mut byte) {
                Ok(read) => return Ok((read == 1).then_some(byte[0])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<I: Read, O: Write> Console for Live<I, O> {
    fn read(&mut self) -> io::Result<u8> {
        // Whoever types the input has seen the question.
        if !self.waiting.is_empty() {
            self.flush()?;
        }
        let start = Instant::now();
        let byte = self.next();
        self.waited += start.elapsed();
        let byte = byte?;
        self.read.extend(byte);
        Ok(byte.unwrap_or(0))
    }

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.written.add(byte);
        self.waiting.push(byte);
        if self.waiting.len() == BUFFER { self.flush() } else { Ok(()) }
    }
}

/// What another run has read, once more, and nobody who reads the output.
pub(crate) struct Replay<'a> {
    input: std::slice::Iter<'a, u8>,
    pub(crate) written: Digest,
}

impl<'a> Replay<'a> {
    pub(crate) fn of(input: &'a [u8]) -> Replay<'a> {
        Replay { input: input.iter(), written: Digest::EMPTY }
    }
}

impl Console for Replay<'_> {
    fn read(&mut self) -> io::Result<u8> {
        Ok(self.input.next().copied().unwrap_or(0))
    }

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.written.add(byte);
        Ok(())
    }
}
