//! Slows guessing down.

mod policy;
mod source;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::{policy::BackOff, source::Source};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind},
    proof::{Change, ProofKey, ProofStore, Records},
    telemetry,
};

const KNOWN_FOR: Duration = Duration::from_hours(30 * 24);

/// Counts attempts for each account and for each source, and lets them through ever more slowly.
///
/// - **An attempt is counted before it is made**, in one atomic step in the store, and taken back if it succeeds: ten
///   thousand at once are no more than so many one by one.
/// - **Nobody locks the owner out.** A source from which somebody has logged in to an account counts its attempts on it
///   by itself for 30 days, whatever others do to the account. From elsewhere the wait has an upper bound, and
///   attempts that are turned away do not prolong it.
/// - **The answer tells nothing.** Names that nobody has are counted like all others.
/// - If the store cannot answer, nobody is let through: that is an `Err`.
///
/// ```
/// use nebula_auth::{proof::MemoryProofStore, throttle::{Admission, Source, Throttle}};
///
/// # async fn login() -> Result<(), nebula_auth::Error> {
/// let throttle = Throttle::new(MemoryProofStore::new());
/// let source = Source::ip("203.0.113.7".parse().unwrap());
/// match throttle.admit("pin", "ann", Some(&source)).await? {
///     Admission::Admitted(attempt) => {
///         let right = true; // compare
///         if right {
///             throttle.succeeded(attempt).await?;
///         }
///     }
///     Admission::Throttled { retry_after } => println!("try again in {retry_after:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Throttle {
    records: Records,
    account: BackOff,
    source: BackOff,
}

/// Whether an attempt may be made.
#[derive(Debug)]
#[must_use]
pub enum Admission {
    /// It may, and is counted as failed until [`Throttle::succeeded`] hears otherwise.
    Admitted(Attempt),
    /// Not yet.
    Throttled {
        /// How long to wait.
        retry_after: Duration,
    },
}

/// An attempt that was let through.
#[derive(Debug)]
#[must_use]
pub struct Attempt {
    account: ProofKey,
    source: Option<ProofKey>,
    known: Option<ProofKey>,
}

#[derive(Serialize, Deserialize)]
struct Known {}

impl Throttle {
    /// A throttle with the back-off of [`BackOff::account`] and [`BackOff::source`].
    #[must_use]
    pub fn new(store: impl ProofStore) -> Self {
        Self { records: Records::new(store), account: BackOff::account(), source: BackOff::source() }
    }

    /// How fast attempts on one account may follow one another.
    #[must_use]
    pub const fn with_account(mut self, back_off: BackOff) -> Self {
        self.account = back_off;
        self
    }

    /// How fast attempts from one source may follow one another.
    #[must_use]
    pub const fn with_source(mut self, back_off: BackOff) -> Self {
        self.source = back_off;
        self
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.records.set_clock(clock);
        self
    }

    /// Asks for an attempt to do `what` ("password") on an account.
    ///
    /// # Errors
    /// If the store cannot answer. Do not make the attempt then.
    ///
    /// # Cancel safety
    /// The attempt may or may not have been counted.
    pub async fn admit(&self, what: &'static str, account: &str, source: Option<&Source>) -> Result<Admission, Error> {
        let mut attempt = Attempt { account: ProofKey::of("attempts", &[what, account]), source: None, known: None };
        if let Some(source) = source {
            let key = ProofKey::of("attempts-source", &[what, source.as_str()]);
            if let Some(retry_after) = self.count(&key, self.source).await? {
                telemetry::throttled(what, "source", retry_after);
                return Ok(Admission::Throttled { retry_after });
            }
            let known = ProofKey::of("known-source", &[what, account, source.as_str()]);
            if self.records.read::<Known>(&known).await?.is_some() {
                attempt.account = ProofKey::of("attempts-known", &[what, account, source.as_str()]);
            }
            (attempt.source, attempt.known) = (Some(key), Some(known));
        }
        match self.count(&attempt.account, self.account).await? {
            None => Ok(Admission::Admitted(attempt)),
            Some(retry_after) => {
                telemetry::throttled(what, "account", retry_after);
                Ok(Admission::Throttled { retry_after })
            }
        }
    }

    async fn count(&self, key: &ProofKey, back_off: BackOff) -> Result<Option<Duration>, Error> {
        match self.records.update(key, |found, now| Ok(back_off.count(found, now))).await {
            // So many at once that this one could not even be counted.
            Err(error) if error.kind() == ErrorKind::Busy => Ok(Some(Duration::from_secs(1))),
            other => other,
        }
    }

    /// The attempt succeeded: the account starts anew, and the source is known to it from now on.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Some of it may have been written; the rest is forgotten in time.
    pub async fn succeeded(&self, attempt: Attempt) -> Result<(), Error> {
        self.records.update(&attempt.account, |_: Option<Known>, _| Ok(Change::Remove(()))).await?;
        if let Some(source) = &attempt.source {
            self.records.update(source, |found, now| Ok(self.source.uncount(found, now))).await?;
        }
        if let Some(known) = &attempt.known {
            self.records.update(known, |_, now| Ok(Change::Put(Known {}, now + KNOWN_FOR, ()))).await?;
        }
        Ok(())
    }

    /// The attempt could not be made after all, for reasons of ours.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// The attempt may still count as failed.
    pub async fn withdraw(&self, attempt: Attempt) -> Result<(), Error> {
        self.records.update(&attempt.account, |found, now| Ok(self.account.uncount(found, now))).await?;
        if let Some(source) = &attempt.source {
            self.records.update(source, |found, now| Ok(self.source.uncount(found, now))).await?;
        }
        Ok(())
    }

    /// Forgets what was attempted on an account, for an administrator or after a password reset.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// It may or may not have been forgotten; repeating it is harmless.
    pub async fn forget(&self, what: &'static str, account: &str) -> Result<(), Error> {
        let key = ProofKey::of("attempts", &[what, account]);
        self.records.update(&key, |_: Option<Known>, _| Ok(Change::Remove(()))).await
    }

    /// Removes what has ended from the store, whatever it was about, and counts it. Call it now and then.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Some of it may have been removed; repeating it is harmless.
    pub async fn purge_expired(&self) -> Result<u64, Error> {
        self.records.purge().await
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("store", &self.records)
            .field("account", &self.account)
            .field("source", &self.source)
            .finish()
    }
}
