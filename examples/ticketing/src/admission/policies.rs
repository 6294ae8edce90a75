//! Policies, kept in memory for a moment.

use std::{sync::Arc, time::Duration};

use super::{policy::Policy, storage};
use crate::{
    ids::SessionId,
    problem::{Problem, Result},
    remembered::Cache,
    storage::Database,
};

/// How long a policy is believed: another process may change it.
const AGE: Duration = Duration::from_millis(500);

/// The policies of all sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Policies {
    database: Database,
    known: Arc<Cache<SessionId, Arc<Policy>>>,
}

impl Policies {
    /// The policies of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, known: Arc::new(Cache::new("policies", 1_024, Some(AGE))) }
    }

    /// What a sale asks; at most half a second old.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn of(&self, session: SessionId) -> Result<Arc<Policy>> {
        let read = &self.database.read;
        self.known.get(session, || async { Ok(Arc::new(storage::policy(read, session).await?)) }).await
    }

    /// Changes what a sale asks.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`](crate::problem::Code::InvalidValue) for numbers that cannot work; otherwise the database failed.
    ///
    /// # Cancel safety
    ///
    /// It may be changed.
    pub async fn put(&self, session: SessionId, policy: Policy, by: String) -> Result<()> {
        policy.check()?;
        self.database
            .write
            .run::<_, Problem, _>(move |connection| {
                Box::pin(async move { storage::put_policy(connection, session, &policy, &by).await })
            })
            .await?;
        self.known.forget(&session);
        Ok(())
    }
}
