use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use nebula_redis::Script;
use redis::aio::ConnectionLike;

use super::store::{CodeDigest, CodeStore, Guess, NewCode, PutCode};
use crate::{clock::duration_ms, error::Result, random::hex, shared::unavailable};

static PUT: LazyLock<Script> = LazyLock::new(|| Script::new("put_code", include_str!("put.lua")));
static GUESS: LazyLock<Script> = LazyLock::new(|| Script::new("guess_code", include_str!("guess.lua")));
static REVOKE: LazyLock<Script> = LazyLock::new(|| Script::new("revoke_code", include_str!("revoke.lua")));

/// Codes on Redis (6.2 or newer), shared by all processes: one script for each step, by the server's clock. The keys of a code
/// share a hash tag of their own, so codes spread over a cluster. Neither codes nor addresses can be read there: keys are
/// digests as well.
#[derive(Clone)]
pub struct RedisCodes<C> {
    connection: C,
    namespace: Arc<str>,
}

impl<C> RedisCodes<C> {
    /// Codes over that connection.
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

    fn names(&self, key: &str) -> [String; 2] {
        ["code", "cool"].map(|kind| format!("{}:{{{key}}}:1:{kind}", self.namespace))
    }
}

#[async_trait]
impl<C: ConnectionLike + Clone + Send + Sync + 'static> CodeStore for RedisCodes<C> {
    async fn put(&self, code: &NewCode) -> Result<PutCode> {
        let [name, cool] = self.names(&code.key);
        let call = PUT
            .key(name)
            .key(cool)
            .arg(hex(code.digest.as_bytes()))
            .arg(duration_ms(code.lifetime).max(1))
            .arg(code.tries)
            .arg(duration_ms(code.cool_down));
        let left: i64 = call.invoke(&mut self.connection.clone()).await.map_err(|error| unavailable("codes", error))?;
        Ok(match u64::try_from(left) {
            Ok(left) => PutCode::CoolDown { retry_after: Duration::from_millis(left) },
            Err(_) => PutCode::Stored,
        })
    }

    async fn guess(&self, key: &str, digest: &CodeDigest) -> Result<Guess> {
        let [name, _] = self.names(key);
        let call = GUESS.key(name).arg(hex(digest.as_bytes()));
        let answer: i64 =
            call.invoke(&mut self.connection.clone()).await.map_err(|error| unavailable("codes", error))?;
        Ok(match answer {
            1 => Guess::Right,
            0 => Guess::Wrong,
            _ => Guess::None,
        })
    }

    async fn revoke(&self, key: &str, digest: &CodeDigest) -> Result<()> {
        let call = REVOKE.key(self.names(key).as_slice()).arg(hex(digest.as_bytes()));
        call.invoke(&mut self.connection.clone()).await.map_err(|error| unavailable("codes", error))
    }
}

impl<C> fmt::Debug for RedisCodes<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCodes").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
