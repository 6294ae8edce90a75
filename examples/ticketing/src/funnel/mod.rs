//! The funnel of a sale: how many come, wait, are let in, hold seats, order and pay, and where the others are refused.
//!
//! Who counts adds to a number in memory. Once a second each process adds what is new to the database, where the numbers of all
//! processes meet. A process that is killed takes what it counted within the last second with it: orders and payments are in
//! the database by themselves, and whoever shows them reads them there.

mod count;
mod step;
mod storage;
mod tally;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    sync::Arc,
    time::Duration,
};

use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use self::tally::Tally;
pub use self::{
    count::{Count, Gate, Hurdle, Refusal, What},
    step::Step,
    storage::{BUCKET, Bucket, read},
};
use crate::{
    ids::SessionId,
    problem::{Result, chain},
    storage::Database,
};

/// How often what was counted is written down.
const EVERY: Duration = Duration::from_secs(1);

/// Counts what happens in sales. Cheap to clone; clones count into the same numbers.
#[derive(Clone, Debug, Default)]
pub struct Funnel(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tallies: RwLock<HashMap<SessionId, Arc<Tally>>>,
    /// What is written must be marked as such before somebody writes again.
    writing: tokio::sync::Mutex<()>,
}

impl Funnel {
    /// It happened once. The session must exist: there is a tally for each that was ever counted.
    pub fn count(&self, session: SessionId, count: Count) {
        self.add(session, count, 1);
    }

    /// It happened so many times.
    pub fn add(&self, session: SessionId, count: Count, number: u64) {
        if number > 0 {
            self.tally(session).add(count, number);
        }
    }

    /// Somebody was refused.
    pub fn refused(&self, session: SessionId, refusal: Refusal) {
        self.tally(session).refused(refusal);
    }

    fn tally(&self, session: SessionId) -> Arc<Tally> {
        if let Some(tally) = self.0.tallies.read().get(&session) {
            return Arc::clone(tally);
        }
        Arc::clone(self.0.tallies.write().entry(session).or_default())
    }

    /// Writes down what was counted since it was written last.
    ///
    /// # Errors
    ///
    /// The database failed: it is written the next time. When nobody can tell whether it is there, it may be counted twice.
    ///
    /// # Cancel safety
    ///
    /// What is being written may be counted twice.
    pub async fn write(&self, database: &Database) -> Result<()> {
        let _alone = self.0.writing.lock().await;
        let tallies: Vec<_> = self.0.tallies.read().iter().map(|(id, tally)| (*id, Arc::clone(tally))).collect();
        // In one order everywhere: processes that write the same rows do not wait for each other in a circle.
        let tallies: BTreeMap<SessionId, Arc<Tally>> = tallies.into_iter().collect();
        let news =
            tallies.iter().flat_map(|(id, tally)| tally.unwritten().into_iter().map(move |(what, n)| (*id, what, n)));
        let news: Arc<[(SessionId, What, u64)]> = news.collect();
        if news.is_empty() {
            return Ok(());
        }
        storage::add(database, Arc::clone(&news)).await?;
        for (session, what, number) in news.iter() {
            if let Some(tally) = tallies.get(session) {
                tally.wrote(*what, *number);
            }
        }
        Ok(())
    }

    /// Writes it down now and then, until `stopping`.
    pub async fn keep(self, database: Database, stopping: CancellationToken) {
        let mut failing = false;
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stopping.run_until_cancelled(ticks.tick()).await.is_some() {
            let written = self.write(&database).await;
            if let Err(problem) = &written
                && !failing
            {
                tracing::warn!(error = chain(problem), "what was counted of sales cannot be written down for now");
            }
            failing = written.is_err();
        }
    }

    /// What this process counted of these sessions since it began, for Prometheus: sums over processes are whole.
    #[must_use]
    pub fn metrics(&self, sessions: impl IntoIterator<Item = SessionId>) -> String {
        let (mut steps, mut refusals) = (String::new(), String::new());
        let tallies = self.0.tallies.read();
        for session in sessions {
            for (what, number) in tallies.get(&session).map(|tally| tally.all()).unwrap_or_default() {
                // Writing to a text does not fail.
                let _written = match what {
                    What::Count(step) if Count::FUNNEL.contains(&step) => {
                        let step = step.as_str();
                        writeln!(steps, "ticketing_sale_funnel_total{{session=\"{session}\",step=\"{step}\"}} {number}")
                    }
                    What::Count(_) => Ok(()),
                    What::Refused(refusal) => writeln!(
                        refusals,
                        "ticketing_sale_refusals_total{{session=\"{session}\",step=\"{}\",code=\"{}\"}} {number}",
                        refusal.gate().as_str(),
                        refusal.reason(),
                    ),
                };
            }
        }
        let head = |name: &str, help: &str| format!("# HELP {name} {help}\n# TYPE {name} counter\n");
        let funnel = head("ticketing_sale_funnel_total", "Steps from the visit to the payment in sessions on sale.");
        let refused = head("ticketing_sale_refusals_total", "Refusals in sessions on sale, by step and code.");
        format!("{funnel}{steps}{refused}{refusals}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Millis, funnel::Step, problem::Code};

    #[tokio::test]
    async fn numbers_of_several_processes_meet_in_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("t.db")).await.unwrap();
        let (one, other, session) = (Funnel::default(), Funnel::default(), SessionId::new());
        let refusal = Refusal::new(Gate::Admission(Step::SoldOut), Code::SoldOut);
        for funnel in [&one, &other] {
            funnel.count(session, Count::Placed);
            funnel.add(session, Count::Revenue, 38_000);
            funnel.refused(session, refusal);
            funnel.write(&database).await.unwrap();
        }
        one.refused(session, refusal);
        // What was written is not written again.
        for _ in 0..3 {
            one.write(&database).await.unwrap();
        }
        let mut sums = BTreeMap::new();
        for Bucket { what, number, at } in read(&database.read, session, Millis(0)).await.unwrap() {
            assert_eq!(at.0 % 10_000, 0);
            *sums.entry(what).or_insert(0) += number;
        }
        let expected =
            [(What::Count(Count::Placed), 2), (What::Count(Count::Revenue), 76_000), (What::Refused(refusal), 3)];
        assert_eq!(sums, BTreeMap::from(expected));
        assert!(read(&database.read, SessionId::new(), Millis(0)).await.unwrap().is_empty());
        let metrics = one.metrics([session]);
        assert!(metrics.contains(&format!("_funnel_total{{session=\"{session}\",step=\"placed\"}} 1\n")), "{metrics}");
        assert!(metrics.contains("step=\"sold-out\",code=\"sold-out\"} 2\n"), "{metrics}");
        assert!(!metrics.contains("revenue"), "{metrics}");
    }
}
