//! One operation on a database, in words that all of them understand.

use async_trait::async_trait;
use sqlx::{Pool, SqlStr, pool::PoolConnection};

/// A value for a placeholder.
#[derive(Clone, Debug)]
pub enum Arg {
    Int(i64),
    MaybeInt(Option<i64>),
    Text(String),
    MaybeText(Option<String>),
    Bytes(Vec<u8>),
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Arg {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Arg {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

/// One row of an answer. Columns are counted from 0.
pub trait Cells: Send + Sync {
    fn int(&self, column: usize) -> sqlx::Result<i64>;
    fn maybe_int(&self, column: usize) -> sqlx::Result<Option<i64>>;
    fn text(&self, column: usize) -> sqlx::Result<String>;
    fn bytes(&self, column: usize) -> sqlx::Result<Vec<u8>>;
}

pub(crate) type Row = Box<dyn Cells>;

/// A connection for one operation. Whatever is not [finished](Self::finish) is undone.
#[async_trait]
pub(crate) trait Session: Send {
    /// Runs a statement; how many rows it has found to change.
    async fn execute(&mut self, sql: &'static str, args: Vec<Arg>) -> sqlx::Result<u64>;
    /// Inserts so many rows by one statement; the file has the placeholders of one, after `VALUES `, at its end.
    async fn insert(&mut self, sql: &'static str, rows: usize, args: Vec<Arg>) -> sqlx::Result<u64>;
    /// Runs a query.
    async fn fetch(&mut self, sql: SqlText, args: Vec<Arg>) -> sqlx::Result<Vec<Row>>;
    /// Commits, and gives the connection back.
    async fn finish(&mut self) -> sqlx::Result<()>;
}

/// The text of a file, or what was made of one by leaving lines out.
#[derive(Debug)]
pub(crate) enum SqlText {
    File(&'static str),
    Made(String),
}

impl From<&'static str> for SqlText {
    fn from(file: &'static str) -> Self {
        Self::File(file)
    }
}

/// Opens sessions, on whichever database it is.
#[async_trait]
pub(crate) trait Opener: Send + Sync {
    fn name(&self) -> &'static str;
    /// A session, within a transaction if it is to write more than one thing.
    async fn open(&self, transaction: bool) -> sqlx::Result<Box<dyn Session>>;
    async fn migrate(&self) -> sqlx::Result<()>;
}

/// What is particular to a database.
#[async_trait]
pub trait Dialect: sqlx::Database {
    /// How it is called.
    const CALLED: &'static str;
    /// Whether a connection may stay silent for ever.
    const REMOTE: bool;
    /// How a transaction that will write begins.
    const BEGIN: &'static str;

    /// A statement of a file in this database's words: files have `?` for values, `@now` for milliseconds since 1970 on the clock of whoever
    /// keeps the data, and `@insert … @once` for what is not inserted if it is there.
    fn words(sql: &str) -> SqlStr;

    async fn undo(connection: &mut Self::Connection) -> sqlx::Result<()>;
    async fn begin(connection: &mut Self::Connection) -> sqlx::Result<()>;
    async fn commit(connection: &mut Self::Connection) -> sqlx::Result<()>;
    async fn run(connection: &mut Self::Connection, sql: SqlStr, args: Vec<Arg>) -> sqlx::Result<u64>;
    async fn rows(connection: &mut Self::Connection, sql: SqlStr, args: Vec<Arg>) -> sqlx::Result<Vec<Row>>;
    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()>;
}

/// A session on a connection of a pool.
struct Live<DB: Dialect> {
    /// Nothing once it is given back.
    connection: Option<PoolConnection<DB>>,
    begun: bool,
}

pub(super) struct Opens<DB: Dialect>(pub(super) Pool<DB>);

#[async_trait]
impl<DB: Dialect> Opener for Opens<DB> {
    fn name(&self) -> &'static str {
        DB::CALLED
    }

    async fn open(&self, transaction: bool) -> sqlx::Result<Box<dyn Session>> {
        let mut live = Live { connection: Some(self.0.acquire().await?), begun: transaction };
        if transaction {
            DB::begin(live.connection()?).await?;
        }
        Ok(Box::new(live))
    }

    async fn migrate(&self) -> sqlx::Result<()> {
        DB::migrate(&self.0).await
    }
}

impl<DB: Dialect> Live<DB> {
    fn connection(&mut self) -> sqlx::Result<&mut DB::Connection> {
        self.connection.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }
}

#[async_trait]
impl<DB: Dialect> Session for Live<DB> {
    async fn execute(&mut self, sql: &'static str, args: Vec<Arg>) -> sqlx::Result<u64> {
        Within::<DB>(self.connection()?).execute(sql, args).await
    }

    async fn insert(&mut self, sql: &'static str, rows: usize, args: Vec<Arg>) -> sqlx::Result<u64> {
        Within::<DB>(self.connection()?).insert(sql, rows, args).await
    }

    async fn fetch(&mut self, sql: SqlText, args: Vec<Arg>) -> sqlx::Result<Vec<Row>> {
        Within::<DB>(self.connection()?).fetch(sql, args).await
    }

    async fn finish(&mut self) -> sqlx::Result<()> {
        if self.begun {
            DB::commit(self.connection()?).await?;
        }
        self.connection = None;
        Ok(())
    }
}

/// A session on a connection of somebody else's, within whatever they have begun: they commit.
pub(super) struct Within<'c, DB: Dialect>(pub(super) &'c mut DB::Connection);

#[async_trait]
impl<DB: Dialect> Session for Within<'_, DB> {
    async fn execute(&mut self, sql: &'static str, args: Vec<Arg>) -> sqlx::Result<u64> {
        DB::run(self.0, DB::words(sql), args).await
    }

    async fn insert(&mut self, sql: &'static str, rows: usize, args: Vec<Arg>) -> sqlx::Result<u64> {
        let sql = sql.trim_end();
        let one = sql.rsplit_once("VALUES ").map_or("", |(_, one)| one);
        let more = format!(", {one}").repeat(rows.saturating_sub(1));
        DB::run(self.0, DB::words(&format!("{sql}{more}")), args).await
    }

    async fn fetch(&mut self, sql: SqlText, args: Vec<Arg>) -> sqlx::Result<Vec<Row>> {
        let words = match &sql {
            SqlText::File(file) => DB::words(file),
            SqlText::Made(text) => DB::words(text),
        };
        DB::rows(self.0, words, args).await
    }

    async fn finish(&mut self) -> sqlx::Result<()> {
        Ok(())
    }
}

impl<DB: Dialect> Drop for Live<DB> {
    /// A pool takes an abandoned connection back by asking it for a sign of life, without a deadline: on a network that swallows
    /// answers it would soon have none left. So a remote one is closed. A local one always answers, and may be all there is
    /// of a database in memory: there, the transaction is undone.
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if DB::REMOTE {
            connection.close_on_drop();
        } else if self.begun
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                if DB::undo(&mut connection).await.is_err() {
                    connection.close_on_drop();
                }
            });
        }
    }
}
