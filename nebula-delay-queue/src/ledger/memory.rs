//! In this process, on tokio's time.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use super::{LedgerChange, LedgerContent, LedgerRecord, LedgerState, LedgerView, MessageLedger};
use crate::{Clock, MessageId, QueueName, QueueStats, Result, TokioClock, clock::floor_ms, dead::overdue_since};

/// Keeps records in this process: for tests, and for one process whose messages may come again after its death, the
/// cancelled ones among them.
#[derive(Clone, Debug, Default)]
pub struct MemoryLedger {
    clock: TokioClock,
    queues: Arc<Mutex<HashMap<QueueName, Page>>>,
}

#[derive(Debug, Default)]
struct Page {
    rows: HashMap<MessageId, Row>,
    /// By state and time.
    order: [BTreeSet<(u64, MessageId)>; 5],
}

#[derive(Debug)]
struct Row {
    record: LedgerRecord,
    content: Option<Bytes>,
}

impl MemoryLedger {
    /// Knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn now_ms(&self) -> u64 {
        floor_ms(self.clock.now())
    }

    fn page<T>(&self, queue: &QueueName, work: impl FnOnce(&mut Page) -> T) -> T {
        let mut queues = self.queues.lock();
        match queues.get_mut(queue) {
            Some(page) => work(page),
            None => work(queues.entry(queue.clone()).or_default()),
        }
    }
}

impl Page {
    fn order(&mut self, state: LedgerState) -> &mut BTreeSet<(u64, MessageId)> {
        &mut self.order[usize::from(state.code())]
    }

    fn remove(&mut self, id: &MessageId) -> Option<Row> {
        let row = self.rows.remove(id)?;
        self.order(row.record.state).remove(&(row.record.at_ms, id.clone()));
        Some(row)
    }

    fn forget(&mut self, now: u64) {
        for state in [LedgerState::Sending, LedgerState::Over] {
            while let Some((at, id)) = self.order(state).first().cloned()
                && at <= now
            {
                self.remove(&id);
            }
        }
    }

    fn apply(&mut self, change: &LedgerChange) -> bool {
        if self.rows.get(&change.id).map(|row| row.record.version) != change.expected {
            return false;
        }
        let before = self.remove(&change.id).and_then(|row| row.content);
        let content = match &change.content {
            LedgerContent::Keep => before,
            LedgerContent::Clear => None,
            LedgerContent::Set(content) => Some(content.clone()),
        };
        let record = change.record.clone();
        self.order(record.state).insert((record.at_ms, change.id.clone()));
        self.rows.insert(change.id.clone(), Row { record, content });
        true
    }

    fn first(&self, state: LedgerState) -> Option<u64> {
        self.order[usize::from(state.code())].first().map(|(at, _)| *at)
    }

    /// How many are at most at this time, and how many later.
    fn split(&self, state: LedgerState, now: u64) -> (u64, u64) {
        let order = &self.order[usize::from(state.code())];
        let due = order.iter().take_while(|(at, _)| *at <= now).count();
        (due as u64, (order.len() - due) as u64)
    }

    fn next(&self) -> Option<u64> {
        self.first(LedgerState::Waiting).into_iter().chain(self.first(LedgerState::Leased)).min()
    }
}

#[async_trait]
impl MessageLedger for MemoryLedger {
    async fn read(&self, queue: &QueueName, ids: &[MessageId]) -> Result<LedgerView> {
        let records = |page: &mut Page| ids.iter().map(|id| page.rows.get(id).map(|row| row.record.clone())).collect();
        Ok(LedgerView { now_ms: self.now_ms(), records: self.page(queue, records) })
    }

    async fn swap(&self, queue: &QueueName, changes: &[LedgerChange]) -> Result<Vec<bool>> {
        let now = self.now_ms();
        Ok(self.page(queue, |page| {
            page.forget(now);
            changes.iter().map(|change| page.apply(change)).collect()
        }))
    }

    async fn content(&self, queue: &QueueName, id: &MessageId) -> Result<Option<Bytes>> {
        Ok(self.page(queue, |page| page.rows.get(id).and_then(|row| row.content.clone())))
    }

    async fn next(&self, queue: &QueueName) -> Result<(u64, Option<u64>)> {
        Ok((self.now_ms(), self.page(queue, |page| page.next())))
    }

    async fn counts(&self, queue: &QueueName) -> Result<QueueStats> {
        let now = self.now_ms();
        Ok(self.page(queue, |page| {
            let (due, delayed) = page.split(LedgerState::Waiting, now);
            let (ended, leased) = page.split(LedgerState::Leased, now);
            let dead = page.order(LedgerState::Dead).len() as u64;
            let late = page.next().map_or(0, |next| now.saturating_sub(next));
            let since = overdue_since(now);
            let overdue = page.split(LedgerState::Waiting, since).0 + page.split(LedgerState::Leased, since).0;
            QueueStats::new(due + ended, delayed, leased, dead, Duration::from_millis(late)).with_overdue(overdue)
        }))
    }

    async fn forget_dead(&self, queue: &QueueName) -> Result<u64> {
        Ok(self.page(queue, |page| {
            let dead: Vec<_> = page.order(LedgerState::Dead).iter().map(|(_, id)| id.clone()).collect();
            dead.iter().for_each(|id| drop(page.remove(id)));
            dead.len() as u64
        }))
    }
}
