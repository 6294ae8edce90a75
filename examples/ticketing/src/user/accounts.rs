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

/// What rules of prices know of a buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// Anybody.
    Normal,
    /// Somebody to be looked after.
    Vip,
}

impl Kind {
    /// Its name, as the database has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Vip => "VIP",
        }
    }
}

/// Reads and writes accounts.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    database: Database,
    /// Those who may come in, with their kind.
    known: Arc<Cache<UserId, Option<Kind>>>,
}

impl Accounts {
    pub(super) fn new(database: Database) -> Self {
        Self { database, known: Arc::new(Cache::new("accounts", 16_384, Some(KNOWN_AGE))) }
    }

    pub(super) async fn exists(&self, user: UserId) -> Result<bool> {
        Ok(self.kind(user).await?.is_some())
    }

    /// Of what kind an account is; `None` if there is none, or it is kept out.
    pub(super) async fn kind(&self, user: UserId) -> Result<Option<Kind>> {
        self.known
            .get(user, || async {
                let found = query("SELECT kind FROM users WHERE id = $1 AND disabled = 0").bind(user);
                let kind: Option<String> = found.scalar_optional(&self.database.read).await?;
                Ok(kind.map(|kind| if kind == Kind::Vip.as_str() { Kind::Vip } else { Kind::Normal }))
            })
            .await
    }

    pub(super) async fn judge(&self, user: UserId, kind: Kind, disabled: bool) -> Result<()> {
        let changed = self
            .database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    let change = query("UPDATE users SET kind = $1, disabled = $2 WHERE id = $3");
                    Ok::<_, Problem>(change.bind(kind.as_str()).bind(disabled).bind(user).execute(connection).await?)
                })
            })
            .await?;
        self.known.forget(&user);
        if changed == 0 { Err(Problem::not_found("account")) } else { Ok(()) }
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
        let row = query("SELECT id, password_hash, disabled FROM users WHERE email = $1 AND password_hash IS NOT NULL")
            .bind(identifier)
            .fetch_optional(&self.database.read)
            .await
            .map_err(unread)?;
        row.map(|row| {
            let hash = PasswordHash::from_phc(row.get::<String>("password_hash").map_err(unread)?)?;
            let subject = row.get("id").map_err(unread)?;
            let active = row.get::<i64>("disabled").map_err(unread)? == 0;
            Ok(PasswordAccount { subject, hash, active, permission_version: None })
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
