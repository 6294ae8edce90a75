//! The one place that names metrics and log events.

use std::time::Duration;

use crate::{error::Error, token::Verdict};

pub(crate) fn token_issued() {
    metrics::counter!("nebula_auth_tokens_issued_total").increment(1);
}

pub(crate) fn token_verified(verdict: &Verdict) {
    match verdict {
        // With each request: a label that stands here costs no allocation, and whichever recorder there is counts it.
        Verdict::Accepted(_) => {
            metrics::counter!("nebula_auth_tokens_verified_total", "outcome" => "accepted").increment(1);
        }
        Verdict::Refused(refusal) => {
            let reason = refusal.code();
            tracing::debug!(target: "nebula_auth", reason, "access token refused");
            metrics::counter!("nebula_auth_tokens_verified_total", "outcome" => reason).increment(1);
        }
    }
}

pub(crate) fn check_failed(error: &Error) {
    tracing::warn!(target: "nebula_auth", %error, "session check could not answer; the token is not accepted");
    metrics::counter!("nebula_auth_tokens_verified_total", "outcome" => "check_failed").increment(1);
}

pub(crate) fn password_hashed(operation: &'static str, waited: Duration, took: Duration) {
    metrics::histogram!("nebula_auth_password_wait_seconds").record(waited.as_secs_f64());
    metrics::histogram!("nebula_auth_password_hash_seconds", "operation" => operation).record(took.as_secs_f64());
}

pub(crate) fn password_busy() {
    tracing::warn!(target: "nebula_auth", "password hashing is saturated; a request was turned away");
    metrics::counter!("nebula_auth_password_busy_total").increment(1);
}

pub(crate) fn login(outcome: &'static str) {
    metrics::counter!("nebula_auth_logins_total", "outcome" => outcome).increment(1);
}

#[cfg(feature = "oidc")]
pub(crate) fn federated<T>(outcome: &Result<Result<T, crate::oidc::OidcRefusal>, Error>) {
    login(match outcome {
        Ok(Ok(_)) => "federated",
        Ok(Err(refusal)) => refusal.code(),
        Err(_) => "error",
    });
}

pub(crate) fn session_started() {
    metrics::counter!("nebula_auth_sessions_started_total").increment(1);
}

pub(crate) fn refreshed(outcome: &'static str) {
    metrics::counter!("nebula_auth_refreshes_total", "outcome" => outcome).increment(1);
}

pub(crate) fn reuse_detected(session_id: &str, subject: &str) {
    tracing::warn!(
        target: "nebula_auth",
        session_id = ?session_id,
        subject = ?subject,
        "a used refresh token came back; the session is revoked"
    );
}

pub(crate) fn device_changed(session_id: &str, subject: &str) {
    tracing::warn!(
        target: "nebula_auth",
        session_id = ?session_id,
        subject = ?subject,
        "a session is refreshed by another device; what asks for a fresh proof will ask for it"
    );
    metrics::counter!("nebula_auth_device_changes_total").increment(1);
}

pub(crate) fn stepped_up(outcome: &'static str) {
    metrics::counter!("nebula_auth_step_ups_total", "outcome" => outcome).increment(1);
}

pub(crate) fn throttled(what: &'static str, scope: &'static str, retry_after: Duration) {
    tracing::warn!(target: "nebula_auth", what, scope, ?retry_after, "too many failed attempts; they are slowed down");
    metrics::counter!("nebula_auth_throttled_total", "what" => what, "scope" => scope).increment(1);
}

pub(crate) fn factor_checked(factor: &'static str, outcome: &'static str) {
    metrics::counter!("nebula_auth_factor_checks_total", "factor" => factor, "outcome" => outcome).increment(1);
}

pub(crate) fn keys_fetched(error: Option<&Error>) {
    if let Some(error) = error {
        tracing::warn!(target: "nebula_auth", %error, "the keys of an issuer could not be fetched");
    }
    let outcome = if error.is_none() { "fetched" } else { "failed" };
    metrics::counter!("nebula_auth_key_fetches_total", "outcome" => outcome).increment(1);
}

pub(crate) fn code_sent(outcome: &'static str) {
    metrics::counter!("nebula_auth_codes_sent_total", "outcome" => outcome).increment(1);
}

pub(crate) fn sessions_revoked(reason: &'static str, count: u64) {
    metrics::counter!("nebula_auth_sessions_revoked_total", "reason" => reason).increment(count);
}

pub(crate) fn permissions_read(outcome: &'static str) {
    metrics::counter!("nebula_auth_permission_reads_total", "outcome" => outcome).increment(1);
}

pub(crate) fn changes_unknown(error: &Error) {
    tracing::warn!(
        target: "nebula_auth",
        %error,
        "it is not known what other processes have changed; after the lease nobody is let through on old knowledge"
    );
    metrics::counter!("nebula_auth_permission_polls_failed_total").increment(1);
}
