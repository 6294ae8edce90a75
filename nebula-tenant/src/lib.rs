#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod audit;
mod context;
#[cfg(feature = "sql")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
pub mod db;
#[cfg(any(feature = "http", feature = "registry", feature = "delay-queue"))]
mod directory;
mod error;
mod id;
#[cfg(feature = "delay-queue")]
#[cfg_attr(docsrs, doc(cfg(feature = "delay-queue")))]
pub mod message;
#[cfg(feature = "quota")]
#[cfg_attr(docsrs, doc(cfg(feature = "quota")))]
pub mod quota;
#[cfg(feature = "registry")]
#[cfg_attr(docsrs, doc(cfg(feature = "registry")))]
pub mod registry;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod resolve;
pub mod scoped;
#[cfg(feature = "sea-orm")]
#[cfg_attr(docsrs, doc(cfg(feature = "sea-orm")))]
pub mod sea;
#[cfg(feature = "seal")]
#[cfg_attr(docsrs, doc(cfg(feature = "seal")))]
pub mod seal;
mod task;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
#[cfg(feature = "wall")]
#[cfg_attr(docsrs, doc(cfg(feature = "wall")))]
pub mod wall;

pub use audit::{AuditEvent, AuditSink, set_audit_sink};
pub use context::{TenantContext, as_host, current};
#[cfg(any(feature = "http", feature = "registry", feature = "delay-queue"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "http", feature = "registry", feature = "delay-queue"))))]
pub use directory::{TenantDirectory, TenantStatus};
pub use error::{Error, ErrorKind};
pub use id::{InvalidTenantId, MAX_TENANT_BYTES, TenantId};
pub use task::{Interval, JoinSet, TenantStream, every, interval, spawn, spawn_blocking, stream};
