//! Where shows are searched.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::{duration, endpoint::is_here};

/// Search.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SearchConfig {
    /// A search server. Left out: each process searches in its own memory.
    pub opensearch: Option<OpenSearchConfig>,
}

/// A server of OpenSearch, or of Elasticsearch, which understands the same requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OpenSearchConfig {
    /// Where it is: `https://search:9200`. Without name and password, `http://` will do.
    pub url: String,
    /// The index that this platform keeps there and nobody else writes to. It is made when there is none.
    #[serde(default = "index")]
    pub index: String,
    /// By which name the server knows this platform.
    #[serde(default)]
    pub username: Option<String>,
    /// The password.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// A key instead of name and password, as `Authorization: ApiKey` takes it.
    #[serde(default)]
    pub api_key: Option<SecretString>,
    /// How long an answer may take. A buyer waits for it, at most for 2 s.
    #[serde(default = "timeout", with = "duration")]
    pub timeout: Duration,
}

fn index() -> String {
    "ticketing-shows".to_owned()
}

fn timeout() -> Duration {
    Duration::from_secs(2)
}

impl SearchConfig {
    /// Whether it can work.
    ///
    /// # Errors
    ///
    /// The key of the configuration that cannot, and why.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let Some(server) = &self.opensearch else { return Ok(()) };
        let secret = server.password.is_some() || server.api_key.is_some();
        let unencrypted = server.url.starts_with("http://") && (!secret || is_here(&server.url));
        if !server.url.starts_with("https://") && !unencrypted {
            return Err(("search.opensearch.url", "must begin with https:// where a password or a key is sent"));
        }
        // An address is shown where secrets are not.
        if server.url.contains('@') {
            return Err(("search.opensearch.url", "has no name and password: set username and password"));
        }
        if server.username.is_some() != server.password.is_some() {
            return Err(("search.opensearch.username", "is set with password, or neither is"));
        }
        if server.api_key.is_some() && server.password.is_some() {
            return Err(("search.opensearch.api-key", "is sent instead of username and password: set one of them"));
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        let begins = server.index.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !begins || server.index.len() > 200 || !server.index.bytes().all(plain) {
            let allowed =
                "begins with a letter, and has small letters, digits, dashes, dots and underlines, 200 at most";
            return Err(("search.opensearch.index", allowed));
        }
        if server.timeout.is_zero() || server.timeout > Duration::from_secs(30) {
            return Err(("search.opensearch.timeout", "is more than nothing and at most 30s"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(opensearch: &serde_json::Value) -> Result<(), &'static str> {
        let config: SearchConfig = serde_json::from_value(json!({ "opensearch": opensearch })).unwrap();
        config.check().map_err(|(key, _)| key)
    }

    #[test]
    fn what_cannot_work_is_refused_by_its_key() {
        assert_eq!(SearchConfig::default().check(), Ok(()));
        for good in [
            json!({"url": "https://search:9200"}),
            json!({"url": "http://search:9200"}),
            json!({"url": "https://search:9200", "username": "a", "password": "b", "index": "shows-1"}),
            json!({"url": "http://127.0.0.1:9200", "api-key": "a"}),
        ] {
            assert_eq!(check(&good), Ok(()), "{good}");
        }
        for (bad, key) in [
            (json!({"url": "search:9200"}), "url"),
            (json!({"url": "https://a:b@search:9200"}), "url"),
            (json!({"url": "http://search:9200", "api-key": "a"}), "url"),
            (json!({"url": "https://search:9200", "username": "a"}), "username"),
            (json!({"url": "https://search:9200", "username": "a", "password": "b", "api-key": "c"}), "api-key"),
            (json!({"url": "https://search:9200", "index": "Shows"}), "index"),
            (json!({"url": "https://search:9200", "index": "../other"}), "index"),
            (json!({"url": "https://search:9200", "timeout": "0s"}), "timeout"),
        ] {
            assert_eq!(check(&bad), Err(format!("search.opensearch.{key}").leak() as &str), "{bad}");
        }
    }
}
