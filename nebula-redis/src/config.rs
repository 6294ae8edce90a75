use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::cluster::Cluster;
use crate::connection::{Connection, Way};
use crate::error::{Error, ErrorKind, Result};
use crate::link::{Backoff, Dialer, Keeper, Target};
use crate::pinned::{PinnedConnection, PinnedManager};
use crate::subscriber::Subscriber;
use crate::topology::{ClusterConfig, SentinelConfig};

/// Where the server is and how patient we are with it.
///
/// Deserialises from kebab-case keys and refuses unknown ones. Durations are text such as `"1s 500ms"` or plain integers
/// in milliseconds.
///
/// ```
/// use std::time::Duration;
/// use nebula_redis::RedisConfig;
///
/// let config: RedisConfig = serde_json::from_str(
///     r#"{ "url": "redis://cache.internal:6379/", "password": "secret", "response-timeout": "1s", "connect-timeout": 3000 }"#,
/// )?;
/// assert_eq!(config.connect_timeout(), Duration::from_secs(3));
/// assert!(!format!("{config:?}").contains("secret"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct RedisConfig {
    pub(crate) url: Option<SecretString>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) database: Option<u32>,
    pub(crate) sentinel: Option<SentinelConfig>,
    pub(crate) cluster: Option<ClusterConfig>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) cert_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    #[serde(with = "crate::duration")]
    connect_timeout: Duration,
    #[serde(with = "crate::duration")]
    response_timeout: Duration,
    #[serde(with = "crate::duration")]
    reconnect_min: Duration,
    #[serde(with = "crate::duration")]
    reconnect_max: Duration,
    #[serde(with = "crate::duration")]
    keep_alive: Duration,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: None,
            username: None,
            password: None,
            database: None,
            sentinel: None,
            cluster: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(2),
            reconnect_min: Duration::from_millis(50),
            reconnect_max: Duration::from_secs(5),
            keep_alive: Duration::from_secs(5),
        }
    }
}

