//! One section per provider. All are always understood, whatever is compiled in.

use std::{path::PathBuf, time::Duration};

#[cfg(feature = "redis")]
use nebula_redis::{ClusterConfig, SentinelConfig};
use secrecy::SecretString;
use serde::Deserialize;

use crate::{QueueName, duration};

/// Not looked into without the feature: who wants them is told that it is missing.
#[cfg(not(feature = "redis"))]
type SentinelConfig = serde::de::IgnoredAny;
#[cfg(not(feature = "redis"))]
type ClusterConfig = serde::de::IgnoredAny;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "understood, whatever is compiled in"))]
pub(super) struct SqliteSection {
    pub(super) enabled: Option<bool>,
    pub(super) path: Option<PathBuf>,
}

/// A database server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "understood, whatever is compiled in")
)]
pub(super) struct ServerSection {
    pub(super) enabled: Option<bool>,
    url: Option<SecretString>,
    username: Option<String>,
    password: Option<SecretString>,
    max_connections: Option<u32>,
}

impl ServerSection {
    pub(super) fn at(url: String) -> Self {
        Self { url: Some(SecretString::from(url)), ..Self::default() }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "understood, whatever is compiled in"))]
pub(super) struct RedisSection {
    pub(super) enabled: Option<bool>,
    url: Option<SecretString>,
    sentinel: Option<SentinelConfig>,
    cluster: Option<ClusterConfig>,
    username: Option<String>,
    password: Option<SecretString>,
    #[serde(deserialize_with = "duration::optional")]
    response_timeout: Option<Duration>,
    key_prefix: Option<String>,
}

impl RedisSection {
    pub(super) fn at(url: String) -> Self {
        Self { url: Some(SecretString::from(url)), ..Self::default() }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(not(feature = "rabbitmq"), allow(dead_code, reason = "understood, whatever is compiled in"))]
pub(super) struct RabbitSection {
    pub(super) enabled: Option<bool>,
    url: Option<SecretString>,
    username: Option<String>,
    password: Option<SecretString>,
    #[serde(deserialize_with = "duration::optional")]
    timeout: Option<Duration>,
    prefix: Option<String>,
    #[serde(deserialize_with = "duration::list")]
    lanes: Vec<Duration>,
    levels: Option<usize>,
    width: Option<u8>,
    pub(super) queue_prefix: Option<QueueName>,
    dead_letter_exchange: Option<String>,
    pub(super) ledger: Option<LedgerProvider>,
    pub(super) retry_times: Option<u32>,
    #[serde(deserialize_with = "duration::optional")]
    pub(super) retry_interval: Option<Duration>,
}

/// Where what is known of a broker's messages lives; each has the settings of the section of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LedgerProvider {
    Memory,
    Sqlite,
    Postgres,
    #[serde(alias = "mariadb")]
    MySql,
    Redis,
}

impl RabbitSection {
    pub(super) fn at(url: String) -> Self {
        Self { url: Some(SecretString::from(url)), ..Self::default() }
    }
}

#[cfg(feature = "rabbitmq")]
impl RabbitSection {
    pub(super) async fn backend(&self) -> crate::Result<crate::RabbitDelayQueue> {
        use secrecy::ExposeSecret;

        let url = self.url.as_ref().map_or("amqp://guest:guest@127.0.0.1:5672/%2f", |url| url.expose_secret());
        let mut options = crate::RabbitDelayQueue::options(url).credentials(
            self.username.clone(),
            self.password.as_ref().map(|password| password.expose_secret().to_owned()),
        );
        if let Some(timeout) = self.timeout {
            options = options.timeout(timeout);
        }
        if let Some(prefix) = &self.prefix {
            options = options.prefix(prefix);
        }
        if let Some(exchange) = &self.dead_letter_exchange {
            options = options.dead_letter_exchange(exchange);
        }
        for lane in &self.lanes {
            options = options.lane(*lane);
        }
        if let Some(levels) = self.levels {
            options = options.levels(levels);
        }
        if let Some(width) = self.width {
            options = options.width(width);
        }
        options.connect().await
    }
}

#[cfg(feature = "sqlite")]
impl SqliteSection {
    pub(super) async fn backend(&self) -> crate::Result<crate::SqlDelayQueue> {
        Ok(crate::SqlDelayQueue::new(self.pool().await?))
    }

