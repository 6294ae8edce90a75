//! One queue's messages on their way from the outbox.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{envelope::unpack, status::Tally};
use crate::{
    Bury, DeadReason, DelayQueueBackend, Delivery, Error, QueueName, RawMessage, Receipt, Result, Retry, SendOutcome,
    error::chain, telemetry,
};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long what was given back is left alone.
const AGAIN: Duration = Duration::from_millis(500);

pub(super) struct Line {
    pub(super) source: Arc<dyn DelayQueueBackend>,
    pub(super) target: Arc<dyn DelayQueueBackend>,
    pub(super) outbox: QueueName,
    pub(super) queue: QueueName,
    pub(super) batch: usize,
    pub(super) lease: Duration,
    pub(super) stop: CancellationToken,
    pub(super) tally: Tally,
}

/// A message that was taken out of the outbox.
struct Parcel {
    receipt: Receipt,
    message: RawMessage,
    /// For how long it had been there when it was taken.
    waited: Duration,
}

impl Line {
    pub(super) async fn run(self) {
        let mut wakeups = self.source.wakeups(&self.outbox);
        let poll = self.source.poll_interval();
        let mut pause = FIRST_PAUSE;
        while !self.stop.is_cancelled() {
            let nap = match self.turn().await {
                Ok(Some(next)) => {
                    pause = FIRST_PAUSE;
                    next.min(poll)
                }
                Ok(None) => {
                    pause = FIRST_PAUSE;
                    continue;
                }
                Err(error) => {
                    self.tally.change(|status| status.failures += 1);
                    telemetry::relay_failed(&self.queue);
                    tracing::warn!(queue = %self.queue, error = chain(&error), ?pause, "could not move messages on");
                    let nap = pause.mul_f64(1.0 - 0.5 * rand::random::<f64>());
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    tokio::select! {
                        () = self.stop.cancelled() => return,
                        () = sleep(nap) => continue,
                    }
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(nap) => {}
                () = wakeups.next() => {}
            }
        }
    }

    /// Moves one batch; if there is none, tells how long to sleep.
    async fn turn(&self) -> Result<Option<Duration>> {
        let claimed = self.source.claim(&self.outbox, self.batch, self.lease).await?;
        if claimed.deliveries.is_empty() {
            return Ok(Some(claimed.next_due.unwrap_or(Duration::MAX)));
        }
        let taken = Instant::now();
        let parcels: Vec<_> = claimed.deliveries.into_iter().map(Parcel::of).collect();
        let sent = match self.send(&parcels, taken).await {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(error) if error.is_retryable() || parcels.len() == 1 => {
                let refused = !error.is_retryable();
                if !refused {
                    self.give_back(&parcels, &error).await?;
                    return Err(error);
                }
                vec![Err(error)]
            }
            // One of them is refused for good: each on its own.
            Err(_) => self.send_each(&parcels, taken).await,
        };
        self.settle(&parcels, sent, taken).await?;
        Ok(None)
    }

    async fn send(&self, parcels: &[Parcel], taken: Instant) -> Result<Vec<SendOutcome>> {
        let waited = |parcel: &Parcel| parcel.waited + taken.elapsed();
        let messages = parcels.iter().map(|parcel| unpack(parcel.message.clone(), waited(parcel)));
        self.target.enqueue_batch(&self.queue, messages.collect()).await
    }

    async fn send_each(&self, parcels: &[Parcel], taken: Instant) -> Vec<Result<SendOutcome>> {
        let mut sent = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            let message = unpack(parcel.message.clone(), parcel.waited + taken.elapsed());
            sent.push(self.target.enqueue(&self.queue, message).await);
        }
        sent
    }

    /// Takes out of the outbox what the other backend has; what it will never take is a dead letter.
    async fn settle(&self, parcels: &[Parcel], sent: Vec<Result<SendOutcome>>, taken: Instant) -> Result<()> {
        let (mut there, mut refused, mut again) = (Vec::new(), Vec::new(), Vec::new());
        let (mut moved, mut duplicates) = (Vec::new(), 0);
        for (parcel, sent) in parcels.iter().zip(sent) {
            match sent {
                Ok(outcome) => {
                    there.push(parcel.receipt.clone());
                    match outcome {
                        SendOutcome::Accepted(_) => moved.push(parcel.waited + taken.elapsed()),
                        SendOutcome::Duplicate(_) => duplicates += 1,
                    }
                }
                Err(error) if error.is_retryable() => again.push(retry(parcel, &error)),
                Err(error) => {
                    let text = chain(&error);
                    tracing::error!(queue = %self.queue, id = %parcel.receipt.id, error = text, "a message cannot be moved on");
                    let reason = DeadReason::Rejected("the relay's target refuses it".to_owned());
                    refused.push(Bury { receipt: parcel.receipt.clone(), reason, error: Some(text) });
                }
            }
        }
        // `Stale` means that the lease ended first: another relay moves it again, and its id says what it is.
        let _ = self.source.ack(&self.outbox, &there).await?;
        self.tally.change(|status| {
            status.moved += moved.len() as u64;
            status.duplicates += duplicates;
            status.refused += refused.len() as u64;
            status.lag = moved.last().copied().unwrap_or(status.lag);
        });
        telemetry::relayed(&self.queue, &moved, duplicates, refused.len() as u64);
        let _ = self.source.bury(&self.outbox, &refused).await?;
        let _ = self.source.retry(&self.outbox, &again).await?;
        Ok(())
    }

    async fn give_back(&self, parcels: &[Parcel], error: &Error) -> Result<()> {
        let requests: Vec<_> = parcels.iter().map(|parcel| retry(parcel, error)).collect();
        let _ = self.source.retry(&self.outbox, &requests).await?;
        Ok(())
    }
}

impl Parcel {
    fn of(delivery: Delivery) -> Self {
        Self { receipt: delivery.receipt(), waited: delivery.overdue, message: delivery.message }
    }
}

fn retry(parcel: &Parcel, error: &Error) -> Retry {
    let receipt = parcel.receipt.clone();
    Retry { receipt, after: AGAIN, error: Some(chain(error)), counted: false }
}
