//! Configuration: the section `nebula.delay-queue`.

mod sections;

use std::time::Duration;

use serde::Deserialize;

#[cfg(feature = "rabbitmq")]
use self::sections::LedgerProvider;
use self::sections::{RabbitSection, RedisSection, ServerSection, SqliteSection};
use crate::{
    DelayQueue, DelayQueueBackend, Error, ErrorKind, MemoryDelayQueue, QueueName, Result, RetryPolicy, duration,
};

/// The section `nebula.delay-queue` of an application's configuration. Unknown keys are refused; durations are text such
/// as `"1m"` or integers in milliseconds.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `provider` | the one section with `enabled: true`, else `memory` | where the messages live: `memory`, `sqlite`, `postgres`, `mysql`, `redis` or `rabbitmq` |
/// | `queue-prefix` | none | put before every queue name, with a dot |
/// | `retry-times` | 3 | retries of a failed message |
/// | `retry-interval` | 60 s | pause before each |
/// | `sqlite.enabled`, `postgres.enabled` and so on | `false` | chooses the provider if `provider` does not say |
/// | `sqlite.path` | `nebula-delay-queue.db` | the database file, created if missing |
/// | `postgres.url`, `mysql.url` | required | `postgres://user@host:5432/database`, `mysql://user@host:3306/database`; MariaDB is `mysql` as well |
/// | `postgres.username` and `.password`, `mysql.username` and `.password` | none | win over those in the URL |
/// | `postgres.max-connections`, `mysql.max-connections` | 10 | size of the pool |
/// | `redis.url` | `redis://127.0.0.1:6379/` | the server; also `redis-sentinel://…` and `redis-cluster://…`, as [`nebula_redis::RedisConfig`](https://docs.rs/nebula-redis) takes them |
/// | `redis.sentinel.master`, `.nodes`, `.username`, `.password` | none | instead of `url`: the master that these sentinels name, and their credentials |
/// | `redis.cluster.nodes` | none | instead of `url`: the cluster that these nodes belong to |
/// | `redis.username`, `redis.password` | none | win over those in the URL |
/// | `redis.response-timeout` | 2 s | how long to wait for a reply |
/// | `redis.key-prefix` | `nebula-delay:1` | what all keys begin with |
/// | `rabbitmq.url` | `amqp://guest:guest@127.0.0.1:5672/%2f` | the broker and the virtual host |
/// | `rabbitmq.username`, `rabbitmq.password` | none | win over those in the URL |
/// | `rabbitmq.timeout` | 10 s | how long an operation may take, waiting for the broker included |
/// | `rabbitmq.prefix` | `nebula-delay.2` | what all exchanges and queues begin with |
/// | `rabbitmq.dead-letter-exchange` | `<prefix>.dead` | the direct exchange that dead letters go through |
/// | `rabbitmq.ledger` | none | what finds messages by their ids, for `cancel`, `reschedule` and duplicates: `redis`, `postgres`, `mysql`, `sqlite` (each with the settings of the section of that name) or `memory` |
/// | `rabbitmq.lanes` | none | delays (in the forms above) that get a queue of their own, at most 16 |
/// | `rabbitmq.levels` | 7 | how high the ladder of delays is, 1 to 7: 7 levels take 49 days in one round, 6 three days |
/// | `rabbitmq.width` | 1 | over how many queues each digit of the ladder and each lane is spread, 1 to 16: more hand on faster what is due at one instant |
///
/// `queue-prefix`, `retry-times` and `retry-interval` may also stand under `rabbitmq`, where they win.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use nebula_delay_queue::DelayQueueConfig;
///
/// let config: DelayQueueConfig = serde_json::from_str(r#"{ "provider": "memory", "retry-interval": "5s" }"#)?;
/// let queue = config.connect().await?;
/// queue.health().await?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct DelayQueueConfig {
    provider: Option<Provider>,
    queue_prefix: Option<QueueName>,
    retry_times: Option<u32>,
    #[serde(deserialize_with = "duration::optional")]
    retry_interval: Option<Duration>,
    sqlite: SqliteSection,
    postgres: ServerSection,
    mysql: ServerSection,
    redis: RedisSection,
    rabbitmq: RabbitSection,
}

