//! Everything that takes part, behind one interface.

use std::fmt;

use nebula_lock::{LockManager, RedisLock, Release};
use nebula_redis::RedisConfig;

use crate::limit::Limit;
use crate::{LEASE, peer};

#[derive(Clone)]
pub(crate) enum Side {
    Limit(Limit),
    Ours(Kind, LockManager),
    Rslock(rslock::LockManager),
}

/// The ways in which ours can be set up.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// As it is by default: fence tokens, one script call for each operation.
    Fenced,
    /// With group commit above sixteen operations.
    Grouped,
    /// Without fence tokens, as the limit.
    Plain,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Fenced, Self::Grouped, Self::Plain];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fenced => "fenced",
            Self::Grouped => "grouped",
            Self::Plain => "plain",
        })
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(_) => f.write_str("limit"),
            Self::Ours(kind, _) => kind.fmt(f),
            Self::Rslock(_) => f.write_str("rslock"),
        }
    }
}

/// Every side on connections of its own.
pub(crate) async fn all(url: &str) -> Vec<Side> {
    let mut sides = vec![Side::Limit(Limit::connect(url).await)];
    for kind in Kind::ALL {
        sides.push(Side::Ours(kind, ours(url, kind).await));
    }
    sides.push(Side::Rslock(peer::connect(url)));
    sides
}

/// Ours as its documentation uses it: with a wake-up for those who wait.
pub(crate) async fn ours(url: &str, kind: Kind) -> LockManager {
    let redis = RedisConfig::new(url);
    let backend = RedisLock::new(redis.connect().await.unwrap()).with_subscriber(redis.subscriber().unwrap());
    LockManager::new(match kind {
        Kind::Fenced => backend,
        Kind::Grouped => backend.with_group_commit(16),
        Kind::Plain => backend.without_fences(),
    })
}

impl Side {
    /// One acquisition and release of a key that nobody else wants.
    pub(crate) async fn pair(self, key: &str) {
        match self {
            Self::Limit(limit) => limit.pair(key).await,
            Self::Ours(_, locks) => {
                let guard = locks.try_lock(key).await.unwrap().unwrap();
                assert_eq!(guard.release().await, Release::Released);
            }
            Self::Rslock(manager) => {
                let lock = manager.lock(key, LEASE).await.unwrap();
                manager.unlock(&lock).await;
            }
        }
    }
}
