//! Rate limits on Redis.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use nebula_redis::{Script, Subscriber};
use redis::aio::ConnectionLike;

use super::clock::MicroClock;
use super::decision::Standing;
use super::quota::Kind;
use super::rolling::PARTS;
use super::store::{Book, Changes, Charge, RateLimitStore, Ruling, Verdict};
use crate::error::{Error, ErrorKind, Result};

static DECIDE: LazyLock<Script> = LazyLock::new(|| Script::new("decide", include_str!("decide.lua")));
static BOOK: LazyLock<Script> = LazyLock::new(|| Script::new("book", include_str!("book.lua")));
static REPLACE: LazyLock<Script> = LazyLock::new(|| Script::new("replace", include_str!("replace.lua")));

/// Rate limits on Redis (6.2 or newer): a server, a master behind Sentinel, or a cluster. One script call for each decision,
/// by the server's clock.
///
/// All keys of a namespace share a hash tag: on a cluster they live on one shard, so that a decision over several keys stays
/// one script. Limiters with different namespaces spread.
///
/// ```no_run
/// use nebula_cache::nebula_redis::RedisConfig;
/// use nebula_cache::rate_limit::{RateLimiter, RedisRates};
///
/// # async fn example(rules: Vec<nebula_cache::rate_limit::Rule>) -> Result<(), Box<dyn std::error::Error>> {
/// let redis = RedisConfig::new("redis://cache.internal/");
/// let store = RedisRates::new(redis.connect().await?, redis.subscriber()?);
/// let limiter = RateLimiter::builder(store).with_rules(rules).start().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisRates<C> {
    connection: C,
    subscriber: Subscriber,
    namespace: Arc<str>,
    clock: Option<MicroClock>,
    /// For the calendar: about what time it is at the server.
    guess: MicroClock,
}

impl<C> RedisRates<C> {
    /// Decisions over `connection`; changes of the rules are heard of over `subscriber`.
    #[must_use]
    pub fn new(connection: C, subscriber: Subscriber) -> Self {
        let namespace = "nebula:rates".into();
        Self { connection, subscriber, namespace, clock: None, guess: MicroClock::steady() }
    }

    /// Sets what the names of all keys begin with; `nebula:rates` by default. Limiters with the same namespace share what is
    /// used, and the rules.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<Arc<str>>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Takes the time from a clock of the client instead of the server's, for services that forbid `TIME` in scripts. All
    /// nodes' clocks must agree then: one that is ahead by a second gives away a second's worth.
    #[must_use]
    pub fn with_client_clock(mut self, clock: MicroClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// `<namespace>:{rates}:<kind>:<rest>`.
    fn name(&self, kind: &str, parts: &[&[u8]]) -> Vec<u8> {
        let mut name = format!("{}:{{{}:rates}}:{kind}", self.namespace, self.namespace).into_bytes();
        for part in parts {
            name.push(b':');
            name.extend_from_slice(part);
        }
        name
    }

    fn channel(&self) -> String {
        format!("{}:rules", self.namespace)
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisRates<C> {
    async fn call(&self, charges: &[Charge<'_>], guess: u64) -> Result<Vec<i64>> {
        let keys: Vec<Vec<u8>> =
            charges.iter().map(|charge| self.name("a", &[charge.rule.as_bytes(), charge.key])).collect();
        let mut arguments = Vec::with_capacity(1 + charges.len() * 8);
        arguments.push(self.clock.as_ref().map_or_else(String::new, |clock| clock.now().to_string()));
        for charge in charges {
            let (kind, numbers) = match &charge.quota.0 {
                Kind::Rate(rate) => ("g", [rate.burst, rate.token, rate.drain, 0, 0]),
                Kind::Rolling(rolling) => ("w", [rolling.limit, rolling.width, PARTS, 0, 0]),
                Kind::Calendar(calendar) => {
                    let [before, present, next, after] = calendar.around(guess)?;
                    ("c", [calendar.limit, before, present, next, after])
                }
            };
            arguments.push(kind.to_owned());
            arguments.extend([charge.cost, charge.wanted.max(charge.cost)].iter().chain(&numbers).map(u64::to_string));
        }
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let arguments: Vec<&[u8]> = arguments.iter().map(String::as_bytes).collect();
        Ok(DECIDE.run(&keys, &arguments, &mut self.connection.clone()).await?)
    }
}

#[async_trait]
impl<C: ConnectionLike + Clone + Send + Sync + 'static> RateLimitStore for RedisRates<C> {
    async fn decide(&self, charges: &[Charge<'_>]) -> Result<Verdict> {
        if charges.is_empty() {
            return Ok(Verdict { allowed: true, rulings: Default::default() });
        }
        let guess = self.clock.as_ref().unwrap_or(&self.guess).now();
        let mut reply = self.call(charges, guess).await?;
        if let [-1, server] = *reply {
            // The clocks are further apart than the calendar's windows reach.
            reply = self.call(charges, server.unsigned_abs()).await?;
        }
        verdict(&reply, charges.len()).ok_or_else(nonsense)
    }

    async fn book(&self, node: u64, known: u64) -> Result<Book> {
        let (version, text, nodes): (String, String, u64) = BOOK
            .key(self.name("rules", &[]))
            .key(self.name("nodes", &[]))
            .arg(format!("{node:x}"))
            .arg(known.to_string())
            .invoke(&mut self.connection.clone())
            .await?;
        Ok(Book { version: version.parse().map_err(|_| nonsense())?, text, nodes })
    }

    async fn replace(&self, expected: u64, above: u64, text: &str) -> Result<Option<u64>> {
        let version: String = REPLACE
            .key(self.name("rules", &[]))
            .arg(expected.to_string())
            .arg(above.to_string())
            .arg(text)
            .arg(self.channel())
            .invoke(&mut self.connection.clone())
            .await?;
        match version.is_empty() {
            true => Ok(None),
            false => version.parse().map(Some).map_err(|_| nonsense()),
        }
    }

    async fn watch(&self) -> Result<Changes> {
        let subscription = self.subscriber.subscribe(&self.channel()).await?;
        // Whatever it is, a message or the news that some may be lost: look again.
        Ok(stream::unfold(subscription, async |mut subscription| subscription.next().await.map(|_| ((), subscription)))
            .boxed())
    }

    async fn ping(&self) -> Result<()> {
        let mut connection = self.connection.clone();
        redis::cmd("PING").exec_async(&mut connection).await.map_err(|error| nebula_redis::Error::from(error).into())
    }
}

fn verdict(reply: &[i64], charges: usize) -> Option<Verdict> {
    let (head, rest) = reply.split_at_checked(2)?;
    if rest.len() != charges * 5 {
        return None;
    }
    let number = |value: i64| u64::try_from(value).ok();
    let rulings = rest
        .chunks_exact(5)
        .map(|it| {
            let &[allowed, granted, remaining, retry, reset] = it else { return None };
            let standing = Standing {
                allowed: allowed == 1,
                remaining: number(remaining)?,
                retry_after: Duration::from_micros(number(retry)?),
                reset_after: Duration::from_micros(number(reset)?),
            };
            Some(Ruling { granted: number(granted)?, standing })
        })
        .collect::<Option<_>>()?;
    Some(Verdict { allowed: head.first() == Some(&1), rulings })
}

fn nonsense() -> Error {
    Error::new(ErrorKind::Backend, "redis answered something else than the script returns")
}

impl<C> fmt::Debug for RedisRates<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRates").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
