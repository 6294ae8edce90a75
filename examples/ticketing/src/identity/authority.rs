//! Whoever knows whether a name and a document belong together.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::person::Person;
use crate::breaker::LeftAlone;

/// What an authority says of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The document is this person's.
    Matches,
    /// The document is somebody else's.
    Differs,
}

/// Why an authority says nothing. What was asked is not repeated.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// No answer in time.
    #[error("the authority does not answer")]
    NoAnswer(#[from] reqwest::Error),
    /// It does not want to answer us.
    #[error("the authority refused with status {0}")]
    Refused(u16),
    /// It says something else than was agreed on.
    #[error("the authority's answer is not understood: {0}")]
    Nonsense(&'static str),
    /// It failed too often.
    #[error(transparent)]
    LeftAlone(#[from] LeftAlone),
    /// There is none.
    #[error("no authority is configured: set identity.authority")]
    Nobody,
}

/// Answers whether a name and a document belong together.
///
/// # Contract
///
/// - `None` means that the authority does not know the document; this is an answer.
/// - The same question gets the same answer for a day.
/// - It answers or fails within a time that somebody who buys waits.
/// - Errors repeat neither name nor number.
#[async_trait]
pub trait Authority: fmt::Debug + Send + Sync + 'static {
    /// What it is called: `http`, `demo` or `none`.
    fn name(&self) -> &'static str;

    /// Asks about a person.
    ///
    /// # Errors
    ///
    /// It says nothing.
    ///
    /// # Cancel safety
    ///
    /// Safe; it may have been asked.
    async fn ask(&self, person: &Person) -> Result<Option<Answer>, AuthorityError>;
}

/// Nobody to ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoAuthority;

#[async_trait]
impl Authority for NoAuthority {
    fn name(&self) -> &'static str {
        "none"
    }

    async fn ask(&self, _: &Person) -> Result<Option<Answer>, AuthorityError> {
        Err(AuthorityError::Nobody)
    }
}
