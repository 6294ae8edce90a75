//! Whose an account is.

use aws_lc_rs::digest;

use super::{
    Identities,
    person::{Masked, Person},
};
use crate::{
    clock::Millis,
    ids::UserId,
    personal::{DOCUMENT, VERIFIED},
    problem::{Code, Problem, Result},
    storage::{Connection, sql::query},
};

/// Most accounts of one document.
const ACCOUNTS: i64 = 5;

impl Identities {
    /// Whose an account is, if that was shown.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn of(&self, user: UserId) -> Result<Option<Masked>> {
        let found = query("SELECT person_sealed FROM verified_identities WHERE user_id = $1").bind(user);
        let sealed: Option<String> = found.scalar_optional(&self.0.database.read).await?;
        let Some(sealed) = sealed else { return Ok(None) };
        let text = self.0.vault.unseal(VERIFIED, &user.to_string(), &sealed).await?;
        Ok(Some(Person::from_text(&text)?.masked()))
    }

    /// Shows that an account is this person's, once the authority agrees.
    ///
    /// # Errors
    ///
    /// Those of a check; [`Code::IdentityLimit`] when the document has five accounts, also when two ask at the same moment;
    /// [`Code::IdentitySet`] when the account is somebody else's; otherwise the database failed.
    ///
    /// # Cancel safety
    ///
    /// Shown or not; call it again.
    pub async fn verify(&self, user: UserId, person: &Person) -> Result<()> {
        self.0.checks.confirm(person, Some(user)).await?;
        let index = self.0.vault.index(DOCUMENT, &person.document().key()).await?;
        let sealed = self.0.vault.seal(VERIFIED, &user.to_string(), &person.to_text()?).await?;
        self.0
            .database
            .write
            .run(move |connection| Box::pin(async move { keep(connection, user, index, sealed).await }))
            .await
    }

    /// Forgets whose an account is.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Forgotten or not; call it again.
    pub async fn forget(&self, user: UserId) -> Result<()> {
        self.0
            .database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    let forget = query("DELETE FROM verified_identities WHERE user_id = $1").bind(user);
                    forget.execute(connection).await?;
                    Ok::<_, Problem>(())
                })
            })
            .await
    }
}

async fn keep(connection: &mut Connection<'_>, user: UserId, index: String, sealed: String) -> Result<()> {
    alone(connection, &index).await?;
    let others = query("SELECT count(*) FROM verified_identities WHERE identity_index = $1 AND user_id <> $2");
    let others: i64 = others.bind(&index).bind(user).scalar(&mut *connection).await?;
    if others >= ACCOUNTS {
        let detail = format!("A person may have {ACCOUNTS} accounts.");
        let refused = Problem::new(Code::IdentityLimit, detail);
        return Err(refused.with("reason", "accounts").with("limit", ACCOUNTS));
    }
    let insert = "INSERT INTO verified_identities (user_id, identity_index, person_sealed, verified_at) \
                  VALUES ($1, $2, $3, $4) \
                  ON CONFLICT (user_id) DO UPDATE SET person_sealed = $3, verified_at = $4 \
                  WHERE verified_identities.identity_index = $2";
    let insert = query(insert).bind(user).bind(index).bind(sealed).bind(Millis::now().0);
    match insert.execute(connection).await? {
        0 => Err(Problem::new(Code::IdentitySet, "Take the identity of this account away first.")),
        _ => Ok(()),
    }
}

/// Waits until no other transaction counts what this document has.
pub(super) async fn alone(connection: &mut Connection<'_>, index: &str) -> Result<()> {
    let name = digest::digest(&digest::SHA256, format!("identity:{index}").as_bytes());
    let mut lock = [0; 8];
    lock.copy_from_slice(&name.as_ref()[..8]);
    Ok(connection.alone(i64::from_be_bytes(lock)).await?)
}
