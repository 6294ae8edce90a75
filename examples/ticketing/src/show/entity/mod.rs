//! The catalog's tables as SeaORM sees them. They are only read through it; writes go through the group-committing
//! [`Writer`](crate::storage::Writer).
#![allow(missing_docs, reason = "the columns are described where they are created: migrations/0001_init.sql")]

pub mod plan;
pub mod plan_category;
pub mod plan_seat;
pub mod session;
pub mod session_price;
pub mod show;
pub mod venue;
