//! The inventory: a seat ledger that is rebuilt when it has to be.

use std::{sync::Arc, time::Duration};

use axum::body::Bytes;
use nebula_lock::LockManager;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Counts, Cursor, Hold, HoldRequest, Listener, SeatLedger, Settled, Snapshot,
    feed::Feeds,
    mirror::{Mirror, Mirrors},
    rebuild::{Rebuilder, one_moment},
    sold_out::SoldOut,
    view::Views,
};
use crate::{
    ids::{OrderId, SessionId},
    problem::{Problem, chain},
    storage::Database,
    telemetry::Counters,
};

/// Most holds that one sweep of a session looks at.
const SWEEP: usize = 100_000;
/// Most sessions that have gauges.
const GAUGES: u32 = 100;
/// Counting for the gauges may take this long.
const GAUGES_WITHIN: Duration = Duration::from_secs(2);
/// Rebuilds that one request waits for.
const ATTEMPTS: u32 = 2;

/// The stock of all sessions. Cheap to clone.
///
/// | Metric | Kind | Labels | Meaning |
/// |---|---|---|---|
/// | `ticket_inventory_available_seats` | gauge | `session` | seats free to take |
/// | `ticket_inventory_locked_seats` | gauge | `session` | seats held by unpaid orders |
/// | `ticket_inventory_sold_seats` | gauge | `session` | seats paid for |
/// | `ticketing_holds_total` | counter | `outcome` | answers to holds |
/// | `ticketing_ledger_rebuilds_total` | counter | `outcome` | rebuilds of a ledger from the database |
#[derive(Clone, Debug)]
pub struct Inventory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ledger: Arc<dyn SeatLedger>,
    rebuilder: Arc<Rebuilder>,
    sold_out: Arc<SoldOut>,
    feeds: Feeds,
    views: Views,
    mirrors: Mirrors,
    holds: Counters<{ OUTCOMES.len() }>,
}

/// How an attempt to hold seats may end.
const OUTCOMES: [&str; 7] = ["error", "held", "not-ready", "other-seats", "taken", "unknown-seat", "user-limit"];

/// The place of an outcome.
const fn outcome(hold: &Result<Hold, Problem>) -> usize {
    match hold {
        Err(_) => 0,
        Ok(Hold::Held { .. }) => 1,
        Ok(Hold::NotReady) => 2,
        Ok(Hold::OtherSeats(_)) => 3,
        Ok(Hold::Taken(_)) => 4,
        Ok(Hold::UnknownSeat(_)) => 5,
        Ok(Hold::UserLimit { .. }) => 6,
    }
}

impl Inventory {
    /// The stock that `ledger` keeps and `database` remembers; processes that share both agree through `locks`.
    /// Event streams end when `stopping` is cancelled.
    #[must_use]
    pub fn new(
        ledger: Arc<dyn SeatLedger>,
        locks: LockManager,
        database: Database,
        stopping: CancellationToken,
    ) -> Self {
        let rebuilder = Arc::new(Rebuilder::new(Arc::clone(&ledger), locks, database));
        let sold_out = Arc::new(SoldOut::new(Arc::clone(&ledger)));
        let feeds = Feeds::new(Arc::clone(&ledger), Arc::clone(&rebuilder), Arc::clone(&sold_out), stopping);
        Self(Arc::new(Inner {
            ledger,
            rebuilder,
            sold_out,
            feeds,
            views: Views::default(),
            mirrors: Mirrors::default(),
            holds: Counters::new(|place| metrics::counter!("ticketing_holds_total", "outcome" => OUTCOMES[place])),
        }))
    }

    /// Holds seats for an order, all or none. See [`SeatLedger::hold`].
    ///
    /// When the ledger has to be rebuilt, this waits for it for a moment. It never answers [`Hold::NotReady`].
    ///
    /// # Errors
    ///
    /// `one-moment` while the ledger is being rebuilt, `not-found` for an unknown session, `unavailable` when the ledger
    /// could not say: repeat it with the same order then.
    ///
    /// # Cancel safety
    ///
    /// The seats may be held when the future was dropped; the sweep frees them unless the order comes to be.
    pub async fn hold(&self, request: &HoldRequest) -> Result<Hold, Problem> {
        let inner = &self.0;
        let session = request.session;
        let hold = self.ready(session, || async {
            let hold = inner.ledger.hold(request).await?;
            Ok((hold != Hold::NotReady).then_some(hold))
        });
        let hold = hold.await;
        inner.holds.count(outcome(&hold));
        let hold = hold?;
        if matches!(hold, Hold::Taken(_)) {
            inner.sold_out.suspect(session);
        }
        Ok(hold)
    }

