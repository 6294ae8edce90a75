//! Listens, serves, and stops without breaking off what is in progress.

use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, extract::ConnectInfo, http::Request};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use nebula_cache::Shutdown;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{places::Places, router};
use crate::{app::App, config::HttpConfig};

/// Connections that may wait to be accepted: a sale's opening brings thousands within a second.
const BACKLOG: u32 = 4_096;

/// The address cannot be listened on.
#[derive(Debug, Error)]
pub enum BindError {
    /// Another program listens there.
    #[error("{0} is in use: stop the other program, or choose another address with --listen or --port")]
    InUse(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {0}; choose another address with --listen or --port")]
    Other(SocketAddr, #[source] io::Error),
}

/// A server that listens but does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on the configured address.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let listen = || -> io::Result<Self> {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let listener = socket.listen(BACKLOG)?;
            Ok(Self { address: listener.local_addr()?, listener })
        };
        listen().map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(address),
            _ => BindError::Other(address, error),
        })
    }

    /// The address, with the port that was found when 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `app.stopping` is cancelled; then finishes the requests in progress and the background work, for at
    /// most the configured time each.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future breaks off what is in progress; cancel `app.stopping` instead.
    pub async fn run(self, app: App) {
        let limits = app.config.http.clone();
        self.accept(router(app.clone()), &limits, &app.stopping).await;
        finish(&app, limits.drain).await;
    }

    /// Serves these routes until `stopping`; then finishes the requests in progress, for at most `limits.drain`.
    pub(crate) async fn accept(self, routes: Router, limits: &HttpConfig, stopping: &CancellationToken) {
        // One version of the protocol: telling two apart would wait for a first line without any deadline.
        let mut protocol = auto::Builder::new(TokioExecutor::new()).http1_only();
        protocol.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
        let (graceful, cut) = (GracefulShutdown::new(), CancellationToken::new());
        let places = Places::new(limits.max_connections);
        while let Some(accepted) = stopping.run_until_cancelled(self.listener.accept()).await {
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors although connections are counted: those that are closed now will serve the next.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            if let Err(error) = tune(&stream, limits.stall_timeout) {
                tracing::debug!(%error, "a connection stays as the system made it");
            }
            let Some(place) = places.take() else {
                places.turn_away(stream);
                continue;
            };
            // Handlers may ask who is at the other end.
            let service = routes.clone().map_request(move |mut request: Request<_>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                request
            });
            let service = TowerToHyperService::new(service);
            let connection = protocol.serve_connection(TokioIo::new(stream), service).into_owned();
            let connection = graceful.watch(connection);
            let cut = cut.clone();
            tokio::spawn(async move {
                let _place = place;
                if let Some(Err(error)) = cut.run_until_cancelled(connection).await {
                    tracing::debug!(%error, "a connection ended early");
                }
            });
        }
        drop(self.listener);
        if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(after = ?limits.drain, "some requests did not finish in time and were broken off");
            cut.cancel();
        }
    }
}

fn tune(stream: &TcpStream, stall_timeout: Duration) -> io::Result<()> {
    // Answers are written whole; waiting for more to send would only delay them.
    stream.set_nodelay(true)?;
    // Whoever stops reading, or is gone without a word, would otherwise keep an answer in memory for ever.
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(stall_timeout))?;
    #[cfg(not(target_os = "linux"))]
    let _ = stall_timeout;
    Ok(())
}

async fn finish(app: &App, drain: Duration) {
    app.tasks.close();
    if tokio::time::timeout(drain, app.tasks.wait()).await.is_err() {
        tracing::warn!(after = ?drain, tasks = app.tasks.len(), "background work did not finish in time");
    }
    // What is not finished in time is delivered again, to this or another process.
    tokio::join!(app.outbox.shutdown(drain), app.timeouts.shutdown(drain));
    // Nobody counts any more.
    if let Err(problem) = app.funnel.write(&app.database).await {
        tracing::warn!(error = crate::problem::chain(&problem), "what was counted last of sales is lost");
    }
    app.notices.notifier().shutdown(drain).await;
    if let Some(relay) = &app.relay {
        relay.shutdown(drain).await;
    }
    app.locks.shutdown(drain).await;
    if app.caches.shutdown(drain).await == Shutdown::TimedOut {
        tracing::warn!(after = ?drain, "the caches did not finish in time");
    }
    if let Some(sole) = &app.sole {
        sole.release().await;
    }
}
