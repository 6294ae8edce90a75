//! A ticketing platform assembled from the Nebula crates: shows with seat maps, sales that open at a given second,
//! orders that end by payment or by release.
//!
//! Start reading at `assembly.rs`: it is the one place where the parts are put together.

pub mod app;
pub mod assembly;
pub mod audit;
pub mod clock;
pub mod config;
pub mod folder;
pub mod http;
pub mod ids;
pub mod inventory;
pub mod money;
pub mod order;
pub mod outbox;
pub mod pages;
pub mod payment;
pub mod problem;
pub mod show;
pub mod storage;
pub mod sweep;
pub mod user;
pub mod workers;