    /// Frees the seats that an order still holds. The database must know that it ended.
    ///
    /// # Errors
    ///
    /// `unavailable` when the ledger could not say: repeat it. The sweep does so otherwise.
    ///
    /// # Cancel safety
    ///
    /// The seats may be freed or not; repeat it.
    pub async fn release(&self, session: SessionId, order: OrderId) -> Result<(), Problem> {
        match self.0.ledger.release(session, order).await? {
            Settled::Changed(_) => self.0.sold_out.clear(session),
            // Not ready: whoever loads the ledger reads from the database that the order has ended, or looks again.
            Settled::Kept | Settled::NothingHeld | Settled::NotReady => {}
        }
        Ok(())
    }

    /// Frees the seats of an order whose money went back. The database must know that.
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release).
    ///
    /// # Cancel safety
    ///
    /// As [`release`](Self::release).
    pub async fn refund(&self, session: SessionId, order: OrderId) -> Result<(), Problem> {
        if let Settled::Changed(_) = self.0.ledger.refund(session, order).await? {
            self.0.sold_out.clear(session);
        }
        Ok(())
    }

    /// Marks the seats of an order as sold. The database must know that it is paid.
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release).
    ///
    /// # Cancel safety
    ///
    /// As [`release`](Self::release).
    pub async fn sell(&self, session: SessionId, order: OrderId) -> Result<(), Problem> {
        if self.0.ledger.sell(session, order).await? == Settled::NothingHeld
            && let Some(counts) = self.0.ledger.counts(session).await?
        {
            tracing::error!(%session, %order, "the ledger does not know a paid order and is rebuilt");
            self.invalidate(session, counts.cursor.epoch).await?;
        }
        Ok(())
    }

    /// Tells that the session's ledger is void under `epoch`: the database knows a later one. Waits until the ledger was
    /// rebuilt, unless that happened already.
    ///
    /// # Errors
    ///
    /// As [`hold`](Self::hold).
    ///
    /// # Cancel safety
    ///
    /// The rebuild goes on when the future is dropped.
    pub async fn invalidate(&self, session: SessionId, epoch: i64) -> Result<(), Problem> {
        for _ in 0..ATTEMPTS {
            if self.0.ledger.counts(session).await?.is_some_and(|counts| counts.cursor.epoch > epoch) {
                return Ok(());
            }
            self.0.rebuilder.rebuild(session, epoch).await?;
        }
        Ok(())
    }

    /// Loads the session's ledger unless it is loaded, for example before a sale opens.
    ///
    /// # Errors
    ///
    /// As [`hold`](Self::hold).
    ///
    /// # Cancel safety
    ///
    /// The rebuild goes on when the future is dropped.
    pub async fn warm(&self, session: SessionId) -> Result<(), Problem> {
        self.counts(session).await.map(|_| ())
    }

    /// All seats of a session.
    ///
    /// # Errors
    ///
    /// As [`hold`](Self::hold).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn snapshot(&self, session: SessionId) -> Result<Snapshot, Problem> {
        self.ready(session, || async { Ok(self.0.ledger.snapshot(session).await?) }).await
    }

    /// The counts of a session.
    ///
    /// # Errors
    ///
    /// As [`hold`](Self::hold).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn counts(&self, session: SessionId) -> Result<Counts, Problem> {
        let counts = self.ready(session, || async { Ok(self.0.ledger.counts(session).await?) }).await?;
        self.0.sold_out.observe(session, &counts);
        Ok(counts)
    }

    /// All seats of a session as JSON. One look at the ledger answers everybody who waits for it.
    pub(crate) async fn view(&self, session: SessionId) -> Result<Bytes, Problem> {
        let at_hand = self.0.ledger.at_hand(session);
        self.0.views.get(session, at_hand, || self.counts(session), || self.snapshot(session)).await
    }

    /// The seats of a session for choosing among them, known at least as of `since`: one reading for all who wait for it, of
    /// what has changed since the last one.
    ///
    /// # Errors
    ///
    /// As [`hold`](Self::hold).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn mirror(&self, session: SessionId, since: Instant) -> Result<Arc<Mirror>, Problem> {
        let inner = &self.0;
        let mirror = inner.mirrors.of(session);
        let followed = mirror.follow(&*inner.ledger, session, since, || self.snapshot(session)).await;
        if followed.is_err() {
            // Perhaps there is no such session: keep nothing of it.
            inner.mirrors.forget(session);
        }
        followed.map(|()| mirror)
    }

    /// Somebody looked in vain for seats: perhaps none is left.
    pub(crate) fn suspect(&self, session: SessionId) {
        self.0.sold_out.suspect(session);
    }

    /// Listens to the changes of a session from now on, or from where an earlier stream ended. A snapshot taken after
    /// this has answered, and the updates, together miss nothing.
    ///
    /// # Errors
    ///
    /// As [`hold`](Self::hold).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn listen(&self, session: SessionId, after: Option<Cursor>) -> Result<Listener, Problem> {
        let now = self.counts(session).await?;
        self.0.feeds.listen(session, now, after).await
    }

    /// Whether no seat was free a moment ago, without asking the ledger: `true` is at most a second old.
    ///
    /// For refusing cheaply when a rush is over. The flag is raised after a refused hold finds no seat left, goes down at
    /// once when this process sees a seat come back, and by itself within a second otherwise.
    #[must_use]
    pub fn sold_out(&self, session: SessionId) -> bool {
        self.0.sold_out.is_raised(session)
    }

    /// Lets the ledger follow the database for holds that are at least `age` old: seats of paid orders are sold, those
    /// of orders that ended or never came to be are freed. Answers how many orders changed.
    ///
    /// `age` must be longer than it takes to write an order after its hold. A session that is not loaded has no holds.
    ///
    /// # Errors
    ///
    /// `unavailable` when the ledger or the database could not say.
    ///
    /// # Cancel safety
    ///
    /// Some orders may have been followed; repeat it.
    pub async fn sweep(&self, session: SessionId, age: Duration) -> Result<u32, Problem> {
        // First the ledger, then the database: an order that is missing there was not about to come.
        let holds = self.0.ledger.holds(session, age, SWEEP).await?;
        let changed = self.0.rebuilder.follow(session, holds, age).await?;
        if changed > 0 {
            tracing::info!(%session, changed, "holds swept");
            self.0.sold_out.clear(session);
        }
        Ok(changed)
    }

    /// The seats of the sessions on sale at this moment. Sessions that are not loaded are left out, and so are all when
    /// the ledger does not answer in time: no figure is better than an old one.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn on_sale(&self) -> Vec<(SessionId, Counts)> {
        let read = async {
            let mut sessions = Vec::new();
            for session in self.0.rebuilder.on_sale(GAUGES).await? {
                if let Some(counts) = self.0.ledger.counts(session).await? {
                    self.0.sold_out.observe(session, &counts);
                    sessions.push((session, counts));
                }
            }
            Ok::<_, Problem>(sessions)
        };
        match timeout(GAUGES_WITHIN, read).await {
            Ok(Ok(sessions)) => return sessions,
            Ok(Err(problem)) => tracing::debug!(error = chain(&problem), "the seats on sale are not known"),
            Err(_) => tracing::debug!("the seats on sale are not known: counting took too long"),
        }
        Vec::new()
    }

    /// Asks until the ledger is ready, rebuilding it in between.
    async fn ready<T, F, R>(&self, session: SessionId, mut ask: F) -> Result<T, Problem>
    where
        F: FnMut() -> R + Send,
        R: Future<Output = Result<Option<T>, Problem>> + Send,
        T: Send,
    {
        for _ in 0..ATTEMPTS {
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            self.0.rebuilder.rebuild(session, 0).await?;
        }
        ask().await?.ok_or_else(one_moment)
    }
}
