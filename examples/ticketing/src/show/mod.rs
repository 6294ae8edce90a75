//! Shows, sessions, seating plans and prices.

mod cache;
mod catalog;
pub mod entity;
mod plan;

pub use self::{
    cache::Cache,
    catalog::{Catalog, PricedSeat, SessionInfo},
    plan::{Category, Plan, Seat, SeatMap},
};
