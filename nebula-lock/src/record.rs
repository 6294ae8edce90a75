//! What is told of a hold while it lasts: its span, and that it lasts long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{Span, debug_span, field, warn};

use crate::fence::Fence;
use crate::lock::Claim;
use crate::telemetry;

#[derive(Debug)]
pub(crate) struct Record {
    /// When the hold began.
    since: Instant,
    threshold: Duration,
    /// Whether it was told that the threshold is passed.
    told: AtomicBool,
    /// Whether it was told how the hold ended.
    ended: AtomicBool,
    span: Span,
}

impl Record {
    /// The record of a hold since `since`, for which somebody within the span `caller` has `waited`.
    pub(crate) fn begin(
        caller: &Span,
        claim: &Claim,
        fence: Fence,
        waited: Duration,
        since: Instant,
        threshold: Duration,
    ) -> Self {
        let span = debug_span!(
            parent: caller,
            "lock_held",
            key = %claim.key(),
            mode = ?claim.mode(),
            %fence,
            wait = waited.as_secs_f64(),
            held = field::Empty,
            outcome = field::Empty,
        );
        Self { since, threshold, told: AtomicBool::new(false), ended: AtomicBool::new(false), span }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// When it counts as long, unless that was told already.
    pub(crate) fn long_at(&self) -> Option<Instant> {
        self.since.checked_add(self.threshold).filter(|_| !self.told.load(Ordering::Relaxed))
    }

    /// Waits until it counts as long; for ever if that was told already.
    pub(crate) async fn lasts_long(&self) {
        match self.long_at() {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Tells, once, if it counts as long.
    pub(crate) fn tell_if_long(&self, claim: &Claim, fence: Fence, now: Instant) {
        if self.long_at().is_some_and(|at| now >= at) && !self.told.swap(true, Ordering::Relaxed) {
            telemetry::held_long();
            let held = now.saturating_duration_since(self.since);
            warn!(parent: &self.span, key = %claim.key(), %fence, ?held, threshold = ?self.threshold, "lock held for long");
        }
    }

    /// How long the hold has lasted at its end; the first `outcome` stays.
    pub(crate) fn end(&self, now: Instant, outcome: &'static str) -> Duration {
        let held = now.saturating_duration_since(self.since);
        if !self.ended.swap(true, Ordering::Relaxed) {
            self.span.record("held", held.as_secs_f64()).record("outcome", outcome);
        }
        held
    }
}
