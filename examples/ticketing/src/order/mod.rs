//! Orders: placed in one idempotent step, with a history of every state.

mod domain;
mod http;
mod place;
pub mod storage;

pub(crate) use self::http::{own, view};
pub use self::{
    domain::{Ending, OrderState},
    http::{OrderView, routes},
    place::{Orders, Parts, Placed, Wish},
};
