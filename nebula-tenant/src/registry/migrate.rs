//! The steps of all tenants.

use futures_util::StreamExt as _;
use futures_util::stream;

use super::lifecycle::{Lifecycle, host};
use crate::directory::TenantStatus;
use crate::error::Error;
use crate::id::TenantId;

/// So many tenants are read at a time.
const PAGE: usize = 500;

/// How far a migration of all tenants is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Tenants in all.
    pub total: usize,
    /// Those that are through, failed ones included.
    pub through: usize,
    /// Those of which a step failed.
    pub failed: usize,
}

/// A step that failed. Later ones of the same tenant were not tried.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedStep {
    /// Whose.
    pub tenant: TenantId,
    /// Which, and why.
    pub error: Error,
}

/// What a migration of all tenants did.
#[derive(Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct Migrated {
    /// Steps that were done now.
    pub steps: usize,
    /// Tenants that have all of them.
    pub tenants: usize,
    /// What went wrong, at most one for each tenant.
    pub failed: Vec<FailedStep>,
}

impl Lifecycle {
    /// Does for all tenants what was not done for them yet, for so many at once. One that fails does not keep the others
    /// waiting. Called again, it goes on where it stopped.
    ///
    /// Tenants that are suspended or archived come along, so that they can be resumed; those that are prepared or erased do not.
    /// Two processes that migrate at once may do a step twice: steps have to be such that this does no harm, or hold a lock.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) outside of the platform's own work,
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the tenants cannot be listed. Failures of steps are in the answer.
    ///
    /// # Cancel safety
    /// Steps that were begun may be done again. Call it again.
    pub async fn migrate(&self, at_once: usize, progress: impl Fn(Progress) + Send + Sync) -> Result<Migrated, Error> {
        host()?;
        let tenants = self.to_migrate().await?;
        let mut told = Progress { total: tenants.len(), through: 0, failed: 0 };
        let mut done = Migrated::default();
        let work = tenants.into_iter().map(|tenant| async move { (self.catch_up(&tenant).await, tenant) });
        let mut work = stream::iter(work).buffer_unordered(at_once.max(1));
        while let Some(((steps, result), tenant)) = work.next().await {
            done.steps += steps;
            told.through += 1;
            match result {
                Ok(()) => done.tenants += 1,
                Err(error) => {
                    told.failed += 1;
                    done.failed.push(FailedStep { tenant, error });
                }
            }
            progress(told);
        }
        Ok(done)
    }

    /// Does what was not done yet, and tells how many steps that were.
    pub(super) async fn catch_up(&self, tenant: &TenantId) -> (usize, Result<(), Error>) {
        let store = self.registry().store();
        let mut steps = 0;
        let work = async {
            let marks = store.marks(tenant).await?;
            for step in self.steps().filter(|step| !marks.contains(&*step.name)) {
                step.run(tenant).await?;
                store.mark(tenant, &step.name).await?;
                steps += 1;
            }
            Ok(())
        };
        let result = work.await;
        (steps, result)
    }

    async fn to_migrate(&self) -> Result<Vec<TenantId>, Error> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self.registry().store().page(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.id.clone());
            let kept =
                |status| matches!(status, TenantStatus::Active | TenantStatus::Suspended | TenantStatus::Archived);
            all.extend(page.into_iter().filter(|tenant| kept(tenant.status)).map(|tenant| tenant.id));
        }
    }
}
