//! Whom a buyer buys for.

use super::{
    Identities,
    person::{Masked, NewPerson, Person, read_name},
    storage::{changed_one, room},
};
use crate::{
    clock::Millis,
    ids::{ContactId, UserId},
    personal::{CONTACT, DOCUMENT},
    problem::{Code, Problem, Result},
    storage::{Connection, sql::query},
};

/// Most contacts of an account.
const MOST: i64 = 15;

impl Identities {
    /// Whom a buyer buys for, in the order in which they were added.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn contacts(&self, user: UserId) -> Result<Vec<(ContactId, Masked)>> {
        let found =
            query("SELECT id, person_sealed FROM contacts WHERE user_id = $1 ORDER BY created_at, id").bind(user);
        let mut contacts = Vec::new();
        for row in found.fetch_all(&self.0.database.read).await? {
            let id: ContactId = row.get("id")?;
            contacts.push((id, self.person_of(id, &row.get::<String>("person_sealed")?).await?.masked()));
        }
        Ok(contacts)
    }

    /// One of a buyer's contacts. Those of others are not there.
    pub(super) async fn contact(&self, user: UserId, id: ContactId) -> Result<Option<Person>> {
        let found = query("SELECT person_sealed FROM contacts WHERE id = $1 AND user_id = $2").bind(id).bind(user);
        let sealed: Option<String> = found.scalar_optional(&self.0.database.read).await?;
        match sealed {
            Some(sealed) => self.person_of(id, &sealed).await.map(Some),
            None => Ok(None),
        }
    }

    async fn person_of(&self, id: ContactId, sealed: &str) -> Result<Person> {
        Person::from_text(&self.0.vault.unseal(CONTACT, &id.to_string(), sealed).await?)
    }

    /// Adds somebody.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`]; [`Code::NameTaken`] when the document is there already, [`Code::ListFull`]; otherwise the database failed.
    ///
    /// # Cancel safety
    ///
    /// Added or not; the list tells.
    pub async fn add_contact(&self, user: UserId, new: &NewPerson) -> Result<(ContactId, Masked)> {
        let (id, person) = (ContactId::new(), new.read("")?);
        let index = self.0.vault.index(DOCUMENT, &person.document().key()).await?;
        let sealed = self.0.vault.seal(CONTACT, &id.to_string(), &person.to_text()?).await?;
        self.0
            .database
            .write
            .run(move |connection| Box::pin(async move { insert(connection, user, id, index, sealed).await }))
            .await?;
        Ok((id, person.masked()))
    }

    /// Gives a contact another name.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`], [`Code::InvalidValue`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Renamed or not; call it again.
    pub async fn rename_contact(&self, user: UserId, id: ContactId, name: &str) -> Result<Masked> {
        let name = read_name(name, "")?;
        let known = self.contact(user, id).await?.ok_or_else(|| Problem::not_found("contact"))?;
        let person = known.renamed(name);
        let sealed = self.0.vault.seal(CONTACT, &id.to_string(), &person.to_text()?).await?;
        let change = query("UPDATE contacts SET person_sealed = $1 WHERE id = $2 AND user_id = $3");
        changed_one(&self.0.database, change.bind(sealed).bind(id).bind(user), "contact").await?;
        Ok(person.masked())
    }

    /// Removes a contact. Orders keep whom they were for.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Removed or not; the list tells.
    pub async fn remove_contact(&self, user: UserId, id: ContactId) -> Result<()> {
        let remove = query("DELETE FROM contacts WHERE id = $1 AND user_id = $2").bind(id).bind(user);
        changed_one(&self.0.database, remove, "contact").await
    }
}

async fn insert(
    connection: &mut Connection<'_>,
    user: UserId,
    id: ContactId,
    index: String,
    sealed: String,
) -> Result<()> {
    room(connection, "contacts", user, MOST).await?;
    let insert = "INSERT INTO contacts (id, user_id, identity_index, person_sealed, created_at) VALUES ($1, $2, $3, $4, $5) \
                  ON CONFLICT (user_id, identity_index) DO NOTHING";
    let insert = query(insert).bind(id).bind(user).bind(index).bind(sealed).bind(Millis::now().0);
    match insert.execute(connection).await? {
        0 => {
            Err(Problem::new(Code::NameTaken, "This document is among your contacts already.").with("field", "number"))
        }
        _ => Ok(()),
    }
}
