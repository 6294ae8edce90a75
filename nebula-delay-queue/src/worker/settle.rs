//! Tells the backend what became of deliveries, in batches that grow with the load.

use std::{borrow::Cow, sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::sleep};

use super::{Drained, Signal, handle::Verdict, lease::Held};
use crate::{Bury, DelayQueueBackend, QueueName, Receipt, Result, Retry, Settled, error::chain, telemetry};

/// As many settlements as go into one request.
const BATCH: usize = 500;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Settler {
    pub(super) backend: Arc<dyn DelayQueueBackend>,
    pub(super) queue: QueueName,
    pub(super) held: Arc<Held>,
    pub(super) stop: Signal,
}

impl Settler {
    /// Settles until all senders are gone; counts what came after the stop signal.
    pub(super) async fn run(self, mut verdicts: mpsc::UnboundedReceiver<Verdict>) -> Drained {
        let mut drained = Drained::default();
        let mut batch = Vec::new();
        while verdicts.recv_many(&mut batch, BATCH).await > 0 {
            let settled = self.settle(std::mem::take(&mut batch)).await;
            if self.stop.is_cancelled() {
                drained += settled;
            }
        }
        drained
    }

    async fn settle(&self, batch: Vec<Verdict>) -> Drained {
        let (mut acks, mut retries, mut returns, mut buries) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut lost = Vec::new();
        for verdict in batch {
            match verdict {
                Verdict::Ack(receipt) => acks.push(receipt),
                Verdict::Retry(retry) if retry.counted => retries.push(retry),
                Verdict::Retry(retry) => returns.push(retry),
                Verdict::Bury(bury) => buries.push(bury),
                Verdict::Lost(receipt) => lost.push(receipt),
            }
        }
        if !lost.is_empty() {
            self.held.remove(&lost);
        }
        let lost = lost.len() as u64;
        self.report_lost(lost);
        let (mut finished, mut returned, mut unsettled) = (0, 0, lost);
        for request in [Request::Ack(acks), Request::Retry(retries), Request::Return(returns), Request::Bury(buries)] {
            let (done, not_done) = self.tell(&request).await;
            unsettled += not_done;
            match request {
                Request::Return(_) => returned += done,
                _ => finished += done,
            }
        }
        Drained { finished, returned, unsettled }
    }

    /// Makes one request, again and again while that makes sense; returns how many were settled and how many not.
    async fn tell(&self, request: &Request) -> (u64, u64) {
        let receipts = request.receipts();
        if receipts.is_empty() {
            return (0, 0);
        }
        let mut pause = FIRST_PAUSE;
        let results = loop {
            match request.send(&*self.backend, &self.queue).await {
                Ok(results) => break results,
                Err(error) => {
                    telemetry::worker_error(&self.queue, request.name());
                    tracing::warn!(queue = %self.queue, error = chain(&error), operation = request.name(), "could not settle");
                    let valid =
                        receipts.iter().any(|receipt| self.held.get(receipt).is_some_and(|held| held.is_valid()));
                    if !error.is_retryable() || !valid {
                        break Vec::new();
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        };
        self.held.remove(&receipts);
        request.report_dead(&self.queue, &results);
        let done = results.iter().filter(|result| **result == Settled::Done).count() as u64;
        let not_done = receipts.len() as u64 - done;
        telemetry::handled(&self.queue, request.result(), done);
        self.report_lost(not_done);
        (done, not_done)
    }

    fn report_lost(&self, count: u64) {
        if count > 0 {
            tracing::warn!(queue = %self.queue, count, "leases were lost; the messages will be delivered again");
            telemetry::handled(&self.queue, "lease-lost", count);
        }
    }
}

enum Request {
    Ack(Vec<Receipt>),
    Retry(Vec<Retry>),
    Return(Vec<Retry>),
    Bury(Vec<Bury>),
}

impl Request {
    fn receipts(&self) -> Cow<'_, [Receipt]> {
        match self {
            Self::Ack(receipts) => Cow::Borrowed(receipts),
            Self::Retry(requests) | Self::Return(requests) => {
                requests.iter().map(|request| request.receipt.clone()).collect()
            }
            Self::Bury(requests) => requests.iter().map(|request| request.receipt.clone()).collect(),
        }
    }

    async fn send(&self, backend: &dyn DelayQueueBackend, queue: &QueueName) -> Result<Vec<Settled>> {
        match self {
            Self::Ack(receipts) => backend.ack(queue, receipts).await,
            Self::Retry(requests) | Self::Return(requests) => backend.retry(queue, requests).await,
            Self::Bury(requests) => backend.bury(queue, requests).await,
        }
    }

    /// The operation, as in the errors counter.
    const fn name(&self) -> &'static str {
        match self {
            Self::Ack(_) => "ack",
            Self::Retry(_) | Self::Return(_) => "retry",
            Self::Bury(_) => "bury",
        }
    }

    /// The result, as in the handled counter.
    const fn result(&self) -> &'static str {
        match self {
            Self::Ack(_) => "done",
            Self::Retry(_) => "retried",
            Self::Return(_) => "returned",
            Self::Bury(_) => "dead",
        }
    }

    fn report_dead(&self, queue: &QueueName, results: &[Settled]) {
        if let Self::Bury(requests) = self {
            let buried = requests.iter().zip(results).filter(|(_, result)| **result == Settled::Done);
            for (request, _) in buried {
                telemetry::dead(queue, &request.reason);
            }
        }
    }
}
