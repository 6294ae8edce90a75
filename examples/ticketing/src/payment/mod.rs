//! Money: payments, what the provider says of them, refunds, and the end of orders that nobody paid.

pub mod alipay;
mod at_once;
mod end;
mod guarded;
mod http;
pub mod mock;
pub mod provider;
mod providers;
mod refunds;
mod remote;
mod rsa;
mod service;
pub mod storage;
mod traced;
pub mod wechat;

pub(crate) use self::refunds::keep;
pub use self::{
    end::Ended,
    guarded::Guarded,
    http::routes,
    providers::Providers,
    remote::BadAccount,
    service::{Payments, Settlement},
    traced::Traced,
};
