use super::state::Inner;
use crate::{
    error::Result,
    outcome::ErrorClass,
    record::{Attempt, AttemptState, DeliveryReceipt, Job, JobStatus, Settled},
    telemetry,
};

pub(super) async fn settle(inner: &Inner, receipt: &DeliveryReceipt) -> Result<Settled> {
    let Some(mut job) = inner.records.by_receipt(receipt).await? else {
        telemetry::receipt(receipt, "not-found");
        return Ok(Settled::NotFound);
    };
    let now = inner.now();
    let changed = inner.update(&mut job, |job| apply(job, receipt, now)).await?;
    let id = job.id.clone();
    if !changed {
        telemetry::receipt(receipt, "repeated");
        return Ok(Settled::Repeated(id));
    }
    telemetry::receipt(receipt, if receipt.delivered { "delivered" } else { "undelivered" });
    inner.tell_queue(&job).await;
    Ok(match job.status {
        JobStatus::Delivered => Settled::Delivered(id),
        JobStatus::Waiting => Settled::TriedElsewhere(id),
        _ => Settled::Failed(id),
    })
}

fn matches(attempt: &Attempt, receipt: &DeliveryReceipt) -> bool {
    let by_id = receipt.provider_id.is_some() && attempt.provider_id == receipt.provider_id;
    attempt.provider == receipt.provider && (by_id || receipt.reference.as_deref() == Some(&attempt.reference))
}

/// Writes a receipt down; `false` if it says nothing new.
fn apply(job: &mut Job, receipt: &DeliveryReceipt, now: std::time::SystemTime) -> bool {
    let Some(attempt) = job.attempts.iter_mut().find(|attempt| matches(attempt, receipt)) else { return false };
    if matches!(attempt.state, AttemptState::Delivered | AttemptState::Undelivered) {
        return false;
    }
    attempt.receipt = Some(receipt.at.unwrap_or(now));
    attempt.provider_id = attempt.provider_id.take().or_else(|| receipt.provider_id.clone());
    if receipt.delivered {
        attempt.state = AttemptState::Delivered;
        attempt.class = None;
        job.set(JobStatus::Delivered, None);
        return true;
    }
    attempt.state = AttemptState::Undelivered;
    attempt.class = receipt.class;
    attempt.code.clone_from(&receipt.code);
    // Another attempt may have been taken.
    if job.attempts.iter().any(|one| matches!(one.state, AttemptState::Accepted | AttemptState::Delivered)) {
        return true;
    }
    let stays = matches!(receipt.class, Some(ErrorClass::Recipient | ErrorClass::Content));
    let was_unknown = job.status == JobStatus::Unknown;
    let reason = format!("{}: not delivered, {}", receipt.provider, receipt.code.as_deref().unwrap_or("no reason"));
    if was_unknown && !stays && job.params.is_some() && !job.is_over(now) {
        job.set(JobStatus::Waiting, Some(reason));
        job.due = now;
    } else if job.status != JobStatus::Sending {
        job.set(JobStatus::Failed, Some(reason));
    }
    true
}
