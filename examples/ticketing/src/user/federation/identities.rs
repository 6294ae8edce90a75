//! Whose accounts at providers belong to whom here.

use super::taken;
use crate::{
    clock::Millis,
    ids::UserId,
    personal::{IDENTITY, Vault},
    problem::{Code, Problem, Result},
    storage::{Database, sql::query},
};

/// Reads and writes the table.
#[derive(Clone, Debug)]
pub(super) struct Identities {
    database: Database,
    vault: Vault,
}

/// A way in.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) provider: String,
    pub(super) since: Millis,
}

impl Identities {
    pub(super) fn new(database: Database, vault: Vault) -> Self {
        Self { database, vault }
    }

    /// The name of a person at a provider identifies them together with the provider only.
    async fn index(&self, issuer: &str, subject: &str) -> Result<String> {
        self.vault.index(IDENTITY, &format!("{}:{issuer}{subject}", issuer.len())).await
    }

    pub(super) async fn owner(&self, issuer: &str, subject: &str) -> Result<Option<UserId>> {
        let index = self.index(issuer, subject).await?;
        let found = query("SELECT user_id FROM identities WHERE identity_index = $1").bind(index);
        Ok(found.scalar_optional(&self.database.read).await?)
    }

    /// Once and again is the same; to another account is refused.
    pub(super) async fn add(&self, provider: &str, issuer: &str, subject: &str, user: UserId) -> Result<()> {
        let (index, provider) = (self.index(issuer, subject).await?, provider.to_owned());
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    query(
                        "INSERT INTO identities (identity_index, provider, user_id, created_at) VALUES ($1, $2, $3, $4) \
                         ON CONFLICT (identity_index) DO NOTHING",
                    )
                    .bind(index.clone())
                    .bind(provider)
                    .bind(user)
                    .bind(Millis::now().0)
                    .execute(&mut *connection)
                    .await?;
                    let found = query("SELECT user_id FROM identities WHERE identity_index = $1").bind(index);
                    let owner: UserId = found.scalar(connection).await?;
                    if owner == user { Ok(()) } else { Err(taken()) }
                })
            })
            .await
    }

    pub(super) async fn of(&self, user: UserId) -> Result<Vec<Identity>> {
        let found =
            query("SELECT provider, created_at FROM identities WHERE user_id = $1 ORDER BY created_at, provider");
        let rows = found.bind(user).fetch_all(&self.database.read).await?;
        rows.iter()
            .map(|row| Ok(Identity { provider: row.get("provider")?, since: Millis(row.get("created_at")?) }))
            .collect()
    }

    /// Takes a provider away from an account, unless there would be no way in.
    pub(super) async fn remove(&self, provider: &str, user: UserId) -> Result<()> {
        let provider = provider.to_owned();
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    let gone = query("DELETE FROM identities WHERE user_id = $1 AND provider = $2")
                        .bind(user)
                        .bind(provider)
                        .execute(&mut *connection)
                        .await?;
                    if gone == 0 {
                        return Err(Problem::not_found("provider"));
                    }
                    let left = "SELECT (SELECT count(*) FROM identities WHERE user_id = $1) \
                                + (SELECT count(*) FROM users WHERE id = $1 AND password_hash IS NOT NULL)";
                    let ways: i64 = query(left).bind(user).scalar(connection).await?;
                    if ways == 0 { Err(last()) } else { Ok(()) }
                })
            })
            .await
    }
}

fn last() -> Problem {
    let detail = "It is the only way into the account: set a password first.";
    Problem::new(Code::InUse, detail).with("reason", "only-way-in")
}
