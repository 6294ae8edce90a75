//! One delivery: from its lease to a verdict.

use std::{
    future::{Future, poll_fn},
    panic::AssertUnwindSafe,
    pin::pin,
    task::Poll,
};

use futures_util::FutureExt;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use super::{lease::Lease, run::Core};
use crate::{
    Bury, DeadReason, DelayQueueListener, Delivery, MAX_DELAY, Outcome, Receipt, Received, Retry, error::chain,
    listener::panic_text, message, telemetry,
};

/// What is to be done about a delivery.
#[derive(Debug)]
pub(super) enum Verdict {
    Ack(Receipt),
    Retry(Retry),
    Bury(Bury),
    /// The lease is gone: there is nothing that may be said about the message.
    Lost(Receipt),
}

impl Verdict {
    /// Gives the message back as if it had never been claimed.
    fn give_back(receipt: Receipt) -> Self {
        Self::Retry(Retry { receipt, after: std::time::Duration::ZERO, error: None, counted: false })
    }
}

impl<L: DelayQueueListener> Core<L> {
    /// Waits for a free slot, then handles the message, unless it must be let go before.
    pub(super) async fn process(&self, delivery: Delivery, lease: &Lease) -> Verdict {
        let receipt = delivery.receipt();
        if self.control.stop.is_cancelled() {
            return self.let_go(receipt, lease).await;
        }
        let slot = match self.slots.try_acquire() {
            Ok(slot) => Ok(slot),
            Err(_) => tokio::select! {
                biased;
                () = self.control.stop.cancelled() => return self.let_go(receipt, lease).await,
                () = lease.ended() => return Verdict::Lost(receipt),
                slot = self.slots.acquire() => slot,
            },
        };
        // Most handlers are done before there is anything to watch: alarms are set only for those that are not.
        let mut judged = pin!(self.judge(delivery, lease));
        let unless_over = poll_fn(|context| match !self.control.abort.is_cancelled() && lease.check() {
            true => judged.as_mut().poll(context),
            false => Poll::Pending,
        });
        let verdict = tokio::select! {
            biased;
            verdict = unless_over => verdict,
            () = self.control.abort.cancelled() => Verdict::give_back(receipt),
            () = lease.ended() => Verdict::Lost(receipt),
        };
        drop(slot);
        verdict
    }

    /// Gives back what has not begun, once no claim is under way that would only get it again.
    async fn let_go(&self, receipt: Receipt, lease: &Lease) -> Verdict {
        tokio::select! {
            biased;
            () = self.claimed_out.cancelled() => Verdict::give_back(receipt),
            () = lease.ended() => Verdict::Lost(receipt),
        }
    }

    async fn judge(&self, delivery: Delivery, lease: &Lease) -> Verdict {
        let receipt = delivery.receipt();
        let attempt = delivery.attempt;
        let policy = delivery.message.retry.clone().unwrap_or_else(|| self.retry.clone());
        if attempt > policy.times().saturating_add(1) {
            return self.bury(receipt, attempt, DeadReason::Abandoned, None);
        }
        if delivery.message.expires_after.is_some_and(|ttl| delivery.overdue > ttl) {
            return self.bury(receipt, attempt, DeadReason::Expired, None);
        }
        let body = match message::decode(&delivery.message.body) {
            Ok(body) => body,
            Err(error) => return self.bury(receipt, attempt, DeadReason::Undecodable, Some(chain(&*error))),
        };
        let span = tracing::info_span!(
            "delay_queue.handle",
            queue = %self.queue,
            id = %receipt.id,
            attempt,
            traceparent = delivery.message.headers.get(message::TRACEPARENT),
        );
        let received = Received::new(self.queue.clone(), delivery, body, lease.lost.clone());
        let started = Instant::now();
        let handled = self.call(received).instrument(span).await;
        telemetry::handler_ran(&self.queue, started.elapsed());
        let (error, pause) = match handled {
            Ok(Outcome::Done) => return Verdict::Ack(receipt),
            Ok(Outcome::DeadLetter(reason)) => {
                return self.bury(receipt, attempt, DeadReason::Rejected(reason), None);
            }
            Ok(Outcome::RetryAfter(pause)) => {
                let left = attempt <= policy.times();
                ("the handler asked for another attempt".to_owned(), left.then(|| pause.min(MAX_DELAY)))
            }
            Err(error) => (error, policy.pause(attempt).map(|pause| pause.min(MAX_DELAY))),
        };
        match pause {
            Some(after) => {
                tracing::info!(queue = %self.queue, id = %receipt.id, attempt, ?after, error, "message will be retried");
                Verdict::Retry(Retry { receipt, after, error: Some(error), counted: true })
            }
            None => self.bury(receipt, attempt, DeadReason::RetriesExhausted, Some(error)),
        }
    }

    /// Calls the handler; a panic and a missed deadline are errors like any other.
    async fn call(&self, received: Received<L::Message>) -> Result<Outcome, String> {
        let deadline = self.options.get_handler_timeout();
        // The closure defers the call itself, which may panic before there is a future.
        let handler = AssertUnwindSafe(async { self.listener.on_message(received).await }).catch_unwind();
        match timeout(deadline, handler).await {
            Ok(Ok(Ok(outcome))) => Ok(outcome),
            Ok(Ok(Err(error))) => Err(chain(&*error)),
            Ok(Err(panic)) => Err(format!("the handler panicked: {}", panic_text(&*panic))),
            Err(_) => Err(format!("the handler took longer than {}", humantime::format_duration(deadline))),
        }
    }

    fn bury(&self, receipt: Receipt, attempt: u32, reason: DeadReason, error: Option<String>) -> Verdict {
        tracing::warn!(
            queue = %self.queue, id = %receipt.id, attempt, %reason, error = error.as_deref(), "message becomes a dead letter"
        );
        Verdict::Bury(Bury { receipt, reason, error })
    }
}
