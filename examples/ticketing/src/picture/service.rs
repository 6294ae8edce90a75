//! Pictures: into the store, out of it, and away.

use std::{path::Path, sync::Arc, time::Duration};

use axum::body::Bytes;
use futures_util::future::try_join_all;
use nebula_cache::{Cache, CacheManager, ErrorKind};

use super::{
    config::PictureConfig,
    domain::{FileName, Picture},
    records,
    store::Store,
    studio::Studio,
};
use crate::{
    breaker::Circuit,
    problem::{Code, Problem, Result},
    storage::{Connection, Database},
};

/// Bytes that a process keeps in memory: what is on the first pages of a shop.
const KEPT: u64 = 32 << 20;
/// What a file holds never changes; whether there is one may.
const LASTING: Duration = Duration::from_secs(3_600);
/// How long it is believed that there is none.
const NOBODY: Duration = Duration::from_secs(5);

/// The pictures of shows. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pictures(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) database: Database,
    pub(super) store: Store,
    studio: Studio,
    read: Cache<FileName, Bytes>,
    max_bytes: usize,
    pub(super) grace: Duration,
}

/// A picture whose files are all in the store, for a show to take.
#[derive(Debug)]
pub struct Kept(Picture);

impl Pictures {
    /// Opens the store.
    ///
    /// # Errors
    ///
    /// The folder cannot be used, or the bucket refuses; the text says which key of the configuration it is.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn open(
        config: &PictureConfig,
        data: &Path,
        database: Database,
        caches: &CacheManager,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let PictureConfig { folder: _, s3, max_bytes, max_pixels, at_once, grace } = config;
        let store = match (s3, config.path(data)) {
            (Some(s3), _) => Store::s3(s3).await?,
            (None, path) => Store::folder(&path.unwrap_or_default())?,
        };
        let weigh = |_: &FileName, file: Option<&Bytes>| file.map_or(1, |file| file.len() as u64);
        let read = caches
            .local_cache("pictures")
            .with_local_weight(KEPT, weigh)
            .with_ttl(LASTING)
            .with_local_ttl(LASTING)
            .with_null_ttl(NOBODY);
        Ok(Self(Arc::new(Inner {
            database,
            store,
            studio: Studio::new(*at_once, *max_pixels),
            read: read.build()?,
            max_bytes: *max_bytes,
            grace: *grace,
        })))
    }

    /// What guards the store.
    #[must_use]
    pub fn circuit(&self) -> Circuit {
        self.0.store.circuit()
    }

    /// Most bytes of an upload.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.0.max_bytes
    }

    /// Makes a picture of what somebody sent, and keeps its files.
    ///
    /// # Errors
    ///
    /// [`Code::PictureRefused`] with the reason; [`Code::Busy`] while others are being worked on; otherwise the database or the store failed.
    /// Then no show has it, and what was written is removed in time.
    ///
    /// # Cancel safety
    ///
    /// As after an error.
    pub async fn keep(&self, bytes: Bytes) -> Result<Kept> {
        let encoded = self.0.studio.encode(bytes).await?;
        let total = encoded.files.iter().map(Bytes::len).sum();
        let picture = encoded.picture.clone();
        self.0
            .database
            .write
            .run(move |connection| Box::pin(async move { records::announce(connection, &picture, total).await }))
            .await?;
        let names: Vec<_> = encoded.picture.files().collect();
        let files = names.iter().zip(encoded.files);
        try_join_all(files.map(|(name, content)| self.0.store.put(name, content))).await?;
        Ok(Kept(encoded.picture))
    }

    /// The content of a file, if there is one of that name.
    pub(super) async fn file(&self, name: &FileName) -> Result<Option<Bytes>> {
        let (this, file) = (Arc::clone(&self.0), name.clone());
        let load = async move { this.store.get(&file).await };
        let found = self.0.read.get_or_load(name, load).await.map_err(|error| match error.kind() {
            ErrorKind::Overloaded => Problem::new(Code::Busy, "Too many pictures are being read.").caused_by(error),
            _ => Problem::unavailable(error),
        })?;
        Ok(found.map(|file| (*file).clone()))
    }
}

impl Kept {
    /// Its name in the database, for the show that takes it in this transaction.
    ///
    /// # Errors
    ///
    /// [`Code::Busy`] if it was removed meanwhile; otherwise the database failed.
    ///
    /// # Cancel safety
    ///
    /// As the transaction's.
    pub async fn take(&self, connection: &mut Connection<'_>) -> Result<String> {
        records::take(connection, &self.0).await?;
        Ok(self.0.to_string())
    }
}

/// A show lets this picture go, in this transaction.
///
/// # Errors
///
/// The database failed.
///
/// # Cancel safety
///
/// As the transaction's.
pub async fn let_go(connection: &mut Connection<'_>, name: &str) -> Result<()> {
    records::let_go(connection, name).await
}
