//! How long a replica that ended was still sent requests, and how long it was away.

use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use super::backend::Health;

/// An outage that is over. Times are milliseconds from the moment in which the replica ended.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Outage {
    /// Until it was sent no more requests; zero if a request found out before anybody else.
    pub(crate) out: u64,
    /// Until it was sent requests again.
    pub(crate) back: u64,
    /// Requests that it was sent in vain. Those that do no harm twice were sent to another one.
    pub(crate) failed: u64,
}

/// Notes what happens to one replica.
#[derive(Debug, Default)]
pub(super) struct Outages(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    ended: Option<Instant>,
    /// Since when nobody is sent there.
    out: Option<Instant>,
    failed: u64,
    last: Option<Outage>,
}

impl Outages {
    /// The process is gone.
    pub(super) fn ended(&self) {
        self.0.lock().ended = Some(Instant::now());
    }

    /// A request was sent to it in vain.
    pub(super) fn failed(&self) {
        self.0.lock().failed += 1;
    }

    /// What became of its health, as seen by whoever `asked` at that time; answers the outage that is over by that.
    pub(super) fn now(&self, health: Health, asked: Instant) -> Option<Outage> {
        let (mut notes, now) = (self.0.lock(), Instant::now());
        // An answer from before says nothing of afterwards.
        if health == Health::Ready && notes.ended.is_some_and(|ended| asked < ended) {
            return None;
        }
        if health != Health::Ready {
            if health == Health::Down {
                notes.out.get_or_insert(now);
            }
            return None;
        }
        let (ended, out, failed) = (notes.ended.take(), notes.out.take(), std::mem::take(&mut notes.failed));
        let ended = ended?;
        let since = |at: Instant| milliseconds(at.saturating_duration_since(ended));
        // Started again before anybody looked or asked: it was never out.
        let outage = Outage { out: out.map_or(0, since), back: since(now), failed };
        notes.last = Some(outage);
        Some(outage)
    }

    /// The latest one that is over.
    pub(super) fn last(&self) -> Option<Outage> {
        self.0.lock().last
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pass(milliseconds: u64) {
        tokio::time::advance(Duration::from_millis(milliseconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_counted_from_the_end_of_the_process() {
        let outages = Outages::default();
        assert!(outages.now(Health::Ready, Instant::now()).is_none(), "it has never ended");
        let before = Instant::now();
        pass(1).await;
        outages.ended();
        assert!(outages.now(Health::Ready, before).is_none(), "it was asked before");
        pass(40).await;
        outages.failed();
        assert!(outages.now(Health::Down, Instant::now()).is_none());
        pass(60).await;
        // Not counted from the second look.
        outages.now(Health::Down, Instant::now());
        outages.now(Health::Unready, Instant::now());
        pass(900).await;
        let outage = outages.now(Health::Ready, Instant::now()).unwrap();
        assert_eq!((outage.out, outage.back, outage.failed), (40, 1_000, 1));
        assert!(outages.now(Health::Ready, Instant::now()).is_none(), "it is over");
        // A request finds out before whoever looks after the process.
        outages.failed();
        outages.now(Health::Down, Instant::now());
        pass(5).await;
        outages.ended();
        pass(10).await;
        outages.now(Health::Ready, Instant::now());
        let outage = outages.last().unwrap();
        assert_eq!((outage.out, outage.back, outage.failed), (0, 10, 1));
    }
}
