//! From the configuration to the driver's client.

use redis::{ConnectionInfo, IntoConnectionInfo};
use secrecy::ExposeSecret;

use crate::config::RedisConfig;
use crate::error::{Error, ErrorKind, Result};

pub(crate) fn build(config: &RedisConfig) -> Result<redis::Client> {
    let url = config.url.expose_secret();
    let tls = ["rediss:", "valkeys:"].iter().any(|scheme| url.starts_with(scheme));
    if tls && !cfg!(feature = "tls") {
        return Err(invalid(
            "the URL asks for TLS, but `nebula-redis` was built without it: enable its feature `tls` \
             (compiled in: plain TCP and Unix sockets)",
        ));
    }
    if !tls && [&config.ca_file, &config.cert_file, &config.key_file].into_iter().any(Option::is_some) {
        return Err(invalid("`ca-file`, `cert-file` and `key-file` need a `rediss://` URL"));
    }
    let info = url.into_connection_info().map_err(|error| Error::from_redis(error, "the redis URL is not valid"))?;
    let info = with_settings(info, config);
    if tls { encrypted(info, config) } else { open(info) }
}

fn with_settings(info: ConnectionInfo, config: &RedisConfig) -> ConnectionInfo {
    let mut settings = info.redis_settings().clone();
    if let Some(username) = &config.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &config.password {
        settings = settings.set_password(password.expose_secret());
    }
    if let Some(database) = config.database {
        settings = settings.set_db(database.into());
    }
    info.set_redis_settings(settings)
}

fn open(info: ConnectionInfo) -> Result<redis::Client> {
    redis::Client::open(info).map_err(|error| Error::from_redis(error, "the redis configuration is not valid"))
}

fn invalid(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, why)
}

#[cfg(not(feature = "tls"))]
fn encrypted(info: ConnectionInfo, _: &RedisConfig) -> Result<redis::Client> {
    open(info)
}

#[cfg(feature = "tls")]
fn encrypted(info: ConnectionInfo, config: &RedisConfig) -> Result<redis::Client> {
    // The driver takes the provider of the process. If the application has installed one it stays.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let root_cert = config.ca_file.as_deref().map(read).transpose()?;
    let client_tls = match (config.cert_file.as_deref(), config.key_file.as_deref()) {
        (Some(cert), Some(key)) => Some(redis::ClientTlsConfig { client_cert: read(cert)?, client_key: read(key)? }),
        (None, None) => None,
        _ => return Err(invalid("`cert-file` and `key-file` belong together")),
    };
    redis::Client::build_with_tls(info, redis::TlsCertificates { client_tls, root_cert })
        .map_err(|error| invalid("the TLS files are not valid").with_source(error))
}

#[cfg(feature = "tls")]
fn read(file: &std::path::Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| invalid(format!("cannot read {}", file.display())).with_source(error))
}
