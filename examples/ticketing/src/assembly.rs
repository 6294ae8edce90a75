//! Puts the parts of the platform together.

use std::{net::SocketAddr, sync::Arc};

use nebula_delay_queue::{DelayQueue, SqlDelayQueue};
use nebula_lock::{LockManager, MemoryLock};
use sea_orm::SqlxSqliteConnector;
use secrecy::ExposeSecret;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    app::{App, Inner},
    audit::Auditor,
    config::{Config, secret},
    folder, http,
    inventory::{Inventory, MemoryLedger},
    order::Orders,
    outbox::{Outbox, Timeouts},
    payment::{Payments, mock::MockProvider},
    show::Catalog,
    storage::Database,
    sweep::Sweep,
    user::Users,
    workers,
};

/// Opens the database, connects what works on it, and starts what runs beside the requests.
///
/// `address` is where the server listens: the mock payment provider sends its notifications there.
///
/// # Errors
///
/// A part cannot be opened or reached; the text names it.
pub async fn assemble(config: Config, address: SocketAddr) -> Result<App, Box<dyn std::error::Error + Send + Sync>> {
    http::exporter()?;
    let folder = folder::hold(&config.data, config.embedded())?;
    let database = Database::open(&config.database_path()).await?;
    let read_orm = SqlxSqliteConnector::from_sqlx_sqlite_pool(database.read.clone());
    let catalog = Catalog::new(read_orm.clone());
    let users = Users::open(&config, database.clone()).await?;
    let tasks = TaskTracker::new();
    let stopping = CancellationToken::new();

    // nebula-lock: who may rebuild a ledger, who sweeps.
    let locks = LockManager::new(MemoryLock::new()).with_prefix("ticketing:");
    // nebula-delay-queue: the outbox, and the time-outs of orders, in the transactions of the database.
    SqlDelayQueue::migrate(&database.queue).await?;
    let messages = SqlDelayQueue::new(database.queue.clone());
    let outbox = DelayQueue::new(messages.clone());
    let timeouts = DelayQueue::new(messages.clone());

    let ledger = Arc::new(MemoryLedger::default());
    let inventory = Inventory::new(ledger, locks.clone(), database.clone(), stopping.clone());
    let armed = Timeouts::Database(messages.clone());
    let orders = Orders::new(database.clone(), catalog.clone(), inventory.clone(), armed, tasks.clone());
    let mock_provider = mock_provider(&config, &database, address)?;
    let payments = Payments::new(database.clone(), Arc::new(mock_provider.clone()), Outbox::new(messages));
    let auditor = Auditor::new(database.clone(), inventory.clone());

    workers::listen(&outbox, &timeouts, &inventory, &payments)?;
    let sweep = Arc::new(Sweep::new(database.clone(), inventory.clone(), payments.clone()));
    tasks.spawn(workers::sweep(sweep, locks.clone(), config.sales.sweep_interval, stopping.clone()));

    Ok(App::new(Inner {
        config,
        folder,
        database,
        read_orm,
        users,
        catalog,
        inventory,
        orders,
        payments,
        mock_provider,
        auditor,
        outbox,
        timeouts,
        locks,
        tasks,
        stopping,
    }))
}

fn mock_provider(
    config: &Config,
    database: &Database,
    mut address: SocketAddr,
) -> Result<MockProvider, Box<dyn std::error::Error + Send + Sync>> {
    let secret = match &config.payment.mock_secret {
        Some(secret) => secret.clone(),
        None => secret::load_or_create(&config.data, secret::MOCK_PAYMENT)?,
    };
    // "Every address of this machine" is no address to send to.
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let callback = format!("http://{address}/api/v1/payments/mock/callback");
    Ok(MockProvider::new(database.clone(), callback, secret.expose_secret().as_bytes())?)
}
