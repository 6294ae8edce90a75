//! Where log lines and traces go.

use std::{collections::BTreeMap, time::Duration};

use axum::http::{HeaderName, HeaderValue, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::duration;

/// Log lines on standard error.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LogConfig {
    /// What is written, in the syntax of `RUST_LOG`.
    pub filter: String,
    /// How.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

impl LogConfig {
    /// For commands that talk to a person themselves.
    #[must_use]
    pub fn quiet() -> Self {
        Self { filter: "error".to_owned(), ..Self::default() }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "warn,ticketing=info".to_owned(), format: LogFormat::Text }
    }
}

/// Traces, sent to a collector by OTLP over HTTP. Without an endpoint none are recorded.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TraceConfig {
    /// Where the collector takes traces: `http://collector:4318/v1/traces`.
    pub endpoint: Option<String>,
    /// What the collector wants to know of whoever sends: names and values of headers.
    pub headers: BTreeMap<String, SecretString>,
    /// Which part of the traces that begin here is recorded, from 0 to 1. Whoever calls with a `traceparent` has decided
    /// for theirs.
    pub sampling_ratio: f64,
    /// How long the collector may take to answer, with what has to be repeated.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Most spans that wait to be sent; more are dropped.
    pub queue: usize,
    /// How often what waits is sent.
    #[serde(with = "duration")]
    pub interval: Duration,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: BTreeMap::new(),
            sampling_ratio: 0.1,
            timeout: Duration::from_secs(5),
            queue: 8_192,
            interval: Duration::from_secs(2),
        }
    }
}

impl TraceConfig {
    /// What is wrong with it: the key, and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if let Some(endpoint) = &self.endpoint {
            let uri: Option<Uri> = endpoint.parse().ok();
            if !uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()) {
                return Err(("trace.endpoint", "is the whole address: http://collector:4318/v1/traces"));
            }
        }
        let sent = |name: &str, value: &SecretString| {
            name.parse::<HeaderName>().is_ok() && HeaderValue::from_str(value.expose_secret()).is_ok()
        };
        if !self.headers.iter().all(|(name, value)| sent(name, value)) {
            return Err(("trace.headers", "has a name or a value that no header can have"));
        }
        if !(0.0..=1.0).contains(&self.sampling_ratio) {
            return Err(("trace.sampling-ratio", "must be from 0 to 1"));
        }
        if self.timeout.is_zero() || self.interval.is_zero() {
            return Err(("trace", "timeout and interval must be longer than nothing"));
        }
        if !(1..=1_000_000).contains(&self.queue) {
            return Err(("trace.queue", "must be from 1 to 1000000"));
        }
        Ok(())
    }
}
