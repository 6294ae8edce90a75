//! What is kept while somebody proves who they are.

mod memory;
mod records;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod sql;
mod store;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

pub(crate) use self::records::{Change, Records};
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
pub use self::sql::SqlProofStore;
pub use self::{
    memory::MemoryProofStore,
    store::{ProofKey, ProofRecord, ProofStore},
};
