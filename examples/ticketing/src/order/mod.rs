//! Orders: placed in one idempotent step, with a history of every state.

mod desk;
mod domain;
mod http;
mod place;
mod quota;
mod search;
pub mod storage;

pub(crate) use self::http::{own, view};
pub use self::{
    desk::desk,
    domain::{Ending, OrderState},
    http::{OrderView, routes},
    place::{Orders, Parts, Placed, Wish},
};