    /// Opens the file, creates the tables.
    pub(super) async fn pool(&self) -> crate::Result<sqlx::SqlitePool> {
        use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

        let options = SqliteConnectOptions::new()
            .filename(self.path.clone().unwrap_or_else(|| "nebula-delay-queue.db".into()))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An accepted message survives the loss of power, not only of the process.
            .synchronous(SqliteSynchronous::Full);
        // Several processes may start at once. Whoever turns a new file to WAL wants it alone, and SQLite's busy time-out
        // does not count there.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        let pool = loop {
            let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options.clone()).await;
            match pool.map_err(crate::sql::sql_error("opening the delay queue's database")) {
                Err(error) if error.kind() == crate::ErrorKind::Busy && tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                done => break done?,
            }
        };
        crate::SqlDelayQueue::migrate(&pool).await?;
        Ok(pool)
    }
}

#[cfg(feature = "postgres")]
impl ServerSection {
    /// Connects, creates the tables.
    pub(super) async fn postgres(&self) -> crate::Result<sqlx::PgPool> {
        use secrecy::ExposeSecret;

        let mut options: sqlx::postgres::PgConnectOptions = self.options("postgres")?;
        if let Some(username) = &self.username {
            options = options.username(username);
        }
        if let Some(password) = &self.password {
            options = options.password(password.expose_secret());
        }
        self.pool(options).await
    }
}

#[cfg(feature = "mysql")]
impl ServerSection {
    /// Connects, creates the tables.
    pub(super) async fn mysql(&self) -> crate::Result<sqlx::MySqlPool> {
        use secrecy::ExposeSecret;

        let mut options: sqlx::mysql::MySqlConnectOptions = self.options("mysql")?;
        if let Some(username) = &self.username {
            options = options.username(username);
        }
        if let Some(password) = &self.password {
            options = options.password(password.expose_secret());
        }
        self.pool(options).await
    }
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
impl ServerSection {
    fn options<O: std::str::FromStr<Err = sqlx::Error>>(&self, provider: &str) -> crate::Result<O> {
        use secrecy::ExposeSecret;

        let Some(url) = &self.url else {
            let text = format!("provider `{provider}` needs `{provider}.url`");
            return Err(crate::Error::new(crate::ErrorKind::ConfigInvalid, text));
        };
        url.expose_secret().parse().map_err(crate::sql::sql_error("reading the database's URL"))
    }

    async fn pool<DB: crate::SqlDatabase>(
        &self,
        options: <DB::Connection as sqlx::Connection>::Options,
    ) -> crate::Result<sqlx::Pool<DB>> {
        let pool = sqlx::pool::PoolOptions::new()
            .max_connections(self.max_connections.unwrap_or(10))
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await
            .map_err(crate::sql::sql_error("connecting to the delay queue's database"))?;
        crate::SqlDelayQueue::migrate(&pool).await?;
        Ok(pool)
    }
}

#[cfg(feature = "redis")]
impl RedisSection {
    pub(super) async fn backend(&self) -> crate::Result<crate::RedisDelayQueue<nebula_redis::Connection>> {
        use crate::DelayQueueProducer;

        let redis = self.server();
        let subscriber = redis.subscriber().map_err(|error| crate::redis::redis_error(error, CONNECTING))?;
        let mut backend = crate::RedisDelayQueue::new(self.connection().await?).with_subscriber(subscriber);
        if let Some(prefix) = &self.key_prefix {
            backend = backend.with_key_prefix(prefix);
        }
        // A server that wants a password says so at the first command only.
        backend.ping().await?;
        Ok(backend)
    }

    #[cfg(feature = "rabbitmq")]
    pub(super) async fn ledger(&self) -> crate::Result<crate::RedisLedger<nebula_redis::Connection>> {
        let ledger = crate::RedisLedger::new(self.connection().await?);
        Ok(match &self.key_prefix {
            Some(prefix) => ledger.with_key_prefix(prefix),
            None => ledger,
        })
    }

    async fn connection(&self) -> crate::Result<nebula_redis::Connection> {
        self.server().connect().await.map_err(|error| crate::redis::redis_error(error, CONNECTING))
    }

    fn server(&self) -> nebula_redis::RedisConfig {
        use nebula_redis::RedisConfig;
        use secrecy::ExposeSecret;

        let mut redis =
            self.url.as_ref().map_or_else(RedisConfig::default, |url| RedisConfig::new(url.expose_secret()));
        if let Some(sentinel) = &self.sentinel {
            redis = redis.with_sentinel(sentinel.clone());
        }
        if let Some(cluster) = &self.cluster {
            redis = redis.with_cluster(cluster.clone());
        }
        if let Some(username) = &self.username {
            redis = redis.with_username(username);
        }
        if let Some(password) = &self.password {
            redis = redis.with_password(password.clone());
        }
        if let Some(time) = self.response_timeout {
            redis = redis.with_response_timeout(time);
        }
        redis
    }
}

#[cfg(feature = "redis")]
const CONNECTING: &str = "connecting to redis";
