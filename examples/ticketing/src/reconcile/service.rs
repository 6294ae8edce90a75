//! Makes the reports.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::storage;
use crate::{
    audit::{Audit, Auditor, Look, Violations},
    clock::Millis,
    ids::SessionId,
    inventory::{Inventory, unsettled},
    problem::{Result, chain},
    storage::Database,
};

/// Whoever has it makes the reports.
pub const LOCK: &str = "ticketing:stock";
/// Fewer seats than these that the ledger has otherwise are counted anew from the database; more are for people to look at.
const MENDED_BELOW: u32 = 10;
/// So long after its time an unpaid order may still exist, and a paid one may wait for its tickets.
const GRACE: Duration = Duration::from_secs(60);
/// A difference is one that is there at so many looks in a row, with this pause in between.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(2);
/// Sessions that are looked at at the same time.
const AT_ONCE: usize = 4;
/// Reports are kept for so long.
const KEPT: Duration = Duration::from_secs(14 * 24 * 3_600);

/// What a report says in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StockOutcome {
    /// Everything agrees.
    Sound,
    /// The ledger had a few seats otherwise than the database, and was counted anew.
    Mended,
    /// People have to look.
    Differs,
}

impl StockOutcome {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Mended => "mended",
            Self::Differs => "differs",
        }
    }
}

/// A run over all sessions on sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StockRun {
    /// When it began.
    pub at: Millis,
    /// Sessions that were looked at.
    pub sessions: u32,
    /// Of these, mended.
    pub mended: u32,
    /// Of these, for people to look at.
    pub differing: u32,
    /// Sessions that could not be looked at.
    pub failed: u32,
}

/// Stock reports. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StockReports(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    auditor: Auditor,
    inventory: Inventory,
}

impl StockReports {
    /// On their parts.
    #[must_use]
    pub fn new(database: Database, auditor: Auditor, inventory: Inventory) -> Self {
        Self(Arc::new(Inner { database, auditor, inventory }))
    }

    /// Compares every session on sale, and keeps what was found.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Some reports may be made; the next run makes them again.
    pub async fn compare_all(&self) -> Result<StockRun> {
        let sessions = unsettled(&self.0.database).await?;
        let mut run = StockRun { at: Millis::now(), sessions: 0, mended: 0, differing: 0, failed: 0 };
        let mut reports = stream::iter(sessions)
            .map(|session| async move { (session, self.compare(session).await) })
            .buffer_unordered(AT_ONCE);
        while let Some((session, report)) = reports.next().await {
            run.sessions += 1;
            match report {
                Ok(StockOutcome::Sound) => {}
                Ok(StockOutcome::Mended) => run.mended += 1,
                Ok(StockOutcome::Differs) => run.differing += 1,
                Err(problem) => {
                    run.failed += 1;
                    metrics::counter!("ticketing_stock_reports_total", "outcome" => "failed").increment(1);
                    tracing::warn!(%session, error = chain(&problem), "the stock of a session could not be compared");
                }
            }
        }
        storage::keep_run(&self.0.database, run, run.at.minus(KEPT)).await?;
        metrics::counter!("ticketing_stock_runs_total").increment(1);
        tracing::info!(?run, "the stock was compared");
        Ok(run)
    }

    /// Compares one session, mends it if that is safe, and keeps the report.
    ///
    /// # Errors
    ///
    /// The ledger or the database failed.
    ///
    /// # Cancel safety
    ///
    /// It may be mended without a report.
    pub async fn compare(&self, session: SessionId) -> Result<StockOutcome> {
        let mut look = self.look(session).await?;
        let found = look.audit.violations;
        let mut outcome = if look.audit.sound { StockOutcome::Sound } else { StockOutcome::Differs };
        if may_mend(&found) {
            tracing::warn!(%session, seats = found.ledger_differs, "the ledger is counted anew from the database");
            self.0.inventory.invalidate(session, look.epoch).await?;
            look = self.look(session).await?;
            if look.audit.sound {
                outcome = StockOutcome::Mended;
            }
        }
        self.keep(&look.audit, outcome, found.total().max(look.audit.violations.total())).await?;
        Ok(outcome)
    }

    /// Counts the seats of a session anew from the database, because people say so, and compares it again.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound); otherwise the ledger or the database failed.
    ///
    /// # Cancel safety
    ///
    /// It may be counted without a report.
    pub async fn recount(&self, session: SessionId) -> Result<StockOutcome> {
        let epoch = self.0.inventory.counts(session).await?.cursor.epoch;
        self.0.inventory.invalidate(session, epoch).await?;
        let audit = self.look(session).await?.audit;
        let outcome = if audit.sound { StockOutcome::Sound } else { StockOutcome::Differs };
        self.keep(&audit, outcome, audit.violations.total()).await?;
        Ok(outcome)
    }

    async fn look(&self, session: SessionId) -> Result<Look> {
        self.0.auditor.settled(session, GRACE, LOOKS, PAUSE).await
    }

    async fn keep(&self, audit: &Audit, outcome: StockOutcome, differences: u32) -> Result<()> {
        metrics::counter!("ticketing_stock_reports_total", "outcome" => outcome.as_str()).increment(1);
        metrics::counter!("ticketing_stock_differences_total").increment(differences.into());
        if outcome == StockOutcome::Differs {
            let session = audit.session_id;
            tracing::error!(%session, differences, violations = ?audit.violations, "ledger and books differ");
        }
        storage::keep(&self.0.database, audit, outcome, differences).await
    }

    pub(super) fn database(&self) -> &Database {
        &self.0.database
    }
}

/// The database is right about what is sold and who holds; so a ledger that differs in a few seats, and in nothing else, is
/// counted anew from it. Money, tickets and rows that contradict each other are nobody's to mend but people's.
fn may_mend(found: &Violations) -> bool {
    let others = Violations { ledger_differs: 0, ..*found };
    others == Violations::default() && (1..MENDED_BELOW).contains(&found.ledger_differs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_seats_are_mended_and_nothing_else() {
        let seats = |ledger_differs| Violations { ledger_differs, ..Violations::default() };
        for (found, mended) in [
            (seats(0), false),
            (seats(1), true),
            (seats(9), true),
            (seats(10), false),
            (Violations { oversold: 1, ..seats(1) }, false),
            (Violations { money_differs: 1, ..seats(0) }, false),
        ] {
            assert_eq!(may_mend(&found), mended, "{found:?}");
        }
    }
}
