//! Enforcing fence tokens in a SQL database.

/// The statements that enforce fence tokens in a database, whatever client library runs them.
///
/// If one row is all that is written, no table is needed: give the row a column `fence`, and let the update itself refuse
/// older tokens. No row changed means that the token is stale:
///
/// ```sql
/// UPDATE seat SET holder = :user, fence = :token WHERE id = :id AND fence <= :token
/// ```
///
/// (MySQL and MariaDB do not count a row that stays as it is, unless the connection asks for `CLIENT_FOUND_ROWS`, as sqlx
/// does.)
///
/// If several rows are written, or new ones, keep the newest token of each resource in the table [`table`](Self::table),
/// and begin each transaction with two statements:
///
/// 1. [`admit`](Self::admit) raises the newest token to the own one, unless it is greater already. It locks the row until
///    the transaction ends, so that nobody with another token gets in between the check and the writes.
/// 2. [`newest`](Self::newest) tells the newest token. If that is greater than the own one, the lock has passed on: roll
///    back and stop. If it is the own one, write and commit.
///
/// Reads need no token. A resource may have up to 512 bytes, so that [the key of a lock](crate::LockKey) can name it.
///
/// ```
/// use nebula_lock::{Fence, FenceSql};
/// use sqlx::sqlite::SqliteConnection;
/// use sqlx::{Connection, Sqlite, Transaction};
///
/// const FENCE: FenceSql = FenceSql::SQLITE;
///
/// /// Whether the holder of `fence` may write in this transaction.
/// async fn admit(tx: &mut Transaction<'_, Sqlite>, resource: &str, fence: Fence) -> sqlx::Result<bool> {
///     sqlx::query(FENCE.admit()).bind(resource).bind(fence.to_i64()).execute(&mut **tx).await?;
///     let newest: i64 = sqlx::query_scalar(FENCE.newest()).bind(resource).fetch_one(&mut **tx).await?;
///     Ok(newest == fence.to_i64())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let mut connection = SqliteConnection::connect("sqlite::memory:").await?;
/// sqlx::query(FENCE.table()).execute(&mut connection).await?;
///
/// let mut tx = connection.begin().await?;
/// assert!(admit(&mut tx, "stock:42", Fence::new(34)).await?);
/// // ... writes ...
/// tx.commit().await?;
///
/// // A holder whose lease ended while it slept, and who does not know.
/// let mut tx = connection.begin().await?;
/// assert!(!admit(&mut tx, "stock:42", Fence::new(33)).await?);
/// # Ok::<_, sqlx::Error>(())
/// # }).unwrap();
/// ```
///
/// Tested on SQLite, MariaDB and PostgreSQL with concurrent writers. On PostgreSQL, a transaction stricter than
/// `READ COMMITTED` may end with a serialisation failure instead of being refused; it has not written anything then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FenceSql {
    table: &'static str,
    admit: &'static str,
    newest: &'static str,
}

impl FenceSql {
    /// For SQLite 3.24 and newer.
    pub const SQLITE: Self = Self {
        table: include_str!("fence_sql/table.sql"),
        admit: include_str!("fence_sql/sqlite_admit.sql"),
        newest: include_str!("fence_sql/sqlite_newest.sql"),
    };

    /// For MySQL and MariaDB.
    pub const MYSQL: Self = Self {
        table: include_str!("fence_sql/mysql_table.sql"),
        admit: include_str!("fence_sql/mysql_admit.sql"),
        newest: include_str!("fence_sql/mysql_newest.sql"),
    };

    /// For PostgreSQL 9.5 and newer.
    pub const POSTGRES: Self = Self {
        table: include_str!("fence_sql/table.sql"),
        admit: include_str!("fence_sql/postgres_admit.sql"),
        newest: include_str!("fence_sql/postgres_newest.sql"),
    };

    /// Creates the table `nebula_lock_fence`, unless it is there.
    #[must_use]
    pub const fn table(&self) -> &'static str {
        self.table
    }

    /// Raises the newest token of a resource. Parameters: the resource as text, the token as a 64-bit integer.
    #[must_use]
    pub const fn admit(&self) -> &'static str {
        self.admit
    }

    /// Tells the newest token of a resource. Parameter: the resource as text. One row with one 64-bit integer.
    #[must_use]
    pub const fn newest(&self) -> &'static str {
        self.newest
    }
}
