//! The ledgers under test, and what tests ask of them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use nebula_redis::{Connection, RedisConfig};
use nebula_test_support::{redis_url, unique};
use ticketing::{
    ids::{OrderId, SessionId, UserId},
    inventory::{
        Hold, HoldRequest, ImageOrder, LedgerImage, Load, MemoryLedger, RedisLedger, SeatLedger, SeatState, Snapshot,
    },
};

/// A ledger under test.
#[async_trait]
pub(crate) trait Fixture: Send + Sync {
    /// One that keeps at least `log` steps of each session.
    async fn with_log(log: usize) -> Self
    where
        Self: Sized;

    /// The ledger.
    fn ledger(&self) -> Arc<dyn SeatLedger>;

    /// Makes the hold of `order` older, without waiting.
    async fn make_older(&self, session: SessionId, order: OrderId, by: Duration);
}

/// In memory, on paused time.
pub(crate) struct Memory(Arc<MemoryLedger>);

#[async_trait]
impl Fixture for Memory {
    async fn with_log(log: usize) -> Self {
        Self(Arc::new(MemoryLedger::new().with_log(log)))
    }

    fn ledger(&self) -> Arc<dyn SeatLedger> {
        Arc::clone(&self.0) as _
    }

    async fn make_older(&self, _: SessionId, _: OrderId, by: Duration) {
        tokio::time::advance(by).await;
    }
}

/// On the Redis server that the tests share.
pub(crate) struct Redis {
    ledger: Arc<RedisLedger>,
    prefix: String,
    connection: Connection,
}

impl Redis {
    async fn new(log: usize, change: impl FnOnce(RedisLedger) -> RedisLedger) -> Self {
        let config = RedisConfig::new(redis_url().await).with_response_timeout(Duration::from_secs(20));
        let prefix = format!("{}:", unique("seats"));
        let ledger = change(redis_ledger(&config).with_prefix(&prefix).with_log(log));
        Self { ledger: Arc::new(ledger), prefix, connection: config.connect().await.unwrap() }
    }
}

#[async_trait]
impl Fixture for Redis {
    async fn with_log(log: usize) -> Self {
        Self::new(log, |ledger| ledger).await
    }

    fn ledger(&self) -> Arc<dyn SeatLedger> {
        Arc::clone(&self.ledger) as _
    }

    async fn make_older(&self, session: SessionId, order: OrderId, by: Duration) {
        let key = format!("{}{{{session}}}:ages", self.prefix);
        let by = -i64::try_from(by.as_millis()).unwrap();
        let mut connection = self.connection.clone();
        redis::cmd("ZINCRBY").arg(key).arg(by).arg(order.to_string()).exec_async(&mut connection).await.unwrap();
    }
}

/// On Redis, where also a single hold goes the way of those that share a call.
pub(crate) struct Gathered(Redis);

#[async_trait]
impl Fixture for Gathered {
    async fn with_log(log: usize) -> Self {
        Self(Redis::new(log, |ledger| ledger.with_group_commit(0)).await)
    }

    fn ledger(&self) -> Arc<dyn SeatLedger> {
        self.0.ledger()
    }

    async fn make_older(&self, session: SessionId, order: OrderId, by: Duration) {
        self.0.make_older(session, order, by).await;
    }
}

/// A ledger on the server that `config` names.
pub(crate) fn redis_ledger(config: &RedisConfig) -> RedisLedger {
    RedisLedger::new(config.pinned_manager().unwrap(), config.subscriber().unwrap())
}

/// A request of a fresh order and user.
pub(crate) fn request(session: SessionId, seats: &[u32]) -> HoldRequest {
    HoldRequest { session, order: OrderId::new(), user: UserId::new(), seats: seats.to_vec() }
}

/// An image of a session of which nothing is taken.
pub(crate) fn empty(epoch: i64, seats: u32) -> LedgerImage {
    LedgerImage { epoch, seats, seats_per_user: 4, orders: Vec::new() }
}

/// An order of a fresh user.
pub(crate) fn image_order(seats: &[u32], sold: bool) -> ImageOrder {
    ImageOrder { order: OrderId::new(), user: UserId::new(), seats: seats.to_vec(), sold }
}

/// Loads a fresh session of `seats` free seats, four to a user, under epoch 1.
pub(crate) async fn open(ledger: &dyn SeatLedger, seats: u32) -> SessionId {
    let session = SessionId::new();
    assert_eq!(ledger.load(session, &empty(1, seats)).await.unwrap(), Load::Done);
    session
}

/// Holds seats that must be free.
pub(crate) async fn held(ledger: &dyn SeatLedger, session: SessionId, seats: &[u32]) -> HoldRequest {
    let request = request(session, seats);
    assert!(matches!(ledger.hold(&request).await.unwrap(), Hold::Held { .. }));
    request
}

/// The letters of a session that must be loaded.
pub(crate) async fn letters(ledger: &dyn SeatLedger, session: SessionId) -> String {
    text(&ledger.snapshot(session).await.unwrap().unwrap())
}

/// The letters of a snapshot.
pub(crate) fn text(snapshot: &Snapshot) -> String {
    snapshot.states.iter().map(|state| SeatState::letter(*state)).collect()
}
