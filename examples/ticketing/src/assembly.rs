//! Puts the parts of the platform together.

use sea_orm::SqlxSqliteConnector;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    app::{App, Inner},
    config::Config,
    folder,
    show::Catalog,
    storage::Database,
    user::Users,
};

/// Opens the database and connects what works on it.
///
/// # Errors
///
/// A part cannot be opened or reached; the text names it.
pub async fn assemble(config: Config) -> Result<App, Box<dyn std::error::Error + Send + Sync>> {
    let folder = folder::hold(&config.data, config.embedded())?;
    let database = Database::open(&config.database_path()).await?;
    let read_orm = SqlxSqliteConnector::from_sqlx_sqlite_pool(database.read.clone());
    let catalog = Catalog::new(read_orm.clone());
    let users = Users::new(database.read.clone());
    Ok(App::new(Inner {
        config,
        folder,
        database,
        read_orm,
        users,
        catalog,
        tasks: TaskTracker::new(),
        stopping: CancellationToken::new(),
    }))
}
