//! What a ledger's records mean: which of a message's copies counts, and who has it.
//!
//! A copy at the broker cannot be found, only judged when it comes. It counts as long as it belongs to the message's
//! *life* (which changes with every retry and replay) or to the life that is to come *next*: a life becomes the next
//! before its first copy is published, and the former one ends when that copy is confirmed or taken, whichever is first.
//! So at every moment some copy counts that the broker has confirmed, wherever a process dies.

mod consumer;
mod producer;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

pub(super) use self::consumer::{Candidate, Held, Verdict};
pub(super) use self::producer::{Entered, Moved};
use crate::{
    Error, ErrorKind, LedgerChange, LedgerContent, LedgerRecord, LedgerState, MessageId, MessageLedger, QueueName,
    Result,
    clock::{duration_ms, floor_ms},
};

/// How long an ended message is remembered after the last of its copies should have come.
const KEEP: Duration = Duration::from_secs(24 * 3600);
const BATCH: usize = 500;
/// How often a record may change under our hands.
const ROUNDS: usize = 50;

#[derive(Clone)]
pub(super) struct Index {
    pub(super) ledger: Arc<dyn MessageLedger>,
    keep_ms: u64,
    /// By how much the ledger's clock is ahead of this process's, as of the last look, in two's complement.
    ahead: Arc<AtomicU64>,
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ledger.fmt(f)
    }
}

/// What a record says in detail. Fields are only ever added, optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Detail {
    /// Of the copies that count.
    life: u64,
    /// Of those that count as well, and alone once one of them is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
    /// How often it was rescheduled in this life.
    #[serde(default)]
    moves: u64,
    /// When the first copy should come, by the ledger's clock. While a message is being sent, when it is due.
    first: u64,
    /// When the last should.
    last: u64,
    /// The copy that was taken last, and the lease on it.
    #[serde(default)]
    copy: u64,
    #[serde(default)]
    token: String,
}

/// A record that is understood.
#[derive(Clone, Debug)]
struct Known {
    state: LedgerState,
    at_ms: u64,
    detail: Detail,
}

impl Known {
    fn read(record: &LedgerRecord) -> Result<Self> {
        let detail = serde_json::from_str(&record.detail).map_err(|error| {
            Error::new(ErrorKind::Corrupt, "a record of the ledger is not understood").with_source(error)
        })?;
        Ok(Self { state: record.state, at_ms: record.at_ms, detail })
    }

    /// Under a lease that has not ended.
    fn is_held(&self, now: u64) -> bool {
        self.state == LedgerState::Leased && self.at_ms > now
    }
}

/// What is to be written.
struct Next {
    state: LedgerState,
    at_ms: u64,
    detail: Detail,
    content: LedgerContent,
}

/// What comes of looking at a record.
enum Step<T> {
    Is(T),
    Write(Next, T),
}

impl Index {
    pub(super) fn new(ledger: Arc<dyn MessageLedger>) -> Self {
        Self { ledger, keep_ms: duration_ms(KEEP), ahead: Arc::new(AtomicU64::new(0)) }
    }

    fn learn(&self, now_ms: u64) {
        self.ahead.store(now_ms.wrapping_sub(floor_ms(SystemTime::now())), Ordering::Relaxed);
    }

    /// The ledger's time, as far as this process knows it without asking.
    fn guess_now(&self) -> u64 {
        floor_ms(SystemTime::now()).wrapping_add(self.ahead.load(Ordering::Relaxed))
    }

    /// When a record of a message that has ended may be forgotten.
    fn forget_at(&self, now: u64, detail: &Detail) -> u64 {
        now.max(detail.last).saturating_add(self.keep_ms)
    }

    /// Looks at records and writes what `decide` makes of them, again and again where somebody else was faster. A record
    /// that was seen before spares the first look; it is believed only if what follows from it can be written.
    ///
    /// Returns what was decided and the record as it is from then on.
    async fn change<T: Send>(
        &self,
        queue: &QueueName,
        ids: &[MessageId],
        seen: Vec<Option<LedgerRecord>>,
        mut decide: impl FnMut(usize, Option<Known>, u64) -> Result<Step<T>> + Send,
    ) -> Result<Vec<(T, Option<LedgerRecord>)>> {
        let mut results: Vec<Option<(T, Option<LedgerRecord>)>> = ids.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..ids.len()).collect();
        let mut seen = seen;
        for _ in 0..ROUNDS {
            if open.is_empty() {
                break;
            }
            let mut changes = Vec::new();
            let mut decided = Vec::new();
            for places in open.chunks(BATCH) {
                let unseen: Vec<usize> = places.iter().copied().filter(|place| seen[*place].is_none()).collect();
                let mut records = Vec::new();
                let mut now = self.guess_now();
                if !unseen.is_empty() {
                    let wanted: Vec<_> = unseen.iter().map(|place| ids[*place].clone()).collect();
                    let view = self.ledger.read(queue, &wanted).await?;
                    self.learn(view.now_ms);
                    (now, records) = (view.now_ms, view.records);
                }
                let fresh = unseen.into_iter().zip(records);
                let known = places.iter().filter_map(|place| Some((*place, Some(seen[*place].take()?))));
                for (place, record) in known.collect::<Vec<_>>().into_iter().chain(fresh) {
                    let before = record.as_ref().map(Known::read).transpose()?;
                    match decide(place, before, now)? {
                        Step::Is(result) => results[place] = Some((result, record)),
                        Step::Write(next, result) => {
                            let (change, record) = write(ids[place].clone(), record.as_ref(), next)?;
                            changes.push(change);
                            decided.push((place, result, record));
                        }
                    }
                }
            }
            open.clear();
            for (changes, decided) in chunks(changes, decided) {
                let written = self.ledger.swap(queue, &changes).await?;
                for (written, (place, result, record)) in written.into_iter().zip(decided) {
                    if written {
                        results[place] = Some((result, Some(record)));
                    } else {
                        open.push(place);
                    }
                }
            }
        }
        let done: Option<Vec<_>> = results.into_iter().collect();
        done.ok_or_else(|| Error::new(ErrorKind::Busy, "others keep changing the same records of the ledger"))
    }
}

type Decided<T> = (usize, T, LedgerRecord);

/// Both lists in equal parts.
fn chunks<T>(changes: Vec<LedgerChange>, decided: Vec<Decided<T>>) -> Vec<(Vec<LedgerChange>, Vec<Decided<T>>)> {
    let (mut changes, mut decided) = (changes, decided);
    let mut parts = Vec::new();
    while !changes.is_empty() {
        let cut = changes.len().min(BATCH);
        let (later, rest) = (changes.split_off(cut), decided.split_off(cut));
        parts.push((std::mem::replace(&mut changes, later), std::mem::replace(&mut decided, rest)));
    }
    parts
}

fn write(id: MessageId, before: Option<&LedgerRecord>, next: Next) -> Result<(LedgerChange, LedgerRecord)> {
    let detail = serde_json::to_string(&next.detail)
        .map_err(|error| Error::new(ErrorKind::Codec, "encoding a record of the ledger").with_source(error))?;
    let record = LedgerRecord { version: random(), state: next.state, at_ms: next.at_ms, detail };
    let expected = before.map(|record| record.version);
    Ok((LedgerChange { id, expected, record: record.clone(), content: next.content }, record))
}

fn nothing() -> Error {
    Error::new(ErrorKind::Backend, "the ledger gave no answer")
}

/// A number that nobody has used before, as far as chance allows.
pub(super) fn random() -> u64 {
    rand::random::<u64>() >> 1
}
