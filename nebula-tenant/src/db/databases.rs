//! A database for each tenant, and not more connections than there may be.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::{Connection, Database, Pool};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::error::DbError;
use crate::error::Error;
use crate::id::TenantId;

type Options<DB> = <<DB as Database>::Connection as Connection>::Options;
type Find<DB> = dyn Fn(&TenantId) -> Result<Options<DB>, Error> + Send + Sync;

/// Pools of many databases, one for each tenant, opened when they are needed. Cheap to clone.
///
/// There are never more connections than [`with_connections`](Self::with_connections) says, whatever the number of tenants: if
/// all pools are taken, the one that was not used for the longest time is closed first, and if all are in use, whoever comes waits.
pub struct Databases<DB: Database> {
    shared: Arc<Shared<DB>>,
}

struct Shared<DB: Database> {
    find: Box<Find<DB>>,
    limits: Limits,
    /// One permit for each pool that may be open.
    room: Arc<Semaphore>,
    open: Mutex<HashMap<TenantId, Entry<DB>>>,
    freed: Arc<Notify>,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    connections: u32,
    each: u32,
    idle: Duration,
    patience: Duration,
}

struct Entry<DB: Database> {
    pool: Pool<DB>,
    /// Held by everybody who uses the pool.
    users: Arc<()>,
    used: Instant,
    /// Given back when all connections are closed.
    room: OwnedSemaphorePermit,
}

/// Keeps a pool open.
pub(crate) struct Lease {
    users: Option<Arc<()>>,
    freed: Arc<Notify>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.users = None;
        self.freed.notify_waiters();
    }
}

impl<DB: Database> Databases<DB> {
    /// `find` says how to connect to the database of a tenant: with a name made of the tenant's, or what the registry has.
    /// At most 100 connections, 5 for each tenant, closed after a minute without use, unless said otherwise.
    #[must_use]
    pub fn new(find: impl Fn(&TenantId) -> Result<Options<DB>, Error> + Send + Sync + 'static) -> Self {
        let limits =
            Limits { connections: 100, each: 5, idle: Duration::from_secs(60), patience: Duration::from_secs(30) };
        Self::of(Box::new(find), limits)
    }

    fn of(find: Box<Find<DB>>, limits: Limits) -> Self {
        let pools = (limits.connections / limits.each).max(1) as usize;
        let shared = Shared {
            find,
            limits,
            room: Arc::new(Semaphore::new(pools)),
            open: Mutex::default(),
            freed: Arc::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    fn with(self, change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = self.shared.limits;
        change(&mut limits);
        limits.each = limits.each.clamp(1, limits.connections.max(1));
        match Arc::try_unwrap(self.shared) {
            Ok(shared) => Self::of(shared.find, limits),
            // It is in use, and stays as it is.
            Err(shared) => Self { shared },
        }
    }

    /// How many connections there may be in all. Say so before it is cloned.
    #[must_use]
    pub fn with_connections(self, connections: u32) -> Self {
        self.with(|limits| limits.connections = connections)
    }

    /// How many of them one tenant may have. Say so before it is cloned.
    #[must_use]
    pub fn with_each(self, connections: u32) -> Self {
        self.with(|limits| limits.each = connections)
    }

    /// How long a connection, and a pool, stays open without use. Say so before it is cloned.
    #[must_use]
    pub fn with_idle(self, time: Duration) -> Self {
        self.with(|limits| limits.idle = time)
    }

    /// How long to wait for a connection. Say so before it is cloned.
    #[must_use]
    pub fn with_patience(self, time: Duration) -> Self {
        self.with(|limits| limits.patience = time)
    }

    /// How many connections are open, in all pools that are.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.open().values().map(|entry| entry.pool.size()).sum()
    }

    /// How many pools are open.
    #[must_use]
    pub fn pools(&self) -> usize {
        self.open().len()
    }

    /// Closes pools that were not used for a while. That happens by itself whenever another one is opened.
    pub fn close_idle(&self) {
        let idle = self.shared.limits.idle;
        self.close_where(|entry| entry.used.elapsed() >= idle);
    }

    fn close_where(&self, old: impl Fn(&Entry<DB>) -> bool) {
        let mut open = self.open();
        let gone: Vec<_> = open
            .iter()
            .filter(|(_, entry)| Arc::strong_count(&entry.users) == 1 && old(entry))
            .map(|(tenant, _)| tenant.clone())
            .collect();
        for entry in gone.iter().filter_map(|tenant| open.remove(tenant)) {
            self.close(entry);
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<TenantId, Entry<DB>>> {
        self.shared.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On the side: whoever waits for the room may be cancelled.
    fn close(&self, entry: Entry<DB>) {
        let freed = Arc::clone(&self.shared.freed);
        tokio::spawn(async move {
            entry.pool.close().await;
            drop(entry.room);
            freed.notify_waiters();
        });
    }

    /// The pool of a tenant, which stays open for as long as the lease is held.
    pub(crate) async fn lease(&self, tenant: &TenantId) -> Result<(Pool<DB>, Lease), DbError> {
        let deadline = Instant::now() + self.shared.limits.patience;
        loop {
            let mut freed = std::pin::pin!(self.shared.freed.notified());
            freed.as_mut().enable();
            if let Some(leased) = self.take(tenant)? {
                return Ok(leased);
            }
            timeout_at(deadline, freed).await.map_err(|_| DbError::Database(sqlx::Error::PoolTimedOut))?;
        }
    }

    fn take(&self, tenant: &TenantId) -> Result<Option<(Pool<DB>, Lease)>, DbError> {
        let lease = |users: &Arc<()>| Lease { users: Some(Arc::clone(users)), freed: Arc::clone(&self.shared.freed) };
        if let Some(entry) = self.open().get_mut(tenant) {
            entry.used = Instant::now();
            return Ok(Some((entry.pool.clone(), lease(&entry.users))));
        }
        self.close_idle();
        let Limits { each, idle, patience, .. } = self.shared.limits;
        let Ok(room) = Arc::clone(&self.shared.room).try_acquire_owned() else {
            let oldest =
                self.open().values().filter(|entry| Arc::strong_count(&entry.users) == 1).map(|it| it.used).min();
            if let Some(oldest) = oldest {
                self.close_where(|entry| entry.used <= oldest);
            }
            return Ok(None);
        };
        let options = (self.shared.find)(tenant)?;
        let pool = PoolOptions::<DB>::new().max_connections(each).min_connections(0);
        let pool = pool.idle_timeout(idle).acquire_timeout(patience).connect_lazy_with(options);
        let entry = Entry { pool: pool.clone(), users: Arc::default(), used: Instant::now(), room };
        let leased = (pool, lease(&entry.users));
        // Somebody else may have opened one in between: that one is used, and this one was never connected.
        let mut open = self.open();
        if let Some(present) = open.get_mut(tenant) {
            present.used = Instant::now();
            return Ok(Some((present.pool.clone(), lease(&present.users))));
        }
        open.insert(tenant.clone(), entry);
        Ok(Some(leased))
    }
}

impl<DB: Database> Clone for Databases<DB> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<DB: Database> fmt::Debug for Databases<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Databases")
            .field("database", &DB::NAME)
            .field("limits", &self.shared.limits)
            .field("pools", &self.pools())
            .finish_non_exhaustive()
    }
}
