//! The interpreter: what the operations mean, and what the compiled code is measured against.

use super::console::{Console, Stop};
use super::program::{Drain, Op};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Operations between two looks at the clock.
const BETWEEN_LOOKS: u32 = 1 << 20;

/// The operations of a program, with the partner of each bracket.
pub(crate) struct Interpreter {
    operations: Vec<(usize, Op)>,
    partners: Vec<usize>,
}

impl Interpreter {
    /// For operations whose brackets are balanced, as a source yields them.
    pub(crate) fn new(operations: Vec<(usize, Op)>) -> Interpreter {
        let mut partners = vec![0; operations.len()];
        let mut open = vec![];
        for (at, (_, op)) in operations.iter().enumerate() {
            match op {
                Op::Open => open.push(at),
                Op::Close => {
                    let partner = open.pop().expect("brackets are balanced");
                    (partners[at], partners[partner]) = (partner, at);
                }
                _ => {}
            }
        }
        Interpreter { operations, partners }
    }

    /// Run on a tape of `tape` cells. Whether it came to an end before `limit`.
    pub(crate) fn run(
        &self,
        tape: usize,
        console: &mut impl Console,
        limit: Duration,
    ) -> Result<ControlFlow<()>, Stop> {
        let mut state = State { cells: vec![0; tape], cell: 0 };
        let (start, mut until_look) = (Instant::now(), BETWEEN_LOOKS);
        let mut next = 0;
        while let Some((at, op)) = self.operations.get(next) {
            let jumps = match op {
                Op::Open => *state.value() == 0,
                Op::Close => *state.value() != 0,
                op => {
                    state.step(*at, op, console)?;
                    false
                }
            };
            next = if jumps { self.partners[next] } else { next } + 1;
            until_look -= 1;
            if until_look == 0 {
                until_look = BETWEEN_LOOKS;
                if start.elapsed() > limit {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

struct State {
    cells: Vec<u8>,
    cell: usize,
}

impl State {
    fn value(&mut self) -> &mut u8 {
        &mut self.cells[self.cell]
    }

    /// The cell `cells` further, if it is there.
    fn further(&self, at: usize, cells: i32) -> Result<usize, Stop> {
        let cell = self.cell as i64 + i64::from(cells);
        let inside = usize::try_from(cell).ok().filter(|&cell| cell < self.cells.len());
        inside.ok_or(Stop::Outside { at, cell })
    }

    fn step(&mut self, at: usize, op: &Op, console: &mut impl Console) -> Result<(), Stop> {
        match op {
            Op::Move { cells } => self.cell = self.further(at, *cells)?,
            Op::Add { by } => *self.value() = self.value().wrapping_add(*by),
            Op::Write => console.write(*self.value()).map_err(Stop::Console)?,
            Op::Read => *self.value() = console.read().map_err(Stop::Console)?,
            Op::Clear => *self.value() = 0,
            Op::Scan { cells } => {
                while *self.value() != 0 {
                    self.cell = self.further(at, *cells)?;
                }
            }
            Op::Drain(drain) => self.drain(at, drain)?,
            Op::Open | Op::Close => unreachable!("brackets are jumps"),
        }
        Ok(())
    }

    fn drain(&mut self, at: usize, drain: &Drain) -> Result<(), Stop> {
        let value = *self.value();
        if value != 0 {
            self.further(at, drain.lowest)?;
            self.further(at, drain.highest)?;
            for (cells, factor) in &drain.into {
                let to = self.further(at, *cells)?;
                self.cells[to] = self.cells[to].wrapping_add(value.wrapping_mul(*factor));
            }
            *self.value() = 0;
        }
        Ok(())
    }
}
