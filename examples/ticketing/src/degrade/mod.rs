//! What is given up first under load, so that orders and payments go on: by operators for all processes, and by each process
//! for itself when its event loop or its database is late.

mod config;
mod governor;
mod http;
mod level;
mod monitor;
mod refusal;
mod storage;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;

pub use self::{
    config::DegradeConfig,
    governor::{Governor, Pressure},
    http::desk,
    level::{Class, Level},
    refusal::refusal,
    storage::Orders,
};
use crate::{problem::Result, storage::Database};

/// The level of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Degrade(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: DegradeConfig,
    database: Database,
    /// What operators say.
    ordered: RwLock<Orders>,
    /// How far this process went by itself.
    automatic: AtomicU8,
    lateness: AtomicU64,
    wait: AtomicU64,
}

impl Degrade {
    /// At what operators said last. [`watch`](Self::watch) keeps it up to date.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn open(config: DegradeConfig, database: Database) -> Result<Self> {
        let ordered = RwLock::new(storage::read(&database).await?);
        let (automatic, lateness, wait) = (AtomicU8::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self(Arc::new(Inner { config, database, ordered, automatic, lateness, wait })))
    }

    /// The level that holds.
    #[must_use]
    pub fn level(&self) -> Level {
        let ordered = self.0.ordered.read();
        let least = Level::new(ordered.least).unwrap_or(Level::MOST);
        if ordered.automatic { least.max(self.automatic()) } else { least }
    }

    /// How far this process would go by itself.
    #[must_use]
    pub fn automatic(&self) -> Level {
        Level::new(self.0.automatic.load(Ordering::Relaxed)).unwrap_or(Level::AUTOMATIC)
    }

    /// What operators said last, as far as is known here.
    #[must_use]
    pub fn ordered(&self) -> Orders {
        self.0.ordered.read().clone()
    }

    /// What was measured last.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        let read = |micros: &AtomicU64| Duration::from_micros(micros.load(Ordering::Relaxed));
        Pressure { lateness: read(&self.0.lateness), wait: read(&self.0.wait) }
    }

    /// Says what is given up at least, and whether processes go further by themselves. Others hear of it within seconds.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// It may have been said.
    pub async fn order(&self, orders: Orders) -> Result<()> {
        storage::write(&self.0.database, orders.clone()).await?;
        *self.0.ordered.write() = orders;
        Ok(())
    }
}
