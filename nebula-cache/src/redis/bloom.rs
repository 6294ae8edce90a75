//! Shared filters: a hash with the state and a stream of insertions in one slot, and the bits of each generation: in one string
//! in the same slot, or, if they are many, in several strings in slots of their own.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::join;
use redis::aio::ConnectionLike;
use tracing::debug;

use super::RedisShared;
use super::error::failed;
use super::log::nonsense;
use super::message::hex;
use super::scripts::{
    ABANDON, BLOOM_BEGIN, BLOOM_CREATE, BLOOM_FINISH, BLOOM_HOLD, BLOOM_INSERT, BLOOM_MERGE, BLOOM_SET, BLOOM_SINCE,
    BLOOM_UPLOAD, RENEW,
};
use crate::bloom::{BloomPlace, BloomState, BloomStore, Generation, Geometry, Inserted, Since};
use crate::clock::millis;
use crate::error::Result;
use crate::store::{Lease, Loader};

/// So many insertions, or somewhat more, are remembered.
const KEPT: usize = 2000;

/// Bits of a build that was given up vanish after so long.
const UNFINISHED: Duration = Duration::from_secs(3600);

impl<C> RedisShared<C> {
    fn bloom(&self, name: &str, part: &str) -> String {
        format!("{}:bloom:{{{name}}}:{part}", self.namespace)
    }

    /// Where the bits of a shard are, and what is put aside for it. The one shard of most filters is in the slot of their state;
    /// several are in slots of their own.
    fn bloom_shard(&self, name: &str, generation: &Generation, shard: u32) -> [String; 2] {
        let id = id(Some(generation.id));
        let home = match generation.geometry.shards {
            0 | 1 => name.to_owned(),
            // No name has this sign.
            _ => format!("{name}#{shard}"),
        };
        ["bits", "aside"].map(|part| self.bloom(&home, &format!("{part}:{id}")))
    }

