#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod client;
mod cluster;
mod config;
mod connection;
mod duration;
mod error;
mod link;
mod pinned;
mod script;
mod sentinel;
mod subscriber;
mod topology;

pub use cluster::key_slot;
pub use config::RedisConfig;
pub use connection::Connection;
pub use error::{Error, ErrorKind, Result, classify};
pub use pinned::{PinnedConnection, PinnedManager};
/// The driver, in the version that this crate's types come from.
pub use redis;
pub use script::{Script, ScriptCall};
pub use subscriber::{Event, Subscriber, Subscription};
pub use topology::{ClusterConfig, SentinelConfig};
