//! Seals what an earlier version left open.

use nebula_tenant::seal::Place;

use super::{CALLED, EMAIL, INVITED, Vault};
use crate::{
    problem::{Problem, Result},
    storage::{
        Connection, Database, Pool,
        sql::{Sql, query},
    },
};

/// Rows in one transaction.
const BATCH: i64 = 500;

/// A table with addresses.
struct Table {
    column: Place<'static>,
    open: &'static str,
    close: &'static str,
}

const TABLES: [Table; 2] = [
    Table {
        column: EMAIL,
        open: "SELECT id, email_index FROM users WHERE email_sealed IS NULL ORDER BY id LIMIT $1",
        close: "UPDATE users SET email_index = $1, email_sealed = $2 WHERE id = $3 AND email_sealed IS NULL",
    },
    Table {
        column: INVITED,
        open: "SELECT id, email_index FROM merchant_invitations WHERE email_sealed IS NULL ORDER BY id LIMIT $1",
        close: "UPDATE merchant_invitations SET email_index = $1, email_sealed = $2 WHERE id = $3 AND email_sealed IS NULL",
    },
];

/// Seals all of it. A row is sealed or open and never in between, so that whoever is killed here begins again with what is
/// left; two processes at once seal a row once.
pub(super) async fn seal(database: &Database, vault: &Vault) -> Result<()> {
    for table in &TABLES {
        while batch(database, vault, table, BATCH).await? > 0 {}
    }
    while persons(database, vault).await? > 0 {}
    while names(database, vault, BATCH).await? > 0 {}
    forget(database).await;
    Ok(())
}

/// Seals some rows, and says how many there were.
async fn batch(database: &Database, vault: &Vault, table: &Table, most: i64) -> Result<usize> {
    let rows = query(table.open).bind(most).fetch_all(&database.read).await?;
    let mut sealed = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, email): (String, String) = (row.get("id")?, row.get("email_index")?);
        let email = email.to_lowercase();
        sealed.push((vault.index(table.column, &email).await?, vault.seal(table.column, &id, &email).await?, id));
    }
    if sealed.is_empty() {
        return Ok(0);
    }
    let close = table.close;
    database
        .write
        .run(move |connection| {
            Box::pin(async move {
                overwrite(connection).await?;
                for (index, sealed, id) in sealed {
                    query(close).bind(index).bind(sealed).bind(id).execute(&mut *connection).await?;
                }
                Ok::<_, Problem>(())
            })
        })
        .await?;
    Ok(rows.len())
}

/// Says of some accounts whose they are, where an earlier version did not, and how many those were. Buyers of rehearsals have
/// no address and are nobody's.
async fn persons(database: &Database, vault: &Vault) -> Result<usize> {
    let open =
        "SELECT id, email_sealed FROM users WHERE person_index IS NULL AND email_sealed <> '' ORDER BY id LIMIT $1";
    let rows = query(open).bind(BATCH).fetch_all(&database.read).await?;
    let mut found: Vec<(String, String)> = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, sealed): (String, String) = (row.get("id")?, row.get("email_sealed")?);
        found.push((vault.person(&vault.unseal(EMAIL, &id, &sealed).await?).await?, id));
    }
    if found.is_empty() {
        return Ok(0);
    }
    database
        .write
        .run(move |connection| {
            Box::pin(async move {
                for (person, id) in found {
                    let change = "UPDATE users SET person_index = $1 WHERE id = $2 AND person_index IS NULL";
                    query(change).bind(person).bind(id).execute(&mut *connection).await?;
                }
                Ok::<_, Problem>(())
            })
        })
        .await?;
    Ok(rows.len())
}

/// Seals what some accounts call themselves, and says how many those were.
async fn names(database: &Database, vault: &Vault, most: i64) -> Result<usize> {
    let open = "SELECT id, display_name FROM users WHERE display_name <> '' ORDER BY id LIMIT $1";
    let rows = query(open).bind(most).fetch_all(&database.read).await?;
    let mut found: Vec<(String, String, String)> = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, name): (String, String) = (row.get("id")?, row.get("display_name")?);
        found.push((vault.seal(CALLED, &id, &name).await?, id, name));
    }
    if found.is_empty() {
        return Ok(0);
    }
    database
        .write
        .run(move |connection| {
            Box::pin(async move {
                overwrite(connection).await?;
                for (sealed, id, name) in found {
                    // Who was given another name meanwhile keeps that.
                    let change =
                        "UPDATE users SET name_sealed = $1, display_name = '' WHERE id = $2 AND display_name = $3";
                    query(change).bind(sealed).bind(id).bind(name).execute(&mut *connection).await?;
                }
                Ok::<_, Problem>(())
            })
        })
        .await?;
    Ok(rows.len())
}

/// On SQLite, what was there is overwritten with zeros on this connection, instead of left in the page.
async fn overwrite(connection: &mut Connection<'_>) -> Result<()> {
    let pragma = Sql::Each { sqlite: "PRAGMA secure_delete = ON", postgres: "SELECT 1" };
    query(pragma).execute(connection).await?;
    Ok(())
}

/// Pages with open addresses may still be in SQLite's log: it is written into the file and emptied. PostgreSQL's are gone
/// with its next vacuum.
async fn forget(database: &Database) {
    if let Pool::Sqlite(pool) = &database.queue {
        let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(pool).await;
        // Another process is at it, or reads: its end, or the next start, does it.
        if let Err(error) = emptied {
            tracing::info!(error = crate::problem::chain(&error), "the database's log was not emptied");
        }
    }
}

/// The beginning of the work, as who is killed leaves it.
#[cfg(test)]
pub(super) async fn seal_some(database: &Database, vault: &Vault, most: i64) -> Result<usize> {
    names(database, vault, most).await?;
    batch(database, vault, &TABLES[0], most).await
}
