use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

/// What a figure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Operations per second; more is better.
    OpsPerSec,
    /// Nanoseconds per operation; less is better.
    Nanos,
    /// Milliseconds; less is better.
    Millis,
}

impl Unit {
    /// The figure for `operations` done in `time`.
    #[must_use]
    pub fn figure(self, operations: u64, time: Duration) -> f64 {
        let operations = operations as f64;
        match self {
            Self::OpsPerSec => operations / time.as_secs_f64(),
            Self::Nanos => time.as_secs_f64() * 1e9 / operations,
            Self::Millis => time.as_secs_f64() * 1e3 / operations,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpsPerSec => "ops/s",
            Self::Nanos => "ns",
            Self::Millis => "ms",
        })
    }
}

/// Collects the rounds of one workload, ours and each peer's, and prints one line per peer:
///
/// `versus <workload> <peer> ours=<n> peer=<n> unit=<ops/s|ns|ms> ratio=<n> rounds=<n>`
///
/// `ours` and `peer` are medians over the rounds. `ratio` is the median of the ratios of the same round, turned so that
/// more than 1 means that ours is better (ours/peer for operations per second, peer/ours for times). The ratio of one
/// round compares two runs that follow each other directly, so that a machine that gets slower or faster meanwhile
/// falls out; for the same reason it can differ a little from the quotient of the two medians.
///
/// ```
/// use nebula_test_support::{Unit, Versus};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let mut versus = Versus::new("lock pairs t=64").unit(Unit::OpsPerSec);
/// for _ in 0..3 {
///     versus.round("bare driver", async || 1500.0, async || 2000.0).await;
/// }
/// assert_eq!(
///     versus.comparisons()[0].to_string(),
///     "versus lock-pairs-t=64 bare-driver ours=1500 peer=2000 unit=ops/s ratio=0.75 rounds=3"
/// );
/// # });
/// ```
#[derive(Debug)]
pub struct Versus {
    workload: String,
    unit: Unit,
    peers: Vec<(String, Vec<(f64, f64)>)>,
}

impl Versus {
    /// A workload. White space in names becomes `-`.
    #[must_use]
    pub fn new(workload: &str) -> Self {
        Self { workload: word(workload), unit: Unit::OpsPerSec, peers: Vec::new() }
    }

    /// The unit of the figures (default: operations per second).
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// Runs one round against a peer: ours and theirs, one after the other. Who goes first changes from round to round.
    /// Each returns its figure in the unit of this workload ([`Unit::figure`], or a percentile of
    /// [`Latencies`](crate::Latencies)).
    ///
    /// # Cancel safety
    /// Dropping the future drops the running side; the round does not count.
    #[allow(clippy::future_not_send, reason = "benches await it on the spot")]
    pub async fn round<O, P>(&mut self, peer: &str, ours: O, theirs: P)
    where
        O: AsyncFnOnce() -> f64,
        P: AsyncFnOnce() -> f64,
    {
        let ours_first = self.rounds(peer).len().is_multiple_of(2);
        let (ours, theirs) = if ours_first {
            let ours = ours().await;
            (ours, theirs().await)
        } else {
            let theirs = theirs().await;
            (ours().await, theirs)
        };
        self.record(peer, ours, theirs);
    }

    /// Notes the figures of one round that was run elsewhere.
    pub fn record(&mut self, peer: &str, ours: f64, theirs: f64) {
        self.rounds(peer).push((ours, theirs));
    }

    fn rounds(&mut self, peer: &str) -> &mut Vec<(f64, f64)> {
        let peer = word(peer);
        let at = self.peers.iter().position(|(name, _)| *name == peer).unwrap_or_else(|| {
            self.peers.push((peer, Vec::new()));
            self.peers.len() - 1
        });
        &mut self.peers[at].1
    }

    /// The results so far, in the order in which the peers appeared.
    #[must_use]
    pub fn comparisons(&self) -> Vec<Comparison> {
        self.peers.iter().map(|(peer, rounds)| self.compare(peer, rounds)).collect()
    }

    /// Prints one line per peer to standard output.
    pub fn print(&self) {
        for comparison in self.comparisons() {
            println!("{comparison}");
        }
    }

