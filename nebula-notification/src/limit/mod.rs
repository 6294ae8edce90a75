//! Limits: how many messages an address, an origin, a template or a tenant may have in a span of time.

mod memory;
#[cfg(feature = "redis")]
mod redis;
mod rule;
mod store;

#[cfg(feature = "redis")]
pub use self::redis::RedisLimits;
pub(crate) use self::rule::{Asked, prefix};
pub use self::{
    memory::MemoryLimits,
    rule::{LimitRule, LimitScope, Limits},
    store::{Charge, LimitStore, Ruling},
};
