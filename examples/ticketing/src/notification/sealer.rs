//! Seals records and inboxes as all personal data is sealed.

use async_trait::async_trait;
use nebula_notification::{Error, ErrorKind, Result, SealedPlace, Sealer};
use nebula_tenant::seal::Place;

use crate::{
    personal::Vault,
    problem::{Code, Problem},
};

/// What addresses of records are found by.
const ADDRESS: Place<'static> = Place::column("nebula_notification_job", "address");

/// The platform's keys, for nebula-notification.
#[derive(Clone, Debug)]
pub(super) struct Sealed(pub(super) Vault);

fn place(place: SealedPlace<'_>) -> Place<'static> {
    Place::column(place.table, "body")
}

fn failed(what: &'static str) -> impl FnOnce(Problem) -> Error {
    move |problem| {
        let kind = if problem.code == Code::Unavailable { ErrorKind::Unavailable } else { ErrorKind::Corrupt };
        Error::new(kind, what).with_source(problem)
    }
}

#[async_trait]
impl Sealer for Sealed {
    async fn seal(&self, at: SealedPlace<'_>, text: &str) -> Result<String> {
        self.0.seal(place(at), at.row, text).await.map_err(failed("a notice cannot be sealed"))
    }

    async fn open(&self, at: SealedPlace<'_>, sealed: &str) -> Result<String> {
        self.0.unseal(place(at), at.row, sealed).await.map_err(failed("a notice cannot be opened"))
    }

    async fn index(&self, address: &str) -> Result<String> {
        self.0.index(ADDRESS, address).await.map_err(failed("an address cannot be looked for"))
    }
}

#[cfg(test)]
mod tests {
    use nebula_notification::testing;

    use super::*;
    use crate::{config::Config, storage::Database};

    #[derive(Debug)]
    struct Folder(tempfile::TempDir);

    impl testing::sealers::Fixture for Folder {
        type Sealer = Sealed;

        async fn start() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        async fn sealer(&self) -> Sealed {
            let config = Config { data: self.0.path().to_owned(), ..Config::default() };
            let database = Database::of(&config.database, &config.data).await.unwrap();
            Sealed(Vault::open(&config.personal_data, &config.data, &database).await.unwrap())
        }
    }

    nebula_notification::sealer_suite!(Folder);
}
