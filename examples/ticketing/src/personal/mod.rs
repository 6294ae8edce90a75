//! Personal data at rest: names, addresses and telephone numbers are sealed, and found by a keyed hash where they are looked for.
//!
//! nebula-tenant's cipher seals, with the platform as its tenant: AES-256-GCM under keys that lie wrapped in the database, bound
//! to table, column and row. What wraps them lies in the configuration or in the data folder, and never in the database.

mod config;
mod existing;
mod person;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use nebula_tenant::{
    TenantContext, TenantId,
    seal::{LocalMasterKey, Place, Sealed, SqlKeyStore, TenantCipher},
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

pub use self::config::PersonalDataConfig;
use crate::{
    ids::platform,
    problem::{Problem, Result},
    secret,
    storage::{Database, Pool},
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where the addresses of accounts are.
pub const EMAIL: Place<'static> = Place::column("users", "email");
/// What they call themselves.
pub const CALLED: Place<'static> = Place::column("users", "display_name");
/// Where their telephone numbers are.
pub const PHONE: Place<'static> = Place::column("users", "phone");
/// What a provider of sign-ins said of somebody who has yet to show that an address is theirs.
pub const PENDING: Place<'static> = Place::column("identities", "pending");
/// What providers of sign-ins call people.
pub const IDENTITY: Place<'static> = Place::column("identities", "identity");
/// Which accounts are one person's: those of one mailbox.
const PERSON: Place<'static> = Place::column("users", "person");
/// Whose accounts are, as an authority confirmed it.
pub const VERIFIED: Place<'static> = Place::column("verified_identities", "person");
/// Whom buyers buy for.
pub const CONTACT: Place<'static> = Place::column("contacts", "person");
/// Whose the seats of orders are.
pub const ATTENDEE: Place<'static> = Place::column("order_attendees", "person");
/// What a document is found by, wherever it is kept: its country and its number.
pub const DOCUMENT: Place<'static> = Place::column("persons", "document");
/// What a document is looked for by those who do not know its country.
pub const NUMBER: Place<'static> = Place::column("persons", "number");
/// What people are found by.
pub const NAME: Place<'static> = Place::column("persons", "name");
/// What people are found by in part: letters of their names.
pub const GRAM: Place<'static> = Place::column("attendee_grams", "name");
/// The same: the end of a document's number.
pub const NUMBER_END: Place<'static> = Place::column("attendee_grams", "number");
/// What devices of accounts are known by.
pub const DEVICE: Place<'static> = Place::column("known_devices", "device");
/// What an authority was asked.
pub const QUESTION: Place<'static> = Place::column("persons", "question");
/// Whom somebody named in a request that may be repeated.
pub const WISH: Place<'static> = Place::column("persons", "wish");
/// Where somebody gets mail.
pub const ADDRESS: Place<'static> = Place::column("postal_addresses", "address");
/// What the key of second factors and one-time codes is derived from. nebula-auth seals what it keeps of them itself.
pub const FACTORS: Place<'static> = Place::column("factors", "key");
/// Where the addresses of those are who were invited.
pub const INVITED: Place<'static> = Place::column("merchant_invitations", "email");

/// How long unwrapped keys are believed. Ours are never erased.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// Seals personal data and opens it again. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Vault {
    cipher: Arc<TenantCipher>,
    owner: TenantId,
}

impl Vault {
    /// Opens the keys, wraps them with the key of now, and seals what lies open in the database.
    ///
    /// # Errors
    ///
    /// The key is not the one that the database was sealed with, or the database cannot be used; the text says which.
    ///
    /// # Cancel safety
    ///
    /// Call it again: it goes on where it was.
    pub async fn open(config: &PersonalDataConfig, data: &Path, database: &Database) -> Result<Self, Failure> {
        let vault = Self::unlock(config, data, database).await?;
        existing::seal(database, &vault).await?;
        Ok(vault)
    }

    async fn unlock(config: &PersonalDataConfig, data: &Path, database: &Database) -> Result<Self, Failure> {
        const OWNERS: &str = "SELECT DISTINCT tenant FROM nebula_tenant_keys";
        // On SQLite in the line of those who write: nobody sleeps there.
        let (cipher, owners) = match &database.queue {
            Pool::Sqlite(pool) => {
                let keys = SqlKeyStore::<sqlx::Sqlite>::new(pool.clone());
                keys.migrate().await?;
                let owners: Vec<String> = sqlx::query_scalar(OWNERS).fetch_all(pool).await?;
                (TenantCipher::new(keys, master(config, data, !owners.is_empty())?), owners)
            }
            Pool::Postgres(pool) => {
                let keys = SqlKeyStore::<sqlx::Postgres>::new(pool.clone());
                keys.migrate().await?;
                let owners: Vec<String> = sqlx::query_scalar(OWNERS).fetch_all(pool).await?;
                (TenantCipher::new(keys, master(config, data, !owners.is_empty())?), owners)
            }
        };
        let vault = Self { cipher: Arc::new(cipher.with_kept(KEPT)), owner: platform() };
        let owners = owners.iter().map(|owner| owner.parse()).collect::<Result<Vec<TenantId>, _>>()?;
        let unlocked = async {
            for owner in &owners {
                vault.cipher.rewrap(owner).await?;
            }
            // Makes the first key, and opens it.
            TenantContext::of(vault.owner.clone()).scope(vault.cipher.index(EMAIL, b"")).await?
        };
        unlocked.await.map_err(|error| {
            let cause = crate::problem::chain(&error);
            format!(
                "personal data in the database cannot be opened: {cause}. Give the key that it was sealed with in \
                 personal-data.key, or among personal-data.previous by its name"
            )
        })?;
        Ok(vault)
    }

