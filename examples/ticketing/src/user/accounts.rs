//! The accounts in the database, as nebula-auth asks about them.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use nebula_auth::{Error, PasswordAccount, PasswordAccounts, PasswordHash, SubjectDirectory, SubjectState};

use super::email;
use crate::{
    clock::Millis,
    ids::UserId,
    language::Language,
    personal::{CALLED, EMAIL, PHONE, Vault},
    problem::{Code, Problem, Result},
    remembered::Cache,
    storage::{Connection, Database, sql::query},
};

/// How long it is believed that an account exists.
const KNOWN_AGE: Duration = Duration::from_millis(500);

/// Who reads what is sent to an account.
pub struct Reader {
    /// E-mail address.
    pub email: String,
    /// The number for text messages: confirmed, and wanted.
    pub phone: Option<String>,
    /// In which language.
    pub language: Language,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("language", &self.language).finish_non_exhaustive()
    }
}

/// A person with an account.
#[derive(Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct User {
    /// Identifier.
    pub id: UserId,
    /// E-mail address, in lower case; empty for buyers of rehearsals.
    pub email: String,
    /// How to address them.
    pub display_name: String,
    /// In which language the platform writes to them.
    pub language: Language,
    /// Telephone number in international form, if they gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Whether they have shown that it is theirs.
    pub phone_confirmed: bool,
    /// Whether they want text messages about their orders, once it is.
    pub text_messages: bool,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("email", &email::masked(&self.email)).finish_non_exhaustive()
    }
}

/// What an account is to become.
#[derive(Clone, Default)]
pub struct Profile {
    /// How to address them.
    pub display_name: Option<String>,
    /// In which language the platform writes to them.
    pub language: Option<Language>,
    /// Whether they want text messages about their orders.
    pub text_messages: Option<bool>,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("language", &self.language).finish_non_exhaustive()
    }
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
    vault: Vault,
    /// Those who may come in, with their kind.
    known: Arc<Cache<UserId, Option<Kind>>>,
}

impl Accounts {
    pub(super) fn new(database: Database, vault: Vault) -> Self {
        Self { database, vault, known: Arc::new(Cache::new("accounts", 16_384, Some(KNOWN_AGE))) }
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
        // Nobody's: all who buy at counters would be meant.
        if user == UserId::COUNTER {
            return Err(Problem::not_found("account"));
        }
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
        let index = self.vault.index(EMAIL, email).await?;
        let found = query("SELECT id FROM users WHERE email_index = $1").bind(index);
        Ok(found.scalar_optional(&self.database.read).await?)
    }

    pub(super) async fn user(&self, id: UserId) -> Result<Option<User>> {
        let found = query(
            "SELECT email_index, email_sealed, phone_sealed, phone_index, text_messages, display_name, name_sealed, \
                    language FROM users WHERE id = $1",
        );
        let Some(row) = found.bind(id).fetch_optional(&self.database.read).await? else { return Ok(None) };
        let key = id.to_string();
        let phone = match row.get::<Option<String>>("phone_sealed")? {
            Some(sealed) => Some(self.vault.unseal(PHONE, &key, &sealed).await?),
            None => None,
        };
        let email = address(&self.vault, &key, row.get("email_sealed")?, row.get("email_index")?).await?;
        let language = Language::of(&row.get::<String>("language")?);
        Ok(Some(User {
            id,
            email,
            display_name: called(&self.vault, &key, row.get("name_sealed")?, row.get("display_name")?).await?,
            language,
            phone,
            phone_confirmed: row.get::<Option<String>>("phone_index")?.is_some(),
            text_messages: row.get::<i64>("text_messages")? != 0,
        }))
    }

