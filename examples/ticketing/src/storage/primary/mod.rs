//! Which one of several PostgreSQL servers takes writes, and pools that follow it when another one takes over.
//!
//! Replication and the decision to promote a standby are the servers' (or their manager's). This only finds out, within
//! a moment, and never goes back: a server that comes back without having heard of its successor has an older timeline
//! and is not written to.

pub(crate) mod servers;
mod standing;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    Connection, PgConnection, PgPool,
    pool::PoolConnectionMetadata,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::standing::{Found, Timeline, name};
use crate::problem::chain;

/// How often the server that takes writes is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Every so many looks the others are asked as well: it may have a successor that it does not know of.
const OTHERS: u32 = 8;
/// Pause between two searches for a server that takes writes.
const AGAIN: Duration = Duration::from_millis(100);
/// How long the first search may take: a standby may just be taking over.
const FIRST: Duration = Duration::from_secs(5);
/// A connection of the pool that does not answer within this time is not used.
const PING: Duration = Duration::from_secs(1);

/// The server that takes writes. Cheap to clone; followed until the last clone is gone.
#[derive(Clone, Debug)]
pub struct Primary {
    inner: Arc<Inner>,
    url: SecretString,
    _followed: Option<Arc<DropGuard>>,
}

#[derive(Debug)]
struct Inner {
    servers: Vec<PgConnectOptions>,
    standing: Arc<Standing>,
    /// Those that follow.
    pools: Mutex<Vec<PgPool>>,
}

/// Whose word counts. Also known to the pools, which must not know each other.
#[derive(Debug)]
struct Standing(Mutex<Now>);

#[derive(Clone, Copy, Debug)]
struct Now {
    server: usize,
    timeline: Timeline,
    /// Connections from before that are another server's.
    since: Option<Instant>,
}

impl Primary {
    /// Finds it among the servers of this URL, whose options `settings` completes.
    ///
    /// # Errors
    ///
    /// The URL is none, or no server takes writes. Of a URL with one server nothing is asked.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn find(
        url: &SecretString,
        settings: impl Fn(PgConnectOptions) -> PgConnectOptions,
    ) -> Result<Self, sqlx::Error> {
        let servers: Vec<_> = servers::options(url)?.into_iter().map(settings).collect();
        if servers.len() < 2 {
            return Ok(Self::of(url, servers, Now { server: 0, timeline: 0, since: None }).0);
        }
        let begun = Instant::now();
        let found = loop {
            match standing::find(&servers, 0).await {
                Err(_) if begun.elapsed() < FIRST => sleep(AGAIN).await,
                found => break found?,
            }
        };
        tracing::info!(
            server = name(&servers[found.server]),
            timeline = found.timeline,
            "the database takes writes here"
        );
        let (mut primary, inner) =
            Self::of(url, servers, Now { server: found.server, timeline: found.timeline, since: None });
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(follow(inner, found)));
        primary._followed = Some(Arc::new(stop.drop_guard()));
        Ok(primary)
    }

    fn of(url: &SecretString, servers: Vec<PgConnectOptions>, now: Now) -> (Self, Arc<Inner>) {
        let standing = Arc::new(Standing(Mutex::new(now)));
        let inner = Arc::new(Inner { servers, standing, pools: Mutex::default() });
        (Self { inner: Arc::clone(&inner), url: url.clone(), _followed: None }, inner)
    }

    /// Whether it is the one of this URL.
    #[must_use]
    pub fn is_at(&self, url: &SecretString) -> bool {
        self.url.expose_secret() == url.expose_secret()
    }

    /// How to connect to it now.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        self.inner.servers[self.inner.standing.0.lock().server].clone()
    }

    /// Its timeline: another one after a standby took over. Zero where there is one server only.
    #[must_use]
    pub fn timeline(&self) -> i64 {
        self.inner.standing.0.lock().timeline
    }

    /// A pool of connections to it, whichever it is. It connects when it is asked.
    #[must_use]
    pub fn pool(&self, options: PgPoolOptions) -> PgPool {
        if self.inner.servers.len() < 2 {
            return options.connect_lazy_with(self.options());
        }
        let (fresh, kept) = (Arc::clone(&self.inner.standing), Arc::clone(&self.inner.standing));
        let options = options
            // It would wait for a server that is gone without a word as long as whoever asks.
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let standing = Arc::clone(&fresh);
                Box::pin(async move { standing.welcome(connection).await })
            })
            .before_acquire(move |connection, meta| {
                let standing = Arc::clone(&kept);
                Box::pin(async move { standing.still_good(connection, &meta).await })
            });
        let pool = options.connect_lazy_with(self.options());
        self.inner.pools.lock().push(pool.clone());
        // A standby may have taken over in between.
        pool.set_connect_options(self.options());
        pool
    }
}

