//! What the clients of providers have in common.

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use super::{
    provider::{BadNotification, ProviderError},
    rsa::BadKey,
};
use crate::{clock::Millis, endpoint::is_here};

/// How far clocks may differ, and how long an answer may be on its way.
pub(super) const WINDOW: Duration = Duration::from_secs(300);
/// Most bytes of an answer or of a bill.
pub(super) const MOST: usize = 64 * 1024 * 1024;

/// The account cannot be used.
#[derive(Debug, Error)]
pub enum BadAccount {
    /// A key cannot be read.
    #[error("payment.{0}.{1}: {2}")]
    Key(&'static str, &'static str, #[source] BadKey),
    /// A value is not what it must be.
    #[error("payment.{0}.{1}: {2}")]
    Value(&'static str, &'static str, &'static str),
    /// The HTTP client cannot be set up.
    #[error("payment: no HTTP client")]
    Http(#[from] reqwest::Error),
}

/// Why there is no answer that can be used. Answers may hold what is nobody else's business: they are not repeated here.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// No answer.
    #[error("no answer")]
    Http(#[from] reqwest::Error),
    /// The provider says no.
    #[error("refused with {status} {code}")]
    Refused {
        /// HTTP status, or the provider's number for it.
        status: u16,
        /// The provider's word for it.
        code: String,
    },
    /// The answer was not signed by the provider, or long ago.
    #[error("the answer is not the provider's: {0}")]
    Signature(#[from] BadNotification),
    /// The answer is not what the documentation says.
    #[error("not understood: {0}")]
    Nonsense(&'static str),
    /// The request could not be signed.
    #[error("the request cannot be signed")]
    Unsigned,
}

pub(super) fn failed(context: &'static str) -> impl FnOnce(Failure) -> ProviderError {
    move |failure| ProviderError::new(context, failure)
}

/// How long a whole answer may take, where the configuration does not say: a buyer waits for it.
pub(super) fn patience() -> Duration {
    Duration::from_secs(8)
}

/// A client for the provider of this name in the configuration, at its endpoint; an answer may take so long.
pub(super) fn client(name: &'static str, endpoint: &str, timeout: Duration) -> Result<reqwest::Client, BadAccount> {
    let here = is_here(endpoint);
    if !endpoint.starts_with("https://") && !here {
        return Err(BadAccount::Value(name, "endpoint", "must begin with https://"));
    }
    if timeout.is_zero() {
        return Err(BadAccount::Value(name, "timeout", "must be longer than nothing"));
    }
    let http = reqwest::Client::builder().timeout(timeout).redirect(reqwest::redirect::Policy::none());
    let http = if here { http.no_proxy() } else { http };
    Ok(http.build()?)
}

/// The whole body, unless it is without an end.
pub(super) async fn body(mut reply: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = reply.chunk().await.map_err(reqwest::Error::without_url)? {
        if bytes.len() + chunk.len() > MOST {
            return Err(Failure::Nonsense("an answer without an end"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The provider's word for a refusal, cut to what a log bears.
pub(super) fn word(answer: &Value) -> String {
    answer.as_str().unwrap_or("without a code").chars().take(64).collect()
}

/// Whether something was sent within this time, as far as clocks agree.
pub(super) fn fresh(now: Millis, then: Millis, oldest: Duration) -> Result<(), BadNotification> {
    if now.since(then) > oldest {
        return Err(BadNotification::Stale("too old"));
    }
    if then.since(now) > WINDOW {
        return Err(BadNotification::Stale("from the future"));
    }
    Ok(())
}