    /// Changes what is given.
    pub(super) async fn change(&self, id: UserId, profile: Profile) -> Result<()> {
        let name = match &profile.display_name {
            Some(name) => Some(self.vault.seal(CALLED, &id.to_string(), name).await?),
            None => None,
        };
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    if let Some(name) = name {
                        let change = query("UPDATE users SET name_sealed = $1, display_name = '' WHERE id = $2");
                        change.bind(name).bind(id).execute(&mut *connection).await?;
                    }
                    if let Some(language) = profile.language {
                        let change = query("UPDATE users SET language = $1 WHERE id = $2");
                        change.bind(language.as_str()).bind(id).execute(&mut *connection).await?;
                    }
                    if let Some(wanted) = profile.text_messages {
                        let change = query("UPDATE users SET text_messages = $1 WHERE id = $2");
                        change.bind(wanted).bind(id).execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Gives an account a number that somebody has shown to be theirs, or none.
    pub(super) async fn change_phone(&self, id: UserId, phone: Option<&str>) -> Result<()> {
        let (sealed, index) = match phone {
            Some(phone) => {
                let sealed = self.vault.seal(PHONE, &id.to_string(), phone).await?;
                (Some(sealed), Some(self.vault.index(PHONE, phone).await?))
            }
            None => (None, None),
        };
        let confirmed = index.as_ref().map(|_| Millis::now().0);
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    let change =
                        "UPDATE users SET phone_sealed = $1, phone_index = $2, phone_confirmed_at = $3 WHERE id = $4";
                    query(change).bind(sealed).bind(index).bind(confirmed).bind(id).execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Who reads what is sent to an account, if it is a person's: those of rehearsals have no password, and nobody reads what they get.
    pub(super) async fn reader(&self, user: UserId) -> Result<Option<Reader>> {
        let found = "SELECT email_index, email_sealed, language, \
                     CASE WHEN phone_index IS NOT NULL AND text_messages = 1 THEN phone_sealed END AS phone_sealed \
                     FROM users WHERE id = $1 AND password_hash IS NOT NULL";
        let Some(row) = query(found).bind(user).fetch_optional(&self.database.read).await? else { return Ok(None) };
        let id = user.to_string();
        let email = address(&self.vault, &id, row.get("email_sealed")?, row.get("email_index")?).await?;
        let phone = match row.get::<Option<String>>("phone_sealed")? {
            Some(sealed) => Some(self.vault.unseal(PHONE, &id, &sealed).await?),
            None => None,
        };
        Ok(Some(Reader { email, phone, language: Language::of(&row.get::<String>("language")?) }))
    }

    /// The account of a number; of several, the one that it was confirmed for last.
    pub(super) async fn of_phone(&self, phone: &str) -> Result<Option<UserId>> {
        let index = self.vault.index(PHONE, phone).await?;
        let found =
            "SELECT id FROM users WHERE phone_index = $1 AND disabled = 0 ORDER BY phone_confirmed_at DESC, id LIMIT 1";
        Ok(query(found).bind(index).scalar_optional(&self.database.read).await?)
    }

    /// Gives an account another address.
    pub(super) async fn change_email(&self, id: UserId, email: &str) -> Result<()> {
        let index = self.vault.index(EMAIL, email).await?;
        let sealed = self.vault.seal(EMAIL, &id.to_string(), email).await?;
        let person = self.vault.person(email).await?;
        let changed = self
            .database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    let change = "UPDATE users SET email_index = $1, email_sealed = $2, person_index = $4 WHERE id = $3 \
                                  AND NOT EXISTS (SELECT 1 FROM users other WHERE other.email_index = $1 AND other.id <> $3)";
                    match query(change).bind(index).bind(sealed).bind(id).bind(person).execute(connection).await {
                        // Of two at the same moment the index lets one through.
                        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(0),
                        changed => Ok::<_, Problem>(changed?),
                    }
                })
            })
            .await?;
        if changed == 0 { Err(taken()) } else { Ok(()) }
    }

    pub(super) async fn count(&self) -> Result<i64> {
        let people = query("SELECT count(*) FROM users WHERE id <> $1").bind(UserId::COUNTER);
        Ok(people.scalar(&self.database.read).await?)
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
        let index = self.vault.index(EMAIL, email).await?;
        let found = query("SELECT EXISTS (SELECT 1 FROM users WHERE email_index = $1)").bind(index);
        Ok(found.scalar(&self.database.read).await?)
    }

    /// Without a hash nobody signs in with a password until one is set.
    pub(super) async fn add(&self, user: &User, hash: Option<PasswordHash>) -> Result<()> {
        let index = self.vault.index(EMAIL, &user.email).await?;
        let sealed = self.vault.seal(EMAIL, &user.id.to_string(), &user.email).await?;
        let person = self.vault.person(&user.email).await?;
        let name = self.vault.seal(CALLED, &user.id.to_string(), &user.display_name).await?;
        let user = user.clone();
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move { insert(connection, &user, [index, sealed, person, name], hash).await })
            })
            .await
    }
}

/// The address of an account's row: sealed, none, or open where it is not sealed yet.
async fn address(vault: &Vault, id: &str, sealed: Option<String>, index: String) -> Result<String> {
    match sealed {
        Some(none) if none.is_empty() => Ok(none),
        Some(sealed) => vault.unseal(EMAIL, id, &sealed).await,
        None => Ok(index),
    }
}

/// What an account's row calls it: a name that lies open was written last, by a process of the release before.
async fn called(vault: &Vault, id: &str, sealed: Option<String>, open: String) -> Result<String> {
    match sealed {
        Some(sealed) if open.is_empty() => vault.unseal(CALLED, id, &sealed).await,
        _ => Ok(open),
    }
}

/// Somebody else has the address.
pub(super) fn taken() -> Problem {
    Problem::new(Code::EmailTaken, "An account with this e-mail address exists: sign in instead.")
}

async fn insert(
    connection: &mut Connection<'_>,
    user: &User,
    [index, sealed, person, name]: [String; 4],
    hash: Option<PasswordHash>,
) -> Result<()> {
    let written = query(
        "INSERT INTO users (id, email_index, email_sealed, person_index, display_name, name_sealed, language, \
         password_hash, created_at) VALUES ($1, $2, $3, $4, '', $5, $6, $7, $8) ON CONFLICT (email_index) DO NOTHING",
    )
    .bind(user.id)
    .bind(index)
    .bind(sealed)
    .bind(person)
    .bind(name)
    .bind(user.language.as_str())
    .bind(hash.map(|hash| hash.expose().to_owned()))
    .bind(Millis::now().0)
    .execute(connection)
    .await?;
    if written == 0 { Err(taken()) } else { Ok(()) }
}

#[async_trait]
impl PasswordAccounts for Accounts {
    async fn find(&self, identifier: &str) -> Result<Option<PasswordAccount>, Error> {
        let unread = |error| Error::unavailable("the accounts could not be read", error);
        let unopened = |problem| Error::unavailable("the accounts could not be read", problem);
        let index = self.vault.index(EMAIL, identifier).await.map_err(unopened)?;
        let found =
            "SELECT id, password_hash, disabled FROM users WHERE email_index = $1 AND password_hash IS NOT NULL";
        let row = query(found).bind(index).fetch_optional(&self.database.read).await.map_err(unread)?;
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
