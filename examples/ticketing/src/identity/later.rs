//! Names that could not be checked when they were ordered.

use super::{
    Identities,
    person::Person,
    refusals,
    storage::{self, AttendeeRow, Verified},
};
use crate::problem::{Code, Problem, Result};

/// Most that are asked about in a run, or a few more: answers cost money, and the authority may still be away.
const MOST: u32 = 50;

impl Identities {
    /// Asks about those whom the authority said nothing of, where their orders still matter, and writes down what it says; where it
    /// refuses somebody, with what [`RefusedNames`](crate::refund::RefusedNames) goes on from. Answers how many there were.
    ///
    /// # Errors
    ///
    /// The database failed. That the authority is still away is none.
    ///
    /// # Cancel safety
    ///
    /// Some are written down; the next run does the others.
    pub async fn check_later(&self) -> Result<u32> {
        let (mut judged, mut after) = (0, None);
        while judged < MOST {
            let rows = storage::unchecked(&self.0.database.read, after, MOST).await?;
            let Some(last) = rows.last() else { break };
            after = Some((last.order, last.position));
            for row in rows {
                let person = match self.opened(&row).await {
                    Ok(person) => person,
                    Err(problem) if problem.code == Code::Unavailable => return Err(problem),
                    // Its keys are gone, and nobody can be asked about it any more: it must not stand before the others.
                    Err(_) => continue,
                };
                if !self.judge(row, &person).await? {
                    // The others will fare no better.
                    return Ok(judged);
                }
                judged += 1;
            }
        }
        Ok(judged)
    }

    /// `false` when nobody can say.
    async fn judge(&self, row: AttendeeRow, person: &Person) -> Result<bool> {
        let verified = match self.0.checks.confirm(person, None).await {
            Ok(()) => Verified::Yes,
            Err(problem) if problem.code == Code::IdentityRefused => Verified::No,
            Err(problem) if problem.code == Code::IdentityUnchecked => return Ok(false),
            Err(problem) => return Err(problem),
        };
        let judge = self.0.database.write.run::<_, Problem, _>(move |connection| {
            Box::pin(async move {
                if storage::judge(connection, &row, verified).await? && verified == Verified::No {
                    refusals::insert(connection, row.order).await?;
                }
                Ok(())
            })
        });
        judge.await?;
        Ok(true)
    }
}
