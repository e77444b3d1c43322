//! Paired timing: contestants run in turns, ratios are taken inside a round.

use std::fmt;
use std::time::Instant;

/// Something to be timed under a name.
pub struct Contestant<'a> {
    name: &'static str,
    run: Box<dyn FnMut() + 'a>,
    times: u32,
}

impl<'a> Contestant<'a> {
    /// `run` is what one measurement times; it should take at least some microseconds.
    #[must_use]
    pub fn new(name: &'static str, run: impl FnMut() + 'a) -> Contestant<'a> {
        Contestant { name, run: Box::new(run), times: 1 }
    }

    /// Run `times` times in each measurement, which counts as the average. For what takes less than some
    /// microseconds.
    #[must_use]
    pub fn times(self, times: u32) -> Contestant<'a> {
        Contestant { times, ..self }
    }
}

/// A median and the quartiles around it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spread {
    /// A quarter of the values are below.
    pub low: f64,
    /// Half of them are.
    pub median: f64,
    /// Three quarters are.
    pub high: f64,
}

impl Spread {
    /// The spread of `values`, of which there is at least one.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Spread {
        values.sort_by(f64::total_cmp);
        let at = |quarters: usize| values[(values.len() - 1) * quarters / 4];
        Spread { low: at(1), median: at(2), high: at(3) }
    }
}

/// `2.13 (2.10 to 2.19)`.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = if self.median < 10.0 { 2 } else { 1 };
        write!(f, "{:.places$} ({:.places$} to {:.places$})", self.median, self.low, self.high)
    }
}

/// What was measured: the times of each contestant, in nanoseconds, round by round.
pub struct Contest {
    names: Vec<&'static str>,
    times: Vec<Vec<f64>>,
}

/// Time all contestants once a round, `rounds` times, after one round that does not count.
#[must_use]
pub fn contest(rounds: usize, mut contestants: Vec<Contestant<'_>>) -> Contest {
    let count = contestants.len();
    let mut times = vec![Vec::with_capacity(rounds); count];
    for round in 0..=rounds {
        for turn in 0..count {
            let which = (round + turn) % count;
            let contestant = &mut contestants[which];
            let start = Instant::now();
            (0..contestant.times).for_each(|_| (contestant.run)());
            let time = start.elapsed().as_nanos() as f64 / f64::from(contestant.times);
            if round > 0 {
                times[which].push(time);
            }
        }
    }
    Contest { names: contestants.iter().map(|c| c.name).collect(), times }
}

impl Contest {
    /// The time of `name` divided by `per`, the amount of work that one measurement does.
    #[must_use]
    pub fn time(&self, name: &str, per: f64) -> Spread {
        Spread::of(self.of(name).iter().map(|time| time / per).collect())
    }

    /// How many times longer `name` takes than `reference`, round by round.
    #[must_use]
    pub fn ratio(&self, name: &str, reference: &str) -> Spread {
        Spread::of(self.of(name).iter().zip(self.of(reference)).map(|(a, b)| a / b).collect())
    }

    /// What `name` takes longer than `reference`, round by round, divided by `per`.
    #[must_use]
    pub fn above(&self, name: &str, reference: &str, per: f64) -> Spread {
        Spread::of(self.of(name).iter().zip(self.of(reference)).map(|(a, b)| (a - b) / per).collect())
    }

    /// Print a table whose times are divided by `per`, with ratios to the first contestant.
    pub fn print(&self, title: &str, unit: &str, per: f64) {
        let reference = self.names[0];
        let width = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        println!("\n{title}");
        println!("{:width$}  {unit:>24}  {:>24}", "", format!("x {reference}"));
        for name in &self.names {
            let (time, ratio) = (self.time(name, per).to_string(), self.ratio(name, reference).to_string());
            println!("{name:width$}  {time:>24}  {ratio:>24}");
        }
    }

    fn of(&self, name: &str) -> &[f64] {
        let which = self.names.iter().position(|known| *known == name);
        &self.times[which.expect("only contestants of this contest are asked for")]
    }
}

/// Print whether `value` is at most `limit`.
pub fn aim_at_most(what: &str, value: f64, limit: f64) {
    let verdict = if value <= limit { "met" } else { "missed" };
    println!("aim: {what}: {value:.2}, at most {limit}: {verdict}");
}

/// Print whether `value` is at least `limit`.
pub fn aim_at_least(what: &str, value: f64, limit: f64) {
    let verdict = if value >= limit { "met" } else { "missed" };
    println!("aim: {what}: {value:.2}, at least {limit}: {verdict}");
}
