//! Asks an authority, once a day for each person.

use std::{sync::Arc, time::Duration};

use nebula_cache::{Cache, CacheManager, Lookup};

use super::{
    authority::{Answer, Authority, AuthorityError},
    person::Person,
};
use crate::{
    breaker::{Breaker, Circuit},
    ids::UserId,
    personal::{QUESTION, Vault},
    problem::{Code, Problem, Result},
    user::Attempts,
};

/// How long an answer is believed.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// How long it is believed that there is no such document: one may have been issued today.
const NOBODY: Duration = Duration::from_secs(10 * 60);

/// An authority with a memory. What was asked stands there as a keyed hash alone.
#[derive(Clone, Debug)]
pub(super) struct Checks {
    authority: Arc<dyn Authority>,
    breaker: Arc<Breaker>,
    answers: Cache<String, Answer>,
    vault: Vault,
    attempts: Attempts,
}

impl Checks {
    pub(super) fn new(
        authority: Arc<dyn Authority>,
        caches: &CacheManager,
        vault: Vault,
        attempts: Attempts,
    ) -> Result<Self, nebula_cache::Error> {
        let answers = caches.cache("identity-answers").with_ttl(KEPT).with_local_ttl(KEPT).with_null_ttl(NOBODY);
        let answers = answers.with_back_off(Duration::from_millis(20), Duration::from_millis(250)).build()?;
        Ok(Self { authority, breaker: Arc::new(Breaker::new("identity authority")), answers, vault, attempts })
    }

    pub(super) fn circuit(&self) -> Circuit {
        self.breaker.circuit()
    }

    pub(super) fn authority(&self) -> &'static str {
        self.authority.name()
    }

    /// Makes sure that name and document belong together. What nobody has answered yet counts for the account that asks: answers cost
    /// money, and whoever tries numbers is no buyer.
    ///
    /// # Errors
    ///
    /// [`Code::IdentityRefused`] if they do not; [`Code::IdentityUnchecked`] if nobody can say; [`Code::TooManyAttempts`].
    pub(super) async fn confirm(&self, person: &Person, by: Option<UserId>) -> Result<()> {
        let document = person.document();
        let question = format!("{:?}:{}:{}", document.kind(), document.key(), person.name());
        let question = self.vault.index(QUESTION, &question).await?;
        if let Some(user) = by
            && self.answers.lookup(&question).await.is_ok_and(|known| matches!(known, Lookup::Miss))
        {
            self.attempts.allow_identity(user).await?;
        }
        let (authority, breaker, person) = (Arc::clone(&self.authority), Arc::clone(&self.breaker), person.clone());
        let ask = async move {
            let answer = breaker.call(authority.ask(&person), |error| !matches!(error, AuthorityError::Nobody)).await;
            let outcome = match &answer {
                Ok(Some(Answer::Matches)) => "matches",
                Ok(Some(Answer::Differs)) => "differs",
                Ok(None) => "unknown",
                Err(_) => "failed",
            };
            metrics::counter!("ticketing_identity_answers_total", "answer" => outcome).increment(1);
            answer
        };
        match self.answers.get_or_load(&question, ask).await.map_err(unchecked)?.map(|answer| *answer) {
            Some(Answer::Matches) => Ok(()),
            Some(Answer::Differs) => Err(refused("differs", "The document is not this person's.")),
            None => Err(refused("unknown", "The authority knows no such document.")),
        }
    }
}

fn refused(reason: &str, detail: &str) -> Problem {
    Problem::new(Code::IdentityRefused, detail).with("reason", reason)
}

fn unchecked(error: nebula_cache::Error) -> Problem {
    let detail = "Whoever checks names and documents does not answer. Try again in a moment.";
    Problem::new(Code::IdentityUnchecked, detail).caused_by(error)
}
