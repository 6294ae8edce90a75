//! What every handler and worker can reach.

use std::{
    fmt::Display,
    ops::Deref,
    sync::{Arc, OnceLock},
    time::Duration,
};

use nebula_cache::CacheManager;
use nebula_delay_queue::{DelayQueue, RunningRelay};
use nebula_lock::LockManager;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::Admission,
    api_limits::ApiLimits,
    audit::Auditor,
    breaker::Circuit,
    config::Config,
    degrade::Degrade,
    demo,
    folder::FolderLock,
    funnel::Funnel,
    identity::Identities,
    ids::SessionId,
    inventory::{Inventory, SeatLedger},
    jobs::Jobs,
    marketing::Prices,
    merchant::Merchants,
    notification::Notices,
    office::Office,
    order::Orders,
    payment::{Payments, mock::MockProvider},
    personal::Vault,
    picture::Pictures,
    queues::Queues,
    reconcile::StockReports,
    refund::Refunds,
    screen::Screens,
    search::Search,
    show::Catalog,
    statement::Statements,
    storage::{Database, Sole, sql::query},
    ticket::Tickets,
    user::{Attempts, Federation, MailCodes, Users},
    warm::Warmth,
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
    /// What seals personal data.
    pub vault: Vault,
    /// How many requests this server takes.
    pub api_limits: ApiLimits,
    /// Codes by mail.
    pub codes: MailCodes,
    /// What is given up when there is too much to do.
    pub degrade: Degrade,
    /// Signing in with providers.
    pub federation: Federation,
    /// People by their documents.
    pub identities: Identities,
    /// How often somebody may try to sign in.
    pub attempts: Attempts,
    /// What stands between buyers and seats.
    pub admission: Admission,
    /// The demo's accounts, where their well-known passwords may be shown.
    pub accounts: OnceLock<Vec<demo::Account>>,
    /// Who works in the back office, and what they may do.
    pub office: Office,
    /// The merchants.
    pub merchants: Merchants,
    /// What seats cost: rules and coupons.
    pub prices: Prices,
    /// Shows, plans and prices.
    pub catalog: Catalog,
    /// Pictures of shows.
    pub pictures: Pictures,
    /// Where the catalog is kept.
    pub caches: CacheManager,
    /// Finds shows.
    pub search: Search,
    /// Who decides which seat is free; the inventory works on it.
    pub ledger: Arc<dyn SeatLedger>,
    /// The ledger of flash sales, where they have one of their own.
    pub flash_ledger: Option<Arc<dyn SeatLedger>>,
    /// Seats: free, held, sold.
    pub inventory: Inventory,
    /// Counts what happens in sales.
    pub funnel: Funnel,
    /// Live screens of sales.
    pub screens: Screens,
    /// Orders.
    pub orders: Orders,
    /// Payments.
    pub payments: Payments,
    /// Refunds that somebody asks for.
    pub refunds: Refunds,
    /// Tickets.
    pub tickets: Tickets,
    /// What buyers are told.
    pub notices: Notices,
    /// Bills against the books.
    pub statements: Statements,
    /// The mock payment provider, unless it is switched off.
    pub mock_provider: Option<MockProvider>,
    /// Checks of the invariants.
    pub auditor: Auditor,
    /// What is done again and again.
    pub jobs: Jobs,
    /// The stock by the hour.
    pub stock_reports: StockReports,
    /// What guards parts that may fail.
    pub breakers: Vec<Circuit>,
    /// The queues, for those who operate them.
    pub queues: Queues,
    /// The outbox; its workers drain when it is shut down.
    pub outbox: DelayQueue,
    /// Time-outs of orders; its workers drain when it is shut down.
    pub timeouts: DelayQueue,
    /// Moves time-outs from the orders' database to where they are delivered, if that is elsewhere.
    pub relay: Option<RunningRelay>,
    /// No other process sells from this database with a ledger of its own as long as this lives.
    pub sole: Option<Sole>,
    /// Distributed locks.
    pub locks: LockManager,
    /// Background work; waited for before the program ends.
    pub tasks: TaskTracker,
    /// How far the sessions are that are loaded before anybody asks.
    pub warmth: Warmth,
    /// Cancelled when the platform stops: workers finish, event streams end.
    pub stopping: CancellationToken,
}

/// The ledger of ordinary shows, and of everything where flash sales have none of their own.
const SHOWS: &str = "seat ledger";
const FLASH: &str = "flash-sale ledger";

impl App {
    /// Wraps the parts.
    #[must_use]
    pub fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The parts that cannot be reached at this moment.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn unreachable(&self) -> Vec<Unreachable> {
        // A session that does not exist: the ledger has to look, and there is nothing to load.
        let nobody = SessionId(uuid::Uuid::nil());
        let flash = async {
            let ledger = self.flash_ledger.as_ref()?;
            failure(FLASH, true, ledger.counts(nobody)).await
        };
        let looks = tokio::join!(
            failure("database", true, query("SELECT 1 FROM users LIMIT 1").execute(&self.database.read)),
            failure("sign-in sessions", true, self.users.health()),
            failure(SHOWS, true, self.ledger.counts(nobody)),
            failure("outbox", true, self.outbox.health()),
            // The back office waits; buyers have no roles.
            failure("roles", false, self.office.evaluator().health()),
            // For rebuilds and the sweep, which others do or which are done later.
            failure("locks", false, self.locks.health()),
            // They wait in the database, and the sweep ends what is due.
            failure("time-outs", false, self.timeouts.health()),
            // They wait in the database.
            failure("notices", false, self.notices.notifier().health()),
            flash,
        );
        let mut failures: Vec<_> = <[_; 9]>::from(looks).into_iter().flatten().collect();
        if self.flash_ledger.is_some() {
            // Whoever can sell in one of the domains is of use.
            let both = [SHOWS, FLASH].iter().all(|part| failures.iter().any(|failure| failure.part == *part));
            for failure in &mut failures {
                failure.needed &= both || !matches!(failure.part, SHOWS | FLASH);
            }
        }
        failures
    }
}

/// A part that cannot be reached.
#[derive(Clone, Debug)]
pub struct Unreachable {
    /// What it is called.
    pub part: &'static str,
    /// Whether nothing can be sold without it.
    pub needed: bool,
    /// Why it cannot be reached.
    pub cause: String,
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The part, if a look at it failed; no answer within two seconds is a failure.
async fn failure<T: Send, E: Display + Send>(
    part: &'static str,
    needed: bool,
    look: impl Future<Output = Result<T, E>> + Send,
) -> Option<Unreachable> {
    let cause = match tokio::time::timeout(Duration::from_secs(2), look).await {
        Ok(Ok(_)) => return None,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer within two seconds".to_owned(),
    };
    Some(Unreachable { part, needed, cause })
}