    fn compare(&self, peer: &str, rounds: &[(f64, f64)]) -> Comparison {
        let ratio = |&(ours, theirs): &(f64, f64)| match self.unit {
            Unit::OpsPerSec => ours / theirs,
            Unit::Nanos | Unit::Millis => theirs / ours,
        };
        Comparison {
            workload: self.workload.clone(),
            peer: peer.to_owned(),
            ours: median(rounds.iter().map(|round| round.0).collect()),
            theirs: median(rounds.iter().map(|round| round.1).collect()),
            unit: self.unit,
            ratio: median(rounds.iter().map(ratio).collect()),
            rounds: rounds.len(),
        }
    }
}

impl Unit {
    /// Runs `work`, which does `operations` operations, and returns its figure.
    ///
    /// # Cancel safety
    /// Dropping the future drops the work.
    #[allow(clippy::future_not_send, reason = "benches await it on the spot")]
    pub async fn time<F: Future>(self, operations: u64, work: F) -> f64 {
        let started = Instant::now();
        work.await;
        self.figure(operations, started.elapsed())
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What was done.
    pub workload: String,
    /// Against whom.
    pub peer: String,
    /// Our median.
    pub ours: f64,
    /// The peer's median.
    pub theirs: f64,
    /// Unit of both.
    pub unit: Unit,
    /// Median of the rounds' ratios; more than 1: ours is better.
    pub ratio: f64,
    /// Number of rounds.
    pub rounds: usize,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, peer, ours, theirs, unit, ratio, rounds } = self;
        let (ours, theirs) = (Figure(*ours), Figure(*theirs));
        write!(f, "versus {workload} {peer} ours={ours} peer={theirs} unit={unit} ratio={ratio:.2} rounds={rounds}")
    }
}

/// Three significant digits below 100, whole numbers above.
struct Figure(f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value >= 100.0 => write!(f, "{value:.0}"),
            value if value >= 10.0 => write!(f, "{value:.1}"),
            value if value >= 1.0 => write!(f, "{value:.2}"),
            value => write!(f, "{value:.4}"),
        }
    }
}

fn word(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join("-")
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => figures[middle],
        _ => f64::midpoint(figures[middle - 1], figures[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_exactly_the_promised_form() {
        let mut versus = Versus::new("lock pairs t=64").unit(Unit::OpsPerSec);
        versus.record("some peer", 20_000.0, 10_000.0);
        versus.record("some peer", 30_000.0, 10_000.0);
        versus.record("some peer", 10_000.0, 10_000.0);
        let lines: Vec<String> = versus.comparisons().iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            ["versus lock-pairs-t=64 some-peer ours=20000 peer=10000 unit=ops/s ratio=2.00 rounds=3".to_owned()]
        );
    }

    #[test]
    fn a_shorter_time_is_better() {
        let mut versus = Versus::new("get").unit(Unit::Nanos);
        versus.record("peer", 50.0, 100.0);
        assert_eq!(
            versus.comparisons()[0].to_string(),
            "versus get peer ours=50.0 peer=100 unit=ns ratio=2.00 rounds=1"
        );
        let mut versus = Versus::new("get").unit(Unit::Millis);
        versus.record("peer", 1.5, 0.75);
        assert_eq!(
            versus.comparisons()[0].to_string(),
            "versus get peer ours=1.50 peer=0.7500 unit=ms ratio=0.50 rounds=1"
        );
    }

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_not_of_the_medians() {
        // A machine that slows down by half from round to round: each round still says 2.
        let mut versus = Versus::new("w");
        for (ours, theirs) in [(400.0, 200.0), (200.0, 100.0), (100.0, 50.0), (50.0, 25.0)] {
            versus.record("p", ours, theirs);
        }
        let comparison = &versus.comparisons()[0];
        assert_eq!((comparison.ratio, comparison.ours, comparison.theirs), (2.0, 150.0, 75.0));
    }

    #[tokio::test]
    async fn rounds_alternate_who_goes_first() {
        let order = std::sync::Mutex::new(Vec::new());
        let mut versus = Versus::new("w");
        for _ in 0..4 {
            let run = async |who| {
                order.lock().unwrap().push(who);
                1.0
            };
            versus.round("p", async || run('o').await, async || run('p').await).await;
        }
        assert_eq!(order.into_inner().unwrap().into_iter().collect::<String>(), "oppooppo");
    }

    #[test]
    fn figures_follow_from_operations_and_time() {
        assert_eq!(Unit::OpsPerSec.figure(500, Duration::from_millis(250)), 2000.0);
        assert_eq!(Unit::Nanos.figure(1000, Duration::from_micros(2)), 2.0);
        assert_eq!(Unit::Millis.figure(2, Duration::from_millis(3)), 1.5);
    }
}
