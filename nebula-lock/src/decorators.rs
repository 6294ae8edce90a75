//! Backends around backends.

mod observed;
mod prefixed;

pub use observed::Observed;
pub use prefixed::Prefixed;
