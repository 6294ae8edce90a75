//! Shared filters: a string of bits for each generation, a hash with the state, and a stream of insertions, in one slot.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::aio::ConnectionLike;

use super::RedisShared;
use super::error::failed;
use super::log::nonsense;
use super::message::hex;
use super::scripts::{ABANDON, BLOOM_BEGIN, BLOOM_FINISH, BLOOM_INSERT, BLOOM_SINCE, BLOOM_UPLOAD, RENEW};
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

    fn bloom_bits(&self, name: &str, generation: Option<u64>) -> String {
        self.bloom(name, &format!("bits:{}", id(generation)))
    }

    fn bloom_aside(&self, name: &str, generation: u64) -> String {
        self.bloom(name, &format!("aside:{}", id(Some(generation))))
    }
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
        let keys = [
            self.bloom(name, "state"),
            self.bloom(name, "log"),
            self.bloom_bits(name, current.map(|it| it.id)),
            self.bloom_bits(name, next.map(|it| it.id)),
        ];
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        let places = |generation: Option<Generation>| generation.map_or(0, |it| it.geometry.hashes);
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
        for geometry in [current, next].into_iter().flatten().map(|generation| generation.geometry) {
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

    async fn read(&self, name: &str, generation: u64, offset: u64, length: u64) -> Result<Bytes> {
        let mut command = redis::cmd("GETRANGE");
        command.arg(self.bloom_bits(name, Some(generation))).arg(offset).arg((offset + length).saturating_sub(1));
        let bits: Vec<u8> = command.query_async(&mut self.connection.clone()).await.map_err(failed)?;
        Ok(bits.into())
    }

    async fn begin(&self, name: &str, builder: Loader, next: &Generation, lease: Duration) -> Result<Lease> {
        let call = BLOOM_BEGIN
            .key(self.bloom(name, "state"))
            .key(self.bloom(name, "builder"))
            .key(self.bloom_bits(name, Some(next.id)))
            .key(self.bloom_aside(name, next.id))
            .arg(builder.to_string())
            .arg(millis(lease).max(1))
            .arg(id(Some(next.id)))
            .arg(next.geometry.bits)
            .arg(next.geometry.hashes)
            .arg(next.capacity)
            .arg(millis(UNFINISHED));
        Ok(match call.invoke(&mut self.connection.clone()).await? {
            0_u64 => Lease::Granted,
            rest => Lease::Busy(Duration::from_millis(rest)),
        })
    }

    async fn renew(&self, name: &str, builder: Loader, lease: Duration) -> Result<bool> {
        let call = RENEW.key(self.bloom(name, "builder")).arg(builder.to_string()).arg(millis(lease).max(1));
        Ok(call.invoke(&mut self.connection.clone()).await?)
    }

    async fn upload(&self, name: &str, generation: u64, offset: u64, bits: Bytes) -> Result<()> {
        let key = self.bloom_aside(name, generation);
        let (offset, vanish) = (offset.to_string(), millis(UNFINISHED).to_string());
        let args = [offset.as_bytes(), &bits, vanish.as_bytes()];
        Ok(BLOOM_UPLOAD.run(&[key.as_bytes()], &args, &mut self.connection.clone()).await?)
    }

    async fn finish(&self, name: &str, builder: Loader, next: &Generation, items: u64) -> Result<bool> {
        let (state, _) = self.since(name, None).await?;
        let before = state.current.map_or(next.id, |current| current.id);
        let call = BLOOM_FINISH
            .key(self.bloom(name, "state"))
            .key(self.bloom(name, "builder"))
            .key(self.bloom_bits(name, Some(next.id)))
            .key(self.bloom_aside(name, next.id))
            .key(self.bloom_bits(name, Some(before)))
            .arg(builder.to_string())
            .arg(id(Some(next.id)))
            .arg(items);
        Ok(call.invoke(&mut self.connection.clone()).await?)
    }

    async fn abandon(&self, name: &str, builder: Loader) -> Result<()> {
        let call = ABANDON.key(self.bloom(name, "builder")).arg(builder.to_string()).arg(0);
        Ok(call.invoke(&mut self.connection.clone()).await?)
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
        let geometry = Geometry { bits: part(1)?.parse().ok()?, hashes: part(2)?.parse().ok()? };
        let (capacity, items) = (part(3)?.parse().ok()?, part(4)?.parse().ok()?);
        let sound = geometry.bits.is_multiple_of(64) && geometry.bits > 0 && (1..=30).contains(&geometry.hashes);
        Some(Some(Generation { id: hex(part(0)?)?, geometry, capacity, items })).filter(|_| sound)
    };
    let place = BloomPlace { sequence: parts.get(10)?.parse().ok()?, mark: hex(parts.get(11)?)? };
    Some(BloomState { current: generation(0)?, next: generation(5)?, place })
}
