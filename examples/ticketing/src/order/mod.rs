//! Orders: placed in one idempotent step, with a history of every state.

mod domain;
mod http;
mod place;
pub mod storage;

pub use self::{
    domain::{Ending, OrderState},
    http::routes,
    place::{Orders, Placed},
};
