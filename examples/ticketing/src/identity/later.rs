//! Names that could not be checked when they were ordered.

use super::{
    Identities,
    storage::{self, Verified},
};
use crate::problem::{Code, Problem, Result};

/// Most that are asked about in a run: answers cost money, and the authority may still be away.
const MOST: u32 = 50;

impl Identities {
    /// Asks about those whom the authority said nothing of, and writes down what it says. Answers how many there were.
    ///
    /// # Errors
    ///
    /// The database failed. That the authority is still away is none.
    ///
    /// # Cancel safety
    ///
    /// Some are written down; the next run does the others.
    pub async fn check_later(&self) -> Result<u32> {
        let mut judged = 0;
        for row in storage::unchecked(&self.0.database.read, MOST).await? {
            let verified = match self.0.checks.confirm(&self.opened(&row).await?, None).await {
                Ok(()) => Verified::Yes,
                Err(problem) if problem.code == Code::IdentityRefused => Verified::No,
                // The others will fare no better.
                Err(problem) if problem.code == Code::IdentityUnchecked => break,
                Err(problem) => return Err(problem),
            };
            self.0
                .database
                .write
                .run::<_, Problem, _>(move |connection| {
                    Box::pin(async move { storage::judge(connection, &row, verified).await })
                })
                .await?;
            judged += 1;
        }
        Ok(judged)
    }
}
