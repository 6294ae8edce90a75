//! A small HTTP/1.1 balancer for a trial: the fewest requests in progress, health checks, repeats only where they do no
//! harm, streams passed on as they come.

mod backend;
mod forward;
mod health;
mod outage;

use std::{net::SocketAddr, time::Duration};

use axum::{Json, Router, extract::State, routing::get};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub(super) use self::backend::Backends;
use self::{backend::Health, forward::Forwarder, outage::Outage};
use super::ClusterError;
use crate::{config::HttpConfig, http::Server};

/// A replica on this machine takes a connection at once or not at all.
const CONNECT: Duration = Duration::from_secs(2);
/// A look at a replica may take this long.
const LOOK: Duration = Duration::from_secs(3);

/// A replica as `/balancer/status` shows it.
#[derive(Debug, Serialize)]
struct Status {
    address: SocketAddr,
    health: Health,
    active: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_outage: Option<Outage>,
}

async fn status(State(forwarder): State<Forwarder>) -> Json<Vec<Status>> {
    let status = |backend: &std::sync::Arc<backend::Backend>| Status {
        address: backend.address,
        health: backend.health(),
        active: backend.active(),
        last_outage: backend.last_outage(),
    };
    Json(forwarder.backends.all().iter().map(status).collect())
}

/// Balances between these replicas until `stopping`, then finishes what is in progress.
///
/// # Cancel safety
///
/// Dropping the future breaks off what is in progress.
pub(crate) async fn run(
    server: Server,
    backends: Backends,
    limits: &HttpConfig,
    stopping: CancellationToken,
) -> Result<(), ClusterError> {
    let failed =
        |error| ClusterError::System { what: "an HTTP client".to_owned(), error: std::io::Error::other(error) };
    let looker = reqwest::Client::builder().no_proxy().timeout(LOOK).build().map_err(failed)?;
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    let watching = tokio::spawn(health::watch(backends.clone(), looker, stopping.clone()));
    let routes = Router::new()
        .route("/balancer/status", get(status))
        .fallback(forward::forward)
        .with_state(Forwarder { backends, client });
    server.accept(routes, limits, &stopping).await;
    let _ended = watching.await;
    Ok(())
}
