//! Looks at the replicas now and then.

use std::{sync::Arc, time::Duration};

use reqwest::Client;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backend::{Backend, Backends, Health};

const EVERY: Duration = Duration::from_millis(500);

/// Looks until `stopping`.
pub(super) async fn watch(backends: Backends, client: Client, stopping: CancellationToken) {
    let looks = backends.all().iter().map(|backend| {
        let (backend, client) = (Arc::clone(backend), client.clone());
        async move {
            loop {
                let asked = Instant::now();
                backend.set(look(&backend, &client).await, asked);
                // A connection that broke may be the first of many.
                let _at_once = tokio::time::timeout(EVERY, backend.doubted()).await;
            }
        }
    });
    let _stopped = stopping.run_until_cancelled(futures_util::future::join_all(looks)).await;
}

async fn look(backend: &Backend, client: &Client) -> Health {
    match client.get(format!("http://{}/readyz", backend.address)).send().await {
        Ok(answer) if answer.status().is_success() => Health::Ready,
        Ok(_) => Health::Unready,
        Err(error) => {
            tracing::debug!(address = %backend.address, error = crate::problem::chain(&error), "no answer");
            Health::Down
        }
    }
}
