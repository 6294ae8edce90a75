//! The store of files: a folder, or a bucket.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::body::Bytes;
use futures_util::StreamExt;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig, aws::AmazonS3Builder,
    local::LocalFileSystem, path::Path as Name,
};
use secrecy::ExposeSecret;
use thiserror::Error;

use super::{config::S3Config, domain::FileName};
use crate::{
    breaker::{Breaker, Circuit, LeftAlone},
    problem::{Problem, chain},
};

/// How long a local disk may take.
const DISK: Duration = Duration::from_secs(10);
/// Between tries.
const PAUSE: Duration = Duration::from_millis(100);

/// What S3 itself calls it when a bucket, a region or a key is wrong. Of a list the crate tells no kinds of errors apart.
const REFUSALS: [&str; 8] = [
    "AccessDenied",
    "AuthorizationHeaderMalformed",
    "InvalidAccessKeyId",
    "InvalidBucketName",
    "NoSuchBucket",
    "NotSignedUp",
    "PermanentRedirect",
    "SignatureDoesNotMatch",
];

/// The store cannot say.
#[derive(Debug, Error)]
pub(super) enum StoreError {
    #[error("the store of pictures failed")]
    Failed(#[from] object_store::Error),
    #[error("the store of pictures took longer than {0:?}")]
    Late(Duration),
    #[error(transparent)]
    LeftAlone(#[from] LeftAlone),
}

/// The store cannot be used, for whoever starts the server.
#[derive(Debug, Error)]
pub(super) enum OpenError {
    #[error("the folder of pictures {0} cannot be used")]
    Folder(PathBuf, #[source] io::Error),
    #[error("the folder of pictures {0} cannot be used")]
    Local(PathBuf, #[source] object_store::Error),
    #[error("pictures.s3 cannot be used")]
    S3(#[source] object_store::Error),
    #[error("the bucket that the configuration names in pictures.s3 refuses: look at its name, the region and the key")]
    Refused(#[source] object_store::Error),
}

/// Files by name. Each is written once and never changed. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Store {
    files: Arc<dyn ObjectStore>,
    prefix: String,
    patience: Duration,
    breaker: Arc<Breaker>,
}

impl Store {
    /// In this folder, which is made if need be.
    pub(super) fn folder(path: &Path) -> Result<Self, OpenError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| OpenError::Folder(path.to_owned(), error))?;
        let files = LocalFileSystem::new_with_prefix(path).map_err(|error| OpenError::Local(path.to_owned(), error))?;
        Ok(Self::new(Arc::new(files.with_fsync(true)), String::new(), DISK))
    }

    /// In this bucket. One that says no is refused; one that says nothing may be there later.
    pub(super) async fn s3(config: &S3Config) -> Result<Self, OpenError> {
        let retry = RetryConfig {
            backoff: BackoffConfig { init_backoff: PAUSE, max_backoff: config.timeout, base: 2.0 },
            max_retries: config.retries,
            retry_timeout: config.timeout,
        };
        let plain = config.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let client = ClientOptions::new()
            .with_allow_http(plain)
            .with_timeout(config.timeout)
            .with_connect_timeout(config.timeout)
            .with_content_type_for_suffix("jpg", "image/jpeg");
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_access_key_id(&config.access_key_id)
            .with_secret_access_key(config.secret_access_key.expose_secret())
            // Deleting one at a time is what every such store can do.
            .with_disable_bulk_delete(true)
            .with_retry(retry);
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let files = builder.with_client_options(client).build();
        let store = Self::new(Arc::new(files.map_err(OpenError::S3)?), config.prefix.clone(), config.timeout);
        store.look().await?;
        Ok(store)
    }

    fn new(files: Arc<dyn ObjectStore>, prefix: String, patience: Duration) -> Self {
        Self { files, prefix, patience, breaker: Arc::new(Breaker::new("store of pictures")) }
    }

    /// Whether the bucket lets us in.
    async fn look(&self) -> Result<(), OpenError> {
        let looked = tokio::time::timeout(self.patience, async {
            self.files.list(Some(&Name::from(self.prefix.as_str()))).next().await.transpose()
        });
        match looked.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                let text = chain(&error);
                if REFUSALS.iter().any(|refusal| text.contains(refusal)) {
                    return Err(OpenError::Refused(error));
                }
                tracing::warn!(error = text, "the store of pictures does not answer");
            }
            Err(_) => tracing::warn!("the store of pictures does not answer within {:?}", self.patience),
        }
        Ok(())
    }

    /// For those who look at what is left alone.
    pub(super) fn circuit(&self) -> Circuit {
        self.breaker.circuit()
    }

    /// Keeps a file. The same under the same name once more changes nothing.
    pub(super) async fn put(&self, name: &FileName, content: Bytes) -> Result<(), StoreError> {
        self.call("put", async { self.files.put(&self.place(name), content.into()).await.map(drop) }).await
    }

    /// A file, if there is one of that name.
    pub(super) async fn get(&self, name: &FileName) -> Result<Option<Bytes>, StoreError> {
        let got = self.call("get", async { self.files.get(&self.place(name)).await?.bytes().await });
        absent(got.await)
    }

    /// Removes a file. That there is none is as well.
    pub(super) async fn remove(&self, name: &FileName) -> Result<(), StoreError> {
        absent(self.call("remove", async { self.files.delete(&self.place(name)).await }).await).map(drop)
    }

    fn place(&self, name: &FileName) -> Name {
        Name::from(format!("{}{}", self.prefix, name.as_str()))
    }

    async fn call<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = object_store::Result<T>> + Send,
    ) -> Result<T, StoreError> {
        let work = async {
            let done = tokio::time::timeout(self.patience, work).await.map_err(|_| StoreError::Late(self.patience))?;
            Ok(done?)
        };
        let done = self.breaker.call(work, |error| !is_absent(error)).await;
        let outcome = match &done {
            Ok(_) => "done",
            Err(error) if is_absent(error) => "absent",
            Err(_) => "failed",
        };
        metrics::counter!("ticketing_picture_store_total", "operation" => what, "outcome" => outcome).increment(1);
        done
    }
}

fn is_absent(error: &StoreError) -> bool {
    matches!(error, StoreError::Failed(object_store::Error::NotFound { .. }))
}

fn absent<T>(got: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match got {
        Ok(got) => Ok(Some(got)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LeftAlone(left) => left.into(),
            error => Self::unavailable(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_keeps_files_under_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("of/pictures");
        let store = Store::folder(&path).unwrap();
        let name: FileName = format!("{}-480.jpg", "a".repeat(64)).parse().unwrap();
        assert_eq!(store.get(&name).await.unwrap(), None);
        for _ in 0..2 {
            store.put(&name, Bytes::from_static(b"a picture")).await.unwrap();
        }
        assert_eq!(store.get(&name).await.unwrap().as_deref(), Some(&b"a picture"[..]));
        let there: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(there, [name.as_str()]);
        for _ in 0..2 {
            store.remove(&name).await.unwrap();
        }
        assert_eq!(store.get(&name).await.unwrap(), None);
        std::fs::write(folder.path().join("file"), "x").unwrap();
        let error = Store::folder(&folder.path().join("file/pictures")).unwrap_err();
        assert!(error.to_string().contains("file/pictures"), "{error}");
    }
}
