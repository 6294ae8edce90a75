//! Prices by the rules of a merchant, and coupons: written at the desk, proven before they are in force, and kept with each
//! order.

mod book;
pub mod coupon;
pub mod demo;
mod domain;
mod http;
mod kept;
mod prices;
mod quote;

pub use self::{
    book::{RuleBook, Rules},
    http::{desk, routes},
    kept::{OrderPrice, PriceView, keep, kept},
    prices::{Price, Prices},
    quote::{Purchase, Quoted, quote},
};
