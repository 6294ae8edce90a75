//! People by their documents: whose an account is, whom a buyer buys for, and whose a seat is.
//!
//! Numbers are checked by their form, and with the name by an [authority](Authority), whose answers are kept for a day. What is kept
//! of people is sealed; they are found and counted by keyed hashes. Neither names nor numbers stand in logs, errors or keys.

mod attendees;
mod authority;
mod card;
mod checks;
mod config;
mod contacts;
mod countries;
mod demo;
mod document;
mod grams;
mod http;
mod later;
mod mine;
mod name;
mod person;
mod policy;
mod quota;
mod refusals;
mod remote;
mod storage;

use std::sync::Arc;

use nebula_cache::CacheManager;

pub use self::{
    attendees::{AttendeeView, Holder, WishedAttendee},
    authority::{Answer, Authority, AuthorityError},
    config::{AuthorityConfig, IdentityConfig},
    document::{BadDocument, Document, DocumentKind},
    http::routes,
    person::{Masked, NewPerson, Person},
    policy::{Names, RealName, WhenDown},
    refusals::{Consequence, NameRefusal},
    remote::HttpAuthority,
    storage::Verified,
};
pub(crate) use self::{
    attendees::{Named, Wishes},
    grams::{Remembered, Said},
    storage::{changed_one, insert, room},
};
use self::{authority::NoAuthority, checks::Checks, demo::DemoAuthority};
use crate::{breaker::Circuit, personal::Vault, problem::Problem, storage::Database, user::Attempts};

/// People by their documents. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Identities(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    vault: Vault,
    checks: Checks,
}

impl Identities {
    /// In this database, with the authority of the configuration; without one, `demo` has everybody be who they say.
    ///
    /// # Errors
    ///
    /// The HTTP client cannot be set up.
    pub fn new(
        config: &IdentityConfig,
        demo: bool,
        database: Database,
        vault: Vault,
        caches: &CacheManager,
        attempts: Attempts,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let authority: Arc<dyn Authority> = match &config.authority {
            Some(authority) => Arc::new(HttpAuthority::new(authority)?),
            None if demo => Arc::new(DemoAuthority),
            None => Arc::new(NoAuthority),
        };
        let checks = Checks::new(authority, caches, vault.clone(), attempts)?;
        Ok(Self(Arc::new(Inner { database, vault, checks })))
    }

    /// Lets those be found in part who came before that could be done; how many.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Some of them are; call it again.
    pub async fn fill(&self) -> Result<u64, Problem> {
        grams::fill(&self.0.database, &self.0.vault).await
    }

    /// What guards the authority.
    #[must_use]
    pub fn circuit(&self) -> Circuit {
        self.0.checks.circuit()
    }

    /// Who is asked: `http`, `demo` or `none`.
    #[must_use]
    pub fn authority(&self) -> &'static str {
        self.0.checks.authority()
    }
}
