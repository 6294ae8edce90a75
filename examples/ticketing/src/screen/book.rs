//! What was counted of a session: read once, then only what is new.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::view::{Refused, Series, StepSum};
use crate::{
    clock::Millis,
    funnel::{BUCKET, Count, What, read},
    ids::SessionId,
    problem::Result,
    storage::Pool,
};

/// Processes write into the bucket of their own clock's moment: what is younger than this may still grow.
const UNSETTLED: Duration = Duration::from_secs(120);
/// Length of the intervals that are shown, in seconds, and how many there are.
const SCALES: [(u32, usize); 2] = [(10, 60), (600, 72)];

type Counts = BTreeMap<What, u64>;

/// The numbers of a session, by the time of their bucket.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// Of what is too old to be shown in intervals.
    before: Counts,
    buckets: BTreeMap<i64, Counts>,
    /// From then on the database has to be asked again.
    settled: Option<Millis>,
    waiting: VecDeque<(i64, u64)>,
}

impl Book {
    /// Reads what is new.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub(super) async fn read(&mut self, pool: &Pool, session: SessionId, now: Millis) -> Result<()> {
        let from = self.settled.unwrap_or(Millis(0));
        let read = read(pool, session, from).await?;
        self.buckets.split_off(&from.0);
        for bucket in read {
            *self.buckets.entry(bucket.at.0).or_default().entry(bucket.what).or_default() += bucket.number;
        }
        self.settled = Some(begin(now.minus(UNSETTLED), bucket_ms()));
        let horizon = SCALES.iter().map(|scale| first(*scale, now)).min().unwrap_or(now.0);
        // What will be read again stays where it is.
        let horizon = horizon.min(self.settled.map_or(horizon, |settled| settled.0));
        let recent = self.buckets.split_off(&horizon);
        for counts in std::mem::replace(&mut self.buckets, recent).into_values() {
            for (what, number) in counts {
                *self.before.entry(what).or_default() += number;
            }
        }
        Ok(())
    }

    /// So many wait now.
    pub(super) fn waits(&mut self, waiting: u64, now: Millis) {
        let at = begin(now, bucket_ms()).0;
        match self.waiting.back_mut() {
            Some(last) if last.0 == at => last.1 = waiting,
            _ => self.waiting.push_back((at, waiting)),
        }
        let horizon = SCALES.iter().map(|scale| first(*scale, now)).min().unwrap_or(now.0);
        while self.waiting.front().is_some_and(|(at, _)| *at < horizon) {
            self.waiting.pop_front();
        }
    }

    fn sums(&self) -> Counts {
        let mut sums = self.before.clone();
        for (what, number) in self.buckets.values().flatten() {
            *sums.entry(*what).or_default() += number;
        }
        sums
    }

    /// The funnel; steps without anybody are left out unless every sale has them.
    pub(super) fn funnel(&self) -> Vec<StepSum> {
        let sums = self.sums();
        let step = |step: Count| StepSum { step, count: sums.get(&What::Count(step)).copied().unwrap_or(0) };
        let optional = [Count::Reserved, Count::Queued, Count::Admitted];
        let shown = |sum: &StepSum| sum.count > 0 || !optional.contains(&sum.step);
        Count::FUNNEL.into_iter().map(step).filter(shown).collect()
    }

    /// Who was refused, the most frequent first.
    pub(super) fn refusals(&self) -> Vec<Refused> {
        let refused = |(what, count)| match what {
            What::Refused(refusal) => Some(Refused { step: refusal.gate(), code: refusal.reason(), count }),
            What::Count(_) => None,
        };
        let mut refusals: Vec<Refused> = self.sums().into_iter().filter_map(refused).collect();
        refusals.sort_by_key(|refused| std::cmp::Reverse(refused.count));
        refusals
    }

    /// What happened lately, in each of the scales.
    pub(super) fn series(&self, now: Millis) -> Vec<Series> {
        SCALES.into_iter().map(|scale| self.at_scale(scale, now)).collect()
    }

    fn at_scale(&self, scale: (u32, usize), now: Millis) -> Series {
        let ((seconds, intervals), from) = (scale, first(scale, now));
        let zeros = || vec![0; intervals];
        let mut series = Series {
            seconds,
            from: Millis(from),
            placed: zeros(),
            paid: zeros(),
            ended: zeros(),
            revenue_minor: zeros(),
            admitted: zeros(),
            refused: zeros(),
            waiting: vec![None; intervals],
        };
        let place = |at: i64| usize::try_from((at - from).div_euclid(i64::from(seconds) * 1_000)).ok();
        for (at, counts) in self.buckets.range(from..) {
            let Some(place) = place(*at) else { continue };
            for (what, number) in counts {
                let line = match what {
                    What::Count(Count::Placed) => &mut series.placed,
                    What::Count(Count::Paid) => &mut series.paid,
                    What::Count(Count::Cancelled | Count::TimedOut) => &mut series.ended,
                    What::Count(Count::Revenue) => &mut series.revenue_minor,
                    What::Count(Count::Admitted) => &mut series.admitted,
                    What::Refused(_) => &mut series.refused,
                    What::Count(_) => continue,
                };
                // A clock that is ahead writes into what has not begun here.
                if let Some(sum) = line.get_mut(place.min(intervals - 1)) {
                    *sum += number;
                }
            }
        }
        for (at, waiting) in &self.waiting {
            if let Some(last) = place(*at).and_then(|place| series.waiting.get_mut(place)) {
                *last = Some(*waiting);
            }
        }
        series
    }
}

