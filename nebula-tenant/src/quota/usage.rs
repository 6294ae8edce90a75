//! What tenants keep and have waiting.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::error::Error;
use crate::id::TenantId;

/// What is counted for longer than a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Bytes that are kept.
    Storage,
    /// Jobs that wait or run.
    Jobs,
}

impl Resource {
    /// A stable lower-case name for stores, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Jobs => "jobs",
        }
    }
}

/// Whether something was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Taken {
    /// It was.
    Done {
        /// What is taken now, in all.
        used: u64,
    },
    /// It would be more than the tenant may.
    Refused {
        /// What is taken, as before.
        used: u64,
        /// What the tenant may.
        limit: u64,
    },
}

/// Counts what tenants keep, over all processes if it is shared by them.
///
/// # Contract
/// - `take` never lets the sum go beyond the limit, however many take at once; it is all of the amount or nothing.
/// - `give_back` never goes below nothing.
/// - Tenants and resources do not meet.
#[async_trait]
pub trait UsageStore: Send + Sync + fmt::Debug + 'static {
    /// Takes an amount, if the sum stays within the limit.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if it cannot say.
    async fn take(&self, tenant: &TenantId, of: Resource, amount: u64, limit: Option<u64>) -> Result<Taken, Error>;

    /// Gives an amount back.
    ///
    /// # Errors
    /// As those of [`take`](Self::take).
    async fn give_back(&self, tenant: &TenantId, of: Resource, amount: u64) -> Result<(), Error>;
}

/// Counts in the memory of this process.
#[derive(Debug, Default)]
pub struct MemoryUsage {
    used: Mutex<HashMap<(TenantId, Resource), u64>>,
}

impl MemoryUsage {
    /// Nothing is taken.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl UsageStore for MemoryUsage {
    async fn take(&self, tenant: &TenantId, of: Resource, amount: u64, limit: Option<u64>) -> Result<Taken, Error> {
        let limit = limit.unwrap_or(u64::MAX);
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = all.entry((tenant.clone(), of)).or_default();
        match used.checked_add(amount).filter(|sum| *sum <= limit) {
            Some(sum) => {
                *used = sum;
                Ok(Taken::Done { used: sum })
            }
            None => Ok(Taken::Refused { used: *used, limit }),
        }
    }

    async fn give_back(&self, tenant: &TenantId, of: Resource, amount: u64) -> Result<(), Error> {
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), of);
        let left = all.get(&key).map_or(0, |used| used.saturating_sub(amount));
        if left == 0 {
            all.remove(&key)
        } else {
            all.insert(key, left)
        };
        Ok(())
    }
}
