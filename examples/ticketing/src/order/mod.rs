//! Orders: placed in one idempotent step, with a history of every state.

mod best;
mod desk;
mod domain;
mod http;
mod place;
mod quota;
mod sale;
mod search;
pub mod storage;

pub use self::{
    best::{Best, propose},
    desk::desk,
    domain::{Ending, OrderState},
    http::{OrderView, routes},
    place::{Orders, Parts, Placed, Places, Wish, at_counter},
    sale::{Channel, Sale, SaleRow},
};
pub(crate) use self::{
    http::{idempotency_key, own, places, view},
    sale::find as sale_of,
    search::find as find_at_desk,
};
