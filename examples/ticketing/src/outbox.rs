//! Messages that commit with the change they speak of, and the time-outs of orders.
//!
//! The outbox is the SQL backend of `nebula-delay-queue` on the platform's own database: a message that is recorded in
//! the transaction of a payment exists exactly if the payment does. Whoever handles one may see it twice, so every
//! handler is idempotent.

use std::time::Duration;

use nebula_delay_queue::{DelayMessage, DelayQueue, QueueName, RetryPolicy, SqlDelayQueue};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::{
    ids::{OrderId, SessionId},
    order::storage::OrderRow,
    problem::{Problem, Result},
};

/// Queue of [`Follow`].
pub const FOLLOW: &str = "ledger.follow";
/// Queue of [`Refund`].
pub const REFUND: &str = "payment.refund";
/// Queue of [`Timeout`].
pub const TIMEOUT: &str = "order.timeout";

/// The seat ledger has to follow the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// The session.
    pub session: SessionId,
    /// The order whose seats change.
    pub order: OrderId,
    /// How they change.
    pub step: Step,
}

/// How the seats of an order change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// LOCKED → SOLD.
    Sell,
    /// LOCKED → AVAILABLE.
    Release,
}

/// The money of a charge goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The provider's name for the charge.
    pub txn: String,
}

/// The time to pay an order is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeout {
    /// The order.
    pub order: OrderId,
}

impl Follow {
    /// The order was paid.
    #[must_use]
    pub fn sell(order: &OrderRow) -> Self {
        Self { session: order.session, order: order.id, step: Step::Sell }
    }

    /// The order ended unpaid.
    #[must_use]
    pub fn release(order: &OrderRow) -> Self {
        Self { session: order.session, order: order.id, step: Step::Release }
    }
}

/// A message that the outbox knows where to send.
pub trait Recorded: Serialize + Sync {
    /// Its queue.
    const QUEUE: &'static str;

    /// Its identity: a second message with it changes nothing while the first waits.
    fn id(&self) -> String;
}

impl Recorded for Follow {
    const QUEUE: &'static str = FOLLOW;

    fn id(&self) -> String {
        let step = match self.step {
            Step::Sell => "sell",
            Step::Release => "release",
        };
        format!("{step}:{}", self.order)
    }
}

impl Recorded for Refund {
    const QUEUE: &'static str = REFUND;

    fn id(&self) -> String {
        self.txn.clone()
    }
}

/// Ten tries over about a quarter of an hour: what this process cannot do now, it or another does after a restart.
fn patiently() -> RetryPolicy {
    RetryPolicy::exponential(10, Duration::from_millis(500)).with_max(Duration::from_secs(300))
}

/// Records messages within the caller's transaction.
#[derive(Clone, Debug)]
pub struct Outbox {
    queue: SqlDelayQueue,
}

impl Outbox {
    /// An outbox on the SQL backend.
    #[must_use]
    pub fn new(queue: SqlDelayQueue) -> Self {
        Self { queue }
    }

    /// Records a message: it exists if, and only if, the transaction commits.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn record<M: Recorded + Clone>(&self, connection: &mut SqliteConnection, message: &M) -> Result<()> {
        let name = QueueName::new(M::QUEUE).map_err(Problem::internal)?;
        let message = DelayMessage::builder()
            .body(message.clone())
            .id(message.id())
            .retry(patiently())
            .build()
            .map_err(Problem::internal)?;
        self.queue.enqueue_in(connection, &name, &message).await.map_err(Problem::unavailable)?;
        Ok(())
    }

    /// Call after the commit: the workers of this process look at once instead of at their next poll.
    pub fn wake(&self) {
        for name in [FOLLOW, REFUND].into_iter().filter_map(|name| QueueName::new(name).ok()) {
            self.queue.notify(&name);
        }
    }
}

/// Arms the time-outs of orders, in the database's transaction or beside it.
#[derive(Clone, Debug)]
pub enum Timeouts {
    /// In the transaction that writes the order.
    Database(SqlDelayQueue),
    /// On a queue of its own, before the order is written.
    Detached(DelayQueue),
}

impl Timeouts {
    /// Arms a time-out beside the database; nothing to do where it is armed within.
    ///
    /// # Errors
    ///
    /// When the queue cannot be reached.
    pub async fn arm(&self, order: OrderId, after: Duration) -> Result<()> {
        if let Self::Detached(queue) = self {
            queue.send(TIMEOUT, &message(order, after)?).await.map_err(Problem::unavailable)?;
        }
        Ok(())
    }

    /// Arms a time-out within the transaction that writes the order; nothing to do where it is armed beside.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn arm_in(&self, connection: &mut SqliteConnection, order: OrderId, after: Duration) -> Result<()> {
        if let Self::Database(queue) = self {
            let name = QueueName::new(TIMEOUT).map_err(Problem::internal)?;
            queue.enqueue_in(connection, &name, &message(order, after)?).await.map_err(Problem::unavailable)?;
        }
        Ok(())
    }
}

fn message(order: OrderId, after: Duration) -> Result<DelayMessage<Timeout>> {
    DelayMessage::builder()
        .body(Timeout { order })
        .id(order.to_string())
        .delay(after)
        .retry(patiently())
        .build()
        .map_err(Problem::internal)
}
