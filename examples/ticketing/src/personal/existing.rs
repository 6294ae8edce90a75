//! Seals what an earlier version left open. Each start looks for it, in indexes of nothing else: they are empty as a rule.

use nebula_tenant::seal::Place;

use super::{CALLED, EMAIL, INVITED, Vault};
use crate::{
    problem::{Problem, Result},
    storage::{
        Connection, Database, Pool,
        sql::{Query, Sql, query},
    },
};

/// Rows in one transaction.
const BATCH: i64 = 500;

/// What lies open of a table.
pub(super) struct Open {
    what: What,
    /// Finds some: their `id` and their `text`.
    pub(super) find: &'static str,
    /// Closes one, with the values that [`What::closed`] answers.
    close: &'static str,
}

enum What {
    /// An address, found by its index in this column.
    Address(Place<'static>),
    /// The person of an account whose address is sealed. Buyers of rehearsals have none and are nobody's.
    Person,
    /// What an account calls itself. Who was given another name meanwhile keeps that.
    Name,
}

/// In this order: whose an account is, is known by its sealed address.
pub(super) const ALL: [Open; 4] = [
    Open {
        what: What::Address(EMAIL),
        find: "SELECT id, email_index AS text FROM users WHERE email_sealed IS NULL ORDER BY id LIMIT $1",
        close: "UPDATE users SET email_index = $1, email_sealed = $2 WHERE id = $3 AND email_sealed IS NULL",
    },
    Open {
        what: What::Address(INVITED),
        find: "SELECT id, email_index AS text FROM merchant_invitations WHERE email_sealed IS NULL ORDER BY id LIMIT $1",
        close: "UPDATE merchant_invitations SET email_index = $1, email_sealed = $2 WHERE id = $3 AND email_sealed IS NULL",
    },
    Open {
        what: What::Person,
        find: "SELECT id, email_sealed AS text FROM users \
               WHERE coalesce(person_index, '') = '' AND email_sealed <> '' ORDER BY id LIMIT $1",
        close: "UPDATE users SET person_index = $1 WHERE id = $2 AND coalesce(person_index, '') = ''",
    },
    Open {
        what: What::Name,
        find: "SELECT id, display_name AS text FROM users WHERE display_name <> '' ORDER BY id LIMIT $1",
        close: "UPDATE users SET name_sealed = $1, display_name = '' WHERE id = $2 AND display_name = $3",
    },
];

impl What {
    /// What is bound to close that row.
    async fn closed(&self, vault: &Vault, id: String, text: String) -> Result<Vec<String>> {
        Ok(match self {
            Self::Address(column) => {
                let email = text.to_lowercase();
                vec![vault.index(*column, &email).await?, vault.seal(*column, &id, &email).await?, id]
            }
            Self::Person => vec![vault.person(&vault.unseal(EMAIL, &id, &text).await?).await?, id],
            Self::Name => vec![vault.seal(CALLED, &id, &text).await?, id, text],
        })
    }
}

/// Seals all of it. A row is sealed or open and never in between, so that whoever is killed here begins again with what is
/// left; two processes at once seal a row once.
pub(super) async fn seal(database: &Database, vault: &Vault) -> Result<()> {
    for open in &ALL {
        while batch(database, vault, open, BATCH).await? > 0 {}
    }
    forget(database).await;
    Ok(())
}

/// Seals some rows, and says how many there were.
async fn batch(database: &Database, vault: &Vault, open: &Open, most: i64) -> Result<usize> {
    let rows = query(open.find).bind(most).fetch_all(&database.read).await?;
    let mut closed = Vec::with_capacity(rows.len());
    for row in &rows {
        closed.push(open.what.closed(vault, row.get("id")?, row.get("text")?).await?);
    }
    if closed.is_empty() {
        return Ok(0);
    }
    let close = open.close;
    database
        .write
        .run(move |connection| {
            Box::pin(async move {
                overwrite(connection).await?;
                for values in closed {
                    values.into_iter().fold(query(close), Query::bind).execute(&mut *connection).await?;
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
    let [addresses, .., names] = &ALL;
    batch(database, vault, names, most).await?;
    batch(database, vault, addresses, most).await
}
