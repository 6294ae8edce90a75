//! Money: payments, what the provider says of them, refunds, and the end of orders that nobody paid.

pub(crate) mod day;
mod end;
mod http;
pub mod mock;
pub mod provider;
mod providers;
mod refunds;
mod service;
pub mod storage;

pub(crate) use self::refunds::keep;
pub use self::{
    end::Ended,
    http::routes,
    providers::Providers,
    service::{Payments, Settlement},
};
