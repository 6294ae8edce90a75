//! Money: payments, what the provider says of them, refunds, and the end of orders that nobody paid.

mod end;
mod http;
pub mod mock;
pub mod provider;
mod service;
pub mod storage;

pub use self::{
    end::Ended,
    http::routes,
    service::{Payments, Settlement},
};
