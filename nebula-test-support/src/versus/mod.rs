//! Ours against a peer, measured in turns.

mod latency;
mod report;

pub use latency::Latencies;
pub use report::{Comparison, Unit, Versus};

/// How a bench was asked to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// `--quick`: figures that are good enough to see a regression by eye, within a minute.
    pub quick: bool,
}

impl Effort {
    /// Looks for `--quick` among the arguments of this process; everything else (cargo passes `--bench`) is ignored.
    #[must_use]
    pub fn from_args() -> Self {
        Self::parse(std::env::args().skip(1))
    }

    /// Looks for `--quick` among these arguments.
    pub fn parse<I: IntoIterator<Item = S>, S: AsRef<str>>(args: I) -> Self {
        Self { quick: args.into_iter().any(|arg| arg.as_ref() == "--quick") }
    }

    /// The first when quick, else the second.
    pub fn pick<T>(self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_is_found_among_cargos_arguments() {
        assert_eq!(Effort::parse(["--bench", "--quick"]).pick(1, 2), 1);
        assert_eq!(Effort::parse(["--bench"]).pick(1, 2), 2);
    }
}
