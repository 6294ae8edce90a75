//! Two domains: ordinary shows and flash sales, each with counters, rooms and a ledger of its own.

use std::{sync::Arc, time::Duration};

use super::{limits::Limits, room::Rooms, storage};
use crate::{
    clock::Millis,
    ids::SessionId,
    problem::{Code, Problem, Result},
    remembered::Cache,
    risk::{Behaviour, Puzzles},
    show::SessionInfo,
    storage::Database,
};

/// How long the kind of a session is believed.
const AGE: Duration = Duration::from_secs(30);
/// So long before its sale opens a session may change its kind: longer than any process believes what it knows.
const SETTLED: Duration = Duration::from_secs(60);

/// Where a session is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Among the ordinary shows.
    Show,
    /// In the flash-sale domain.
    Flash,
}

/// Knows the kind of every session. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Kinds {
    database: Database,
    known: Arc<Cache<SessionId, Kind>>,
}

impl Kinds {
    /// The kinds of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, known: Arc::new(Cache::new("kinds", 4_096, Some(AGE))) }
    }

    /// The kind of a session.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn of(&self, session: SessionId) -> Result<Kind> {
        let read = &self.database.read;
        let load = || async { Ok(if storage::is_flash(read, session).await? { Kind::Flash } else { Kind::Show }) };
        self.known.get(session, load).await
    }

    /// Changes the kind of a session, before anybody may buy there.
    ///
    /// # Errors
    ///
    /// [`Code::SaleUnderWay`] when it is too late; otherwise the database failed.
    ///
    /// # Cancel safety
    ///
    /// It may be changed.
    pub async fn set(&self, session: &SessionInfo, kind: Kind) -> Result<()> {
        let id = session.id;
        if self.of(id).await? == kind {
            return Ok(());
        }
        let late =
            || Problem::new(Code::SaleUnderWay, "A session changes its domain a minute before its sale at the latest.");
        if Millis::now().plus(SETTLED) >= session.sale_opens_at {
            return Err(late());
        }
        self.database
            .write
            .run::<_, Problem, _>(move |connection| {
                Box::pin(async move {
                    if storage::has_orders(connection, id).await? {
                        return Err(late());
                    }
                    storage::put_flash(connection, id, kind == Kind::Flash).await
                })
            })
            .await?;
        self.known.forget(&id);
        Ok(())
    }
}

/// What a domain has for itself.
#[derive(Clone, Debug)]
pub struct Domain {
    /// How often somebody may order.
    pub limits: Limits,
    /// How people behave.
    pub behaviour: Behaviour,
    /// Waiting rooms.
    pub rooms: Rooms,
    /// Challenges.
    pub puzzles: Puzzles,
}

/// The domains.
#[derive(Clone, Debug)]
pub struct Domains {
    /// Tells them apart.
    pub kinds: Kinds,
    /// Ordinary shows; flash sales too, unless they have a domain.
    pub show: Domain,
    /// Flash sales, where the configuration names a server for them.
    pub flash: Option<Domain>,
}

impl Domains {
    /// The domain of a session.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn of(&self, session: SessionId) -> Result<&Domain> {
        // Where there is one domain, nobody has to ask.
        let Some(flash) = &self.flash else { return Ok(&self.show) };
        Ok(match self.kinds.of(session).await? {
            Kind::Flash => flash,
            Kind::Show => &self.show,
        })
    }
}
