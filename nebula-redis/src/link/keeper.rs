use std::sync::Arc;
use std::time::Duration;

use redis::{RedisError, RedisResult};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Dialer, Link, not_sent};
use crate::error::{Error, ErrorKind, Result, classify};

/// Keeps one link up: dials with back-off, tests a silent link with `PING`, replaces a broken one. Ends with the last
/// owner.
#[derive(Debug)]
pub(crate) struct Keeper {
    state: watch::Receiver<State>,
    db: i64,
    _stop: DropGuard,
}

#[derive(Debug, Clone)]
enum State {
    Down(Option<RedisError>),
    Up(Link),
}

impl Keeper {
    pub(crate) fn start(dialer: Dialer) -> Result<Arc<Self>> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| Error::new(ErrorKind::ConfigInvalid, "no tokio runtime").with_source(error))?;
        let (publish, state) = watch::channel(State::Down(None));
        let stop = CancellationToken::new();
        let db = dialer.db;
        runtime.spawn(stop.clone().run_until_cancelled_owned(keep(dialer, publish)));
        Ok(Arc::new(Self { state, db, _stop: stop.drop_guard() }))
    }

    pub(crate) fn db(&self) -> i64 {
        self.db
    }

    /// The outcome of the first attempt.
    pub(crate) async fn first_link(&self) -> RedisResult<Link> {
        let mut state = self.state.clone();
        let decided = state.wait_for(|state| !matches!(state, State::Down(None))).await;
        match decided.as_deref() {
            Ok(State::Up(link)) => Ok(link.clone()),
            Ok(State::Down(Some(error))) => Err(error.clone()),
            Ok(State::Down(None)) | Err(_) => Err(ended()),
        }
    }

    /// The present link, if it is up; what nearly every command needs.
    pub(crate) fn present(&self) -> Option<Link> {
        match &*self.state.borrow() {
            State::Up(link) if !link.is_broken() => Some(link.clone()),
            _ => None,
        }
    }

    /// The present link, or the next one if it is up within `patience`.
    pub(crate) async fn link(&self, patience: Duration) -> RedisResult<Link> {
        let mut state = self.state.clone();
        match timeout(patience, state.wait_for(|state| state.decided().is_some())).await {
            Ok(Ok(state)) => state.decided().unwrap_or_else(|| Err(ended())),
            Ok(Err(_)) => Err(ended()),
            Err(_) => {
                let last = match &*self.state.borrow() {
                    State::Down(error) => error.clone(),
                    State::Up(_) => None,
                };
                Err(not_sent("not connected to redis", last))
            }
        }
    }
}

impl State {
    /// `None`: waiting may help.
    fn decided(&self) -> Option<RedisResult<Link>> {
        match self {
            Self::Up(link) if !link.is_broken() => Some(Ok(link.clone())),
            Self::Down(Some(error)) if !classify(error).is_retryable() => Some(Err(error.clone())),
            _ => None,
        }
    }
}

fn ended() -> RedisError {
    not_sent("the runtime that kept the link to redis has ended", None)
}

async fn keep(dialer: Dialer, publish: watch::Sender<State>) {
    let mut backoff = dialer.backoff.clone();
    loop {
        match dialer.dial().await {
            Ok(link) => {
                let since = Instant::now();
                tracing::debug!(target: "nebula_redis", "connected to redis");
                publish.send_replace(State::Up(link.clone()));
                until_broken(&link, &dialer).await;
                tracing::warn!(target: "nebula_redis", "the link to redis broke; reconnecting");
                publish.send_replace(State::Down(None));
                // A server that accepts and hangs up must not make us spin.
                if since.elapsed() >= backoff.max() {
                    backoff.reset();
                }
            }
            Err(error) => {
                tracing::warn!(target: "nebula_redis", %error, "cannot connect to redis");
                publish.send_replace(State::Down(Some(error)));
            }
        }
        sleep(dialer.pause(&mut backoff)).await;
    }
}

async fn until_broken(link: &Link, dialer: &Dialer) {
    let switched = dialer.switched(link.address());
    tokio::pin!(switched);
    loop {
        let before = link.replies();
        tokio::select! {
            () = link.broken() => return,
            () = &mut switched => return link.give_up(),
            () = sleep(dialer.keep_alive) => {}
        }
        // Announcements may be missed. A master that was replaced while nobody could tell it answers as before.
        if dialer.has_moved(link.address()).await {
            return link.give_up();
        }
        if link.replies() == before {
            // The link itself draws the conclusions.
            let _ = link.command(&redis::cmd("PING")).await;
        }
    }
}
