//! Configuration of a relay.

use std::time::Duration;

use serde::Deserialize;

use super::Relay;
use crate::{DelayQueueConfig, Error, ErrorKind, Provider, QueueName, Result, duration};

/// A [`Relay`] by configuration, for example the section `nebula.relay`. Unknown keys are refused; durations are text such as
/// `"1m"` or integers in milliseconds.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `queues` | required | whose messages it moves; their names without the target's `queue-prefix` |
/// | `batch` | 200 | as many messages at a time, 500 at most |
/// | `lease` | 30 s | how long messages are kept from other relays while they are moved |
/// | `outbox` | required | the database of the [`Outbox`](crate::Outbox), with the keys of [`DelayQueueConfig`]: `sqlite`, `postgres` or `mysql` |
/// | `target` | required | where messages are worked off, with the same keys: `redis` or `rabbitmq`, or another database |
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use nebula_delay_queue::{MemoryDelayQueue, RelayConfig};
///
/// let config: RelayConfig = serde_json::from_str(
///     r#"{
///         "queues": ["order.timeout"],
///         "outbox": { "provider": "postgres", "postgres": { "url": "postgres://db.internal/orders" } },
///         "target": { "provider": "redis", "redis": { "url": "redis://queue.internal/" } }
///     }"#,
/// )?;
/// // In an application: config.connect().await?
/// let relay = config.connect_with(MemoryDelayQueue::new(), MemoryDelayQueue::new())?.start()?;
/// relay.shutdown(Duration::from_secs(10)).await;
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RelayConfig {
    queues: Vec<QueueName>,
    #[serde(default)]
    batch: Option<usize>,
    #[serde(default, deserialize_with = "duration::optional")]
    lease: Option<Duration>,
    outbox: DelayQueueConfig,
    target: DelayQueueConfig,
}

impl RelayConfig {
    /// A relay for these queues, with the defaults.
    #[must_use]
    pub fn new(
        queues: impl IntoIterator<Item = QueueName>,
        outbox: DelayQueueConfig,
        target: DelayQueueConfig,
    ) -> Self {
        Self { queues: queues.into_iter().collect(), batch: None, lease: None, outbox, target }
    }

    /// Connects to both sides, creates the outbox's tables if they are missing, and returns the relay, to be
    /// [started](Relay::start).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] without queues, if the outbox is not in a database or the target is in memory, and
    /// otherwise as [`DelayQueueConfig::connect`], for either side.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was opened is closed.
    pub async fn connect(&self) -> Result<Relay> {
        let invalid = |text: &str| Err(Error::new(ErrorKind::ConfigInvalid, text.to_owned()));
        if !matches!(self.outbox.provider()?, Provider::Sqlite | Provider::Postgres | Provider::MySql) {
            return invalid("an outbox is in a database: `outbox.provider` has to be `sqlite`, `postgres` or `mysql`");
        }
        if self.target.provider()? == Provider::Memory {
            return invalid("what a relay moves has to go somewhere: set `target.provider`");
        }
        if self.queues.is_empty() {
            return invalid("a relay needs at least one queue in `queues`");
        }
        let (outbox, target) = (self.outbox.connect().await?, self.target.connect().await?);
        self.connect_with(outbox.backend().clone(), target.backend().clone())
    }

    /// A relay with these settings between backends that the application brings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if a queue's name is too long with the prefixes.
    pub fn connect_with(
        &self,
        outbox: impl crate::DelayQueueBackend,
        target: impl crate::DelayQueueBackend,
    ) -> Result<Relay> {
        // Only for the names: the prefix is the target's.
        let names = self.target.connect_with(crate::MemoryDelayQueue::new());
        let mut relay = Relay::new(outbox, target);
        for queue in &self.queues {
            relay = relay.queue(names.name(queue.as_str())?)?;
        }
        if let Some(batch) = self.batch {
            relay = relay.batch(batch);
        }
        if let Some(lease) = self.lease {
            relay = relay.lease(lease);
        }
        Ok(relay)
    }
}
