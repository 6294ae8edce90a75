//! Where a filter learns which keys there are.

use std::error::Error as StdError;

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};

/// The error of a source; any error will do.
pub type SourceError = Box<dyn StdError + Send + Sync>;

/// All keys that exist, as a stream: a cursor of a database, say. Closures that return a stream are sources.
///
/// # Contract
/// - The stream yields every key that existed when it was asked for and still exists; other keys do no harm.
/// - After an error the stream is not believed to be complete: it is begun again later.
pub trait KeySource: Send + Sync + 'static {
    /// The bytes of all keys, as [`CacheKey::key_bytes`](crate::CacheKey::key_bytes) makes them.
    fn keys(&self) -> BoxStream<'static, Result<Vec<u8>, SourceError>>;

    /// How many there are, about; for the progress alone.
    fn total(&self) -> Option<u64> {
        None
    }
}

impl<F, S, E> KeySource for F
where
    F: Fn() -> S + Send + Sync + 'static,
    S: Stream<Item = Result<Vec<u8>, E>> + Send + 'static,
    E: Into<SourceError>,
{
    fn keys(&self) -> BoxStream<'static, Result<Vec<u8>, SourceError>> {
        self().map(|key| key.map_err(Into::into)).boxed()
    }
}
