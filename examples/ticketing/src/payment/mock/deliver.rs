//! Sends notifications to the platform, again and again until they are accepted or pointless.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::{MockNews, signature::Signer};
use crate::telemetry::context;

/// Waits between attempts. A notification that was never delivered is made good by the platform's own query.
const RETRIES: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];

#[derive(Clone, Debug)]
pub(super) struct Delivery {
    client: reqwest::Client,
    callback: Arc<str>,
    signer: Arc<Signer>,
}

impl Delivery {
    pub(super) fn new(callback: String, signer: Signer) -> Result<Self, reqwest::Error> {
        // The callback is on this machine: a proxy of the environment has no business in between.
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
        Ok(Self { client, callback: callback.into(), signer: Arc::new(signer) })
    }

    pub(super) fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Tries once now; when that fails, goes on in the background.
    pub(super) async fn send(&self, body: MockNews) {
        if self.attempt(&body).await {
            return;
        }
        let delivery = self.clone();
        tokio::spawn(context::Carrier::here().over(async move {
            for wait in RETRIES {
                tokio::time::sleep(wait).await;
                if delivery.attempt(&body).await {
                    return;
                }
            }
            tracing::warn!(?body, "the platform never accepted a notification");
        }));
    }

    /// `true` when there is nothing left to do.
    async fn attempt(&self, body: &MockNews) -> bool {
        // Each attempt is a message of its own: the platform refuses one that it has seen.
        let id = Uuid::new_v4().to_string();
        let Ok(body) = serde_json::to_vec(body) else { return true };
        let Ok(headers) = self.signer.headers(&id, &body) else { return true };
        let request = self
            .client
            .post(&*self.callback)
            .headers(headers)
            .header(axum::http::header::CONTENT_TYPE, "application/json")
            .body(body);
        match context::propagate(request).send().await {
            Ok(reply) if reply.status().is_server_error() => false,
            Ok(reply) if reply.status().is_success() => true,
            Ok(reply) => {
                tracing::warn!(status = reply.status().as_u16(), "the platform refused a notification");
                true
            }
            Err(error) => {
                tracing::debug!(error = crate::problem::chain(&error), "a notification was not delivered");
                false
            }
        }
    }
}
