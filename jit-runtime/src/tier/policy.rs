//! When to compile, and how: a pure function of what has been counted.

/// How a function runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Tier {
    /// By the interpreter, which counts its calls and records what it sees.
    #[default]
    Interpreted,
    /// By native code that relies on what was seen and leaves when that does not hold.
    Speculative,
    /// By native code that holds for every input.
    Plain,
}

/// What has been counted of one function.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct History {
    /// How it runs now.
    pub tier: Tier,
    /// Calls while it was interpreted.
    pub calls: u32,
    /// Guards that failed in its speculative code, over all versions of it.
    pub failures: u32,
    /// Compiling it was refused: it stays where it is.
    pub refused: bool,
}

/// The limits that a client sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thresholds {
    /// Interpreted calls before a function is compiled. 0 compiles before the first one.
    pub calls: u32,
    /// Failed guards before a function is compiled without speculation. 0 never speculates.
    pub failures: u32,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds { calls: 1000, failures: 10 }
    }
}

/// The tier to move to now, if it is another one.
#[must_use]
pub fn next(history: &History, limits: &Thresholds) -> Option<Tier> {
    let keeps_failing = history.failures >= limits.failures;
    match history.tier {
        _ if history.refused => None,
        Tier::Interpreted if history.calls < limits.calls => None,
        Tier::Interpreted if keeps_failing => Some(Tier::Plain),
        Tier::Interpreted => Some(Tier::Speculative),
        Tier::Speculative if keeps_failing => Some(Tier::Plain),
        Tier::Speculative | Tier::Plain => None,
    }
}

/// When to look for dead code: whenever as much has been published as was in use after the last look. So at most twice
/// that is in use, or `least`, and a client whose code all lives looks a logarithmic number of times.
///
/// It is no bound: when the host refuses memory all the same, look, and compile once more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pressure {
    least: usize,
    limit: usize,
}

impl Pressure {
    /// No look before `least` bytes of code are in use.
    #[must_use]
    pub const fn new(least: usize) -> Pressure {
        Pressure { least, limit: least }
    }

    /// Whether it is time for a look, with `used` bytes of code in use.
    #[must_use]
    pub const fn is_high(&self, used: usize) -> bool {
        used >= self.limit
    }

    /// A look was taken, which left `used` bytes in use.
    pub fn relieve(&mut self, used: usize) {
        self.limit = self.least.max(used.saturating_mul(2));
    }
}
