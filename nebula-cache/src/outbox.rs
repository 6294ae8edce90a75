//! Evictions on their way: first out of the shared level, then out of everybody's memory. Many at once travel together,
//! and what does not get through is sent again until it does.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::channel::{Batch, Invalid, Position};
use crate::core::{Core, within};
use crate::error::{Error, ErrorKind, Result};
use crate::slow::Question;
use crate::store::StoreKey;
use crate::telemetry;

/// So many keys are remembered while the shared level is away; beyond that everything is invalidated when it is back.
const REMEMBERED: usize = 10_000;

/// Largest batch.
const BATCH: usize = 1000;

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    /// Whether nothing at all is unsettled, as nearly always.
    settled: AtomicBool,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: Vec<Job>,
    /// What was begun and is not known to be done, by the hash of the key: reads here must not believe the shared level.
    unsettled: HashMap<u64, usize>,
    /// Too much failed to remember it one by one.
    everything: bool,
}

/// One call's work.
#[derive(Debug)]
struct Job {
    keys: Vec<StoreKey>,
    items: Vec<Invalid>,
    /// Whether our own memory is meant as well; not if it holds what was just put.
    local: bool,
    reply: Option<oneshot::Sender<Result<Position>>>,
}

impl Job {
    /// What the shared level may hold though it is evicted; nothing if it was just put there.
    fn unsettled(&self) -> &[Invalid] {
        if self.local { &self.items } else { &[] }
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self { waiting: Mutex::default(), settled: AtomicBool::new(true), wake: Notify::new() }
    }
}

impl Waiting {
    fn is_settled(&self) -> bool {
        !self.everything && self.unsettled.is_empty()
    }
}

impl Outbox {
    /// Evicts `keys` from the shared level and tells all nodes about `items`.
    ///
    /// Once this was called it happens, whether or not the caller waits. An error means: not yet.
    pub(crate) fn send(
        &self,
        keys: Vec<StoreKey>,
        items: Vec<Invalid>,
        local: bool,
    ) -> impl Future<Output = Result<Position>> + Send + use<> {
        let (reply, replied) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock();
            let job = Job { keys, items, local, reply: Some(reply) };
            for item in job.unsettled() {
                *waiting.unsettled.entry(item.hash()).or_default() += 1;
            }
            waiting.jobs.push(job);
            self.settled.store(waiting.is_settled(), Ordering::Release);
        }
        self.wake.notify_one();
        async {
            let gone = |_| Error::new(ErrorKind::ShutDown, "the cache manager was shut down");
            replied.await.map_err(gone)?
        }
    }

    /// Whether the shared level may still hold what was evicted here.
    pub(crate) fn is_unsettled(&self, hashes: &[u64]) -> bool {
        if self.is_settled() {
            return false;
        }
        let waiting = self.waiting.lock();
        waiting.everything || hashes.iter().any(|hash| waiting.unsettled.contains_key(hash))
    }

    /// Whether it holds nothing at all of what was evicted here.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().unsettled.len()
    }

    /// The jobs for one batch.
    fn take(&self) -> Vec<Job> {
        let mut waiting = self.waiting.lock();
        let mut size = 0;
        let end = waiting.jobs.iter().position(|job| {
            size += job.items.len();
            size > BATCH && size > job.items.len()
        });
        let end = end.unwrap_or(waiting.jobs.len());
        let rest = waiting.jobs.split_off(end);
        mem::replace(&mut waiting.jobs, rest)
    }

    fn settle(&self, jobs: Vec<Job>, position: Position) {
        let mut waiting = self.waiting.lock();
        for job in jobs {
            for item in job.unsettled() {
                if let Some(count) = waiting.unsettled.get_mut(&item.hash()) {
                    *count -= 1;
                    if *count == 0 {
                        waiting.unsettled.remove(&item.hash());
                    }
                }
                waiting.everything &= *item != Invalid::All;
            }
            self.settled.store(waiting.is_settled(), Ordering::Release);
            if let Some(reply) = job.reply {
                let _ = reply.send(Ok(position));
            }
        }
    }

    /// Tells the callers, and keeps the work for later.
    fn postpone(&self, mut jobs: Vec<Job>, error: &Error) {
        for job in &mut jobs {
            if let Some(reply) = job.reply.take() {
                let _ = reply.send(Err(error.clone()));
            }
        }
        let mut waiting = self.waiting.lock();
        jobs.append(&mut waiting.jobs);
        let size: usize = jobs.iter().map(|job| job.items.len()).sum();
        if size > REMEMBERED {
            warn!(evictions = size, "too many evictions wait for the shared cache: everything will be invalidated");
            waiting.everything = true;
            waiting.unsettled.clear();
            waiting.unsettled.insert(Invalid::All.hash(), 1);
            for reply in jobs.drain(..).filter_map(|job| job.reply) {
                let _ = reply.send(Err(error.clone()));
            }
            jobs.push(Job { keys: Vec::new(), items: vec![Invalid::All], local: true, reply: None });
        }
        self.settled.store(waiting.is_settled(), Ordering::Release);
        waiting.jobs = jobs;
    }

    /// Jobs that nobody will carry out any more.
    fn abandon(&self) {
        let jobs = mem::take(&mut self.waiting.lock().jobs);
        if !jobs.is_empty() {
            warn!(evictions = jobs.len(), "shut down before all evictions reached the shared cache");
        }
    }
}

