//! How many connections a server takes at once, and what it says to those beyond.

use std::{sync::Arc, time::Duration};

use axum::response::IntoResponse;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    descriptors,
    problem::{Code, Problem},
};

/// Descriptors for everything but connections: databases, Redis, files, and those who are turned away.
const RESERVE: u64 = 512;
/// As many are told so at once; who comes meanwhile is hung up on.
const REFUSALS: usize = 64;
/// Whoever is turned away has so long to ask and to listen.
const REFUSAL: Duration = Duration::from_secs(2);

/// Places for connections.
#[derive(Clone, Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

/// Held as long as a connection is open.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "it is given back when dropped")] OwnedSemaphorePermit);

impl Drop for Place {
    fn drop(&mut self) {
        metrics::gauge!("http_connections_open").decrement(1.0);
    }
}

/// How many connections this process has descriptors for, when each needs as many as `each`.
pub(crate) fn room(each: u64) -> usize {
    let allowed = descriptors::allowed();
    let left = allowed.saturating_sub(RESERVE).max(allowed / 2) / each.max(1);
    // More than a semaphore counts, no machine has.
    usize::try_from(left).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS)
}

impl Places {
    /// As many as configured, and not more than there are descriptors for.
    pub(super) fn new(configured: Option<u32>) -> Self {
        let room = room(1);
        let wanted = configured.map_or(room, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let connections = wanted.min(room);
        let descriptors = descriptors::allowed();
        if connections < wanted {
            tracing::warn!(
                wanted,
                connections,
                descriptors,
                "http.max-connections is more than the open files of this process allow: raise its limit (ulimit -Hn, LimitNOFILE)"
            );
        } else {
            tracing::info!(connections, descriptors, "connections that are taken at once");
        }
        Self { free: Arc::new(Semaphore::new(connections)), refusals: Arc::new(Semaphore::new(REFUSALS)) }
    }

    /// A place, if there is one.
    pub(super) fn take(&self) -> Option<Place> {
        let place = Arc::clone(&self.free).try_acquire_owned().ok()?;
        metrics::gauge!("http_connections_open").increment(1.0);
        Some(Place(place))
    }

    /// Tells whoever is at the other end to come back, and hangs up.
    pub(super) fn turn_away(&self, stream: TcpStream) {
        metrics::counter!("http_connections_refused_total").increment(1);
        let Ok(turn) = Arc::clone(&self.refusals).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _turn = turn;
            let _told = timeout(REFUSAL, say_no(stream)).await;
        });
    }
}

/// Answers one request, so that whoever asked hears it: what is hung up on with a request unread is told of a broken connection.
async fn say_no(stream: TcpStream) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut protocol = auto::Builder::new(TokioExecutor::new()).http1_only();
    protocol.http1().timer(TokioTimer::new()).header_read_timeout(REFUSAL).keep_alive(false);
    let no =
        hyper_util::service::TowerToHyperService::new(tower::service_fn(|_request: axum::http::Request<_>| async {
            let problem = Problem::new(Code::Busy, "This server has as many connections as it takes.");
            Ok::<_, std::convert::Infallible>(problem.into_response())
        }));
    protocol.serve_connection(TokioIo::new(stream), no).await
}
