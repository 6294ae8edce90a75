#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "macros")]
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod batch;
mod behind;
mod bloom;
mod breaker;
mod builder;
mod cache;
mod channel;
mod clock;
mod codec;
mod config;
mod core;
#[cfg(feature = "dashboard")]
#[cfg_attr(docsrs, doc(cfg(feature = "dashboard")))]
pub mod dashboard;
mod duration;
mod entry;
mod envelope;
mod error;
mod evict;
mod flight;
mod follow;
mod generations;
mod hot;
mod inner;
mod key;
mod load;
mod local;
mod manager;
mod memory;
mod outbox;
mod policy;
mod progress;
mod put;
#[cfg(feature = "rate-limit")]
#[cfg_attr(docsrs, doc(cfg(feature = "rate-limit")))]
pub mod rate_limit;
#[cfg(feature = "redis")]
mod redis;
mod shared;
mod slow;
mod snapshot;
mod stats;
mod store;
mod telemetry;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod together;
mod tracker;
mod warm;
mod write;

pub use behind::{SinkError, WriteBehind, WriteSink};
pub use bloom::{
    BloomBuilder, BloomFilter, BloomPlace, BloomSnapshot, BloomState, BloomStore, Generation, Geometry, Inserted,
    KeyFilter, KeySource, Since, SourceError,
};
pub use breaker::{BreakerConfig, BreakerState, Call, CircuitBreaker, Refused};
pub use builder::CacheBuilder;
pub use cache::Cache;
pub use channel::{Batch, CatchUp, Heard, HotKey, Invalid, InvalidationChannel, Listening, Position, Published};
pub use codec::{Codec, Json, Postcard};
pub use config::{CacheConfig, Provider};
pub use entry::{Cached, Loaded, Lookup};
pub use error::{CacheError, Error, ErrorKind, Result};
pub use hot::HotKeys;
pub use key::{CacheKey, MAX_KEY_BYTES};
pub use manager::{CacheManager, CacheManagerBuilder, Health, Shutdown};
pub use memory::MemoryShared;
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use nebula_macros::{cache_evict, cache_put, cached};
/// The Redis plumbing, with connections that repair themselves.
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use nebula_redis;
pub use progress::Progress;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use redis::{RedisShared, SlowCommand};
pub use snapshot::{CacheSnapshot, Evictions, Snapshot};
pub use store::{Begun, Fill, Lease, Loader, SharedStore, StoreKey};
pub use warm::{Readiness, WarmUp, WarmUpBuilder};
