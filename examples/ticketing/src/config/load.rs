//! Reads the configuration from its sources.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment,
    providers::{Env, Format, Yaml},
};
use thiserror::Error;

use super::{Config, DatabaseProvider};
use crate::user::SIGN_IN_PAGE;

/// The configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file that was asked for is not there.
    #[error("there is no configuration file {0}")]
    NoFile(String),
    /// A source is malformed, names an unknown key, or has a value of the wrong kind.
    #[error("the configuration is not valid:{0}")]
    Invalid(String),
    /// A value is well-formed but makes no sense.
    #[error("the configuration is not valid:\n  {key}: {reason}")]
    Refused {
        /// The key, with dots.
        key: &'static str,
        /// Why not.
        reason: String,
    },
}

/// Defaults, then `file`, then the environment.
///
/// # Errors
///
/// [`ConfigError`] names the key, what is wrong with it and where it was set.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    // A file may set anything below `auth` without repeating what `nebula-auth` asks for.
    let mut figment = Figment::from(Yaml::string("auth: { jwt: { expiration: 30m } }"));
    if let Some(file) = file {
        // Cargo sets this variable for what it runs.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        figment = figment.merge(Yaml::file_exact(locate(file, package.as_deref())?));
    }
    // NEBULA_TICKETING__SALES__HOLD_TIME is the key sales.hold-time.
    let environment = Env::prefixed("NEBULA_TICKETING__")
        .map(|key| key.as_str().to_ascii_lowercase().replace("__", ".").replace('_', "-").into());
    // A server that is back is found at once: a few links of a few processes are no crowd that has to spread.
    let mut figment = figment.merge(environment).join(Yaml::string("redis: { reconnect-max: 500ms }"));
    if figment.contains("flash.redis") {
        figment = figment.join(Yaml::string("flash: { redis: { reconnect-max: 500ms } }"));
    }
    let config: Config = figment.extract().map_err(|errors| ConfigError::Invalid(describe(errors)))?;
    check(&config)?;
    Ok(config)
}

/// `cargo run -p ticketing -- --config config/redis.yaml` means the file that comes with the package, wherever it is
/// typed; a file below the current directory comes first.
fn locate(file: &Path, package: Option<&Path>) -> Result<PathBuf, ConfigError> {
    let packaged = package.map(|package| package.join(file));
    [Some(file.to_path_buf()), packaged]
        .into_iter()
        .flatten()
        .find(|file| file.is_file())
        .ok_or_else(|| ConfigError::NoFile(file.display().to_string()))
}

fn describe(errors: figment::Error) -> String {
    let mut text = String::new();
    for error in errors {
        text.push_str("\n  ");
        if !error.path.is_empty() {
            text.push_str(&error.path.join("."));
            text.push_str(": ");
        }
        text.push_str(&error.kind.to_string());
        if let Some(metadata) = &error.metadata {
            text.push_str(&format!(" (in {}", metadata.name));
            if let Some(source) = &metadata.source {
                text.push_str(&format!(", {source}"));
            }
            text.push(')');
        }
    }
    text
}

