//! Looking after queues: snapshots, lives of messages, and the alarm for those that do not come.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    Counts, DelayQueue, Error, ErrorKind, MessageId, Pending, QueueName, QueueStats, Result, TraceEvent, TraceStore,
    error::chain,
    observed::Observed,
    telemetry,
    trace::{Recorder, with_due},
};

/// As many missing messages as one look names.
const NAMED: usize = 100;

/// A queue at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// What the backend counts: everybody's messages.
    pub stats: QueueStats,
    /// What passed through this handle and its clones.
    pub counts: Counts,
}

impl DelayQueue {
    /// Lets `store` keep the lives of messages that are sent or handled through this handle and clones made from now on.
    ///
    /// Events are written beside the work: if the store is slow or away, the work goes on and events are missing
    /// (`nebula_delay_queue_trace_lost_total` counts them). All processes that send or handle should share one store.
    #[must_use]
    pub fn with_trace(mut self, store: impl TraceStore) -> Self {
        let recorder = Recorder::new(Arc::new(store));
        self.recorder = Some(recorder.clone());
        self.backend = Arc::new(Observed::new(Arc::clone(&self.inner), self.tallies.clone(), Some(recorder)));
        self
    }

    fn recorder(&self) -> Result<&Recorder> {
        self.recorder.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "nobody keeps the lives of messages: see `DelayQueue::with_trace`")
        })
    }

    /// The life of a message, as far as it is known: scheduled, due, delivered, retried, dead, done, each with its time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] without [`with_trace`](Self::with_trace), [`ErrorKind::InvalidName`] for a bad name or
    /// id, and what the store reports.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    pub async fn trace<Q, I>(&self, queue: Q, id: I) -> Result<Vec<TraceEvent>>
    where
        Q: TryInto<QueueName> + Send,
        Q::Error: Into<Error>,
        I: TryInto<MessageId> + Send,
        I::Error: Into<Error>,
    {
        let (queue, id) = (self.name(queue)?, id.try_into().map_err(Into::into)?);
        let recorder = self.recorder()?;
        recorder.flush().await;
        Ok(with_due(recorder.store.trace(&queue, &id).await?, SystemTime::now()))
    }

    /// Messages that wait for their delivery, the longest due first; at most `limit`, and at most [`MOST_PEEKED`](crate::MOST_PEEKED).
    ///
    /// The backend is asked, and where it cannot tell (RabbitMQ), the trace store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if the backend cannot look and there is no trace store, [`ErrorKind::InvalidName`] for a bad
    /// name, and what the backend or the store reports.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    pub async fn peek<Q>(&self, queue: Q, limit: usize) -> Result<Vec<Pending>>
    where
        Q: TryInto<QueueName> + Send,
        Q::Error: Into<Error>,
    {
        let (queue, limit) = (self.name(queue)?, limit.min(crate::MOST_PEEKED));
        match (self.backend().peek(&queue, limit).await, &self.recorder) {
            (Err(error), Some(recorder)) if error.kind() == ErrorKind::Unsupported => {
                recorder.flush().await;
                recorder.store.pending(&queue, SystemTime::now() + crate::MAX_DELAY * 2, limit).await
            }
            (answer, _) => answer,
        }
    }

    /// Messages that should have been delivered longer than `grace` ago and have not been: lost, or waiting for workers
    /// that are not there. At most `limit`.
    ///
    /// # Errors
    ///
    /// As [`trace`](Self::trace).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    pub async fn missing<Q>(&self, queue: Q, grace: Duration, limit: usize) -> Result<Vec<Pending>>
    where
        Q: TryInto<QueueName> + Send,
        Q::Error: Into<Error>,
    {
        let queue = self.name(queue)?;
        let recorder = self.recorder()?;
        recorder.flush().await;
        let by = SystemTime::now().checked_sub(grace).unwrap_or(SystemTime::UNIX_EPOCH);
        recorder.store.pending(&queue, by, limit).await
    }

    /// The full names of all queues that hold a message, and of those that the trace store knows of, in alphabetical order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if the backend cannot tell (RabbitMQ) and there is no trace store, and what the backend or the
    /// store reports.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    pub async fn queues(&self) -> Result<Vec<QueueName>> {
        let held = self.backend().queues().await;
        let Some(recorder) = &self.recorder else { return held };
        let mut names: BTreeSet<_> = match held {
            Err(error) if error.kind() == ErrorKind::Unsupported => BTreeSet::new(),
            held => held?.into_iter().collect(),
        };
        recorder.flush().await;
        names.extend(recorder.store.queues().await?);
        Ok(names.into_iter().collect())
    }

    /// How many messages of a queue are where, and what passed through this handle. Also sets the backlog gauges.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    pub async fn snapshot<Q>(&self, queue: Q) -> Result<Snapshot>
    where
        Q: TryInto<QueueName> + Send,
        Q::Error: Into<Error>,
    {
        let queue = self.name(queue)?;
        let stats = self.backend().stats(&queue).await?;
        telemetry::stats(&queue, &stats);
        Ok(Snapshot { stats, counts: self.tallies.of(&queue) })
    }

    /// Looks after a queue every `every`, until [`shutdown`](Self::shutdown): sets the backlog gauges and, with
    /// [`with_trace`](Self::with_trace), the gauge `nebula_delay_queue_missing`, and logs an error that names messages
    /// that should have been delivered longer than `grace` ago.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] for a bad name, [`ErrorKind::ConfigInvalid`] if `every` is zero or there is no tokio
    /// runtime, [`ErrorKind::Closed`] after a shutdown.
    pub fn watch<Q>(&self, queue: Q, every: Duration, grace: Duration) -> Result<()>
    where
        Q: TryInto<QueueName>,
        Q::Error: Into<Error>,
    {
        let name = self.name(queue)?;
        self.check_open()?;
        if every.is_zero() {
            return Err(Error::new(ErrorKind::ConfigInvalid, "a queue is looked after at intervals longer than zero"));
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::ConfigInvalid, "looking after a queue needs a tokio runtime").with_source(error)
        })?;
        let (handle, closed) = (self.clone(), self.closed());
        let looking = async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if let Err(error) = handle.look(&name, grace).await {
                    tracing::warn!(queue = %name, error = chain(&error), "could not look after a queue");
                }
            }
        };
        runtime.spawn(closed.run_until_cancelled_owned(looking));
        Ok(())
    }

    async fn look(&self, queue: &QueueName, grace: Duration) -> Result<()> {
        telemetry::stats(queue, &self.backend().stats(queue).await?);
        let Some(recorder) = &self.recorder else { return Ok(()) };
        recorder.flush().await;
        let by = SystemTime::now().checked_sub(grace).unwrap_or(SystemTime::UNIX_EPOCH);
        let missing = recorder.store.pending(queue, by, NAMED).await?;
        telemetry::missing(queue, missing.len());
        if let Some(first) = missing.first() {
            let ids: Vec<_> = missing.iter().take(5).map(|pending| pending.id.as_str()).collect();
            let late = SystemTime::now().duration_since(first.due).unwrap_or_default();
            tracing::error!(%queue, at_least = missing.len(), ?late, ?ids, "messages are due and have not been delivered");
        }
        Ok(())
    }
}
