//! One server for all tests of a binary, kept apart by key prefixes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::OnceCell;

use crate::redis_cluster::RedisCluster;
use crate::redis_nodes::RedisNodes;
use crate::redis_sentinel::RedisSentinel;
use crate::redis_server::RedisServer;
use crate::sql_server::{SqlEngine, SqlServer};

/// Environment variable that names a Redis server to use instead of starting one.
pub const REDIS_URL_VARIABLE: &str = "NEBULA_TEST_REDIS_URL";

/// Environment variable that names five independent Redis servers, separated by commas.
pub const REDIS_NODES_VARIABLE: &str = "NEBULA_TEST_REDIS_NODES";

/// Environment variable that names nodes of a Redis cluster, separated by commas.
pub const REDIS_CLUSTER_VARIABLE: &str = "NEBULA_TEST_REDIS_CLUSTER";

/// Environment variable that names a group of servers and its sentinels: `main@127.0.0.1:26379,127.0.0.1:26380`.
pub const REDIS_SENTINELS_VARIABLE: &str = "NEBULA_TEST_REDIS_SENTINELS";

/// How many independent servers tests share: the number that the Redlock algorithm is described with.
const NODES: usize = 5;

/// Environment variable that names a MariaDB server to use instead of starting one, for example
/// `mysql://root@127.0.0.1:3306/mysql`. The user must be allowed to create databases.
pub const MARIADB_URL_VARIABLE: &str = "NEBULA_TEST_MARIADB_URL";

/// Environment variable that names a PostgreSQL server to use instead of starting one, for example
/// `postgres://postgres@127.0.0.1:5432/postgres`. The user must be allowed to create databases.
pub const POSTGRES_URL_VARIABLE: &str = "NEBULA_TEST_POSTGRES_URL";

static REDIS: OnceCell<RedisServer> = OnceCell::const_new();
static REDIS_NODES: OnceCell<RedisNodes> = OnceCell::const_new();
static MARIADB: OnceCell<SqlServer> = OnceCell::const_new();
static POSTGRES: OnceCell<SqlServer> = OnceCell::const_new();
static REDIS_CLUSTER: OnceCell<RedisCluster> = OnceCell::const_new();
static REDIS_SENTINEL: OnceCell<RedisSentinel> = OnceCell::const_new();

/// URL of a Redis server that this process shares: the one that [`REDIS_URL_VARIABLE`] names, else one that is started
/// at the first call and lives as long as the process.
///
/// Tests keep apart by [`unique`] prefixes. A test that kills, freezes, flushes or counts globally starts its own
/// [`RedisServer`].
///
/// # Panics
/// When the server cannot be started.
///
/// # Cancel safety
/// Dropping the future is harmless; the next caller starts the server.
pub async fn redis_url() -> String {
    match named(REDIS_URL_VARIABLE) {
        Some(url) => url,
        None => REDIS.get_or_init(RedisServer::start).await.url(),
    }
}

/// URLs of five independent Redis servers that this process shares, as [`redis_url`] does one: those that
/// [`REDIS_NODES_VARIABLE`] names, else servers that are started at the first call and live as long as the process.
///
/// # Panics
/// When they cannot be started, or the variable does not name five servers.
///
/// # Cancel safety
/// Dropping the future is harmless; the next caller starts the servers.
pub async fn redis_node_urls() -> Vec<String> {
    let urls: Vec<String> = match named(REDIS_NODES_VARIABLE) {
        Some(urls) => urls.split(',').map(str::to_owned).collect(),
        None => REDIS_NODES.get_or_init(|| RedisNodes::start(NODES)).await.urls(),
    };
    assert_eq!(urls.len(), NODES, "{REDIS_NODES_VARIABLE} has to name {NODES} servers");
    urls
}

/// URLs of nodes of a Redis cluster that this process shares, as [`redis_url`] does one server.
///
/// # Panics
/// When it cannot be started.
///
/// # Cancel safety
/// Dropping the future is harmless; the next caller starts the cluster.
pub async fn redis_cluster_urls() -> Vec<String> {
    match named(REDIS_CLUSTER_VARIABLE) {
        Some(urls) => urls.split(',').map(str::to_owned).collect(),
        None => REDIS_CLUSTER.get_or_init(RedisCluster::start).await.urls(),
    }
}

/// The name of a group of servers and the `host:port` of its sentinels, which this process shares as [`redis_url`]
/// does one server.
///
/// # Panics
/// When they cannot be started, or the variable has no `@`.
///
/// # Cancel safety
/// Dropping the future is harmless; the next caller starts the servers.
pub async fn redis_sentinels() -> (String, Vec<String>) {
    if let Some(text) = named(REDIS_SENTINELS_VARIABLE) {
        let Some((name, addresses)) = text.split_once('@') else {
            panic!("{REDIS_SENTINELS_VARIABLE} has to be name@host:port,host:port");
        };
        return (name.to_owned(), addresses.split(',').map(str::to_owned).collect());
    }
    let redis = REDIS_SENTINEL.get_or_init(RedisSentinel::start).await;
    (redis.name().to_owned(), redis.addresses())
}

fn named(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// URL of a fresh, empty database on a MariaDB server that this process shares: the one that [`MARIADB_URL_VARIABLE`]
/// names, else one that is started at the first call and lives as long as the process.
///
/// A test that kills or freezes starts its own [`SqlServer`].
///
/// # Panics
/// When the server cannot be started or refuses.
///
/// # Cancel safety
/// Dropping the future may leave an empty database behind.
pub async fn mariadb_database() -> String {
    fresh_database(SqlEngine::MariaDb, MARIADB_URL_VARIABLE, &MARIADB).await
}

/// URL of a fresh, empty database on a PostgreSQL server that this process shares: the one that
/// [`POSTGRES_URL_VARIABLE`] names, else one that is started at the first call and lives as long as the process.
///
/// # Panics
/// When the server cannot be started or refuses.
///
/// # Cancel safety
/// Dropping the future may leave an empty database behind.
pub async fn postgres_database() -> String {
    fresh_database(SqlEngine::Postgres, POSTGRES_URL_VARIABLE, &POSTGRES).await
}

async fn fresh_database(engine: SqlEngine, variable: &str, shared: &OnceCell<SqlServer>) -> String {
    match named(variable) {
        Some(url) => {
            let name = unique("test").replace('-', "_");
            engine.create_database(&url, &name).await;
            engine.sibling(&url, &name)
        }
        None => shared.get_or_init(|| SqlServer::start(engine)).await.create_database().await,
    }
}

/// A name that no other test uses, on this or an earlier run against the same server: `unique("lock")` gives something
/// like `lock-1h2k9x-4d2-7`.
#[must_use]
pub fn unique(prefix: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{now:x}-{:x}-{count:x}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let names: std::collections::HashSet<_> = (0..1000).map(|_| unique("a")).collect();
        assert_eq!(names.len(), 1000);
    }

    #[tokio::test]
    async fn the_shared_server_answers_and_is_shared() {
        let url = redis_url().await;
        assert_eq!(url, redis_url().await);
        let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
        let key = unique("shared");
        redis::cmd("SET").arg(&key).arg(1).exec_async(&mut connection).await.unwrap();
        let value: i32 = redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
        assert_eq!(value, 1);
    }

    #[tokio::test]
    async fn the_shared_nodes_are_five_servers() {
        let urls = redis_node_urls().await;
        let mut ids = std::collections::HashSet::new();
        for url in urls {
            let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
            let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await.unwrap();
            ids.insert(info.lines().find(|line| line.starts_with("run_id:")).unwrap().to_owned());
        }
        assert_eq!(ids.len(), 5);
    }
}
