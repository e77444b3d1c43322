//! Moves that happen at once: arguments into their places, values to where the other way into a join has them.
//!
//! **Problem.** `rdi <- rsi, rsi <- rdi` cannot be done one after the other: the first move destroys what the second
//! reads. The order matters, and where no order works a value has to step aside.
//!
//! **Idea.** A move is *ready* when no other one that is still to come reads its place. Ready moves are done, and each
//! one that is done may make others ready. When none is ready every place that is left is read by exactly one other
//! move: what is left are cycles. One value of one cycle steps aside, into the scratch place; that whole cycle is
//! then done, and the scratch is free for the next.
//!
//! **Invariants.** No two moves go to one place, and a source reads at most one place that a move goes to: `[rdi + 8]`
//! is such a source, `[rdi + rsi]` is not. Nothing reads the scratch but what this function put there. What is ready
//! from the start is done first, in the order given, before the scratch is used at all.
//!
//! **Cost.** Every source is held against every place: quadratic, for the tens of moves that a call or a join has.
//! In debug builds a checker that knows nothing of the order looks at every move that was made ([`Checker`]), which
//! costs the same once more.

/// What a machine must tell and do for [`parallel_move`].
pub trait Moves {
    /// Where values go to.
    type Place: Copy;
    /// Where values come from. Constants are sources too.
    type Source: Copy;

    /// Whether who reads `source` needs what is in `place`.
    fn reads(&self, source: Self::Source, place: Self::Place) -> bool;

    /// Move now. `to` and `from` may be the same.
    fn emit(&mut self, to: Self::Place, from: Self::Source);

    /// Put a value into the scratch place now; the result is what reads it from there.
    fn set_aside(&mut self, from: Self::Source) -> Self::Source;
}

/// Do all of `moves`, pairs of a place and what it gets, as if at once.
///
/// # Panics
/// Two places depend on each other in more than one way: some source reads two places that moves go to.
pub fn parallel_move<M: Moves>(machine: &mut M, moves: &[(M::Place, M::Source)]) {
    if cfg!(debug_assertions) {
        let mut checker = Checker { machine, written: vec![], aside: None };
        in_order(&mut checker, &Checker::<M>::numbered(moves));
        checker.finish(moves.len());
    } else {
        in_order(machine, moves);
    }
}

fn in_order<M: Moves>(machine: &mut M, moves: &[(M::Place, M::Source)]) {
    let readers = |machine: &M, i: usize| {
        let others = moves.iter().enumerate().filter(|&(j, _)| j != i);
        others.filter(|(_, (_, from))| machine.reads(*from, moves[i].0)).count()
    };
    // Of each move, how many others have yet to read its place; `None` when it is done.
    let mut waits: Vec<Option<usize>> = (0..moves.len()).map(|i| Some(readers(machine, i))).collect();
    let mut ready: Vec<usize> = (0..moves.len()).rev().filter(|&i| waits[i] == Some(0)).collect();
    // The move whose value stands aside.
    let mut aside: Option<(usize, M::Source)> = None;
    let mut first = 0;
    loop {
        while let Some(i) = ready.pop() {
            waits[i] = None;
            match aside.take_if(|(waiting, _)| *waiting == i) {
                Some((_, from)) => machine.emit(moves[i].0, from),
                None => {
                    machine.emit(moves[i].0, moves[i].1);
                    release(machine, moves, i, &mut waits, &mut ready);
                }
            }
        }
        while first < moves.len() && waits[first].is_none() {
            first += 1;
        }
        if first == moves.len() {
            return;
        }
        assert!(aside.is_none(), "parallel move: a source reads two places that moves go to");
        aside = Some((first, machine.set_aside(moves[first].1)));
        release(machine, moves, first, &mut waits, &mut ready);
    }
}

/// Move `i` has read its source: what waited for that alone is ready.
fn release<M: Moves>(
    machine: &M,
    moves: &[(M::Place, M::Source)],
    i: usize,
    waits: &mut [Option<usize>],
    ready: &mut Vec<usize>,
) {
    for (k, (to, _)) in moves.iter().enumerate() {
        if let Some(count) = waits[k].as_mut().filter(|_| k != i && machine.reads(moves[i].1, *to)) {
            *count -= 1;
            if *count == 0 {
                ready.push(k);
            }
        }
    }
}

/// A machine that hands every move on and looks at it: each place gets its own value, once, from a source that no move
/// before has changed, or from what stands aside for it.
struct Checker<'a, M: Moves> {
    machine: &'a mut M,
    written: Vec<Numbered<M::Place>>,
    /// The number of the move whose value stands aside.
    aside: Option<usize>,
}

type NumberedMoves<M> = Vec<(Numbered<<M as Moves>::Place>, Numbered<<M as Moves>::Source>)>;

/// A place or a source, and which of the moves it is of.
#[derive(Clone, Copy)]
struct Numbered<T> {
    of: usize,
    is: T,
    aside: bool,
}

impl<M: Moves> Checker<'_, M> {
    fn numbered(moves: &[(M::Place, M::Source)]) -> NumberedMoves<M> {
        let number = |(of, &(place, source)): (usize, &(M::Place, M::Source))| {
            (Numbered { of, is: place, aside: false }, Numbered { of, is: source, aside: false })
        };
        moves.iter().enumerate().map(number).collect()
    }

    /// What `source` reads has not been written.
    fn check_unchanged(&self, source: M::Source) {
        let changed = self.written.iter().any(|place| self.machine.reads(source, place.is));
        assert!(!changed, "parallel move: a place is read after it was written");
    }

    fn finish(&self, moves: usize) {
        assert_eq!(self.written.len(), moves, "parallel move: a place was not written");
        assert!(self.aside.is_none(), "parallel move: a value was left aside");
    }
}

impl<M: Moves> Moves for Checker<'_, M> {
    type Place = Numbered<M::Place>;
    type Source = Numbered<M::Source>;

    fn reads(&self, source: Self::Source, place: Self::Place) -> bool {
        self.machine.reads(source.is, place.is)
    }

    fn emit(&mut self, to: Self::Place, from: Self::Source) {
        assert_eq!(to.of, from.of, "parallel move: a place gets the value of another");
        assert!(
            self.written.iter().all(|place| place.of != to.of),
            "parallel move: a place is written twice"
        );
        if from.aside {
            assert_eq!(self.aside.take(), Some(from.of), "parallel move: another value stands aside");
        } else {
            self.check_unchanged(from.is);
        }
        self.written.push(to);
        self.machine.emit(to.is, from.is);
    }

    fn set_aside(&mut self, from: Self::Source) -> Self::Source {
        self.check_unchanged(from.is);
        assert!(self.aside.is_none(), "parallel move: two values stand aside");
        self.aside = Some(from.of);
        Numbered { of: from.of, is: self.machine.set_aside(from.is), aside: true }
    }
}

#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code, unused_imports))] // a fuzz target runs a part
pub(super) mod tests;
