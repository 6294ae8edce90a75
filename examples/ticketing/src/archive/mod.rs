//! Ended orders, with everything that hangs on them, move out of the way of what is sold today.
//!
//! Whoever reads an order, searches or adds up finds it as before, by views over both. What moves, moves in one transaction
//! with all that hangs on it, and is in one of the two places at any time: whoever is killed in between begins again with
//! what is left.

mod config;
mod service;
mod tables;

pub use self::{
    config::ArchiveConfig,
    service::{Archive, Archived},
};
