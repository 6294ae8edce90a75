//! Shows, sessions, seating plans and prices.

mod cache;
mod catalog;
pub mod entity;
mod hall;
mod plan;
pub mod store;

pub use self::{
    cache::Cache,
    catalog::{Catalog, PricedSeat, SessionInfo},
    hall::{HALL_CATEGORY, hall},
    plan::{Category, Plan, Seat, SeatMap},
};