impl Standing {
    /// Refuses a connection to a server that does not take writes, or has been succeeded.
    async fn welcome(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let known = self.0.lock().timeline;
        match standing::timeline(connection).await? {
            Some(timeline) if timeline >= known => Ok(()),
            _ => Err(sqlx::Error::Protocol("this server does not take writes any more".to_owned())),
        }
    }

    async fn still_good(
        &self,
        connection: &mut PgConnection,
        meta: &PoolConnectionMetadata,
    ) -> Result<bool, sqlx::Error> {
        if self.0.lock().since.is_some_and(|since| since.elapsed() <= meta.age) {
            return Ok(false);
        }
        timeout(PING, connection.ping()).await.unwrap_or_else(|_| Err(standing::silent())).map(|()| true)
    }
}

impl Inner {
    /// Lets all pools connect to this server from now on.
    fn follow(&self, found: &Found) {
        let before = *self.standing.0.lock();
        if (before.server, before.timeline) == (found.server, found.timeline) {
            return;
        }
        tracing::warn!(
            before = name(&self.servers[before.server]),
            now = name(&self.servers[found.server]),
            timeline = found.timeline,
            "another server takes the database's writes"
        );
        metrics::counter!("ticketing_database_switches_total").increment(1);
        let pools = self.pools.lock();
        for pool in &*pools {
            pool.set_connect_options(self.servers[found.server].clone());
        }
        // After that: what was opened with the former options in between is given up as well.
        *self.standing.0.lock() = Now { server: found.server, timeline: found.timeline, since: Some(Instant::now()) };
    }
}

/// Looks at the server, and searches for its successor when it takes no writes any more.
async fn follow(inner: Arc<Inner>, mut found: Found) {
    loop {
        let successor = until_succeeded(&inner, &mut found).await;
        found = match successor {
            Some(successor) => successor,
            None => search(&inner, found.timeline).await,
        };
        inner.follow(&found);
    }
}

/// Waits until the server does not answer as it should, or another one has taken over, which is then answered.
async fn until_succeeded(inner: &Inner, found: &mut Found) -> Option<Found> {
    for look in 1_u32.. {
        sleep(LOOK).await;
        match standing::timeline(&mut found.connection).await {
            Ok(Some(timeline)) if timeline == found.timeline => {}
            Ok(_) => return None,
            Err(error) => {
                tracing::warn!(error = chain(&error), "the database does not answer");
                return None;
            }
        }
        if look % OTHERS == 0
            && let Ok(newest) = standing::find(&inner.servers, found.timeline).await
            && newest.timeline > found.timeline
        {
            return Some(newest);
        }
    }
    None
}

/// Asks until some server takes writes.
async fn search(inner: &Inner, least: Timeline) -> Found {
    loop {
        match standing::find(&inner.servers, least).await {
            Ok(found) => return found,
            Err(error) => tracing::debug!(error = chain(&error), "nobody takes the database's writes"),
        }
        sleep(AGAIN).await;
    }
}