    /// The same for what belongs to a merchant, under keys of its own: who erases them has erased what they sealed, in every copy.
    #[must_use]
    pub fn of(&self, merchant: &TenantId) -> Self {
        Self { cipher: Arc::clone(&self.cipher), owner: merchant.clone() }
    }

    /// What is kept of a text in that row.
    ///
    /// # Errors
    ///
    /// The keys cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Safe. Never call it within a transaction: on SQLite the keys are read over the same connection.
    pub async fn seal(&self, column: Place<'_>, row: &str, text: &str) -> Result<String> {
        let sealed = self.owned(self.cipher.seal(column.row(row), text.as_bytes())).await?;
        Ok(STANDARD_NO_PAD.encode(sealed.as_bytes()))
    }

    /// The text that was sealed for that row.
    ///
    /// # Errors
    ///
    /// It was not sealed for this row, was altered, or the keys cannot be read.
    ///
    /// # Cancel safety
    ///
    /// As [`seal`](Self::seal).
    pub async fn unseal(&self, column: Place<'_>, row: &str, sealed: &str) -> Result<String> {
        let sealed = Sealed::from_bytes(STANDARD_NO_PAD.decode(sealed).map_err(Problem::internal)?);
        let text = self.owned(self.cipher.open(column.row(row), &sealed)).await?;
        String::from_utf8(text).map_err(|_| Problem::internal("a sealed text is none"))
    }

    /// What a text of that column is found by.
    ///
    /// # Errors
    ///
    /// The keys cannot be read.
    ///
    /// # Cancel safety
    ///
    /// As [`seal`](Self::seal).
    pub async fn index(&self, column: Place<'_>, text: &str) -> Result<String> {
        let index = self.owned(self.cipher.index(column, text.as_bytes())).await?;
        Ok(data_encoding::HEXLOWER.encode(&index))
    }

    /// What all accounts of a person have in common: a keyed hash of their mailbox.
    ///
    /// # Errors
    ///
    /// The keys cannot be read.
    ///
    /// # Cancel safety
    ///
    /// As [`seal`](Self::seal).
    pub async fn person(&self, address: &str) -> Result<String> {
        self.index(PERSON, &person::mailbox(address)).await
    }

    async fn owned<T>(&self, work: impl Future<Output = Result<T, nebula_tenant::Error>>) -> Result<T> {
        let done = TenantContext::of(self.owner.clone()).scope(work).await.and_then(|done| done);
        done.map_err(|error| match error.kind() {
            nebula_tenant::ErrorKind::Unavailable => Problem::unavailable(error),
            _ => Problem::internal(error),
        })
    }
}

/// The key that wraps, and those that did. A new one is made in the data folder only for a database that was never `sealed`: in
/// another folder it would be of no use, and in the way of the right one.
fn master(personal: &PersonalDataConfig, data: &Path, sealed: bool) -> Result<LocalMasterKey, Failure> {
    let kept = data.join(secret::PERSONAL).exists();
    let mut master = match &personal.key {
        Some(key) => LocalMasterKey::new(&personal.key_id, &derived(key))?,
        None if sealed && !kept => return Err(MISSING.into()),
        None => {
            let key = secret::load_or_create(data, secret::PERSONAL)?;
            LocalMasterKey::new(config::FOLDER, &derived(&key))?
        }
    };
    // Whoever moves the key out of the folder goes on opening what that one wrapped, also where there is no such folder.
    if let Some(key) = &personal.key
        && !personal.previous.contains_key(config::FOLDER)
        && personal.key_id != config::FOLDER
    {
        let moved = if kept { secret::load_or_create(data, secret::PERSONAL)? } else { key.clone() };
        master = master.with_former(config::FOLDER, &derived(&moved))?;
    }
    for (id, key) in &personal.previous {
        master = master.with_former(id, &derived(key))?;
    }
    Ok(master)
}

const MISSING: &str = "personal data in the database was sealed with a key that is not in this data folder. Give it in \
                       personal-data.key: the text of personal-data.secret in the folder where it was made";

/// Thirty-two bytes of a text of any length.
fn derived(secret: &SecretString) -> SecretSlice<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    hmac::sign(&key, b"ticketing personal data v1").as_ref().to_vec().into()
}
