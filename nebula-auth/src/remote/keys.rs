//! Published keys, kept.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::RwLock;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::KeyFetch;
use crate::{
    error::{Error, ErrorKind},
    key::{Algorithm, KeySet},
    telemetry,
    token::parse_object,
};

const MAX_AGE: Duration = Duration::from_hours(1);
const MAX_STALE: Duration = Duration::from_hours(24);
const MIN_INTERVAL: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 * 1024;

/// The keys that an issuer publishes. Clones share them.
///
/// - Keys are fetched at first use, again after an hour, and when a token names one that is not known: by one caller at a
///   time, and at most every 30 seconds, so that tokens with made-up ids cause no requests.
/// - While the issuer does not answer, the keys that are known go on for a day; then nothing is accepted.
/// - Only the algorithms given here are taken, whatever a key or a token says; of the key id nothing is made but a look
///   into the set.
#[derive(Clone)]
pub struct RemoteKeys {
    fetch: Arc<dyn KeyFetch>,
    algorithms: Arc<[Algorithm]>,
    settings: Settings,
    known: Arc<RwLock<Known>>,
    /// When it was last tried. Whoever holds it is fetching.
    turn: Arc<Mutex<Option<Instant>>>,
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    max_age: Duration,
    max_stale: Duration,
    min_interval: Duration,
    deadline: Duration,
}

struct Known {
    generation: u64,
    keys: Arc<KeySet>,
    text: Vec<u8>,
    fetched: Option<Instant>,
}

impl RemoteKeys {
    /// The keys that `fetch` brings, for these algorithms. Shared secrets are never published, so `HS256` has no effect.
    #[must_use]
    pub fn new(fetch: impl KeyFetch, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        Self {
            fetch: Arc::new(fetch),
            algorithms: algorithms.into_iter().collect(),
            settings: Settings {
                max_age: MAX_AGE,
                max_stale: MAX_STALE,
                min_interval: MIN_INTERVAL,
                deadline: DEADLINE,
            },
            known: Arc::new(RwLock::new(Known {
                generation: 0,
                keys: Arc::new(KeySet::empty()),
                text: Vec::new(),
                fetched: None,
            })),
            turn: Arc::default(),
        }
    }

    /// After how long keys are fetched again, and how long they go on while they cannot be. A key that the issuer has
    /// withdrawn is accepted for that long.
    #[must_use]
    pub const fn with_ages(mut self, max_age: Duration, max_stale: Duration) -> Self {
        (self.settings.max_age, self.settings.max_stale) = (max_age, max_stale);
        self
    }

    /// How much time lies between two requests at least, and how long one may take.
    #[must_use]
    pub const fn with_limits(mut self, min_interval: Duration, deadline: Duration) -> Self {
        (self.settings.min_interval, self.settings.deadline) = (min_interval, deadline);
        self
    }

    /// The keys that are known at the moment.
    #[must_use]
    pub fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.known.read().keys)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.known.read().generation
    }

    /// Fetches keys if there are none yet or they are old. Who comes while somebody fetches goes on with those that are
    /// known.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if there are no keys that may still be used.
    ///
    /// # Cancel safety
    /// Safe: a request that was begun goes on.
    pub async fn keep_fresh(&self) -> Result<(), Error> {
        let age = self.known.read().fetched.map(|fetched| fetched.elapsed());
        match age {
            Some(age) if age < self.settings.max_age => return Ok(()),
            Some(age) if age < self.settings.max_stale => {
                if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
                    self.fetch_in_turn(turn).await;
                }
                return Ok(());
            }
            _ => {}
        }
        self.fetch_in_turn(Arc::clone(&self.turn).lock_owned().await).await;
        let age = self.known.read().fetched.map(|fetched| fetched.elapsed());
        if age.is_some_and(|age| age < self.settings.max_stale) {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Unavailable, "the keys of the issuer cannot be had at the moment"))
        }
    }

    /// A token names a key that is not known: whether there are other keys now.
    pub(crate) async fn look_again(&self) -> bool {
        let before = self.generation();
        let turn = Arc::clone(&self.turn).lock_owned().await;
        // Somebody else may have fetched while this one waited for its turn.
        if self.generation() == before {
            self.fetch_in_turn(turn).await;
        }
        self.generation() != before
    }

    /// Goes on in a task of its own, so that a caller who goes away does not cost the others an interval.
    async fn fetch_in_turn(&self, mut turn: tokio::sync::OwnedMutexGuard<Option<Instant>>) {
        let this = self.clone();
        let task = tokio::spawn(async move {
            if turn.is_some_and(|last| last.elapsed() < this.settings.min_interval) {
                return;
            }
            *turn = Some(Instant::now());
            let outcome = match timeout(this.settings.deadline, this.fetch.fetch()).await {
                Ok(Ok(text)) => this.take(text),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(Error::new(ErrorKind::Unavailable, "the issuer did not send its keys in time")),
            };
            telemetry::keys_fetched(outcome.err().as_ref());
        });
        // A task that panicked has fetched nothing.
        let _ = task.await;
    }

    fn take(&self, text: Vec<u8>) -> Result<(), Error> {
        if text.len() > MAX_BYTES {
            return Err(Error::new(ErrorKind::Unavailable, "the issuer's JWK set is too large"));
        }
        let set = parse_object(&text)
            .ok_or_else(|| Error::new(ErrorKind::Unavailable, "the issuer's JWK set is no JSON with unique names"))?;
        let keys = KeySet::from_jwks(&serde_json::Value::Object(set), &self.algorithms)?;
        if keys.is_empty() {
            return Err(Error::new(ErrorKind::Unavailable, "the issuer's JWK set holds no key that could be used"));
        }
        let mut known = self.known.write();
        if known.text != text {
            (known.generation, known.keys, known.text) = (known.generation + 1, Arc::new(keys), text);
        }
        known.fetched = Some(Instant::now());
        Ok(())
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys")
            .field("fetch", &self.fetch)
            .field("algorithms", &self.algorithms)
            .field("keys", &self.current())
            .finish_non_exhaustive()
    }
}
