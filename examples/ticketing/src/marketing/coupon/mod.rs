//! Coupons: offered by a merchant, taken by buyers, held by an order, used once.

mod book;
mod desk;
mod domain;
mod http;

pub use self::{
    book::{Coupons, Ended, Purse, give_back, hold},
    domain::{Coupon, Refusal, Terms, Worth, code},
};
pub(super) use self::{
    desk::{desk, insert},
    http::routes,
};
