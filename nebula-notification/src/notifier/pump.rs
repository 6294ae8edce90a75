use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Notifier, PARALLEL,
    deliver::{self, Payload},
    state::Inner,
};
use crate::{
    clock::millis,
    error::Result,
    record::{AttemptState, Job, JobStatus, JobView},
    telemetry,
};

/// A task that looks for due jobs. It stops when this is dropped; what it has begun it finishes.
#[derive(Debug)]
pub struct Pump {
    _stop: DropGuard,
}

pub(super) fn start(notifier: Notifier, every: Duration) -> Pump {
    let stop = CancellationToken::new();
    let (stopped, closed) = (stop.clone(), notifier.0.stop.clone());
    tokio::spawn(async move {
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = stopped.cancelled() => return,
                () = closed.cancelled() => return,
                () = sleep_until(next) => {}
            }
            match notifier.run_due(1000).await {
                // There may be more.
                Ok(1000) => {}
                Ok(_) => next = Instant::now() + every,
                Err(error) => {
                    telemetry::pump_failed(&error);
                    next = Instant::now() + every;
                }
            }
        }
    });
    Pump { _stop: stop.drop_guard() }
}

pub(super) async fn run_due(inner: &Arc<Inner>, max: u32) -> Result<usize> {
    let due = inner.records.due(inner.now(), max).await?;
    let count = due.len();
    let mut all = stream::iter(due).map(|job| resume(inner, job)).buffer_unordered(PARALLEL);
    let mut failed = None;
    while let Some(one) = all.next().await {
        if let Err(error) = one {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(count), Err)
}

/// Works on a job whose time has come, if nobody else does.
pub(super) async fn resume(inner: &Inner, mut job: Job) -> Result<Option<Job>> {
    let now = inner.now();
    if !job.status.is_open() || millis(job.due) > millis(now) {
        return Ok(None);
    }
    let (version, wait, lease) = (job.version, inner.options.receipt_wait, inner.lease());
    let claim = |job: &mut Job| {
        // Somebody else was faster.
        if job.version != version {
            return false;
        }
        let mut doubt = job.status == JobStatus::Unknown;
        for attempt in job.attempts.iter_mut().filter(|one| one.state == AttemptState::Begun) {
            attempt.state = AttemptState::Unknown;
            attempt.class = Some(crate::ErrorClass::Unknown);
            attempt.code = Some("the process ended".to_owned());
            attempt.finished = Some(now);
            doubt = true;
        }
        let waited = job.status == JobStatus::Unknown;
        if job.params.is_none() {
            job.set(JobStatus::Failed, Some("nobody has its values any more".to_owned()));
        } else if doubt && !job.kind.may_repeat() {
            if waited {
                job.set(JobStatus::Failed, Some("the outcome stays unknown: no receipt came".to_owned()));
            } else {
                job.set(JobStatus::Unknown, Some("the process that was sending it has ended".to_owned()));
                job.due = now + wait;
            }
        } else {
            job.set(JobStatus::Sending, None);
            job.due = now + lease;
        }
        true
    };
    if !inner.update(&mut job, claim).await? {
        return Ok(None);
    }
    match job.params.clone() {
        Some(params) if job.status == JobStatus::Sending => {
            let template = inner.template(&job.template, Some(job.template_version)).await?;
            deliver::run(inner, job, &Payload::new(params, template)).await.map(Some)
        }
        _ => {
            inner.tell_queue(&job).await;
            Ok(Some(job))
        }
    }
}

pub(super) async fn resend(inner: &Inner, id: &str) -> Result<Option<JobView>> {
    let Some(mut job) = inner.records.get(id).await? else { return Ok(None) };
    let now = inner.now();
    let reopen = |job: &mut Job| {
        let allowed = job.is_resendable();
        if allowed {
            job.set(JobStatus::Waiting, Some("sent again".to_owned()));
            job.rounds = 0;
            job.due = now;
            job.expires = None;
        }
        allowed
    };
    if !inner.update(&mut job, reopen).await? {
        return Ok(None);
    }
    Ok(resume(inner, job).await?.as_ref().map(JobView::from))
}
