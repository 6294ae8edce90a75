//! Rebuilding a session's ledger from the database.
//!
//! The database numbers the generations: a rebuild opens a new epoch in a write transaction, reads sold seats and live
//! orders, and loads them under that epoch. Three rules make any number of rebuilds at the same time safe, crashes
//! between the steps included:
//!
//! * an order is written only if the session's epoch is the one of its hold, so whatever was held before is void;
//! * a ledger takes an image only under a greater epoch than it knows, so a slow rebuild cannot undo a later one;
//! * orders that end while the image is on its way are looked up again after it is loaded.
//!
//! The distributed lock only saves work: without it, processes would void each other's generations.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use nebula_lock::{LockManager, distributed_lock};
use parking_lot::Mutex;
use tokio::{sync::watch, time::timeout};

use super::{Load, SeatLedger, truth};
use crate::{
    ids::{OrderId, SessionId},
    problem::{Code, Problem, chain},
    storage::Database,
};

/// What the key of the lock of a rebuild begins with; the session follows.
pub const REBUILD_LOCK: &str = "ledger:";
/// How long a caller waits for a rebuild before it is told to ask again.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a rebuild may take, waiting for other processes included.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long a failure stands as the answer: a database that is down is not asked by every buyer.
const BACK_OFF: Duration = Duration::from_millis(250);
/// Epochs tried before giving up; the second one is above all that the ledger knows.
const ATTEMPTS: u32 = 3;

/// Rebuilds ledgers, at most one at a time for each session of this process.
#[derive(Debug)]
pub(super) struct Rebuilder {
    ledger: Arc<dyn SeatLedger>,
    locks: LockManager,
    database: Database,
    flights: Mutex<HashMap<SessionId, Flight>>,
}

type Flight = watch::Receiver<Option<Outcome>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ready,
    NoSuchSession,
    Failed,
}

impl Rebuilder {
    pub(super) fn new(ledger: Arc<dyn SeatLedger>, locks: LockManager, database: Database) -> Self {
        Self { ledger, locks, database, flights: Mutex::default() }
    }

    /// Makes the ledger ready under an epoch greater than `beyond`, which is the one found lacking (0: any will do).
    /// The rebuild goes on when the caller leaves.
    pub(super) async fn rebuild(self: &Arc<Self>, session: SessionId, beyond: i64) -> Result<(), Problem> {
        if !truth::exists(&self.database, session).await? {
            return Err(Problem::not_found("session"));
        }
        let mut flight = self.board(session, beyond);
        let ended = timeout(PATIENCE, flight.wait_for(Option::is_some)).await;
        match ended.ok().and_then(Result::ok).and_then(|outcome| *outcome) {
            Some(Outcome::Ready) => Ok(()),
            Some(Outcome::NoSuchSession) => Err(Problem::not_found("session")),
            Some(Outcome::Failed) | None => Err(one_moment()),
        }
    }

    pub(super) async fn on_sale(&self, limit: u32) -> Result<Vec<SessionId>, Problem> {
        truth::on_sale(&self.database, limit).await
    }

    /// Joins the rebuild that is under way, or starts one.
    fn board(self: &Arc<Self>, session: SessionId, beyond: i64) -> Flight {
        let mut flights = self.flights.lock();
        if let Some(flight) = flights.get(&session) {
            return flight.clone();
        }
        let (arrival, flight) = watch::channel(None);
        flights.insert(session, flight.clone());
        let landing = Landing { rebuilder: Arc::clone(self), session };
        tokio::spawn(async move {
            let this = &landing.rebuilder;
            let outcome = match timeout(DEADLINE, this.run(session, beyond)).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(problem)) => {
                    tracing::warn!(%session, error = chain(&problem), "a seat ledger could not be rebuilt");
                    Outcome::Failed
                }
                Err(_) => {
                    tracing::warn!(%session, "rebuilding a seat ledger took too long");
                    Outcome::Failed
                }
            };
            metrics::counter!("ticketing_ledger_rebuilds_total", "outcome" => outcome.label()).increment(1);
            arrival.send_replace(Some(outcome));
            if outcome == Outcome::Failed {
                tokio::time::sleep(BACK_OFF).await;
            }
        });
        flight
    }

    #[distributed_lock(manager = self.locks, key = format!("{REBUILD_LOCK}{session}"), wait = DEADLINE, fence = token)]
    async fn run(&self, session: SessionId, beyond: i64) -> Result<Outcome, Problem> {
        let mut at_least = i64::try_from(token.get()).unwrap_or(0).max(beyond.saturating_add(1));
        for _ in 0..ATTEMPTS {
            // Another process may have been first.
            if self.ledger.counts(session).await?.is_some_and(|counts| counts.cursor.epoch > beyond) {
                return Ok(Outcome::Ready);
            }
            let Some(generation) = truth::open_epoch(&self.database, session, at_least).await? else {
                return Ok(Outcome::NoSuchSession);
            };
            let image = truth::image(&self.database, session, generation).await?;
            match self.ledger.load(session, &image).await? {
                Load::Done => {
                    tracing::info!(%session, epoch = image.epoch, orders = image.orders.len(), "seat ledger rebuilt");
                    let unsold = image.orders.iter().filter(|order| !order.sold).map(|order| order.order);
                    self.follow(session, unsold.collect(), Duration::ZERO).await?;
                    return Ok(Outcome::Ready);
                }
                Load::Behind { present } => at_least = present.saturating_add(1),
            }
        }
        Err(Problem::internal("the ledger's epoch runs ahead of the database's"))
    }

    /// Lets the ledger follow the database for orders that it has as unsold: those that are paid are sold, those that
    /// ended or never came to be are released if their hold is at least `age` old. Answers how many changed.
    pub(super) async fn follow(&self, session: SessionId, orders: Vec<OrderId>, age: Duration) -> Result<u32, Problem> {
        if orders.is_empty() {
            return Ok(0);
        }
        let live: HashSet<OrderId> = truth::live(&self.database, session).await?;
        let mut changed = 0;
        for order in orders.into_iter().filter(|order| !live.contains(order)) {
            let settled = if truth::is_sold(&self.database, order).await? {
                self.ledger.sell(session, order).await?
            } else {
                self.ledger.expire(session, order, age).await?
            };
            changed += u32::from(matches!(settled, super::Settled::Changed(_)));
        }
        Ok(changed)
    }
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::NoSuchSession => "no-such-session",
            Self::Failed => "failed",
        }
    }
}

/// Takes the flight off the board, however it ends.
struct Landing {
    rebuilder: Arc<Rebuilder>,
    session: SessionId,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.rebuilder.flights.lock().remove(&self.session);
    }
}

pub(super) fn one_moment() -> Problem {
    Problem::new(Code::OneMoment, "The seats of this session are being counted.")
}
