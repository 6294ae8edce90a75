//! Reservations before a sale: a filter in memory says who certainly has none, the database decides about the others.

use std::sync::Arc;

use futures_util::{Stream, TryStreamExt as _, stream};
use metrics::Counter;
use nebula_cache::{BloomFilter, RedisShared};
use nebula_redis::{Connection, Subscriber};

use super::storage;
use crate::{
    ids::{SessionId, UserId},
    problem::{Problem, Result},
    storage::{Database, Pool},
};

/// Reservations that are read at a time to build the filter.
const PAGE: u32 = 5_000;

/// Who reserved. Cheap to clone.
#[derive(Clone)]
pub struct Reservations {
    database: Database,
    filter: BloomFilter,
    /// Questions that the filter answered.
    filtered: Counter,
}

impl std::fmt::Debug for Reservations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservations").field("filter", &self.filter.snapshot()).finish_non_exhaustive()
    }
}

impl Reservations {
    /// The reservations of this database. Call it when metrics are recorded. Where several processes take them, `shared` is where their filter lives.
    ///
    /// # Errors
    ///
    /// Never with the numbers that stand here.
    pub fn new(
        database: Database,
        shared: Option<(Connection, Subscriber, String)>,
    ) -> std::result::Result<Self, nebula_cache::Error> {
        let pool = database.read.clone();
        let builder = BloomFilter::builder("reservations").with_source(move || reservations(pool.clone()));
        let filter = match shared {
            None => builder.local()?,
            Some((connection, subscriber, namespace)) => {
                builder.shared(RedisShared::new(connection, subscriber).with_namespace(Arc::<str>::from(namespace)))?
            }
        };
        Ok(Self { database, filter, filtered: metrics::counter!("ticketing_reservations_filtered_total") })
    }

    /// Reserves, and answers whether that is new; a second time changes nothing.
    ///
    /// # Errors
    ///
    /// The database or the filter failed.
    ///
    /// # Cancel safety
    ///
    /// It may be reserved.
    pub async fn reserve(&self, session: SessionId, user: UserId) -> Result<bool> {
        // Before the commit: afterwards somebody may ask. A filter that cannot be told says "perhaps" to everything soon.
        if let Err(error) = self.filter.insert(&key(session, user)).await {
            tracing::warn!(error = crate::problem::chain(&error), "the filter of reservations was not told of one");
        }
        self.database
            .write
            .run::<_, Problem, _>(move |connection| {
                Box::pin(async move { storage::reserve(connection, session, user).await })
            })
            .await
    }

    /// Takes a reservation back.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// It may be gone.
    pub async fn cancel(&self, session: SessionId, user: UserId) -> Result<()> {
        self.database
            .write
            .run::<_, Problem, _>(move |connection| {
                Box::pin(async move { storage::cancel(connection, session, user).await })
            })
            .await
    }

    /// Whether this buyer reserved. Most who did not are told so without the database.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn has(&self, session: SessionId, user: UserId) -> Result<bool> {
        if !self.filter.may_contain(&key(session, user)) {
            self.filtered.increment(1);
            return Ok(false);
        }
        storage::reserved(&self.database.read, session, user).await
    }
}

fn key(session: SessionId, user: UserId) -> String {
    format!("{session}:{user}")
}

/// All of them, page by page.
fn reservations(pool: Pool) -> impl Stream<Item = sqlx::Result<Vec<u8>>> + Send + 'static {
    let pages = stream::try_unfold(Some(String::new()), move |after| {
        let pool = pool.clone();
        async move {
            let Some(after) = after else { return Ok(None) };
            let page = storage::page(&pool, &after, PAGE).await?;
            let next = page.last().filter(|_| page.len() >= PAGE as usize).cloned();
            Ok::<_, sqlx::Error>(Some((stream::iter(page.into_iter().map(|key| Ok(key.into_bytes()))), next)))
        }
    });
    pages.try_flatten()
}
