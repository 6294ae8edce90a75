#![doc = include_str!("../README.md")]
//! # Where to look
//!
//! - Users hold a [`LockManager`], which a [`LockConfig`] makes, and get a [`LockGuard`] from it; [`Acquire`] and
//!   [`TryAcquire`] say what can be set for a single request, [`MultiGuard`] and [`SegmentedLock`] are for several locks.
//! - [`Error`] and [`ErrorKind`] say what failed, [`Lost`] and [`LossReason`] why a lock is no longer held.
//! - [`Fence`], [`FenceGuard`] and [`FenceSql`] protect what the lock is for.
//! - Backends implement [`DistributedLock`], whose documentation is the contract: [`MemoryLock`], `RedisLock`, [`Redlock`],
//!   and around them [`Prefixed`] and [`Observed`].
#![cfg_attr(docsrs, feature(doc_cfg))]

mod acquire;
mod alarm;
mod background;
mod backoff;
mod candidate;
mod cleanup;
mod config;
mod core;
mod decorators;
mod duration;
mod entropy;
mod error;
mod fence;
mod fence_guard;
mod fence_sql;
mod gate;
mod guard;
mod hash;
mod hold;
mod key;
mod lock;
mod lost;
mod manager;
mod memory;
mod multi;
mod options;
mod owner;
mod post;
mod record;
#[cfg(feature = "redis")]
mod redis;
mod redlock;
mod reentrant;
mod registry;
mod segmented;
mod telemetry;
mod validity;
mod watch;

#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use nebula_macros::distributed_lock;

pub use crate::acquire::{Acquire, TryAcquire};
pub use crate::config::{LockConfig, Provider};
pub use crate::decorators::{Observed, Prefixed};
pub use crate::error::{Error, ErrorKind, LockError, Result};
pub use crate::fence::Fence;
pub use crate::fence_guard::{FenceGuard, StaleFence};
pub use crate::fence_sql::FenceSql;
pub use crate::guard::{LockGuard, Release};
pub use crate::key::{IntoLockKey, LockKey};
pub use crate::lock::{Attempt, Busy, Claim, DistributedLock, Holder, Mode, Place};
pub use crate::lost::{LossReason, Lost};
pub use crate::manager::{Health, LockManager, Shutdown};
pub use crate::memory::MemoryLock;
pub use crate::multi::{AcquireAll, MultiGuard, TryAcquireAll};
pub use crate::owner::Owner;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use crate::redis::RedisLock;
pub use crate::redlock::{QuorumNode, Redlock};
pub use crate::segmented::{AcquireSegment, Allocation, SegmentGuard, SegmentedLock, TryAcquireSegment};
pub use crate::watch::{Hint, Watch};
/// The Redis plumbing, with connections that repair themselves.
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use nebula_redis;