fn bucket_ms() -> i64 {
    i64::try_from(BUCKET.as_millis()).unwrap_or(i64::MAX)
}

fn begin(at: Millis, length: i64) -> Millis {
    Millis(at.0 - at.0.rem_euclid(length))
}

/// When the first interval of a scale begins, such that the last one has begun.
fn first((seconds, intervals): (u32, usize), now: Millis) -> i64 {
    let length = i64::from(seconds) * 1_000;
    begin(now, length).0 - length * (i64::try_from(intervals).unwrap_or(1) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        funnel::{Funnel, Gate, Hurdle, Refusal},
        problem::Code,
        storage::{Database, sql::query},
    };

    #[tokio::test]
    async fn what_grows_is_read_again_and_what_is_old_is_kept_as_a_sum() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("t.db")).await.unwrap();
        let (funnel, session, now) = (Funnel::default(), SessionId::new(), Millis::now());
        let (day, hour) = (now.minus(Duration::from_secs(86_400)), now.minus(Duration::from_secs(3_600)));
        for (at, number) in [(day, 7), (hour, 5)] {
            query("INSERT INTO sale_counts (session_id, at, what, count) VALUES ($1, $2, 'placed', $3)")
                .bind(session)
                .bind(begin(at, bucket_ms()).0)
                .bind(i64::from(number))
                .execute(&database.queue)
                .await
                .unwrap();
        }
        let mut book = Book::default();
        let placed = |book: &Book| book.funnel().iter().find(|sum| sum.step == Count::Placed).map(|sum| sum.count);
        for total in [12, 13, 14] {
            book.read(&database.read, session, now).await.unwrap();
            assert_eq!(placed(&book), Some(total), "read again, and not counted twice");
            funnel.count(session, Count::Placed);
            funnel.write(&database).await.unwrap();
        }
        funnel.refused(session, Refusal::new(Gate::Order(Hurdle::Seats), Code::SeatTaken));
        funnel.write(&database).await.unwrap();
        let later = Millis::now();
        book.read(&database.read, session, later).await.unwrap();
        book.waits(9, later);
        assert_eq!(book.refusals(), [Refused { step: Gate::Order(Hurdle::Seats), code: "seat-taken", count: 1 }]);
        assert!(book.funnel().iter().all(|sum| sum.step != Count::Queued), "nobody waited");
        let [minutes, hours] = book.series(later).try_into().unwrap();
        assert_eq!((minutes.placed.iter().sum::<u64>(), hours.placed.iter().sum::<u64>()), (3, 8));
        assert_eq!((minutes.waiting.last(), hours.refused.iter().sum()), (Some(&Some(9)), 1));
    }
}
