//! Values and leases: two keys for each key of a cache, in one slot of a cluster.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use redis::aio::ConnectionLike;

use super::RedisShared;
use super::error::failed;
use super::scripts::{ABANDON, BEGIN, FILL, PUT, RENEW};
use crate::clock::millis;
use crate::error::Result;
use crate::store::{Begun, Fill, Lease, Loader, SharedStore, StoreKey};

/// What is stored under a key of Redis, the third part of its name.
#[derive(Clone, Copy)]
enum Kind {
    Value,
    Lease,
}

/// `<namespace>:v:<cache>:{<hash>}:<key>`. The hash is the part that decides on the slot, whatever the key's bytes. Put together
/// by hand: reading many keys makes many names.
fn name(namespace: &str, kind: Kind, key: &StoreKey) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let hash = key.hash().to_be_bytes();
    let digits: [u8; 16] = std::array::from_fn(|place| {
        let byte = hash[place / 2];
        HEX[usize::from(if place % 2 == 0 { byte >> 4 } else { byte & 15 })]
    });
    let kind: &[u8] = match kind {
        Kind::Value => b":v:",
        Kind::Lease => b":l:",
    };
    [namespace.as_bytes(), kind, key.cache().as_bytes(), b":{", &digits, b"}:", key.key()].concat()
}

impl<C> RedisShared<C> {
    fn name(&self, kind: Kind, key: &StoreKey) -> Vec<u8> {
        name(&self.namespace, kind, key)
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisShared<C> {
    /// What is stored under the names, with one command; where the keys of a command have to live in one slot, with one
    /// command for each slot, all at once.
    async fn read_all(&self, names: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        if !self.slot_by_slot.load(Ordering::Relaxed) {
            match self.read_slot(names.iter()).await {
                Err(error) if error.kind() == nebula_redis::ErrorKind::ClusterRedirect => {
                    self.slot_by_slot.store(true, Ordering::Relaxed);
                }
                values => return Ok(values?),
            }
        }
        let mut slots: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (place, name) in names.iter().enumerate() {
            slots.entry(nebula_redis::key_slot(name)).or_default().push(place);
        }
        let all = slots.values().map(|places| self.read_slot(places.iter().filter_map(|place| names.get(*place))));
        let mut found = vec![None; names.len()];
        for (places, values) in slots.values().zip(join_all(all).await) {
            for (place, value) in places.iter().zip(values?) {
                if let Some(found) = found.get_mut(*place) {
                    *found = value;
                }
            }
        }
        Ok(found)
    }

    async fn read_slot<'a>(
        &self,
        names: impl Iterator<Item = &'a Vec<u8>>,
    ) -> nebula_redis::Result<Vec<Option<Vec<u8>>>> {
        let mut command = redis::cmd("MGET");
        names.for_each(|name| {
            command.arg(name);
        });
        Ok(command.query_async(&mut self.connection.clone()).await?)
    }
}

#[async_trait]
impl<C: ConnectionLike + Clone + Send + Sync + 'static> SharedStore for RedisShared<C> {
    async fn get(&self, key: &StoreKey, touch: Option<Duration>) -> Result<Option<Bytes>> {
        let name = self.name(Kind::Value, key);
        let command = match touch {
            None => redis::Cmd::get(name),
            Some(time) => {
                let mut command = redis::cmd("GETEX");
                command.arg(name).arg("PX").arg(whole(time));
                command
            }
        };
        let value: Option<Vec<u8>> = command.query_async(&mut self.connection.clone()).await.map_err(failed)?;
        Ok(value.map(Bytes::from))
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>> {
        let names: Vec<Vec<u8>> = keys.iter().map(|key| self.name(Kind::Value, key)).collect();
        Ok(self.read_all(&names).await?.into_iter().map(|value| value.map(Bytes::from)).collect())
    }

    async fn begin(&self, key: &StoreKey, loader: Loader, lease: Duration) -> Result<Begun> {
        let (name, held) = (self.name(Kind::Value, key), self.name(Kind::Lease, key));
        let (loader, lease) = (loader.to_string(), whole(lease).to_string());
        let args = [loader.as_bytes(), lease.as_bytes()];
        let (value, rest): (Option<Vec<u8>>, u64) =
            BEGIN.run(&[&name, &held], &args, &mut self.connection.clone()).await?;
        let lease = match rest {
            0 => Lease::Granted,
            rest => Lease::Busy(Duration::from_millis(rest)),
        };
        Ok(Begun { value: value.map(Bytes::from), lease })
    }

    async fn renew(&self, key: &StoreKey, loader: Loader, lease: Duration) -> Result<bool> {
        let call = RENEW.key(self.name(Kind::Lease, key)).arg(loader.to_string()).arg(whole(lease));
        Ok(call.invoke(&mut self.connection.clone()).await?)
    }

    async fn fill(&self, fill: &Fill) -> Result<bool> {
        let (name, held) = (self.name(Kind::Value, &fill.key), self.name(Kind::Lease, &fill.key));
        let (loader, ttl) = (fill.loader.to_string(), whole(fill.ttl).to_string());
        let args = [loader.as_bytes(), &fill.value, ttl.as_bytes()];
        Ok(FILL.run(&[&name, &held], &args, &mut self.connection.clone()).await?)
    }

    async fn abandon(&self, key: &StoreKey, loader: Loader, back_off: Duration) -> Result<()> {
        let call = ABANDON.key(self.name(Kind::Lease, key)).arg(loader.to_string()).arg(millis(back_off));
        Ok(call.invoke(&mut self.connection.clone()).await?)
    }

    async fn put(&self, key: &StoreKey, value: Bytes, ttl: Duration) -> Result<()> {
        let (name, held) = (self.name(Kind::Value, key), self.name(Kind::Lease, key));
        let ttl = whole(ttl).to_string();
        Ok(PUT.run(&[&name, &held], &[&value, ttl.as_bytes()], &mut self.connection.clone()).await?)
    }

    async fn evict(&self, keys: &[StoreKey]) -> Result<()> {
        // At once, and on a cluster wherever each of them lives.
        let all = join_all(keys.iter().map(async |key| {
            let mut command = redis::cmd("UNLINK");
            command.arg(self.name(Kind::Value, key)).arg(self.name(Kind::Lease, key));
            command.exec_async(&mut self.connection.clone()).await.map_err(failed)
        }));
        all.await.into_iter().collect()
    }

    async fn ping(&self) -> Result<()> {
        let pong: redis::Value = redis::cmd("PING").query_async(&mut self.connection.clone()).await.map_err(failed)?;
        drop(pong);
        Ok(())
    }
}

/// Whole milliseconds, at least one: Redis refuses zero.
fn whole(time: Duration) -> u64 {
    millis(time).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_change() {
        let key = StoreKey::new("users", &b"7\xFF}"[..]);
        let plain = |kind: char| {
            let hash = crate::core::key_hash("users", b"7\xFF}");
            [format!("shop:{kind}:users:{{{hash:016x}}}:7").as_bytes(), b"\xFF}"].concat()
        };
        assert_eq!(name("shop", Kind::Value, &key), plain('v'));
        assert_eq!(name("shop", Kind::Lease, &key), plain('l'));
    }
}
