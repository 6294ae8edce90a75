//! How notices are configured.

use std::time::Duration;

use serde::Deserialize;

use crate::duration;

/// How notices go out. The servers and services that they go through stand in the section `notification`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NoticeConfig {
    /// Whether this process tells buyers of what happened. Where none does, the messages wait in the database.
    pub workers: bool,
    /// Whether messages of channels that no server is configured for are shown on `/dev/outbox`, codes included, to
    /// whoever opens it. Left out: with demo data, on a server that only this machine reaches.
    pub development: Option<bool>,
    /// The pause before a message is sent again whose server was away; it doubles from try to try.
    #[serde(with = "duration")]
    pub retry: Duration,
    /// How long messages stay in inboxes, and in the records of what was sent.
    #[serde(with = "duration")]
    pub keep: Duration,
}

impl Default for NoticeConfig {
    fn default() -> Self {
        Self {
            workers: true,
            development: None,
            retry: Duration::from_secs(30),
            keep: Duration::from_secs(180 * 24 * 3_600),
        }
    }
}