impl RedisConfig {
    /// Default settings for what `url` names:
    ///
    /// - one server: `redis://[user][:password@]host[:port][/database]`, or `unix:///path/to/socket`;
    /// - the master that sentinels name: `redis-sentinel://[user][:password@]host:port[,host:port…]/master[/database]`,
    ///   with the credentials of the servers, not of the sentinels;
    /// - a cluster: `redis-cluster://[user][:password@]host:port[,host:port…]`.
    ///
    /// `rediss` instead of `redis` means TLS (feature `tls`).
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: Some(SecretString::from(url.into())), ..Self::default() }
    }

    /// Default settings for the master that the sentinels at `nodes` (`host:port` or URLs) know by the name `master`.
    pub fn sentinel(master: impl Into<String>, nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::default().with_sentinel(SentinelConfig::new(master, nodes))
    }

    /// Default settings for the cluster of which some nodes are at `nodes` (`host:port` or URLs).
    pub fn cluster(nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::default().with_cluster(ClusterConfig::new(nodes))
    }

    /// Leads to the master that sentinels name, instead of a URL.
    #[must_use]
    pub fn with_sentinel(mut self, sentinel: SentinelConfig) -> Self {
        self.sentinel = Some(sentinel);
        self
    }

    /// Leads to a cluster, instead of a URL.
    #[must_use]
    pub fn with_cluster(mut self, cluster: ClusterConfig) -> Self {
        self.cluster = Some(cluster);
        self
    }

    /// User name; wins over the one in the URL.
    #[must_use]
    pub fn with_username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Password; wins over the one in the URL.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<SecretString>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Database number; wins over the one in the URL.
    #[must_use]
    pub fn with_database(mut self, database: u32) -> Self {
        self.database = Some(database);
        self
    }

    /// PEM file with the certificates to trust instead of the platform's (`rediss://` only).
    #[must_use]
    pub fn with_ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(file.into());
        self
    }

    /// PEM files with our own certificate and key, for servers that ask for one (`rediss://` only).
    #[must_use]
    pub fn with_client_cert(mut self, cert_file: impl Into<PathBuf>, key_file: impl Into<PathBuf>) -> Self {
        self.cert_file = Some(cert_file.into());
        self.key_file = Some(key_file.into());
        self
    }

    /// How long opening a link may take, with name resolution, TLS and authentication (default 5 s).
    #[must_use]
    pub fn with_connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// How long to wait for a reply (default 2 s).
    #[must_use]
    pub fn with_response_timeout(mut self, time: Duration) -> Self {
        self.response_timeout = time;
        self
    }

    /// Shortest and longest pause between two attempts to connect (default 50 ms and 5 s). The pause doubles from one
    /// attempt to the next, and a random part of it is left out so that many clients do not return at the same moment.
    #[must_use]
    pub fn with_reconnect(mut self, min: Duration, max: Duration) -> Self {
        self.reconnect_min = min;
        self.reconnect_max = max;
        self
    }

    /// After how much silence a link is tested with a `PING` (default 5 s).
    #[must_use]
    pub fn with_keep_alive(mut self, time: Duration) -> Self {
        self.keep_alive = time;
        self
    }

    /// See [`with_connect_timeout`](Self::with_connect_timeout).
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// See [`with_response_timeout`](Self::with_response_timeout).
    #[must_use]
    pub fn response_timeout(&self) -> Duration {
        self.response_timeout
    }

    /// See [`with_keep_alive`](Self::with_keep_alive).
    #[must_use]
    pub fn keep_alive(&self) -> Duration {
        self.keep_alive
    }

    /// Whether these settings lead to a cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        use secrecy::ExposeSecret as _;
        let by_url = |url: &SecretString| {
            ["redis-cluster:", "rediss-cluster:"].iter().any(|scheme| url.expose_secret().starts_with(scheme))
        };
        self.cluster.is_some() || self.url.as_ref().is_some_and(by_url)
    }

    /// Connects. The connection repairs itself afterwards.
    ///
    /// # Errors
    /// When the first attempt fails: [`ErrorKind::Unavailable`] within the connect timeout, [`ErrorKind::AuthFailed`],
    /// [`ErrorKind::ConfigInvalid`].
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn connect(&self) -> Result<Connection> {
        let connection = self.connect_lazy()?;
        connection.first().await.map_err(|error| Error::from_redis(error, "cannot connect to redis"))?;
        Ok(connection)
    }

    /// Like [`connect`](Self::connect) but returns at once; the link is opened in the background, and commands wait for
    /// it at most for the response timeout.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`], also when called outside a tokio runtime.
    pub fn connect_lazy(&self) -> Result<Connection> {
        let dialer = self.dialer()?;
        let way = match &dialer.target {
            Target::AnyNode(nodes) => Way::Cluster(Cluster::start(Arc::clone(nodes), dialer.clone())?),
            Target::Fixed(_) | Target::Master(_) => Way::One(Keeper::start(dialer)?),
        };
        Ok(Connection::new(way, self.response_timeout))
    }

    /// Opens links that know which server process they talk to, see [`PinnedManager`]. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`], also for a cluster, which is more than one process, and when called outside a tokio
    /// runtime.
    pub fn pinned_manager(&self) -> Result<PinnedManager> {
        Ok(PinnedManager::new(Keeper::start(self.pinned()?)?, self.connect_timeout))
    }

    /// Opens one link that knows which server process it talks to and never reconnects, see [`PinnedConnection`].
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] within the connect timeout, [`ErrorKind::AuthFailed`], [`ErrorKind::ConfigInvalid`].
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn connect_pinned(&self) -> Result<PinnedConnection> {
        let link = self.pinned()?.dial().await;
        PinnedConnection::new(link.map_err(|error| Error::from_redis(error, "cannot connect to redis"))?)
    }

    /// A subscriber to channels. Its connection is opened by the first subscription.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`], also when called outside a tokio runtime.
    pub fn subscriber(&self) -> Result<Subscriber> {
        Subscriber::start(self.dialer()?)
    }

    fn pinned(&self) -> Result<Dialer> {
        let dialer = self.dialer()?;
        match &dialer.target {
            Target::AnyNode(_) => Err(Error::new(
                ErrorKind::ConfigInvalid,
                "a pinned connection leads to one server process, and a redis cluster is several",
            )),
            Target::Fixed(_) | Target::Master(_) => Ok(dialer.pinned()),
        }
    }

    fn dialer(&self) -> Result<Dialer> {
        for (name, time) in [
            ("connect-timeout", self.connect_timeout),
            ("response-timeout", self.response_timeout),
            ("reconnect-min", self.reconnect_min),
            ("keep-alive", self.keep_alive),
        ] {
            if time.is_zero() {
                return Err(Error::new(ErrorKind::ConfigInvalid, format!("`{name}` must be more than zero")));
            }
        }
        if self.reconnect_max < self.reconnect_min {
            return Err(Error::new(ErrorKind::ConfigInvalid, "`reconnect-max` is below `reconnect-min`"));
        }
        let (target, db) = Target::of(self)?;
        Ok(Dialer {
            target,
            db,
            connect_timeout: self.connect_timeout,
            response_timeout: self.response_timeout,
            keep_alive: self.keep_alive,
            backoff: Backoff::new(self.reconnect_min, self.reconnect_max),
            pinned: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<RedisConfig, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = parse("{}").unwrap();
        assert_eq!(config.connect_timeout(), Duration::from_secs(5));
        assert_eq!(config.response_timeout(), Duration::from_secs(2));
        assert_eq!(config.keep_alive(), Duration::from_secs(5));
        let info = config.dialer().unwrap().target.fixed().get_connection_info().clone();
        assert_eq!(info.addr().to_string(), "127.0.0.1:6379");
        assert_eq!(info.redis_settings().db(), 0);
    }

    #[test]
    fn durations_are_text_or_milliseconds() {
        for (json, time) in [
            (r#""1s 500ms""#, Duration::from_millis(1500)),
            ("1500", Duration::from_millis(1500)),
            (r#""1500""#, Duration::from_millis(1500)),
            (r#""2m""#, Duration::from_secs(120)),
        ] {
            let config = parse(&format!(r#"{{"response-timeout": {json}}}"#)).unwrap();
            assert_eq!(config.response_timeout(), time, "{json}");
        }
        for json in ["-1", r#""soon""#, "1.5", "true", r#""""#] {
            assert!(parse(&format!(r#"{{"response-timeout": {json}}}"#)).is_err(), "{json}");
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = parse(r#"{"responsetimeout": 1}"#).unwrap_err().to_string();
        assert!(error.contains("responsetimeout") && error.contains("response-timeout"), "{error}");
    }

    #[test]
    fn separate_settings_win_over_the_url() {
        let json = r#"{"url": "redis://u:p@host:7000/3", "username": "v", "password": "q", "database": 4}"#;
        let info = parse(json).unwrap().dialer().unwrap().target.fixed().get_connection_info().clone();
        let settings = info.redis_settings();
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("v"), Some("q"), 4));
        assert_eq!(info.addr().to_string(), "host:7000");

        let info =
            RedisConfig::new("redis://u:p@host:7000/3").dialer().unwrap().target.fixed().get_connection_info().clone();
        let settings = info.redis_settings();
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("u"), Some("p"), 3));
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = RedisConfig::new("redis://user:first-secret@host/").with_password("second-secret");
        assert!(!format!("{config:?}").contains("secret@"), "{config:?}");
        assert!(!format!("{config:?}").contains("second-secret"), "{config:?}");
        let error = RedisConfig::new("redis://user:third-secret@0.0.0.0/").dialer().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("third-secret"));
        let error = RedisConfig::new("http://user:third-secret@host/").dialer().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("third-secret"));
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let config = RedisConfig::default();
        for (config, name) in [
            (config.clone().with_response_timeout(Duration::ZERO), "response-timeout"),
            (config.clone().with_connect_timeout(Duration::ZERO), "connect-timeout"),
            (config.clone().with_keep_alive(Duration::ZERO), "keep-alive"),
            (config.clone().with_reconnect(Duration::ZERO, Duration::from_secs(1)), "reconnect-min"),
            (config.clone().with_reconnect(Duration::from_secs(2), Duration::from_secs(1)), "reconnect-max"),
            (config.clone().with_ca_file("ca.pem"), "ca-file"),
            (RedisConfig::new("http://host/"), "URL"),
            (RedisConfig::new("redis://host/").with_cluster(ClusterConfig::new(["host:1"])), "`url`"),
            (RedisConfig::sentinel("main", ["host:1"]).with_cluster(ClusterConfig::new(["host:1"])), "`cluster`"),
            (RedisConfig::sentinel("main", Vec::<String>::new()), "sentinel.nodes"),
            (RedisConfig::sentinel("", ["host:1"]), "sentinel.master"),
            (RedisConfig::cluster(Vec::<String>::new()), "cluster.nodes"),
            (RedisConfig::cluster(["host"]).with_database(1), "database"),
            (RedisConfig::cluster(["unix:///path"]), "cluster.nodes"),
            (RedisConfig::new("redis-sentinel://host:1"), "master"),
            (RedisConfig::new("redis-cluster://"), "cluster.nodes"),
            (RedisConfig::new("not a url"), "URL"),
        ] {
            let error = config.dialer().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
            assert!(error.to_string().contains(name), "{error} does not name {name}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_without_its_feature_names_the_feature() {
        let error = RedisConfig::new("rediss://host/").dialer().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains("feature `tls`"), "{error}");
    }
}
