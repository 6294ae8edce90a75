//! What processes share about users, on Redis.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use nebula_redis::{
    Connection, RedisConfig,
    redis::{self, RedisError},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    time::timeout,
};

use super::{
    PermissionEvaluator, coarse,
    level::{Journal, Level, SharedLevel},
};
use crate::{
    error::Error,
    key::check_secret,
    rbac::{
        millis,
        name::UserId,
        store::{Head, StoredUser},
    },
};

/// A Redis that needs longer is slower than the store.
const WAIT: Duration = Duration::from_millis(100);
/// For how long it is left alone then.
const REST: Duration = Duration::from_secs(1);
/// What is not written by then is not written at all.
const UNWRITTEN: usize = 1024;
/// How many users are named of those that changed before this process began.
const NAMED: u32 = 1000;
/// How many commits are looked back at, as many as there are names for.
const BACK: [u64; 3] = [1 << 16, 1 << 12, 1 << 8];
/// Version of the layout: this byte, the authentication code, JSON.
const LAYOUT: u8 = 1;
const MAC: usize = 32;

impl PermissionEvaluator {
    /// Lets processes share what they have read about users, so that a user is read from the store once for all of them, and a
    /// process that starts finds them on Redis. `prefix` begins the keys: one for each database of roles. `key` is a secret of at
    /// least 32 random bytes that all processes have.
    ///
    /// Redis is not trusted. What it holds is authenticated with the key and bound to its user, and believed only while this process
    /// knows from the store that the user has not changed since: a change that Redis was not told of, an old value that was put
    /// back, or a user's value under another's key let nobody through. So the bounds of staleness are those of the evaluator
    /// without it, and a Redis that is away or slow (100 ms) is passed over. The lease is the store's: when that does not answer,
    /// Redis does not help.
    ///
    /// # Errors
    /// [`ErrorKind::WeakSecret`](crate::ErrorKind::WeakSecret) for a key that can be guessed, [`ErrorKind::Config`](crate::ErrorKind::Config) if the configuration cannot be used or there is
    /// such a level already; whatever the store reports. A Redis that is away is no error.
    ///
    /// # Cancel safety
    /// Safe: with it, or without.
    pub async fn with_redis_cache(self, config: &RedisConfig, prefix: &str, key: &SecretString) -> Result<Self, Error> {
        let key = key.expose_secret().as_bytes();
        check_secret("the key of the permission cache on Redis (nebula.auth.rbac.redis-key)", key)?;
        let connection = config
            .connect_lazy()
            .map_err(|error| Error::config("the permission cache on Redis cannot be used").with_source(error))?;
        let (sender, unwritten) = channel(UNWRITTEN);
        tokio::spawn(write(connection.clone(), unwritten, self.shared.options.max_age));
        let shared = RedisLevel {
            connection,
            prefix: format!("{prefix}:user:"),
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            rest_until: AtomicU64::new(0),
            sender,
        };
        let from = {
            // With the position held still, no change is missed between the two.
            let position = self.shared.position.lock();
            let level = Level {
                shared: Box::new(shared),
                journal: Journal::starting(position.sequence).into(),
                clock: None.into(),
            };
            if self.shared.level.set(level).is_err() {
                return Err(Error::config("there is a permission cache on Redis already"));
            }
            position.sequence
        };
        self.shared.look_back(from).await?;
        Ok(self)
    }
}

impl super::Shared {
    /// Learns who has changed shortly before this process began, so that what others read then can be used.
    async fn look_back(&self, from: u64) -> Result<(), Error> {
        for back in BACK {
            let since = from.saturating_sub(back);
            let changes = self.store.changes(since, NAMED).await?;
            if let (Some(users), Some(level)) = (changes.users, self.level.get()) {
                level.journal.lock().look_back(&users, since, changes.head.sequence);
                return Ok(());
            }
        }
        Ok(())
    }
}

struct RedisLevel {
    connection: Connection,
    prefix: String,
    key: hmac::Key,
    /// On the coarse clock.
    rest_until: AtomicU64,
    sender: Sender<(String, Vec<u8>)>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    sequence: u64,
    policy: u64,
    now_ms: i64,
    version: u64,
    body: Option<String>,
}

impl RedisLevel {
    fn mac(&self, redis_key: &str, json: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [b"permission cache v1".as_slice(), redis_key.as_bytes(), json] {
            // With their lengths, so that no two lists read the same.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        context.sign()
    }

    fn seal(&self, redis_key: &str, user: &StoredUser) -> Option<Vec<u8>> {
        let entry = Entry {
            sequence: user.head.sequence,
            policy: user.head.policy,
            now_ms: millis::of(user.now),
            version: user.version,
            body: user.body.clone(),
        };
        let json = serde_json::to_vec(&entry).ok()?;
        Some([&[LAYOUT][..], self.mac(redis_key, &json).as_ref(), &json].concat())
    }

    fn open(&self, redis_key: &str, id: &UserId, sealed: &[u8]) -> Option<StoredUser> {
        let (&[LAYOUT], rest) = sealed.split_first_chunk::<1>()? else { return None };
        let (mac, json) = rest.split_first_chunk::<MAC>()?;
        aws_lc_rs::constant_time::verify_slices_are_equal(mac, self.mac(redis_key, json).as_ref()).ok()?;
        let entry: Entry = serde_json::from_slice(json).ok()?;
        Some(StoredUser {
            head: Head { sequence: entry.sequence, policy: entry.policy },
            now: millis::time(entry.now_ms),
            id: id.clone(),
            version: entry.version,
            body: entry.body,
        })
    }

    /// Leaves Redis alone for a while, unless it has answered, though not as one would like.
    fn failed(&self, error: Option<&RedisError>) {
        if error.is_none_or(|error| error.code().is_none()) {
            self.rest_until.store(coarse::after(coarse::precise(), REST), Ordering::Relaxed);
        }
    }
}

#[async_trait]
impl SharedLevel for RedisLevel {
    async fn recall(&self, user: &UserId) -> Option<StoredUser> {
        if coarse::precise() < self.rest_until.load(Ordering::Relaxed) {
            return None;
        }
        let key = format!("{}{}", self.prefix, user.as_str());
        let mut connection = self.connection.clone();
        match timeout(WAIT, redis::cmd("GET").arg(&key).query_async::<Option<Vec<u8>>>(&mut connection)).await {
            Ok(Ok(sealed)) => self.open(&key, user, &sealed?),
            Ok(Err(error)) => {
                self.failed(Some(&error));
                None
            }
            Err(_) => {
                self.failed(None);
                None
            }
        }
    }

    fn remember(&self, user: &StoredUser) {
        let key = format!("{}{}", self.prefix, user.id.as_str());
        if let Some(sealed) = self.seal(&key, user) {
            // Others read it from the store, too, then.
            let _ = self.sender.try_send((key, sealed));
        }
    }
}

impl fmt::Debug for RedisLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLevel").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Writes one after the other; what cannot be written is not worth waiting for.
async fn write(mut connection: Connection, mut unwritten: Receiver<(String, Vec<u8>)>, lasts: Duration) {
    let lasts = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 40);
    while let Some((key, sealed)) = unwritten.recv().await {
        let written = redis::cmd("SET").arg(&key).arg(sealed).arg("PX").arg(lasts).exec_async(&mut connection).await;
        if let Err(error) = written {
            tracing::debug!(target: "nebula_auth", %error, "a user was not kept on Redis; others will ask the store");
        }
    }
}
