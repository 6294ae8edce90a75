//! What every handler and worker can reach.

use std::{fmt::Display, ops::Deref, sync::Arc, time::Duration};

use nebula_delay_queue::DelayQueue;
use nebula_lock::LockManager;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::Admission,
    audit::Auditor,
    config::Config,
    folder::FolderLock,
    ids::SessionId,
    inventory::{Inventory, SeatLedger},
    merchant::Merchants,
    office::Office,
    order::Orders,
    payment::{Payments, mock::MockProvider},
    refund::Refunds,
    show::Catalog,
    statement::Statements,
    storage::{Database, sql::query},
    ticket::Tickets,
    user::{Attempts, Users},
};

/// The running platform. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

/// The parts of the platform; [`assembly`](crate::assembly) puts them together.
#[derive(Debug)]
pub struct Inner {
    /// What it was started with.
    pub config: Config,
    /// The data folder is ours as long as this lives.
    pub folder: FolderLock,
    /// The database.
    pub database: Database,
    /// Accounts, passwords and tokens.
    pub users: Users,
    /// How often somebody may try to sign in.
    pub attempts: Attempts,
    /// What stands between buyers and seats.
    pub admission: Admission,
    /// Who works in the back office, and what they may do.
    pub office: Office,
    /// The merchants.
    pub merchants: Merchants,
    /// Shows, plans and prices.
    pub catalog: Catalog,
    /// Who decides which seat is free; the inventory works on it.
    pub ledger: Arc<dyn SeatLedger>,
    /// The ledger of flash sales, where they have one of their own.
    pub flash_ledger: Option<Arc<dyn SeatLedger>>,
    /// Seats: free, held, sold.
    pub inventory: Inventory,
    /// Orders.
    pub orders: Orders,
    /// Payments.
    pub payments: Payments,
    /// Refunds that somebody asks for.
    pub refunds: Refunds,
    /// Tickets.
    pub tickets: Tickets,
    /// Bills against the books.
    pub statements: Statements,
    /// The mock payment provider, unless it is switched off.
    pub mock_provider: Option<MockProvider>,
    /// Checks of the invariants.
    pub auditor: Auditor,
    /// The outbox; its workers drain when it is shut down.
    pub outbox: DelayQueue,
    /// Time-outs of orders; its workers drain when it is shut down.
    pub timeouts: DelayQueue,
    /// Distributed locks.
    pub locks: LockManager,
    /// Background work; waited for before the program ends.
    pub tasks: TaskTracker,
    /// Cancelled when the platform stops: workers finish, event streams end.
    pub stopping: CancellationToken,
}

impl App {
    /// Wraps the parts.
    #[must_use]
    pub fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The parts that cannot be reached at this moment, each with the cause.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn unreachable(&self) -> Vec<(&'static str, String)> {
        // A session that does not exist: the ledger has to look, and there is nothing to load.
        let nobody = SessionId(uuid::Uuid::nil());
        let looks = tokio::join!(
            failure("database", query("SELECT 1 FROM users LIMIT 1").execute(&self.database.read)),
            failure("sign-in sessions", self.users.health()),
            failure("roles", self.office.evaluator().health()),
            failure("seat ledger", self.ledger.counts(nobody)),
            failure("locks", self.locks.health()),
            failure("outbox", self.outbox.health()),
            failure("time-outs", self.timeouts.health()),
        );
        let mut failures: Vec<_> = <[_; 7]>::from(looks).into_iter().flatten().collect();
        let Some(flash) = &self.flash_ledger else { return failures };
        let flash = failure("flash-sale ledger", flash.counts(nobody)).await;
        let of_shows = |part: &str| matches!(part, "seat ledger" | "locks");
        // Whoever can sell in one of the domains is of use.
        if flash.is_none() {
            for (part, cause) in failures.extract_if(.., |(part, _)| of_shows(part)) {
                tracing::warn!(part, cause, "shows cannot be sold; flash sales can");
            }
        } else if failures.iter().any(|(part, _)| of_shows(part)) {
            failures.extend(flash);
        } else if let Some((part, cause)) = flash {
            tracing::warn!(part, cause, "flash sales cannot be sold; shows can");
        }
        failures
    }
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The part and why a look at it failed; no answer within two seconds is a failure.
async fn failure<T: Send, E: Display + Send>(
    part: &'static str,
    look: impl Future<Output = Result<T, E>> + Send,
) -> Option<(&'static str, String)> {
    match tokio::time::timeout(Duration::from_secs(2), look).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some((part, error.to_string())),
        Err(_) => Some((part, "no answer within two seconds".to_owned())),
    }
}