/// Where messages live.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// In this process.
    Memory,
    /// In an SQLite file (feature `sqlite`).
    Sqlite,
    /// In a PostgreSQL database (feature `postgres`).
    Postgres,
    /// In a MySQL or MariaDB database (feature `mysql`).
    #[serde(alias = "mariadb")]
    MySql,
    /// On a Redis server (feature `redis`).
    Redis,
    /// On a RabbitMQ broker (feature `rabbitmq`).
    RabbitMq,
}

impl Provider {
    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::Redis => "redis",
            Self::RabbitMq => "rabbitmq",
        }
    }

    /// What is compiled in.
    #[cfg(not(all(
        feature = "sqlite",
        feature = "postgres",
        feature = "mysql",
        feature = "redis",
        feature = "rabbitmq"
    )))]
    fn available() -> String {
        let features = [
            ("memory", true),
            ("sqlite", cfg!(feature = "sqlite")),
            ("postgres", cfg!(feature = "postgres")),
            ("mysql", cfg!(feature = "mysql")),
            ("redis", cfg!(feature = "redis")),
            ("rabbitmq", cfg!(feature = "rabbitmq")),
        ];
        features.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    #[cfg(not(all(
        feature = "sqlite",
        feature = "postgres",
        feature = "mysql",
        feature = "redis",
        feature = "rabbitmq"
    )))]
    fn is_missing(self, key: &str) -> Error {
        let (name, available) = (self.name(), Self::available());
        let text = format!("{key} `{name}` needs the feature `{name}` of nebula-delay-queue; compiled in: {available}");
        Error::new(ErrorKind::ConfigInvalid, text)
    }
}

impl DelayQueueConfig {
    /// Queues in this process, with the defaults.
    #[must_use]
    pub fn memory() -> Self {
        Self { provider: Some(Provider::Memory), ..Self::default() }
    }

    /// Queues in the SQLite file at `path`, with the defaults.
    #[must_use]
    pub fn sqlite(path: impl Into<std::path::PathBuf>) -> Self {
        let sqlite = SqliteSection { path: Some(path.into()), ..SqliteSection::default() };
        Self { provider: Some(Provider::Sqlite), sqlite, ..Self::default() }
    }

    /// Queues in the PostgreSQL database at `url`, with the defaults.
    #[must_use]
    pub fn postgres(url: impl Into<String>) -> Self {
        Self { provider: Some(Provider::Postgres), postgres: ServerSection::at(url.into()), ..Self::default() }
    }

    /// Queues in the MySQL or MariaDB database at `url`, with the defaults.
    #[must_use]
    pub fn mysql(url: impl Into<String>) -> Self {
        Self { provider: Some(Provider::MySql), mysql: ServerSection::at(url.into()), ..Self::default() }
    }

    /// Queues on the Redis server at `url`, with the defaults.
    #[must_use]
    pub fn redis(url: impl Into<String>) -> Self {
        Self { provider: Some(Provider::Redis), redis: RedisSection::at(url.into()), ..Self::default() }
    }

    /// Queues on the RabbitMQ broker at an AMQP URI, with the defaults.
    #[must_use]
    pub fn rabbitmq(url: impl Into<String>) -> Self {
        Self { provider: Some(Provider::RabbitMq), rabbitmq: RabbitSection::at(url.into()), ..Self::default() }
    }

    /// Where the messages will live.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] if several sections are enabled and `provider` does not decide, or if it names a
    /// section that is explicitly not enabled.
    pub fn provider(&self) -> Result<Provider> {
        let sections = [
            (Provider::Sqlite, self.sqlite.enabled),
            (Provider::Postgres, self.postgres.enabled),
            (Provider::MySql, self.mysql.enabled),
            (Provider::Redis, self.redis.enabled),
            (Provider::RabbitMq, self.rabbitmq.enabled),
        ];
        if let Some(provider) = self.provider {
            if sections.contains(&(provider, Some(false))) {
                let name = provider.name();
                let text = format!("`provider` is `{name}`, but `{name}.enabled` is `false`");
                return Err(Error::new(ErrorKind::ConfigInvalid, text));
            }
            return Ok(provider);
        }
        let enabled: Vec<_> = sections.iter().filter(|(_, enabled)| *enabled == Some(true)).collect();
        match enabled[..] {
            [] => Ok(Provider::Memory),
            [(provider, _)] => Ok(*provider),
            _ => {
                Err(Error::new(ErrorKind::ConfigInvalid, "several providers are enabled: set `provider` to choose one"))
            }
        }
    }

