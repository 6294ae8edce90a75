//! Where pictures are kept, and how large they may be.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::SecretString;
use serde::Deserialize;

use crate::duration;

/// Pictures of shows.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PictureConfig {
    /// The folder that they are kept in, relative to the data folder.
    pub folder: PathBuf,
    /// A bucket that they are kept in instead.
    pub s3: Option<S3Config>,
    /// Most bytes of an upload.
    pub max_bytes: usize,
    /// Most pixels of an upload. One that is being worked on takes up to 16 bytes for each.
    pub max_pixels: u32,
    /// So many uploads are worked on at once.
    pub at_once: usize,
    /// So long after the last show has let it go a picture is removed.
    #[serde(with = "duration")]
    pub grace: Duration,
}

impl PictureConfig {
    /// The folder that they are kept in, in this data folder, unless they are in a bucket.
    #[must_use]
    pub fn path(&self, data: &Path) -> Option<PathBuf> {
        self.s3.is_none().then(|| data.join(&self.folder))
    }
}

/// A bucket of Amazon S3, or of a store that speaks its language.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct S3Config {
    /// The bucket. It must exist.
    pub bucket: String,
    /// What the names of all files begin with.
    #[serde(default)]
    pub prefix: String,
    /// The region that requests are signed for.
    #[serde(default = "region")]
    pub region: String,
    /// Where the store is, if it is not Amazon's: `https://…`. The bucket is then part of the path.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The name of the key.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: SecretString,
    /// How long anything there may take, with all tries.
    #[serde(default = "timeout", with = "duration")]
    pub timeout: Duration,
    /// How often a failed request is repeated within that time.
    #[serde(default = "retries")]
    pub retries: usize,
}

fn region() -> String {
    "us-east-1".to_owned()
}

fn timeout() -> Duration {
    Duration::from_secs(5)
}

fn retries() -> usize {
    2
}

impl Default for PictureConfig {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("pictures"),
            s3: None,
            max_bytes: 8 << 20,
            max_pixels: 25_000_000,
            at_once: 2,
            grace: Duration::from_secs(24 * 3_600),
        }
    }
}

impl PictureConfig {
    /// Whether it makes sense; if not, the key and the reason.
    ///
    /// # Errors
    ///
    /// The key and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let plain = self.folder.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if !plain || self.folder.as_os_str().is_empty() {
            return Err(("pictures.folder", "is a folder within the data folder"));
        }
        if !(64 << 10..=64 << 20).contains(&self.max_bytes) {
            return Err(("pictures.max-bytes", "is 65536 to 67108864"));
        }
        if !(1_000_000..=100_000_000).contains(&self.max_pixels) {
            return Err(("pictures.max-pixels", "is 1000000 to 100000000"));
        }
        if !(1..=64).contains(&self.at_once) {
            return Err(("pictures.at-once", "is 1 to 64"));
        }
        // Pages that are open still ask for it, and a copy of the database may be under way.
        if self.grace < Duration::from_secs(3_600) {
            return Err(("pictures.grace", "must be at least 1h"));
        }
        self.s3.as_ref().map_or(Ok(()), S3Config::check)
    }
}

impl S3Config {
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.bucket.is_empty() || self.bucket.contains('/') {
            return Err(("pictures.s3.bucket", "is the name of a bucket"));
        }
        if self.prefix.starts_with('/') || self.prefix.split('/').any(|part| part == "..") {
            return Err(("pictures.s3.prefix", "is the beginning of names, such as `tickets/`"));
        }
        if self.region.is_empty() {
            return Err(("pictures.s3.region", "must not be empty"));
        }
        let http = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        if !self.endpoint.as_ref().is_none_or(http) {
            return Err(("pictures.s3.endpoint", "must begin with https:// or http://"));
        }
        if self.access_key_id.is_empty() || secrecy::ExposeSecret::expose_secret(&self.secret_access_key).is_empty() {
            return Err(("pictures.s3", "access-key-id and secret-access-key must not be empty"));
        }
        if !(Duration::from_millis(100)..=Duration::from_secs(60)).contains(&self.timeout) {
            return Err(("pictures.s3.timeout", "is 100ms to 60s"));
        }
        if self.retries > 10 {
            return Err(("pictures.s3.retries", "is 0 to 10"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S3: &str = r#"{"s3": {"bucket": "b", "access-key-id": "name", "secret-access-key": "of the bucket" "#;

    #[test]
    fn nonsense_is_named_and_no_key_is_ever_shown() {
        assert_eq!(PictureConfig::default().check(), Ok(()));
        let config: PictureConfig = serde_json::from_str(&format!("{S3}}}}}")).unwrap();
        assert_eq!(config.check(), Ok(()));
        assert!(!format!("{config:?}").contains("of the bucket"), "{config:?}");
        for (text, key) in [
            (r#"{"folder": "../elsewhere"}"#.to_owned(), "pictures.folder"),
            (r#"{"folder": "/tmp"}"#.to_owned(), "pictures.folder"),
            (r#"{"folder": ""}"#.to_owned(), "pictures.folder"),
            (r#"{"max-bytes": 1}"#.to_owned(), "pictures.max-bytes"),
            (r#"{"max-pixels": 0}"#.to_owned(), "pictures.max-pixels"),
            (r#"{"at-once": 0}"#.to_owned(), "pictures.at-once"),
            (r#"{"grace": "1m"}"#.to_owned(), "pictures.grace"),
            (format!(r#"{S3}, "endpoint": "minio:9000"}}}}"#), "pictures.s3.endpoint"),
            (format!(r#"{S3}, "prefix": "/a"}}}}"#), "pictures.s3.prefix"),
            (format!(r#"{S3}, "region": ""}}}}"#), "pictures.s3.region"),
            (format!(r#"{S3}, "timeout": "0s"}}}}"#), "pictures.s3.timeout"),
            (format!(r#"{S3}, "retries": 11}}}}"#), "pictures.s3.retries"),
        ] {
            let config: PictureConfig = serde_json::from_str(&text).unwrap();
            assert_eq!(config.check().unwrap_err().0, key, "{text}");
        }
        assert!(serde_json::from_str::<PictureConfig>(r#"{"s3": {"bucket": "b"}}"#).is_err(), "without a key");
    }
}
