//! The rows of a tenant, to take along.

use futures_util::TryStreamExt as _;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};
use tokio::sync::mpsc::{self, Sender};

use super::database::TenantDatabase;
use super::error::DbError;
use super::pool::TenantPool;
use crate::context::current;
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;
use crate::wall::SqlDialect;

/// So many bytes go on together.
const CHUNK: usize = 64 * 1024;

/// `None` is the end: a task that has died does not look like one.
type Told = Result<Option<Vec<u8>>, DbError>;

impl<DB: TenantDatabase> TenantPool<DB> {
    /// All rows that the tenant whose work it is has in a table, wherever they are: one JSON object for each, one row a line, in no
    /// order. Bytes are written as PostgreSQL does, in hexadecimal digits after `\x`. Rows are read while the stream is.
    ///
    /// Each table is read in a transaction of its own: what changes meanwhile may be in one of them and not in another. Suspend the tenant before.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use futures_util::TryStreamExt as _;
    /// use nebula_tenant::db::{TenantPool, query};
    /// use nebula_tenant::{TenantContext, wall::{SqlDialect, Wall}};
    ///
    /// let plain = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// sqlx::query("CREATE TABLE orders (tenant_id TEXT NOT NULL, id BIGINT)").execute(&plain).await?;
    /// let pool = TenantPool::new(plain, Wall::builder(SqlDialect::Sqlite).tenant_table("orders").build()?)?;
    /// TenantContext::of("star".parse()?).scope(async {
    ///     query("INSERT INTO orders (id) VALUES (7)").execute(&pool).await?;
    ///     let lines: Vec<Vec<u8>> = pool.export("orders")?.try_collect().await?;
    ///     assert_eq!(lines.concat(), b"{\"tenant_id\":\"star\",\"id\":7}\n");
    ///     Ok::<_, Box<dyn std::error::Error>>(())
    /// }).await??;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] if nobody said whose work it is, [`ErrorKind::Config`] if the wall knows no such table of tenants. The stream ends
    /// with an error if the database does not answer.
    pub fn export(&self, table: &str) -> Result<BoxStream<'static, Result<Vec<u8>, DbError>>, Error> {
        let tenant = current()?;
        if !self.wall().tenant_tables().any(|known| known == table) {
            return Err(Error::new(ErrorKind::Config, format!("`{table}` is not declared as a table of tenants")));
        }
        let (pool, table) = (self.clone(), table.to_owned());
        let (tell, told) = mpsc::channel::<Told>(2);
        tokio::spawn(async move {
            let end = pool.read_rows(&tenant, &table, &tell).await.map(|()| None);
            // Whoever does not listen any more has dropped the stream.
            let _ = tell.send(end).await;
        });
        let next = |mut told: mpsc::Receiver<Told>| async move {
            match told.recv().await {
                Some(Ok(Some(chunk))) => Ok(Some((chunk, told))),
                Some(Ok(None)) => Ok(None),
                Some(Err(error)) => Err(error),
                None => Err(DbError::Database(sqlx::Error::WorkerCrashed)),
            }
        };
        Ok(stream::try_unfold(told, next).boxed())
    }

    async fn read_rows(&self, tenant: &TenantId, table: &str, tell: &Sender<Told>) -> Result<(), DbError> {
        let mut transaction = self.begin_in(tenant).await?;
        let object = match DB::DIALECT {
            SqlDialect::Postgres => "to_jsonb(here)::text".to_owned(),
            SqlDialect::MySql | SqlDialect::Sqlite => {
                let columns = DB::columns(&mut transaction, table.to_owned()).await?;
                if columns.is_empty() {
                    return Err(DbError::Database(sqlx::Error::RowNotFound));
                }
                object::<DB>(&columns)
            }
        };
        let from = name::<DB>(table);
        let mut sql = format!("SELECT {object} FROM {from} AS here");
        let whose = (!self.wall().is_apart()).then(|| tenant.to_string());
        if whose.is_some() {
            let mark = if DB::DIALECT == SqlDialect::Postgres { "$1" } else { "?" };
            sql.push_str(&format!(" WHERE here.{} = {mark}", name::<DB>(self.wall().column())));
        }
        let mut rows = DB::texts(&mut transaction, AssertSqlSafe(sql).into_sql_str(), whose);
        let mut chunk = Vec::new();
        while let Some(row) = rows.try_next().await? {
            chunk.extend_from_slice(row.as_bytes());
            chunk.push(b'\n');
            if chunk.len() >= CHUNK && tell.send(Ok(Some(std::mem::take(&mut chunk)))).await.is_err() {
                return Ok(());
            }
        }
        if !chunk.is_empty() {
            let _ = tell.send(Ok(Some(chunk))).await;
        }
        Ok(())
    }
}

/// The expression for a row as JSON, of columns with their names and whether they hold bytes.
fn object<DB: TenantDatabase>(columns: &[(String, bool)]) -> String {
    let sqlite = DB::DIALECT == SqlDialect::Sqlite;
    let part = |(column, bytes): &(String, bool)| {
        let value = format!("here.{}", name::<DB>(column));
        if sqlite {
            // A value has its own type there, whatever that of the column is.
            let hex = format!("CASE typeof({value}) WHEN 'blob' THEN '\\x' || lower(hex({value})) ELSE {value} END");
            return format!("json_quote({}) || ':' || json_quote({hex})", text(column));
        }
        let value = if *bytes { format!("CONCAT('\\\\x', LOWER(HEX({value})))") } else { value };
        format!("{}, {value}", text(column))
    };
    let parts: Vec<String> = columns.iter().map(part).collect();
    if sqlite {
        // A function takes no more than a hundred arguments there.
        format!("'{{' || {} || '}}'", parts.join(" || ',' || "))
    } else {
        format!("CAST(JSON_OBJECT({}) AS CHAR)", parts.join(", "))
    }
}

fn name<DB: TenantDatabase>(name: &str) -> String {
    match DB::DIALECT {
        SqlDialect::MySql => format!("`{}`", name.replace('`', "``")),
        SqlDialect::Postgres | SqlDialect::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// As a literal. A backslash means something to MySQL, and a column's name with one is not worth the risk.
fn text(name: &str) -> String {
    format!("'{}'", name.replace('\\', "").replace('\'', "''"))
}
