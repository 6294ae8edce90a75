//! Reads the configuration from its sources.

use std::path::Path;

use figment::{
    Figment,
    providers::{Env, Format, Yaml},
};
use thiserror::Error;

use super::Config;

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
        if !file.is_file() {
            return Err(ConfigError::NoFile(file.display().to_string()));
        }
        figment = figment.merge(Yaml::file_exact(file));
    }
    // NEBULA_TICKETING__SALES__HOLD_TIME is the key sales.hold-time.
    let environment = Env::prefixed("NEBULA_TICKETING__")
        .map(|key| key.as_str().to_ascii_lowercase().replace("__", ".").replace('_', "-").into());
    let config: Config =
        figment.merge(environment).extract().map_err(|errors| ConfigError::Invalid(describe(errors)))?;
    check(&config)?;
    Ok(config)
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
    if config.http.request_timeout.is_zero() {
        return refuse("http.request-timeout", "must be longer than nothing");
    }
    if config.http.body_limit < 1024 {
        return refuse("http.body-limit", "must be at least 1024 bytes");
    }
    if let Some(url) = &config.public_url
        && !(url.starts_with("http://") || url.starts_with("https://"))
    {
        return refuse("public-url", "must begin with http:// or https://");
    }
    Ok(())
}
