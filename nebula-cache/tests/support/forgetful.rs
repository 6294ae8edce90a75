//! A log of invalidations that can lose its end, as one does in a failover to a server that had not heard of it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use nebula_cache::{Batch, CatchUp, Invalid, InvalidationChannel, Listening, Position, Published, Result};
use parking_lot::Mutex;

/// Nobody hears of anything: whoever wants to know has to look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forgetful(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    epoch: u64,
    batches: Vec<Published>,
}

impl Log {
    fn head(&self) -> Position {
        let first = Position { epoch: self.epoch + 1, sequence: 0, mark: 0 };
        self.batches.last().map_or(first, |published| published.at)
    }
}

impl Forgetful {
    pub(crate) fn lose(&self, batches: usize) {
        let mut log = self.0.lock();
        let rest = log.batches.len() - batches;
        log.batches.truncate(rest);
    }
}

#[async_trait]
impl InvalidationChannel for Forgetful {
    async fn publish(&self, batch: &Batch) -> Result<Position> {
        let mut log = self.0.lock();
        let after = log.head();
        let at = Position { sequence: after.sequence + 1, mark: rand::random(), ..after };
        log.batches.push(Published { after, at, batch: batch.clone(), time: 0 });
        Ok(at)
    }

    async fn since(&self, after: Option<Position>) -> Result<CatchUp> {
        let mut log = self.0.lock();
        let place = |log: &Log, after: Position| {
            let known = log.batches.iter().position(|published| published.at == after);
            if after.sequence == 0 { Some(0) } else { known.map(|place| place + 1) }
        };
        let after = after.filter(|after| after.epoch == log.head().epoch);
        let missed = after.and_then(|after| place(&log, after)).map(|place| log.batches[place..].to_vec());
        if after.is_some() && missed.is_none() {
            *log = Log { epoch: log.epoch + 1, batches: Vec::new() };
        }
        Ok(CatchUp { head: log.head(), missed, time: Duration::from_secs(1).as_millis() as u64 })
    }

    async fn listen(&self) -> Result<Listening> {
        Ok(stream::pending().boxed())
    }

    async fn versions(&self, items: &[Invalid]) -> Result<(u64, Vec<u64>)> {
        Ok((self.0.lock().head().epoch, vec![0; items.len()]))
    }
}