    /// Both for every shard.
    fn bloom_shards(&self, name: &str, generation: &Generation) -> Vec<[String; 2]> {
        (0..generation.geometry.shards).map(|shard| self.bloom_shard(name, generation, shard)).collect()
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisShared<C> {
    /// Sets the bits of the hashes in a generation that is spread over several shards; returns how many were new, or -1 if some
    /// of the shards are gone. Nothing for other generations.
    async fn set_elsewhere(
        &self,
        name: &str,
        generation: Option<Generation>,
        is_current: bool,
        hashes: &[u64],
    ) -> Result<Option<i64>> {
        let Some(generation) = generation.filter(|generation| generation.geometry.shards > 1) else { return Ok(None) };
        let geometry = generation.geometry;
        let mut by_shard: Vec<Vec<u64>> = (0..geometry.shards).map(|_| Vec::new()).collect();
        for hash in hashes {
            if let Some(shard) = by_shard.get_mut(geometry.shard(*hash) as usize) {
                shard.push(*hash);
            }
        }
        // An insertion of nothing finds out whether all of them are there.
        let concerned = (0..).zip(by_shard).filter(|(_, shard)| hashes.is_empty() || !shard.is_empty());
        let set = concerned.map(async |(shard, hashes): (u32, Vec<u64>)| {
            let [bits, _] = self.bloom_shard(name, &generation, shard);
            let first = u64::from(shard) * geometry.shard_bits();
            let mut call = BLOOM_SET.key(bits).arg(hashes.len()).arg(geometry.hashes).arg(u8::from(is_current));
            for place in hashes.iter().flat_map(|hash| geometry.places(*hash)) {
                call = call.arg(place - first);
            }
            Ok::<i64, crate::Error>(call.invoke(&mut self.connection.clone()).await?)
        });
        let mut sum = 0;
        for new in join_all(set).await {
            match new? {
                gone if gone < 0 => return Ok(Some(-1)),
                new => sum += new,
            }
        }
        Ok(Some(sum))
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisShared<C> {
    /// Keeps the shards of the generation that is the current one now, and drops those of the one before. Whatever of that fails:
    /// insertions keep the shards they touch, a shard that vanished nevertheless is noticed and the filter built again, and
    /// those of the generation before are only in the way.
    async fn settle(&self, name: &str, current: &Generation, before: Option<Generation>) {
        let keep = self.bloom_shards(name, current).into_iter().map(async |[bits, aside]| {
            let connection = &mut self.connection.clone();
            redis::cmd("PERSIST").arg(bits).exec_async(connection).await?;
            redis::cmd("UNLINK").arg(aside).exec_async(connection).await
        });
        let before = before.map(|before| self.bloom_shards(name, &before)).unwrap_or_default();
        let drop = before
            .into_iter()
            .map(async |[bits, _]| redis::cmd("UNLINK").arg(bits).exec_async(&mut self.connection.clone()).await);
        let (kept, dropped) = join!(join_all(keep), join_all(drop));
        if let Some(error) = kept.into_iter().chain(dropped).find_map(std::result::Result::err) {
            debug!(filter = name, %error, "not all shards of a bloom filter could be settled");
        }
    }
}

/// A stretch of bytes of a generation, cut where its shards end: the shard, the offset in it and the length.
fn cut(generation: &Generation, offset: u64, length: u64) -> impl Iterator<Item = (u32, u64, u64)> {
    let size = generation.geometry.shard_bits() / 8;
    let end = offset + length;
    (0..generation.geometry.shards).filter_map(move |shard| {
        let first = u64::from(shard) * size;
        let (from, to) = (offset.max(first), end.min(first + size));
        (from < to).then(|| (shard, from - first, to - from))
    })
}

/// Empty for none.
fn id(generation: Option<u64>) -> String {
    generation.map(|id| format!("{id:x}")).unwrap_or_default()
}

#[async_trait]
impl<C: ConnectionLike + Clone + Send + Sync + 'static> BloomStore for RedisShared<C> {
    async fn since(&self, name: &str, after: Option<BloomPlace>) -> Result<(BloomState, Since)> {
        let mut call = BLOOM_SINCE.key(self.bloom(name, "state")).key(self.bloom(name, "log"));
        call = match after {
            Some(at) => call.arg(at.sequence).arg(format!("{:x}", at.mark)),
            None => call.arg("").arg(""),
        };
        let reply: Vec<redis::Value> = call.arg(KEPT * 2).invoke(&mut self.connection.clone()).await?;
        let (state, since) = reply.split_at_checked(12).ok_or_else(nonsense)?;
        let state: Vec<String> = state
            .iter()
            .map(|part| redis::from_redis_value_ref(part).map_err(|_| nonsense()))
            .collect::<Result<_>>()?;
        let (known, inserted) = since.split_first().ok_or_else(nonsense)?;
        let since = match redis::from_redis_value_ref::<i64>(known).map_err(|_| nonsense())? {
            1 => Since::Inserted(hashes(inserted)?),
            0 => Since::Forgotten,
            _ => Since::Lost,
        };
        Ok((parse(&state).ok_or_else(nonsense)?, since))
    }

    async fn insert(&self, name: &str, state: &BloomState, hashes: &[u64]) -> Result<Inserted> {
        let [current, next] = [state.current, state.next];
        // First the bits, then the log: who reads a place in the log before the bits has all of them.
        let elsewhere =
            join!(self.set_elsewhere(name, current, true, hashes), self.set_elsewhere(name, next, false, hashes));
        let elsewhere = [elsewhere.0?, elsewhere.1?];
        let here = |generation: Option<Generation>| generation.filter(|generation| generation.geometry.shards < 2);
        // Any key of the slot stands for one that is not needed.
        let bits = |generation: Option<Generation>| match here(generation) {
            Some(generation) => self.bloom_shard(name, &generation, 0)[0].clone(),
            None => self.bloom(name, "state"),
        };
        let keys = [self.bloom(name, "state"), self.bloom(name, "log"), bits(current), bits(next)];
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        let places = |generation: Option<Generation>| here(generation).map_or(0, |it| it.geometry.hashes);
        let mut call = BLOOM_INSERT
            .key(&keys)
            .arg(id(current.map(|it| it.id)))
            .arg(id(next.map(|it| it.id)))
            .arg(format!("{:x}", rand::random::<u64>()))
            .arg(bytes)
            .arg(KEPT)
            .arg(hashes.len())
            .arg(places(current))
            .arg(places(next));
        for new in elsewhere {
            call = call.arg(new.map(|new| new.to_string()).unwrap_or_default());
        }
        for geometry in [current, next].into_iter().filter_map(here).map(|generation| generation.geometry) {
            for place in hashes.iter().flat_map(|hash| geometry.places(*hash)) {
                call = call.arg(place);
            }
        }
        let (done, new): (bool, u64) = call.invoke(&mut self.connection.clone()).await?;
        Ok(if done { Inserted::Done(new) } else { Inserted::Moved })
    }

    async fn recent(&self, name: &str) -> Result<Vec<u64>> {
        let mut command = redis::cmd("XRANGE");
        command.arg(self.bloom(name, "log")).arg("-").arg("+").arg("COUNT").arg(KEPT * 2);
        let entries: Vec<(String, Vec<redis::Value>)> =
            command.query_async(&mut self.connection.clone()).await.map_err(failed)?;
        let parts: Vec<redis::Value> = entries.into_iter().filter_map(|(_, mut fields)| fields.pop()).collect();
        self::hashes(&parts)
    }

    async fn read(&self, name: &str, generation: &Generation, offset: u64, length: u64) -> Result<Bytes> {
        let mut bits = Vec::new();
        for (shard, offset, length) in cut(generation, offset, length) {
            let mut command = redis::cmd("GETRANGE");
            let [key, _] = self.bloom_shard(name, generation, shard);
            command.arg(key).arg(offset).arg(offset + length - 1);
            let part: Vec<u8> = command.query_async(&mut self.connection.clone()).await.map_err(failed)?;
            let whole = part.len() as u64 == length;
            bits.extend(part);
            if !whole {
                break;
            }
        }
        Ok(bits.into())
    }

    async fn begin(&self, name: &str, builder: Loader, next: &Generation, lease: Duration) -> Result<Lease> {
        let lease = millis(lease).max(1);
        let hold = BLOOM_HOLD.key(self.bloom(name, "builder")).arg(builder.to_string()).arg(lease);
        match hold.invoke(&mut self.connection.clone()).await? {
            0_u64 => {}
            rest => return Ok(Lease::Busy(Duration::from_millis(rest))),
        }
        // The shards have to be there when the first insertion looks for them.
        for keys in self.bloom_shards(name, next) {
            let call = BLOOM_CREATE.key(&keys).arg(next.geometry.shard_bits() - 1).arg(millis(UNFINISHED));
            let _: u64 = call.invoke(&mut self.connection.clone()).await?;
        }
        let call = BLOOM_BEGIN
            .key(self.bloom(name, "state"))
            .key(self.bloom(name, "builder"))
            .arg(builder.to_string())
            .arg(id(Some(next.id)))
            .arg(next.geometry.bits)
            .arg(spread(next.geometry))
            .arg(next.capacity);
        Ok(match call.invoke(&mut self.connection.clone()).await? {
            true => Lease::Granted,
            false => Lease::Busy(Duration::from_millis(lease)),
        })
    }

    async fn renew(&self, name: &str, builder: Loader, lease: Duration) -> Result<bool> {
        let call = RENEW.key(self.bloom(name, "builder")).arg(builder.to_string()).arg(millis(lease).max(1));
        Ok(call.invoke(&mut self.connection.clone()).await?)
    }

    async fn upload(&self, name: &str, generation: &Generation, offset: u64, bits: Bytes) -> Result<()> {
        let vanish = millis(UNFINISHED).to_string();
        let mut rest = bits;
        for (shard, offset, length) in cut(generation, offset, rest.len() as u64) {
            let [_, key] = self.bloom_shard(name, generation, shard);
            let part = rest.split_to(usize::try_from(length).unwrap_or(usize::MAX).min(rest.len()));
            let offset = offset.to_string();
            let args = [offset.as_bytes(), &part, vanish.as_bytes()];
            let _: u64 = BLOOM_UPLOAD.run(&[key.as_bytes()], &args, &mut self.connection.clone()).await?;
        }
        Ok(())
    }

    async fn finish(&self, name: &str, builder: Loader, next: &Generation, items: u64) -> Result<bool> {
        let (state, _) = self.since(name, None).await?;
        let held = redis::Cmd::get(self.bloom(name, "builder"));
        let holder: Option<String> = held.query_async(&mut self.connection.clone()).await.map_err(failed)?;
        if holder != Some(builder.to_string()) {
            return Ok(false);
        }
        let size = next.geometry.shard_bits() / 8;
        for keys in self.bloom_shards(name, next) {
            if !BLOOM_MERGE.key(&keys).arg(size).invoke(&mut self.connection.clone()).await? {
                return Ok(false);
            }
        }
        let call = BLOOM_FINISH
            .key(self.bloom(name, "state"))
            .key(self.bloom(name, "builder"))
            .arg(builder.to_string())
            .arg(id(Some(next.id)))
            .arg(items);
        let finished = call.invoke(&mut self.connection.clone()).await?;
        if finished {
            self.settle(name, next, state.current.filter(|before| before.id != next.id)).await;
        }
        Ok(finished)
    }

    async fn abandon(&self, name: &str, builder: Loader) -> Result<()> {
        let call = ABANDON.key(self.bloom(name, "builder")).arg(builder.to_string()).arg(0);
        Ok(call.invoke(&mut self.connection.clone()).await?)
    }
}

/// How many bits a key has, and over how many shards they are spread if there are several: who does not know of shards cannot
/// take it for a number.
fn spread(geometry: Geometry) -> String {
    match geometry.shards {
        0 | 1 => geometry.hashes.to_string(),
        shards => format!("{}/{shards}", geometry.hashes),
    }
}

/// The hashes in the log's entries.
fn hashes(parts: &[redis::Value]) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    for part in parts {
        let bytes: Vec<u8> = redis::from_redis_value_ref(part).map_err(|_| nonsense())?;
        all.extend(bytes.as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight)));
    }
    Ok(all)
}

fn parse(parts: &[String]) -> Option<BloomState> {
    let generation = |first: usize| -> Option<Option<Generation>> {
        let part = |offset: usize| parts.get(first + offset);
        if part(0)?.is_empty() {
            return Some(None);
        }
        let (hashes, shards) = part(2)?.split_once('/').unwrap_or((part(2)?, "1"));
        let (hashes, shards) = (hashes.parse().ok()?, shards.parse().ok()?);
        let geometry = Geometry { bits: part(1)?.parse().ok()?, hashes, shards };
        let (capacity, items) = (part(3)?.parse().ok()?, part(4)?.parse().ok()?);
        let whole = shards > 0 && geometry.bits > 0 && geometry.bits.is_multiple_of(64 * u64::from(shards));
        let sound = whole && (1..=30).contains(&hashes);
        Some(Some(Generation { id: hex(part(0)?)?, geometry, capacity, items })).filter(|_| sound)
    };
    let place = BloomPlace { sequence: parts.get(10)?.parse().ok()?, mark: hex(parts.get(11)?)? };
    Some(BloomState { current: generation(0)?, next: generation(5)?, place })
}