    /// Connects and returns the queue; on SQL also creates the tables, and on SQLite the file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] for contradictions and for a provider that is not available,
    /// [`ErrorKind::Unavailable`], [`ErrorKind::Busy`] or [`ErrorKind::Backend`] if the backend cannot be used.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was opened is closed.
    pub async fn connect(&self) -> Result<DelayQueue> {
        match self.provider()? {
            Provider::Memory => Ok(self.connect_with(MemoryDelayQueue::new())),
            #[cfg(feature = "sqlite")]
            Provider::Sqlite => Ok(self.connect_with(self.sqlite.backend().await?)),
            #[cfg(feature = "postgres")]
            Provider::Postgres => Ok(self.connect_with(crate::SqlDelayQueue::new(self.postgres.postgres().await?))),
            #[cfg(feature = "mysql")]
            Provider::MySql => Ok(self.connect_with(crate::SqlDelayQueue::new(self.mysql.mysql().await?))),
            #[cfg(feature = "redis")]
            Provider::Redis => Ok(self.connect_with(self.redis.backend().await?)),
            #[cfg(feature = "rabbitmq")]
            Provider::RabbitMq => Ok(self.connect_with(self.on_rabbitmq().await?)),
            #[cfg(not(all(
                feature = "sqlite",
                feature = "postgres",
                feature = "mysql",
                feature = "redis",
                feature = "rabbitmq"
            )))]
            missing => Err(missing.is_missing("provider")),
        }
    }

    #[cfg(feature = "rabbitmq")]
    async fn on_rabbitmq(&self) -> Result<crate::RabbitDelayQueue> {
        let Some(ledger) = self.rabbitmq.ledger else { return self.rabbitmq.backend().await };
        let ledger: std::sync::Arc<dyn crate::MessageLedger> = match ledger {
            LedgerProvider::Memory => std::sync::Arc::new(crate::MemoryLedger::new()),
            #[cfg(feature = "sqlite")]
            LedgerProvider::Sqlite => std::sync::Arc::new(crate::SqlLedger::new(self.sqlite.pool().await?)),
            #[cfg(feature = "postgres")]
            LedgerProvider::Postgres => std::sync::Arc::new(crate::SqlLedger::new(self.postgres.postgres().await?)),
            #[cfg(feature = "mysql")]
            LedgerProvider::MySql => std::sync::Arc::new(crate::SqlLedger::new(self.mysql.mysql().await?)),
            #[cfg(feature = "redis")]
            LedgerProvider::Redis => std::sync::Arc::new(self.redis.ledger().await?),
            #[cfg(not(feature = "sqlite"))]
            LedgerProvider::Sqlite => return Err(Provider::Sqlite.is_missing("ledger")),
            #[cfg(not(feature = "postgres"))]
            LedgerProvider::Postgres => return Err(Provider::Postgres.is_missing("ledger")),
            #[cfg(not(feature = "mysql"))]
            LedgerProvider::MySql => return Err(Provider::MySql.is_missing("ledger")),
            #[cfg(not(feature = "redis"))]
            LedgerProvider::Redis => return Err(Provider::Redis.is_missing("ledger")),
        };
        Ok(self.rabbitmq.backend().await?.with_ledger(ledger))
    }

    /// A queue with these settings over a backend that the application brings, for example one that shares the
    /// application's pool. `provider` and the connection settings are ignored.
    #[must_use]
    pub fn connect_with(&self, backend: impl DelayQueueBackend) -> DelayQueue {
        let times = self.rabbitmq.retry_times.or(self.retry_times).unwrap_or(3);
        let pause = self.rabbitmq.retry_interval.or(self.retry_interval).unwrap_or(Duration::from_secs(60));
        let queue = DelayQueue::new(backend).with_retry(RetryPolicy::fixed(times, pause));
        match self.rabbitmq.queue_prefix.as_ref().or(self.queue_prefix.as_ref()) {
            Some(prefix) => queue.with_prefix(prefix.clone()),
            None => queue,
        }
    }
}
