use async_trait::async_trait;

use super::{Arg, SqlStore, args, failed, file, rows, run};
use crate::{
    audience::{AudienceStore, Preferences},
    error::Result,
};

impl SqlStore {
    /// What the column has of a subject, which may be an address.
    async fn subject(&self, subject: &str) -> Result<String> {
        let column = self.sealing.column(subject).await;
        column.map_err(|error| failed("a recipient could not be looked for", error))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl AudienceStore for SqlStore {
    async fn get(&self, subject: &str) -> Result<Option<Preferences>> {
        let subject = self.subject(subject).await?;
        run!(self, "the wishes of a recipient could not be read", false, |session| {
            let found = session.fetch(file!("audience_get").into(), args![subject.as_str()]).await?;
            found.first().map(|row| rows::from_body(&row.text(1)?)).transpose()?
        })
    }

    async fn set(&self, subject: &str, preferences: Option<&Preferences>) -> Result<()> {
        let subject = self.subject(subject).await?;
        run!(self, "the wishes of a recipient could not be stored", true, |session| {
            match preferences {
                None => {
                    session.execute(file!("audience_remove"), args![subject.as_str()]).await?;
                }
                Some(preferences) => {
                    let body = rows::to_body(preferences)?;
                    let new = args![subject.as_str(), body.as_str()];
                    if session.execute(file!("audience_insert"), new).await? == 0 {
                        session.execute(file!("audience_set"), args![body, subject.as_str()]).await?;
                    }
                }
            }
        })
    }

    async fn replace(
        &self,
        subject: &str,
        expected: Option<&Preferences>,
        preferences: Option<&Preferences>,
    ) -> Result<bool> {
        let subject = self.subject(subject).await?;
        run!(self, "the wishes of a recipient could not be changed", false, |session| {
            let found = session.fetch(file!("audience_get").into(), args![subject.as_str()]).await?;
            let known = match found.first() {
                Some(row) => Some((row.int(0)?, rows::from_body::<Preferences>(&row.text(1)?)?)),
                None => None,
            };
            let same = known.as_ref().map(|(_, known)| known) == expected;
            match (known, preferences) {
                _ if !same => false,
                (None, None) => true,
                // What was read is written over only if it is still there.
                (None, Some(new)) => {
                    let new = args![subject.as_str(), rows::to_body(new)?];
                    session.execute(file!("audience_insert"), new).await? > 0
                }
                (Some((revision, _)), Some(new)) => {
                    let new = args![rows::to_body(new)?, subject.as_str(), revision];
                    session.execute(file!("audience_update"), new).await? > 0
                }
                (Some((revision, _)), None) => {
                    session.execute(file!("audience_remove_revision"), args![subject.as_str(), revision]).await? > 0
                }
            }
        })
    }
}
