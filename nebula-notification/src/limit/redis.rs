use std::{fmt, sync::Arc, sync::LazyLock, time::Duration};

use async_trait::async_trait;
use nebula_redis::Script;
use redis::aio::ConnectionLike;

use super::store::{Charge, LimitStore, Ruling};
use crate::{
    error::{Error, ErrorKind, Result},
    shared::unavailable,
};

static CHARGE: LazyLock<Script> = LazyLock::new(|| Script::new("charge", include_str!("charge.lua")));
static COUNT: LazyLock<Script> = LazyLock::new(|| Script::new("count", include_str!("count.lua")));

/// Counters on Redis (6.2 or newer): a server, a master behind Sentinel, or a cluster, by the server's clock.
///
/// All counters of a namespace share a hash tag: on a cluster they live on one shard, so that a decision over several of them is
/// one script.
#[derive(Clone)]
pub struct RedisLimits<C> {
    connection: C,
    namespace: Arc<str>,
}

impl<C> RedisLimits<C> {
    /// Counters over that connection.
    #[must_use]
    pub fn new(connection: C) -> Self {
        Self { connection, namespace: "nebula:notify".into() }
    }

    /// Sets what the names of all keys begin with; `nebula:notify` by default.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<Arc<str>>) -> Self {
        self.namespace = namespace.into();
        self
    }

    fn name(&self, key: &str) -> String {
        format!("{}:{{{}:limits}}:1:{key}", self.namespace, self.namespace)
    }
}

#[async_trait]
impl<C: ConnectionLike + Clone + Send + Sync + 'static> LimitStore for RedisLimits<C> {
    async fn charge(&self, charges: &[Charge]) -> Result<Ruling> {
        let mut call = CHARGE.call();
        for charge in charges {
            call = call.key(self.name(&charge.key)).arg(charge.limit).arg(Charge::part(charge.span));
        }
        let (place, wait): (usize, String) =
            call.invoke(&mut self.connection.clone()).await.map_err(|error| unavailable("limits", error))?;
        let wait = wait.parse().map_err(|_| Error::new(ErrorKind::Corrupt, "a limit answered with no number"))?;
        Ok(match place.checked_sub(1) {
            None => Ruling::Allowed,
            Some(index) => Ruling::Refused { index, retry_after: Duration::from_millis(wait) },
        })
    }

    async fn count(&self, key: &str, span: Duration) -> Result<u64> {
        let call = COUNT.key(self.name(key)).arg(Charge::part(span));
        call.invoke(&mut self.connection.clone()).await.map_err(|error| unavailable("limits", error))
    }
}

impl<C> fmt::Debug for RedisLimits<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLimits").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
