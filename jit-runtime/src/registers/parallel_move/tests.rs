//! The checker: a machine of numbers. All sources are read first, then all places written; the moves one by one must
//! come to the same.

use super::{Moves, parallel_move};
use arbtest::arbitrary::{self, Unstructured};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Constant(u64),
    Place(usize),
    /// What is in memory at the number in a place: a function of that number.
    At(usize),
    Scratch,
}

struct Machine {
    places: Vec<u64>,
    scratch: Option<u64>,
    emitted: Vec<(usize, Source)>,
}

impl Machine {
    fn new(places: usize) -> Machine {
        let places = (0..places as u64).map(|n| 1000 + n).collect();
        Machine { places, scratch: None, emitted: vec![] }
    }

    fn value(&self, source: Source) -> u64 {
        match source {
            Source::Constant(n) => n,
            Source::Place(place) => self.places[place],
            Source::At(place) => self.places[place].wrapping_mul(0x9E37_79B9) ^ 77,
            Source::Scratch => self.scratch.expect("something was put there"),
        }
    }
}

impl Moves for Machine {
    type Place = usize;
    type Source = Source;

    fn reads(&self, source: Source, place: usize) -> bool {
        matches!(source, Source::Place(p) | Source::At(p) if p == place)
    }

    fn emit(&mut self, to: usize, from: Source) {
        self.places[to] = self.value(from);
        if from == Source::Scratch {
            self.scratch = None;
        }
        self.emitted.push((to, from));
    }

    fn set_aside(&mut self, from: Source) -> Source {
        assert!(self.scratch.is_none(), "one scratch is enough");
        self.scratch = Some(self.value(from));
        Source::Scratch
    }
}

fn check(places: usize, moves: &[(usize, Source)]) -> Machine {
    let before = Machine::new(places);
    let mut wanted = before.places.clone();
    for &(to, from) in moves {
        wanted[to] = before.value(from);
    }
    let mut machine = before;
    parallel_move(&mut machine, moves);
    assert_eq!(machine.places, wanted, "{moves:?}");
    assert_eq!(machine.emitted.len(), moves.len(), "{moves:?}");
    machine
}

/// Every way to fill four places from four places, directly or through memory, or from a constant.
#[test]
fn all_moves_of_four() {
    let sources: Vec<Source> =
        (0..4).flat_map(|p| [Source::Place(p), Source::At(p)]).chain([Source::Constant(5)]).collect();
    let count = sources.len();
    for number in 0..count.pow(4) {
        let moves: Vec<_> =
            (0..4_u32).map(|to| (to as usize, sources[number / count.pow(to) % count])).collect();
        check(4, &moves);
    }
}

/// One random set of moves; also a fuzz target.
pub(crate) fn random_moves(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let places = u.int_in_range(1..=24)?;
    let mut moves = vec![];
    for to in 0..places {
        let other = u.choose_index(places)?;
        let from = match u.int_in_range(0..=7)? {
            0 => Source::Constant(u.arbitrary()?),
            1 => Source::At(other),
            2 => continue,
            _ => Source::Place(other),
        };
        moves.insert(u.choose_index(moves.len() + 1)?, (to, from));
    }
    check(places, &moves);
    Ok(())
}

#[test]
fn any_moves() {
    arbtest::arbtest(random_moves).budget_ms(1_000);
}

#[test]
fn what_is_ready_comes_first_in_order() {
    use Source::Place;
    let moves =
        [(0, Place(1)), (7, Place(0)), (1, Place(0)), (5, Source::Constant(3)), (2, Place(3)), (3, Place(2))];
    let emitted = check(8, &moves).emitted;
    assert_eq!(emitted[..2], [(7, Place(0)), (5, Source::Constant(3))]);
    assert_eq!(emitted.iter().filter(|(_, from)| *from == Source::Scratch).count(), 2, "two cycles");
}

#[test]
#[should_panic(expected = "a source reads two places")]
fn entangled_moves_are_refused() {
    /// Each of three places gets what depends on the two others.
    struct Entangled;
    impl Moves for Entangled {
        type Place = usize;
        type Source = usize;
        fn reads(&self, source: usize, place: usize) -> bool {
            source != place
        }
        fn emit(&mut self, _: usize, _: usize) {}
        fn set_aside(&mut self, _: usize) -> usize {
            usize::MAX
        }
    }
    parallel_move(&mut Entangled, &[(0, 0), (1, 1), (2, 2)]);
}
