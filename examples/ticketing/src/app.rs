//! What every handler and worker can reach.

use std::{ops::Deref, sync::Arc};

use sea_orm::DatabaseConnection;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{config::Config, show::Catalog, storage::Database, user::Users};

/// The running platform. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

/// The parts of the platform; [`assembly`](crate::assembly) puts them together.
#[derive(Debug)]
pub struct Inner {
    /// What it was started with.
    pub config: Config,
    /// The database.
    pub database: Database,
    /// The database for reading, as SeaORM sees it.
    pub read_orm: DatabaseConnection,
    /// Accounts, passwords and tokens.
    pub users: Users,
    /// Shows, plans and prices.
    pub catalog: Catalog,
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
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
