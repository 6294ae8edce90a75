//! Reading, deciding and writing as one step.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::Mutex, time::timeout};

use super::store::{ProofKey, ProofRecord, ProofStore};
use crate::{
    clock::{Clock, SystemClock},
    error::{Error, ErrorKind},
    random,
};

/// How often a step is tried again because another process was faster.
const TRIES: u32 = 16;
const STRIPES: usize = 64;
/// How long a step waits for its turn among those of this process about the same thing.
const QUEUE_DEADLINE: Duration = Duration::from_secs(5);

/// A store of proofs with the clock that judges them.
#[derive(Clone)]
pub(crate) struct Records {
    store: Arc<dyn ProofStore>,
    clock: Arc<dyn Clock>,
    /// Steps of this process about one thing follow one another, so that only those of other processes get in the way.
    turns: Arc<[Mutex<()>; STRIPES]>,
}

/// What a step decided.
pub(crate) enum Change<B, T> {
    /// Write this, of use until then.
    Put(B, SystemTime, T),
    /// Remove what is there.
    Remove(T),
    /// Leave what is there.
    Keep(T),
}

impl Records {
    pub(crate) fn new(store: impl ProofStore) -> Self {
        let turns = Arc::new(std::array::from_fn(|_| Mutex::new(())));
        Self { store: Arc::new(store), clock: Arc::new(SystemClock), turns }
    }

    pub(crate) fn set_clock(&mut self, clock: impl Clock) {
        self.clock = Arc::new(clock);
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// What is stored and has not ended.
    pub(crate) async fn read<B: DeserializeOwned>(&self, key: &ProofKey) -> Result<Option<B>, Error> {
        match self.store.load(key).await? {
            Some(record) if record.expires_at > self.now() => parse(&record).map(Some),
            _ => Ok(None),
        }
    }

    /// Decides on what is stored, and writes the decision; if somebody else wrote in between, decides again.
    ///
    /// [`ErrorKind::Busy`] if others keep being faster.
    pub(crate) async fn update<B, T>(
        &self,
        key: &ProofKey,
        mut decide: impl FnMut(Option<B>, SystemTime) -> Result<Change<B, T>, Error> + Send,
    ) -> Result<T, Error>
    where
        B: Serialize + DeserializeOwned,
    {
        let stripe = key.id().bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        let busy = || Error::new(ErrorKind::Busy, "too many attempts on the same account at once");
        let _turn = timeout(QUEUE_DEADLINE, self.turns[stripe % STRIPES].lock()).await.map_err(|_| busy())?;
        for _ in 0..TRIES {
            let found = self.store.load(key).await?;
            let now = self.now();
            let live = found.as_ref().filter(|record| record.expires_at > now).map(parse).transpose()?;
            let expected = found.map(|record| record.revision);
            let (done, result) = match decide(live, now)? {
                Change::Keep(result) => (true, result),
                Change::Remove(result) => match expected {
                    Some(revision) => (self.store.remove(key, revision).await?, result),
                    None => (true, result),
                },
                Change::Put(body, expires_at, result) => {
                    let body = serde_json::to_vec(&body)
                        .map_err(|error| Error::internal("a proof could not be written").with_source(error))?;
                    let record = ProofRecord { revision: random::revision()?, expires_at, body };
                    (self.store.put(key, expected, &record, now).await?, result)
                }
            };
            if done {
                return Ok(result);
            }
        }
        Err(busy())
    }

    /// Removes what has ended, in batches, and counts it.
    pub(crate) async fn purge(&self) -> Result<u64, Error> {
        const BATCH: u32 = 500;
        let mut total = 0;
        loop {
            let count = self.store.purge(self.now(), BATCH).await?;
            total += count;
            if count < u64::from(BATCH) {
                return Ok(total);
            }
        }
    }
}

fn parse<B: DeserializeOwned>(record: &ProofRecord) -> Result<B, Error> {
    // The cause could quote the record.
    serde_json::from_slice(&record.body).map_err(|_| {
        Error::new(ErrorKind::Unavailable, "a stored proof cannot be read; a newer version may have written it")
    })
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}
