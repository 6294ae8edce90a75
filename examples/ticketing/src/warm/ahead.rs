//! Loads what a sale needs before it opens.

use std::time::Duration;

use super::load_one;
use crate::{
    clock::Millis,
    ids::SessionId,
    inventory::Inventory,
    problem::{Problem, Result, chain},
    show::Catalog,
    storage::{Database, sql::query},
};

/// Loads the sessions whose sales open soon. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ahead {
    database: Database,
    catalog: Catalog,
    inventory: Inventory,
    time: Duration,
}

impl Ahead {
    /// What opens within `time` is loaded.
    #[must_use]
    pub fn new(database: Database, catalog: Catalog, inventory: Inventory, time: Duration) -> Self {
        Self { database, catalog, inventory, time }
    }

    /// Loads session, plan, ledger and the state of all seats of every sale that opens soon; what is loaded already costs little.
    /// Answers which these are.
    ///
    /// # Errors
    ///
    /// The database failed, or some could not be loaded: the others are.
    ///
    /// # Cancel safety
    ///
    /// What is loaded stays loaded.
    pub async fn load(&self, now: Millis) -> Result<Vec<SessionId>> {
        let opening = query(include_str!("opening.sql")).bind(now.0).bind(now.plus(self.time).0);
        let sessions: Vec<SessionId> = opening.scalars(&self.database.read).await?;
        let mut missing = None;
        for session in &sessions {
            if let Err(problem) = self.load_one(*session).await {
                tracing::warn!(%session, error = chain(&problem), "a sale that opens soon cannot be loaded");
                missing = Some(problem);
            }
        }
        missing.map_or(Ok(sessions), |problem| Err(Problem::unavailable(problem)))
    }

    async fn load_one(&self, session: SessionId) -> Result<()> {
        load_one(&self.catalog, &self.inventory, session).await?;
        self.inventory.view(session).await.map(drop)
    }
}
