//! The one place that names metrics and log events.

use std::time::Duration;

use crate::{
    error::Error,
    outcome::Outcome,
    record::{DeliveryReceipt, Job},
};

pub(crate) fn attempted(provider: &str, job: &Job, outcome: &Outcome, took: Duration) {
    let result = outcome.class().map_or("accepted", crate::ErrorClass::as_str);
    let labels = [
        ("provider", provider.to_owned()),
        ("channel", job.channel.as_str().to_owned()),
        ("outcome", result.to_owned()),
    ];
    metrics::counter!("nebula_notification_attempts_total", &labels).increment(1);
    metrics::histogram!("nebula_notification_attempt_seconds", &labels).record(took.as_secs_f64());
    if !outcome.is_accepted() {
        let code = match outcome {
            Outcome::Refused(refusal) => refusal.code.as_str(),
            Outcome::Unknown(doubt) => doubt.code.as_str(),
            Outcome::Accepted(_) => "",
        };
        tracing::info!(target: "nebula_notification", provider, job = %job.id, class = result, code, "not accepted");
    }
}

pub(crate) fn finished(job: &Job) {
    let labels = [("channel", job.channel.as_str()), ("kind", job.kind.as_str()), ("status", job.status.as_str())];
    metrics::counter!("nebula_notification_jobs_total", &labels).increment(1);
}

pub(crate) fn suppressed(job: &Job) {
    let labels = [("channel", job.channel.as_str()), ("kind", job.kind.as_str())];
    metrics::counter!("nebula_notification_suppressed_total", &labels).increment(1);
}

pub(crate) fn limited(rule: &str) {
    metrics::counter!("nebula_notification_limited_total", "rule" => rule.to_owned()).increment(1);
}

pub(crate) fn receipt(receipt: &DeliveryReceipt, outcome: &'static str) {
    let labels = [("provider", receipt.provider.clone()), ("outcome", outcome.to_owned())];
    metrics::counter!("nebula_notification_receipts_total", &labels).increment(1);
}

pub(crate) fn code(outcome: &'static str) {
    metrics::counter!("nebula_notification_codes_total", "outcome" => outcome).increment(1);
}

pub(crate) fn limits_unknown(error: &Error) {
    tracing::warn!(target: "nebula_notification", %error, "limits could not be asked; the kind decides");
}

pub(crate) fn wishes_unknown(error: &Error) {
    tracing::warn!(target: "nebula_notification", %error, "the wishes of a recipient could not be read; it is sent");
}

pub(crate) fn queue_failed(error: &Error) {
    tracing::warn!(target: "nebula_notification", %error, "the retry queue took no reminder; the pump will find the job");
}

pub(crate) fn pump_failed(error: &Error) {
    tracing::warn!(target: "nebula_notification", %error, "due jobs could not be worked on; they are tried again");
}

pub(crate) fn task_failed(error: &tokio::task::JoinError) {
    tracing::error!(target: "nebula_notification", %error, "a task that sends has ended without an answer");
}

pub(crate) fn inbox_unknown(error: &Error) {
    tracing::warn!(target: "nebula_notification", %error, "an inbox could not be looked into; it is tried again");
}
