//! The claiming loop and the drain at its end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, sleep, timeout},
};
use tokio_util::{
    sync::DropGuard,
    task::{AbortOnDropHandle, TaskTracker},
};

use super::{Drained, Signal, WorkerControl, WorkerOptions, handle::Verdict, lease::Held, settle::Settler};
use crate::{
    Claimed, DelayQueueBackend, DelayQueueListener, Delivery, QueueName, RetryPolicy, error::chain, telemetry,
};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long the last settlements may take, and interrupted handlers to fall over.
const GRACE: Duration = Duration::from_secs(5);
/// The least pause after a claim that came back with nothing.
const TICK: Duration = Duration::from_millis(1);

pub(super) struct Core<L> {
    pub(super) backend: Arc<dyn DelayQueueBackend>,
    pub(super) queue: QueueName,
    pub(super) options: WorkerOptions,
    pub(super) retry: RetryPolicy,
    pub(super) listener: L,
    pub(super) control: WorkerControl,
    pub(super) slots: Semaphore,
    /// The last claim has come back. What is given back before that would be claimed once more.
    pub(super) claimed_out: Signal,
    held: Arc<Held>,
}

impl<L: DelayQueueListener> Core<L> {
    pub(super) fn new(
        backend: Arc<dyn DelayQueueBackend>,
        queue: QueueName,
        options: WorkerOptions,
        retry: RetryPolicy,
        listener: L,
        control: WorkerControl,
    ) -> Arc<Self> {
        let retry = options.get_retry().cloned().unwrap_or(retry);
        let slots = Semaphore::new(options.get_concurrency());
        let held = Arc::new(Held::new(queue.clone()));
        Arc::new(Self { backend, queue, options, retry, listener, control, slots, claimed_out: Signal::new(), held })
    }

    pub(super) async fn run(self: Arc<Self>) -> Drained {
        tracing::info!(queue = %self.queue, options = ?self.options, "worker starts");
        // If this future is dropped, its runtime is going away: let go of everything.
        let _stop: DropGuard = self.control.stop.clone().drop_guard();
        let _abort: DropGuard = self.control.abort.clone().drop_guard();
        let _claimed_out: DropGuard = self.claimed_out.clone().drop_guard();
        let (verdicts, inbox) = mpsc::unbounded_channel();
        let settler = Settler {
            backend: Arc::clone(&self.backend),
            queue: self.queue.clone(),
            held: Arc::clone(&self.held),
            stop: self.control.stop.clone(),
        };
        let settler = AbortOnDropHandle::new(tokio::spawn(settler.run(inbox)));
        let core = Arc::clone(&self);
        let lease = self.options.get_lease();
        let keeper =
            AbortOnDropHandle::new(tokio::spawn(async move { core.held.keep_alive(&*core.backend, lease).await }));
        let handlers = TaskTracker::new();

        self.claim_until_stopped(&verdicts, &handlers).await;
        self.claimed_out.cancel();

        handlers.close();
        if timeout(self.control.patience(), handlers.wait()).await.is_err() {
            self.control.abort.cancel();
            if timeout(GRACE, handlers.wait()).await.is_err() {
                tracing::error!(queue = %self.queue, "handlers block their threads and cannot be stopped");
            }
        }
        drop(verdicts);
        let drained = match timeout(GRACE, settler).await {
            Ok(Ok(mut drained)) => {
                drained.unsettled += self.held.len() as u64;
                drained
            }
            _ => Drained { unsettled: self.held.len() as u64, ..Drained::default() },
        };
        drop(keeper);
        telemetry::in_flight(&self.queue, 0);
        tracing::info!(queue = %self.queue, ?drained, "worker stopped");
        drained
    }

    async fn claim_until_stopped(self: &Arc<Self>, verdicts: &mpsc::UnboundedSender<Verdict>, handlers: &TaskTracker) {
        let (lease, prefetch) = (self.options.get_lease(), self.options.get_prefetch());
        let capacity = self.options.get_concurrency() + prefetch;
        // Claims go out when half of the prefetch is used up, so that each brings several messages under load.
        let refill_at = capacity - (prefetch / 2).max(1);
        let poll = self.options.get_poll_interval().unwrap_or_else(|| self.backend.poll_interval());
        let mut wakeups = self.backend.wakeups(&self.queue);
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::select! {
                biased;
                () = self.control.stop.cancelled() => return,
                () = self.held.at_most(refill_at) => {}
            }
            let sent = Instant::now();
            // Never dropped half-way: what it claims must find its way to a handler or back.
            let claimed = self.backend.claim(&self.queue, capacity - self.held.len(), lease).await;
            let nap = match claimed {
                Ok(claimed) => {
                    pause = FIRST_PAUSE;
                    let nap = nap_after(&claimed, poll);
                    self.hand_out(claimed, sent + lease, verdicts, handlers);
                    nap
                }
                Err(error) => {
                    telemetry::worker_error(&self.queue, "claim");
                    tracing::warn!(queue = %self.queue, error = chain(&error), ?pause, "could not claim messages");
                    let nap = pause.mul_f64(1.0 - 0.5 * rand::random::<f64>());
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    tokio::select! {
                        biased;
                        () = self.control.stop.cancelled() => return,
                        () = sleep(nap) => continue,
                    }
                }
            };
            if nap.is_zero() {
                continue;
            }
            tokio::select! {
                biased;
                () = self.control.stop.cancelled() => return,
                () = sleep(nap) => {}
                () = wakeups.next() => {}
            }
        }
    }

    fn hand_out(
        self: &Arc<Self>,
        claimed: Claimed,
        valid_until: Instant,
        verdicts: &mpsc::UnboundedSender<Verdict>,
        handlers: &TaskTracker,
    ) {
        if claimed.deliveries.is_empty() {
            return;
        }
        telemetry::delivered(&self.queue, &claimed.deliveries);
        let leases = self.held.insert(claimed.deliveries.iter().map(Delivery::receipt), valid_until);
        for (delivery, lease) in claimed.deliveries.into_iter().zip(leases) {
            let (core, verdicts) = (Arc::clone(self), verdicts.clone());
            handlers.spawn(async move {
                let verdict = core.process(delivery, &lease).await;
                // Closed only when the drain has given up on the settler.
                let _ = verdicts.send(verdict);
            });
        }
    }
}

/// How long there is nothing to claim.
fn nap_after(claimed: &Claimed, poll: Duration) -> Duration {
    let nap = claimed.next_due.unwrap_or(poll).min(poll);
    if claimed.deliveries.is_empty() { nap.max(TICK) } else { nap }
}
