//! The accounts in the database, as nebula-auth asks about them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use nebula_auth::{Error, PasswordAccount, PasswordAccounts, PasswordHash, SubjectDirectory, SubjectState};

use crate::{
    clock::Millis,
    ids::UserId,
    problem::{Code, Problem, Result},
    show::Cache,
    storage::{Connection, Database, sql::query},
};

/// How long it is believed that an account exists.
const KNOWN_AGE: Duration = Duration::from_millis(500);

/// A person with an account.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct User {
    /// Identifier.
    pub id: UserId,
    /// E-mail address, in lower case.
    pub email: String,
    /// How to address them.
    pub display_name: String,
}

/// Reads and writes accounts.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    database: Database,
    known: Arc<Cache<UserId, bool>>,
}

impl Accounts {
    pub(super) fn new(database: Database) -> Self {
        Self { database, known: Arc::new(Cache::new(16_384, Some(KNOWN_AGE))) }
    }

    pub(super) async fn exists(&self, user: UserId) -> Result<bool> {
        self.known
            .get(user, || async {
                let found = query("SELECT EXISTS (SELECT 1 FROM users WHERE id = $1)").bind(user);
                Ok(found.scalar(&self.database.read).await?)
            })
            .await
    }

    pub(super) async fn id_of(&self, email: &str) -> Result<Option<UserId>> {
        let found = query("SELECT id FROM users WHERE email = $1").bind(email);
        Ok(found.scalar_optional(&self.database.read).await?)
    }

    pub(super) async fn user(&self, id: UserId) -> Result<Option<User>> {
        let row = query("SELECT email, display_name FROM users WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.database.read)
            .await?;
        row.map(|row| Ok(User { id, email: row.get("email")?, display_name: row.get("display_name")? })).transpose()
    }

    pub(super) async fn count(&self) -> Result<i64> {
        Ok(query("SELECT count(*) FROM users").scalar(&self.database.read).await?)
    }

    pub(super) async fn set_hash(&self, user: UserId, hash: PasswordHash) -> Result<()> {
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    query("UPDATE users SET password_hash = $1 WHERE id = $2")
                        .bind(hash.expose())
                        .bind(user)
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    pub(super) async fn taken(&self, email: &str) -> Result<bool> {
        let found = query("SELECT EXISTS (SELECT 1 FROM users WHERE email = $1)").bind(email);
        Ok(found.scalar(&self.database.read).await?)
    }

    pub(super) async fn add(&self, user: &User, hash: PasswordHash) -> Result<()> {
        let user = user.clone();
        self.database
            .write
            .run(move |connection| Box::pin(async move { insert(connection, &user, Some(&hash)).await }))
            .await
    }
}

/// Writes an account, within the caller's transaction.
///
/// # Errors
///
/// [`Code::EmailTaken`], or the database failed.
///
/// # Cancel safety
///
/// What was written is undone with the transaction.
pub async fn insert(connection: &mut Connection<'_>, user: &User, hash: Option<&PasswordHash>) -> Result<()> {
    let written = query(
        "INSERT INTO users (id, email, display_name, password_hash, created_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (email) DO NOTHING",
    )
    .bind(user.id)
    .bind(&user.email)
    .bind(&user.display_name)
    .bind(hash.map(PasswordHash::expose))
    .bind(Millis::now().0)
    .execute(connection)
    .await?;
    if written == 0 {
        return Err(Problem::new(Code::EmailTaken, "An account with this e-mail address exists: sign in instead."));
    }
    Ok(())
}

#[async_trait]
impl PasswordAccounts for Accounts {
    async fn find(&self, identifier: &str) -> Result<Option<PasswordAccount>, Error> {
        let unread = |error| Error::unavailable("the accounts could not be read", error);
        let row = query("SELECT id, password_hash FROM users WHERE email = $1 AND password_hash IS NOT NULL")
            .bind(identifier)
            .fetch_optional(&self.database.read)
            .await
            .map_err(unread)?;
        row.map(|row| {
            let hash = PasswordHash::from_phc(row.get::<String>("password_hash").map_err(unread)?)?;
            let subject = row.get("id").map_err(unread)?;
            Ok(PasswordAccount { subject, hash, active: true, permission_version: None })
        })
        .transpose()
    }

    async fn replace_hash(&self, subject: &str, old: &PasswordHash, new: &PasswordHash) -> Result<(), Error> {
        let (subject, old, new) = (subject.to_owned(), old.clone(), new.clone());
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    query("UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3")
                        .bind(new.expose())
                        .bind(subject)
                        .bind(old.expose())
                        .execute(connection)
                        .await?;
                    Ok::<_, Problem>(())
                })
            })
            .await
            .map_err(|problem| Error::unavailable("the password hash could not be replaced", problem))
    }
}

#[async_trait]
impl SubjectDirectory for Accounts {
    async fn state(&self, subject: &str) -> Result<SubjectState, Error> {
        let Ok(user) = subject.parse() else { return Ok(SubjectState::Inactive) };
        let exists = self.exists(user).await;
        let exists = exists.map_err(|problem| Error::unavailable("the accounts could not be read", problem))?;
        Ok(if exists { SubjectState::Active { permission_version: None } } else { SubjectState::Inactive })
    }
}
