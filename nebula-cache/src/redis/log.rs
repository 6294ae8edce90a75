//! The log of invalidations: a stream with its end, and a channel that announces what is appended.

use async_trait::async_trait;
use futures_util::{StreamExt, future::join, stream};
use nebula_redis::Event;
use redis::aio::ConnectionLike;

use super::RedisShared;
use super::message::{hex, items, parse};
use super::scripts::{PUBLISH, SINCE, VERSIONS};
use crate::channel::{Batch, CatchUp, Heard, Invalid, InvalidationChannel, Listening, Position};
use crate::error::{Error, ErrorKind, Result};

/// So many batches, or somewhat more, can be caught up with.
const BATCHES: usize = 2000;

/// So many tags are remembered; beyond that all count as invalidated.
const VERSIONS_KEPT: usize = 100_000;

impl<C> RedisShared<C> {
    fn channel(&self) -> String {
        format!("{}:invalidations", self.namespace)
    }

    /// The end of the log, the log, and the versions of tags and caches.
    pub(super) fn log_keys(&self) -> [String; 3] {
        ["head", "log", "versions"].map(|part| format!("{}:{{invalidations}}:{part}", self.namespace))
    }
}

/// Used if there is no epoch: never 0.
pub(super) fn new_epoch() -> String {
    format!("{:x}", rand::random::<u64>().max(1))
}

#[async_trait]
impl<C: ConnectionLike + Clone + Send + Sync + 'static> InvalidationChannel for RedisShared<C> {
    async fn publish(&self, batch: &Batch) -> Result<Position> {
        let mark = rand::random::<u64>();
        let mut call = PUBLISH
            .key(&self.log_keys())
            .arg(self.channel())
            .arg(new_epoch())
            .arg(format!("{mark:x}"))
            .arg(format!("{:x}", batch.node))
            .arg(items(batch))
            .arg(BATCHES)
            .arg(VERSIONS_KEPT);
        for item in batch.items.iter().filter(|item| !matches!(item, Invalid::Key(_))) {
            call = call.arg(format!("{:x}", item.hash()));
        }
        let (epoch, sequence): (String, String) = call.invoke(&mut self.connection.clone()).await?;
        position(&epoch, &sequence, mark)
    }

    async fn since(&self, after: Option<Position>) -> Result<CatchUp> {
        let mut call = SINCE.key(&self.log_keys()).arg(new_epoch()).arg(BATCHES);
        call = match after {
            Some(at) => call.arg(format!("{:x}", at.epoch)).arg(at.sequence).arg(format!("{:x}", at.mark)),
            None => call.arg("").arg("").arg(""),
        };
        // What is noticed at the same time counts with the next look.
        let mut connection = self.connection.clone();
        let (reply, noticed) = join(call.invoke::<Vec<redis::Value>>(&mut connection), self.notice_promotions()).await;
        if let Err(error) = noticed {
            tracing::debug!(%error, "it cannot be seen who the masters are");
        }
        let mut parts = reply?.into_iter();
        let mut text = || -> Result<String> {
            let part = parts.next().ok_or_else(nonsense)?;
            redis::from_redis_value(part).map_err(|_| nonsense())
        };
        let (epoch, sequence, mark) = (text()?, text()?, text()?);
        let head = position(&epoch, &sequence, hex(&mark).ok_or_else(nonsense)?)?;
        let time = text()?.parse().map_err(|_| nonsense())?;
        let known = text()? == "1";
        let missed =
            parts.map(|part| parse(&redis::from_redis_value::<Vec<u8>>(part).ok()?)).collect::<Option<Vec<_>>>();
        Ok(CatchUp { head, missed: missed.filter(|_| known), time })
    }

    async fn listen(&self) -> Result<Listening> {
        let subscription = self.subscriber.subscribe(&self.channel()).await?;
        Ok(stream::unfold(subscription, async |mut subscription| {
            let heard = match subscription.next().await? {
                Event::Message { payload, .. } => parse(&payload).map_or(Heard::MaybeLost, Heard::Published),
                _ => Heard::MaybeLost,
            };
            Some((heard, subscription))
        })
        .boxed())
    }

    async fn versions(&self, items: &[Invalid]) -> Result<(u64, Vec<u64>)> {
        let mut call = VERSIONS.key(&self.log_keys()).arg(new_epoch());
        for item in items {
            call = call.arg(format!("{:x}", item.hash()));
        }
        let reply: Vec<String> = call.invoke(&mut self.connection.clone()).await?;
        let (epoch, sequences) = reply.split_first().ok_or_else(nonsense)?;
        let sequences = sequences.iter().map(|text| text.parse().map_err(|_| nonsense())).collect::<Result<_>>()?;
        Ok((hex(epoch).ok_or_else(nonsense)?, sequences))
    }
}

fn position(epoch: &str, sequence: &str, mark: u64) -> Result<Position> {
    let sequence = sequence.parse().map_err(|_| nonsense())?;
    Ok(Position { epoch: hex(epoch).ok_or_else(nonsense)?, sequence, mark })
}

pub(super) fn nonsense() -> Error {
    Error::new(ErrorKind::Backend, "redis answered something else than the script returns")
}
