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

#[cfg(test)]
mod tests;
