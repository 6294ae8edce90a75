//! Shows, sessions, seating plans and prices.

pub mod best;
mod caches;
mod catalog;
mod desk;
pub mod entity;
mod genre;
mod hall;
mod http;
mod listing;
mod plan;
mod rehearsal;
pub mod store;

pub(crate) use self::desk::text;
pub use self::{
    caches::{BOUND, HotKey},
    catalog::{Catalog, MAX_SEATS, PricedSeat, SessionInfo},
    genre::Genre,
    hall::{HALL_CATEGORY, hall},
    http::{desk, routes},
    listing::{Price, Session, Show, Venue},
    plan::{Category, Plan, Seat, SeatMap, StandingArea, seated},
};
