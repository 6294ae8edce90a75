#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod context;
#[cfg(feature = "sql")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
pub mod db;
mod error;
mod id;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod resolve;
#[cfg(feature = "seal")]
#[cfg_attr(docsrs, doc(cfg(feature = "seal")))]
pub mod seal;
mod task;
#[cfg(feature = "wall")]
#[cfg_attr(docsrs, doc(cfg(feature = "wall")))]
pub mod wall;

pub use context::{TenantContext, as_host, current};
pub use error::{Error, ErrorKind};
pub use id::{InvalidTenantId, MAX_TENANT_BYTES, TenantId};
pub use task::{JoinSet, TenantStream, spawn, spawn_blocking, stream};