/// Carries out the jobs until the manager is gone, or stopped and nothing is left to do.
pub(crate) async fn run(core: Weak<Core>, outbox: Arc<Outbox>, stop: CancellationToken) {
    loop {
        let jobs = outbox.take();
        if jobs.is_empty() {
            if stop.is_cancelled() {
                return;
            }
            tokio::select! {
                () = outbox.wake.notified() => {}
                () = stop.cancelled() => {}
            }
            continue;
        }
        let Some(core) = core.upgrade() else { return };
        match attempt(&core, &jobs).await {
            Ok(position) => outbox.settle(jobs, position),
            Err(error) => {
                telemetry::evictions_postponed(jobs.len());
                outbox.postpone(jobs, &error);
                if stop.is_cancelled() {
                    return outbox.abandon();
                }
                drop(core);
                tokio::select! {
                    () = sleep(PAUSE) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }
}

async fn attempt(core: &Core, jobs: &[Job]) -> Result<Position> {
    let keys: HashSet<&StoreKey> = jobs.iter().flat_map(|job| &job.keys).collect();
    let keys: Vec<StoreKey> = keys.into_iter().cloned().collect();
    if let Some(store) = &core.store
        && !keys.is_empty()
    {
        let _watched = core.watched(Question::new("evict", &keys));
        within(PATIENCE, store.evict(&keys)).await?;
    }
    // What was read from the shared level since the call began must not stay here either.
    let own: Vec<Invalid> = jobs.iter().filter(|job| job.local).flat_map(|job| job.items.iter().copied()).collect();
    core.apply(&own);
    let Some(channel) = &core.channel else { return Ok(core.tracker.position()) };
    let items: HashSet<Invalid> = jobs.iter().flat_map(|job| job.items.iter().copied()).collect();
    let batch = Batch { node: core.node, items: items.into_iter().collect(), hot: Arc::default() };
    let position = {
        let _watched = core.watched(Question::new("publish", &[]));
        within(PATIENCE, channel.publish(&batch)).await?
    };
    core.tracker.published(position);
    core.note(&batch.items, position);
    // From the shared level, tags and whole caches vanish only now.
    let wide: Vec<Invalid> = own.into_iter().filter(|item| !matches!(item, Invalid::Key(_))).collect();
    core.apply(&wide);
    Ok(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled_is_known_without_the_lock() {
        let outbox = Outbox::default();
        assert!(outbox.is_settled() && !outbox.is_unsettled(&[7]));
        drop(outbox.send(Vec::new(), vec![Invalid::Key(7)], false));
        assert!(outbox.is_settled(), "what was put is where it belongs");
        drop(outbox.send(Vec::new(), vec![Invalid::Key(7)], true));
        assert!(!outbox.is_settled() && outbox.is_unsettled(&[7]) && !outbox.is_unsettled(&[8]));
        outbox.settle(outbox.take(), Position::default());
        assert!(outbox.is_settled() && !outbox.is_unsettled(&[7]));
    }

    #[test]
    fn too_much_that_waits_unsettles_everything() {
        let outbox = Outbox::default();
        for key in 0..=REMEMBERED as u64 {
            drop(outbox.send(Vec::new(), vec![Invalid::Key(key)], false));
        }
        let jobs = mem::take(&mut outbox.waiting.lock().jobs);
        outbox.postpone(jobs, &Error::new(ErrorKind::Unavailable, "down"));
        assert!(!outbox.is_settled() && outbox.is_unsettled(&[u64::MAX]));
        outbox.settle(outbox.take(), Position::default());
        assert!(outbox.is_settled() && !outbox.is_unsettled(&[u64::MAX]));
    }
}
