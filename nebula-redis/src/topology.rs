//! Settings for servers that are not one but many.

use redis::IntoConnectionInfo;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::client::invalid;
use crate::config::RedisConfig;
use crate::error::{Error, Result};

/// A group of servers whose present master is to be asked of Redis Sentinel: the section `sentinel`.
///
/// ```
/// use nebula_redis::{RedisConfig, SentinelConfig};
///
/// let written: RedisConfig = serde_json::from_str(
///     r#"{ "password": "secret", "sentinel": { "master": "main", "nodes": ["10.0.0.1:26379", "10.0.0.2:26379"] } }"#,
/// )?;
/// let built = RedisConfig::sentinel("main", ["10.0.0.1:26379", "10.0.0.2:26379"]).with_password("secret".to_owned());
/// # let _ = (written, built);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SentinelConfig {
    pub(crate) master: String,
    pub(crate) nodes: Vec<SecretString>,
    #[serde(default)]
    pub(crate) username: Option<String>,
    #[serde(default)]
    pub(crate) password: Option<SecretString>,
}

impl SentinelConfig {
    /// The group that the sentinels call `master`. Sentinels are `host:port`, or URLs; `rediss://` for all of them
    /// means TLS, for the servers as well.
    pub fn new(master: impl Into<String>, nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { master: master.into(), nodes: secrets(nodes), username: None, password: None }
    }

    /// The user name that the sentinels demand.
    #[must_use]
    pub fn with_username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// The password that the sentinels demand; that of the servers stands in
    /// [`RedisConfig::with_password`](crate::RedisConfig::with_password).
    #[must_use]
    pub fn with_password(mut self, password: impl Into<SecretString>) -> Self {
        self.password = Some(password.into());
        self
    }
}

/// A Redis cluster: the section `cluster`.
///
/// ```
/// use nebula_redis::RedisConfig;
///
/// let written: RedisConfig = serde_json::from_str(r#"{ "cluster": { "nodes": ["10.0.0.1:6379", "10.0.0.2:6379"] } }"#)?;
/// let built = RedisConfig::cluster(["10.0.0.1:6379", "10.0.0.2:6379"]);
/// # let _ = (written, built);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClusterConfig {
    pub(crate) nodes: Vec<SecretString>,
}

impl ClusterConfig {
    /// Some nodes of the cluster, by which the others are found: `host:port`, or URLs; `rediss://` for all of them
    /// means TLS everywhere.
    pub fn new(nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { nodes: secrets(nodes) }
    }
}

/// URLs may hold passwords.
fn secrets(nodes: impl IntoIterator<Item = impl Into<String>>) -> Vec<SecretString> {
    nodes.into_iter().map(|node| SecretString::from(node.into())).collect()
}

/// The settings that a URL for several servers stands for; `None` if it is for one server.
pub(crate) fn unfolded(config: &RedisConfig) -> Result<Option<RedisConfig>> {
    let Some((scheme, rest)) = config.url.as_ref().and_then(|url| url.expose_secret().split_once("://")) else {
        return Ok(None);
    };
    let Some((plain @ ("redis" | "rediss"), kind @ ("sentinel" | "cluster"))) = scheme.split_once('-') else {
        return Ok(None);
    };
    let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = place.rsplit_once('@').map_or((None, place), |(login, hosts)| (Some(login), hosts));
    let nodes: Vec<String> =
        hosts.split(',').filter(|host| !host.is_empty()).map(|host| format!("{plain}://{host}")).collect();
    let mut unfolded = config.clone();
    unfolded.url = None;
    if let Some(login) = login {
        // The driver knows how credentials are written.
        let info = format!("redis://{login}@host").into_connection_info();
        let info = info.map_err(|error| Error::from_redis(error, "the redis URL is not valid"))?;
        let settings = info.redis_settings();
        unfolded.username = config.username.clone().or_else(|| settings.username().map(str::to_owned));
        unfolded.password = config.password.clone().or_else(|| settings.password().map(SecretString::from));
    }
    if kind == "cluster" {
        if !path.is_empty() {
            return Err(invalid("the redis URL is not valid: a cluster has no database but 0"));
        }
        unfolded.cluster = Some(ClusterConfig::new(nodes));
        return Ok(Some(unfolded));
    }
    let (master, database) = path.split_once('/').unwrap_or((path, ""));
    if master.is_empty() {
        return Err(invalid("the redis URL is not valid: after the sentinels stands the name of the master"));
    }
    if !database.is_empty() && config.database.is_none() {
        let number = database.parse().map_err(|_| invalid("the redis URL is not valid: the database is no number"))?;
        unfolded.database = Some(number);
    }
    unfolded.sentinel = Some(SentinelConfig::new(master, nodes));
    Ok(Some(unfolded))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(nodes: &[SecretString]) -> Vec<&str> {
        nodes.iter().map(ExposeSecret::expose_secret).collect()
    }

    #[test]
    fn urls_for_several_servers() {
        let config = RedisConfig::new("redis-sentinel://user:p%40ss@a:1,b:2/main/3");
        let unfolded = unfolded(&config).unwrap().unwrap();
        let sentinel = unfolded.sentinel.unwrap();
        assert_eq!((&*sentinel.master, exposed(&sentinel.nodes)), ("main", vec!["redis://a:1", "redis://b:2"]));
        assert_eq!((unfolded.username.as_deref(), unfolded.database), (Some("user"), Some(3)));
        assert_eq!(unfolded.password.unwrap().expose_secret(), "p@ss");

        let config = RedisConfig::new("rediss-cluster://a:1,b:2").with_password("q");
        let unfolded = super::unfolded(&config).unwrap().unwrap();
        assert_eq!(exposed(&unfolded.cluster.unwrap().nodes), ["rediss://a:1", "rediss://b:2"]);
        assert_eq!(unfolded.password.unwrap().expose_secret(), "q");

        for one in ["redis://a:1/", "unix:///a", "nonsense", "redis-pony://a"] {
            assert!(super::unfolded(&RedisConfig::new(one)).unwrap().is_none(), "{one}");
        }
        for bad in ["redis-sentinel://a:1", "redis-sentinel://a:1/main/x", "redis-cluster://a:1/1"] {
            assert!(super::unfolded(&RedisConfig::new(bad)).is_err(), "{bad}");
        }
    }
}
