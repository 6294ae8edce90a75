//! From the configuration to the driver's clients.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisResult};
use secrecy::{ExposeSecret, SecretString};

use crate::config::RedisConfig;
use crate::error::{Error, ErrorKind, Result};

const DEFAULT_URL: &str = "redis://127.0.0.1:6379/";

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// How to log in and whether to encrypt: what servers of one kind have in common.
#[derive(Clone)]
pub(crate) struct Access {
    pattern: ConnectionInfo,
    tls: Tls,
}

impl Access {
    /// A client of the server at `address`.
    pub(crate) fn client(&self, address: &Address) -> RedisResult<redis::Client> {
        let (host, port) = (address.host.clone(), address.port);
        let addr = match self.pattern.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.tls.client(self.pattern.clone().set_addr(addr))
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self.pattern.addr(), ConnectionAddr::TcpTls { .. })
    }

    pub(crate) fn db(&self) -> i64 {
        self.pattern.redis_settings().db()
    }

    /// Likewise for servers of another kind: with other credentials, in another database.
    fn with_settings(mut self, settings: RedisConnectionInfo) -> Self {
        self.pattern = self.pattern.set_redis_settings(settings);
        self
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// The one server that the URL names.
pub(crate) fn single(config: &RedisConfig) -> Result<redis::Client> {
    let url = config.url.as_ref().map_or(DEFAULT_URL, ExposeSecret::expose_secret);
    let info = parse(url)?;
    let tls = Tls::new(config, is_tls(url))?;
    let settings = with_credentials(info.redis_settings().clone(), config);
    tls.client(info.set_redis_settings(settings))
        .map_err(|error| Error::from_redis(error, "the redis configuration is not valid"))
}

/// Several servers: how to reach them, where they are, and how to reach what they name.
pub(crate) struct Group {
    /// For the nodes of the list.
    pub(crate) nodes: Access,
    pub(crate) addresses: Vec<Address>,
    /// For servers that the nodes name, with the credentials of the configuration itself.
    pub(crate) servers: Access,
}

/// The servers of a list of `host:port` or URLs.
pub(crate) fn group(config: &RedisConfig, nodes: &[SecretString], section: &'static str) -> Result<Group> {
    if config.url.is_some() {
        return Err(invalid(format!("`url` and `{section}` exclude each other")));
    }
    let urls: Vec<String> = nodes.iter().map(|node| as_url(node.expose_secret())).collect();
    let Some(first) = urls.first() else { return Err(invalid(format!("`{section}.nodes` is empty"))) };
    let encrypted = is_tls(first);
    if urls.iter().any(|url| is_tls(url) != encrypted) {
        return Err(invalid(format!("`{section}.nodes` must all use TLS or none of them")));
    }
    let mut addresses = Vec::with_capacity(urls.len());
    for url in &urls {
        match parse(url)?.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                addresses.push(Address { host: host.clone(), port: *port });
            }
            _ => return Err(invalid(format!("`{section}.nodes` must be reachable over TCP"))),
        }
    }
    let nodes = Access { pattern: parse(first)?, tls: Tls::new(config, encrypted)? };
    let servers = with_credentials(RedisConnectionInfo::default(), config);
    Ok(Group { servers: nodes.clone().with_settings(servers), nodes, addresses })
}

impl Group {
    /// Sets the credentials of the nodes of the list.
    pub(crate) fn with_node_credentials(mut self, username: Option<&str>, password: Option<&SecretString>) -> Self {
        let mut settings = self.nodes.pattern.redis_settings().clone();
        if let Some(username) = username {
            settings = settings.set_username(username);
        }
        if let Some(password) = password {
            settings = settings.set_password(password.expose_secret());
        }
        self.nodes = self.nodes.with_settings(settings);
        self
    }

    /// How to reach servers that are of the same kind as those of the list: by the credentials of the configuration,
    /// else by those in the first URL.
    pub(crate) fn alike(&self, config: &RedisConfig) -> Access {
        let settings = with_credentials(self.nodes.pattern.redis_settings().clone(), config);
        self.nodes.clone().with_settings(settings)
    }
}

fn as_url(node: &str) -> String {
    if node.contains("://") { node.to_owned() } else { format!("redis://{node}") }
}

fn parse(url: &str) -> Result<ConnectionInfo> {
    if is_tls(url) && !cfg!(feature = "tls") {
        return Err(invalid(
            "the URL asks for TLS, but `nebula-redis` was built without it: enable its feature `tls` \
             (compiled in: plain TCP and Unix sockets)",
        ));
    }
    url.into_connection_info().map_err(|error| Error::from_redis(error, "the redis URL is not valid"))
}

fn is_tls(url: &str) -> bool {
    ["rediss:", "valkeys:"].iter().any(|scheme| url.starts_with(scheme))
}

fn with_credentials(mut settings: RedisConnectionInfo, config: &RedisConfig) -> RedisConnectionInfo {
    if let Some(username) = &config.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &config.password {
        settings = settings.set_password(password.expose_secret());
    }
    if let Some(database) = config.database {
        settings = settings.set_db(database.into());
    }
    settings
}

pub(crate) fn invalid(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, why)
}

#[cfg(not(feature = "tls"))]
#[derive(Clone)]
struct Tls;

#[cfg(not(feature = "tls"))]
impl Tls {
    fn new(config: &RedisConfig, encrypted: bool) -> Result<Self> {
        refuse_idle_files(config, encrypted)?;
        Ok(Self)
    }

    fn client(&self, info: ConnectionInfo) -> RedisResult<redis::Client> {
        redis::Client::open(info)
    }
}

/// The files, read once.
#[cfg(feature = "tls")]
#[derive(Clone)]
struct Tls(Option<redis::TlsCertificates>);

#[cfg(feature = "tls")]
impl Tls {
    fn new(config: &RedisConfig, encrypted: bool) -> Result<Self> {
        refuse_idle_files(config, encrypted)?;
        if !encrypted {
            return Ok(Self(None));
        }
        // The driver takes the provider of the process. If the application has installed one it stays.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let root_cert = config.ca_file.as_deref().map(read).transpose()?;
        let client_tls = match (config.cert_file.as_deref(), config.key_file.as_deref()) {
            (Some(cert), Some(key)) => {
                Some(redis::ClientTlsConfig { client_cert: read(cert)?, client_key: read(key)? })
            }
            (None, None) => None,
            _ => return Err(invalid("`cert-file` and `key-file` belong together")),
        };
        let certificates = redis::TlsCertificates { client_tls, root_cert };
        // Files that cannot be used are an error now, not at the first connection.
        redis::Client::build_with_tls("rediss://127.0.0.1/", certificates.clone())
            .map_err(|error| invalid("the TLS files are not valid").with_source(error))?;
        Ok(Self(Some(certificates)))
    }

    fn client(&self, info: ConnectionInfo) -> RedisResult<redis::Client> {
        match &self.0 {
            Some(certificates) => redis::Client::build_with_tls(info, certificates.clone()),
            None => redis::Client::open(info),
        }
    }
}

#[cfg(feature = "tls")]
fn read(file: &std::path::Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| invalid(format!("cannot read {}", file.display())).with_source(error))
}

fn refuse_idle_files(config: &RedisConfig, encrypted: bool) -> Result<()> {
    if !encrypted && [&config.ca_file, &config.cert_file, &config.key_file].into_iter().any(Option::is_some) {
        return Err(invalid("`ca-file`, `cert-file` and `key-file` need a `rediss://` URL"));
    }
    Ok(())
}
