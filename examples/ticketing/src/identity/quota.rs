//! How many tickets one document may have, over all accounts, counted in the orders themselves: what ends gives back by itself.

use std::collections::BTreeMap;

use super::{attendees::Attendee, mine::alone, policy::RealName};
use crate::{
    clock::Millis,
    day,
    ids::SessionId,
    problem::{Code, Problem, Result},
    storage::{
        Connection,
        sql::{Target, query},
    },
};

/// The limits of a sale, and how many tickets each document is to get.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    rule: RealName,
    session: SessionId,
    /// In their order: whoever locks several does so in this one.
    wanted: BTreeMap<String, u32>,
}

impl Quota {
    pub(super) fn new(rule: RealName, session: SessionId, attendees: &[Attendee]) -> Self {
        let mut wanted = BTreeMap::new();
        for attendee in attendees {
            *wanted.entry(attendee.identity.clone()).or_default() += 1;
        }
        Self { rule, session, wanted }
    }

    /// Waits until no other order with one of these documents is being written, so that each counts all before it.
    pub(crate) async fn alone(&self, connection: &mut Connection<'_>) -> Result<()> {
        for identity in self.wanted.keys() {
            alone(connection, identity).await?;
        }
        Ok(())
    }

    /// Whether the limits leave room for these tickets, before they are held.
    ///
    /// # Errors
    ///
    /// [`Code::IdentityLimit`] if they do not; otherwise the database failed.
    pub(crate) async fn leaves<'t, T: Into<Target<'t>> + Copy>(&self, target: T) -> Result<()> {
        for (identity, wanted) in &self.wanted {
            let has = self.has(target, identity).await?;
            self.check(has.map(|has| has.saturating_add(*wanted)))?;
        }
        Ok(())
    }

    /// Whether the tickets that this transaction has written are within the limits.
    ///
    /// # Errors
    ///
    /// As [`leaves`](Self::leaves).
    pub(crate) async fn left(&self, connection: &mut Connection<'_>) -> Result<()> {
        for identity in self.wanted.keys() {
            self.check(self.has(&mut *connection, identity).await?)?;
        }
        Ok(())
    }

    /// Tickets of the sale, and of today.
    async fn has<'t>(&self, target: impl Into<Target<'t>>, identity: &str) -> Result<[u32; 2]> {
        let (today, _) = day::bounds(day::of(Millis::now())?)?;
        let counted = query(include_str!("sql/quota.sql")).bind(identity).bind(self.session).bind(today.0);
        let row = counted.fetch_optional(target).await?.ok_or(sqlx::Error::RowNotFound)?;
        Ok([row.get("of_session")?, row.get("of_day")?])
    }

    fn check(&self, [of_session, of_day]: [u32; 2]) -> Result<()> {
        let refuse = |reason: &str, limit: u32, detail: String| {
            Err(Problem::new(Code::IdentityLimit, detail).with("reason", reason).with("limit", limit))
        };
        match self.rule {
            RealName { tickets: Some(limit), .. } if of_session > limit => {
                refuse("tickets", limit, format!("One document may have {limit} tickets of this session."))
            }
            RealName { tickets_per_day: limit, .. } if of_day > limit => {
                refuse("day", limit, format!("One document may have {limit} tickets that are ordered on a day."))
            }
            _ => Ok(()),
        }
    }
}