fn check(config: &Config) -> Result<(), ConfigError> {
    let refuse = |key, reason: &str| Err(ConfigError::Refused { key, reason: reason.to_owned() });
    if config.sales.hold_time.is_zero() {
        return refuse("sales.hold-time", "an order needs some time to be paid");
    }
    if config.sales.seats_per_user == 0 {
        return refuse("sales.seats-per-user", "must be at least 1");
    }
    if config.sales.sweep_interval.is_zero() {
        return refuse("sales.sweep-interval", "must be longer than nothing");
    }
    if config.sales.stock_interval < Duration::from_secs(1) {
        return refuse("sales.stock-interval", "must be at least 1s");
    }
    if config.sales.warm_ahead > Duration::from_secs(24 * 3_600) {
        return refuse("sales.warm-ahead", "must be at most 1d");
    }
    if config.database.provider == DatabaseProvider::Postgres && config.database.url.is_none() {
        return refuse("database.url", "is needed with the provider postgres: postgres://user:password@host/database");
    }
    if config.database.max_connections < 4 {
        return refuse("database.max-connections", "must be at least 4");
    }
    if config.http.request_timeout.is_zero() {
        return refuse("http.request-timeout", "must be longer than nothing");
    }
    if config.http.header_timeout.is_zero() {
        return refuse("http.header-timeout", "must be longer than nothing");
    }
    if config.http.stall_timeout < Duration::from_millis(1) {
        return refuse("http.stall-timeout", "must be at least 1ms");
    }
    if config.http.max_connections == Some(0) {
        return refuse("http.max-connections", "must be at least 1");
    }
    if config.http.body_limit < 1024 {
        return refuse("http.body-limit", "must be at least 1024 bytes");
    }
    if let Err((key, reason)) = config.api_limits.check() {
        return refuse(key, reason);
    }
    if let Err((key, reason)) = config.degrade.check() {
        return refuse(key, reason);
    }
    if let Err((key, reason)) = config.trace.check() {
        return refuse(key, reason);
    }
    if let Err((key, reason)) = config.personal_data.check() {
        return refuse(key, reason);
    }
    if let Err((key, reason)) = config.pictures.check() {
        return refuse(key, reason);
    }
    if let Err((key, reason)) = config.search.check() {
        return refuse(key, reason);
    }
    if let Err((key, reason)) = config.identity.check() {
        return refuse(key, reason);
    }
    for (name, provider) in &config.auth.oidc {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=32).contains(&name.len()) || !name.bytes().all(plain) {
            return refuse("auth.oidc", "a provider's name has 1 to 32 letters a to z, digits and dashes");
        }
        let leads_here = provider.redirect_uri.split_once(SIGN_IN_PAGE).is_some_and(|(origin, end)| {
            (origin.starts_with("https://") || origin.starts_with("http://")) && end == name
        });
        if !leads_here {
            let reason = format!("redirect-uri is the public address with {SIGN_IN_PAGE}{name}");
            return Err(ConfigError::Refused { key: "auth.oidc", reason });
        }
    }
    if !config.auth.oauth.is_empty() {
        return refuse("auth.oauth", "this platform signs in with OpenID Connect only: auth.oidc");
    }
    if let Err((key, reason)) = config.archive.check() {
        return Err(ConfigError::Refused { key, reason });
    }
    if let Err((key, reason)) = config.refund.check() {
        return Err(ConfigError::Refused { key, reason });
    }
    let short = |secret: &secrecy::SecretString| secrecy::ExposeSecret::expose_secret(secret).len() < 32;
    if config.ticket.secret.iter().chain(&config.ticket.previous_secrets).any(short) {
        return refuse("ticket", "a secret has at least 32 bytes");
    }
    if config.payment.mock.secret.as_ref().is_some_and(short) {
        return refuse("payment.mock.secret", "must have at least 32 bytes");
    }
    if (config.payment.alipay.is_some() || config.payment.wechat.is_some()) && config.public_url.is_none() {
        return refuse("public-url", "is where Alipay and WeChat Pay send their notifications: https://…");
    }
    if let Some(url) = &config.public_url
        && !(url.starts_with("http://") || url.starts_with("https://"))
    {
        return refuse("public-url", "must begin with http:// or https://");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use figment::Jail;

    use super::*;
    use crate::config::Provider;

    #[allow(clippy::result_large_err, reason = "the signature that the jail asks for")]
    fn with(yaml: &str, environment: &[(&str, &str)], check: impl FnOnce(Result<Config, ConfigError>)) {
        Jail::expect_with(|jail| {
            jail.create_file("config.yaml", yaml)?;
            for (name, value) in environment {
                jail.set_env(name, value);
            }
            check(load(Some(Path::new("config.yaml"))));
            Ok(())
        });
    }

    #[test]
    fn the_environment_goes_before_the_file_and_the_file_before_the_defaults() {
        let yaml = "sales: { hold-time: 10m, seats-per-user: 4 }\nauth: { password: { min-length: 12 } }";
        let environment = [
            ("NEBULA_TICKETING__SALES__HOLD_TIME", "90s"),
            ("NEBULA_TICKETING__HTTP__REQUEST_TIMEOUT", "5"),
            ("NEBULA_TICKETING__REDIS__URL", "redis://other/"),
        ];
        with(yaml, &environment, |config| {
            let config = config.unwrap();
            assert_eq!(config.sales.hold_time, Duration::from_secs(90));
            assert_eq!(config.sales.seats_per_user, 4);
            assert_eq!(config.http.request_timeout, Duration::from_secs(5));
            assert_eq!(config.auth.password.min_length, 12);
            assert_eq!(config.auth.jwt.expiration, Duration::from_secs(1_800));
            assert_eq!(config.ledger.provider, Provider::Memory);
            assert_eq!(config.sales.sweep_interval, Config::default().sales.sweep_interval);
            assert!(format!("{:?}", config.redis).contains("reconnect_max: 500ms"), "{:?}", config.redis);
            assert!(config.flash.redis.is_none());
        });
        let flash = "redis: { reconnect-max: 2s }\nflash: { redis: { url: redis://flash/ } }";
        with(flash, &[], |config| {
            let config = config.unwrap();
            assert!(format!("{:?}", config.redis).contains("reconnect_max: 2s"), "{:?}", config.redis);
            assert!(format!("{:?}", config.flash.redis).contains("reconnect_max: 500ms"), "{:?}", config.flash.redis);
        });
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (yaml, words) in [
            ("lisen: 1", &["lisen", "listen", "config.yaml"][..]),
            ("sales: { hold: 1 }", &["sales", "hold-time"]),
            ("sales: { hold-time: soon }", &["sales.hold-time", "soon"]),
            ("sales: { hold-time: 0 }", &["sales.hold-time"]),
            ("sales: { hold-time: -1 }", &["sales.hold-time", "negative"]),
            ("ledger: { provider: paper }", &["ledger.provider", "memory", "redis"]),
            ("http: { body-limit: 10 }", &["http.body-limit"]),
            ("public-url: tickets", &["public-url", "https://"]),
            ("archive: { schedule: 0 3 31 2 * }", &["archive.schedule", "never comes"]),
            ("archive: { schedule: monthly }", &["archive.schedule", "monthly"]),
            ("pictures: { folder: ../other }", &["pictures.folder", "within"]),
            ("pictures: { s3: { bucket: tickets } }", &["pictures.s3", "access-key-id"]),
            ("api-limits: { orders: { rate: 0 } }", &["api-limits.orders.rate", "1 to"]),
            ("api-limits: { orders: { warm-up: soon } }", &["api-limits.orders.warm-up", "soon"]),
            ("sales: [", &["config.yaml"]),
        ] {
            with(yaml, &[], |config| {
                let text = config.unwrap_err().to_string();
                assert!(words.iter().all(|word| text.contains(word)), "{yaml}: {text}");
            });
        }
        with("", &[("NEBULA_TICKETING__NONSENSE", "1")], |config| {
            assert!(config.unwrap_err().to_string().contains("nonsense"));
        });
        assert!(load(Some(Path::new("nowhere.yaml"))).unwrap_err().to_string().contains("nowhere.yaml"));
        let (file, package) = (Path::new("redis.yaml"), Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config")));
        assert_eq!(locate(file, Some(package)).unwrap(), package.join(file));
        assert!(locate(file, None).is_err(), "not in the current directory");
    }

    #[test]
    fn the_sample_for_several_servers_loads_as_it_is() {
        with(include_str!("../../config/distributed.yaml"), &[], |config| {
            let config = config.unwrap();
            assert_eq!(config.database.provider, DatabaseProvider::Postgres);
            assert_eq!(config.ledger.provider, Provider::Redis);
            assert_eq!(config.delay_queue.provider().unwrap(), nebula_delay_queue::Provider::RabbitMq);
        });
        with("database: { provider: postgres }", &[], |config| {
            assert!(config.unwrap_err().to_string().contains("database.url"));
        });
    }

    #[test]
    fn the_sample_for_redis_loads_as_it_is_and_with_every_key_uncommented() {
        let sample = include_str!("../../config/redis.yaml");
        with(sample, &[], |config| {
            let config = config.unwrap();
            assert_eq!(config.ledger.provider, Provider::Redis);
            assert!(!config.embedded());
        });
        let is_key = |text: &str| {
            let name = text.trim_start().split(':').next().unwrap_or_default();
            text.contains(':')
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '.'))
        };
        let all: String = sample
            .lines()
            .map(|line| match line.split_once('#') {
                Some((indent, key)) if indent.trim().is_empty() && is_key(key) => format!("{indent}{key}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        assert!(all.contains("\nlisten: ") && all.contains("\n  hold-time: "), "{all}");
        with(&all, &[], |config| {
            let (config, defaults) = (config.unwrap(), Config::default());
            assert_eq!(config.sales.hold_time, defaults.sales.hold_time);
            assert_eq!(config.http.body_limit, defaults.http.body_limit);
            assert_eq!(config.log.filter, defaults.log.filter);
            assert_eq!(config.listen, defaults.listen);
        });
    }
}
