//! Stores on SQLite, PostgreSQL and MySQL (MariaDB).

mod audience;
mod codes;
mod dialect;
mod enqueue;
mod inbox;
mod records;
mod rows;
mod sealing;
mod session;
mod templates;

use std::{fmt, sync::Arc, time::Duration};

use sqlx::Pool;

use self::sealing::Sealing;
use self::session::{Arg, Dialect, Opener, Opens, Row, Session, SqlText};
use crate::error::{Error, ErrorKind, Result};

/// How often an operation is tried that the database has sacrificed to another one.
const TRIES: u32 = 8;

/// A database that stores can be in: `sqlx::Sqlite`, `sqlx::Postgres`, `sqlx::MySql`, by the features of these names.
pub trait NotificationDatabase: Dialect {}

impl<DB: Dialect> NotificationDatabase for DB {}

/// Keeps templates, records, wishes, verification codes and inboxes in one database, shared by all processes that use it.
///
/// It is a [`TemplateStore`](crate::TemplateStore), a [`RecordStore`](crate::RecordStore), an
/// [`AudienceStore`](crate::AudienceStore), a [`CodeStore`](crate::CodeStore) and an [`InboxStore`](crate::InboxStore): hand a clone to
/// whoever asks for one. Run [`migrate`](Self::migrate) first. Every decision is a conditional statement or one transaction; use a pool on
/// the primary, and open SQLite in WAL mode with a busy timeout. Texts are compared byte by byte, times are kept in
/// milliseconds. What is kept of people lies open unless it is [sealed](Self::with_sealer). Attachments are stored once for each notification: MySQL takes none above `max_allowed_packet`.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use nebula_notification::{Notifier, SqlStore, sqlx::SqlitePool};
///
/// let store = SqlStore::new(SqlitePool::connect("sqlite::memory:").await?);
/// store.migrate().await?;
/// let notifier = Notifier::builder(store.clone()).records(store.clone()).audience(store).build();
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct SqlStore {
    database: Arc<dyn Opener>,
    timeout: Duration,
    sealing: Sealing,
}

impl SqlStore {
    /// A store on that pool.
    #[must_use]
    pub fn new<DB: NotificationDatabase>(pool: Pool<DB>) -> Self {
        Self { database: Arc::new(Opens(pool)), timeout: Duration::from_secs(30), sealing: Sealing::default() }
    }

    /// How long any operation may take, waiting for a connection and for locks included. 30 s by default.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Creates or upgrades the tables `nebula_notification_*`. Any number of processes may call it at once.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the database cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the tables as they were or upgraded; on MySQL perhaps half-way, from where the next call goes on.
    pub async fn migrate(&self) -> Result<()> {
        let failed = |error| failed("the tables nebula_notification_* could not be migrated", error);
        self.database.migrate().await.map_err(failed)
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").field("database", &self.database.name()).finish_non_exhaustive()
    }
}

fn failed(what: &'static str, error: sqlx::Error) -> Error {
    let kind = match &error {
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => ErrorKind::Corrupt,
        sqlx::Error::Database(error) if error.is_unique_violation() => ErrorKind::Corrupt,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, what).with_source(error)
}

/// Whether the database has undone a transaction so that another one could go on (or because SQLite was busy): it can be tried again.
fn is_sacrificed(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    matches!(error.code().as_deref(), Some("40001" | "40P01" | "1213" | "5" | "517"))
}

/// Runs an operation within the store's deadline, again if it was sacrificed to another one. With `true`, in a transaction.
macro_rules! run {
    ($store:expr, $what:literal, $transaction:literal, |$session:ident| $work:expr) => {{
        let deadline = tokio::time::Instant::now() + $store.timeout;
        let mut tries = 0;
        loop {
            tries += 1;
            let work = async {
                let mut $session = $store.database.open($transaction).await?;
                let value = $work;
                $session.finish().await?;
                Ok::<_, sqlx::Error>(value)
            };
            match tokio::time::timeout_at(deadline, work).await {
                Ok(Ok(value)) => break Ok(value),
                Ok(Err(error)) if tries < super::TRIES && super::is_sacrificed(&error) => {
                    tokio::time::sleep(std::time::Duration::from_millis(u64::from(tries) * 5)).await;
                }
                Ok(Err(error)) => break Err(super::failed($what, error)),
                Err(_) => {
                    let text = concat!($what, ": no answer in time");
                    break Err(crate::Error::new(crate::ErrorKind::Unavailable, text));
                }
            }
        }
    }};
}

/// The text of a file.
macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("statements/", $name, ".sql"))
    };
}

/// Values for placeholders.
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        vec![$(Arg::from($value)),*]
    };
}

use {args, file, run};
