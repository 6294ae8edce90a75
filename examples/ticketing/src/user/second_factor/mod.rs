//! A second factor: codes of an authenticator app, and recovery codes for the day on which the phone is lost.
//!
//! nebula-auth makes, keeps and checks them. Whoever has set one up is asked for it by every way in, and for a password that was
//! forgotten; what the first step gives is a challenge, which opens nothing.

mod demand;
mod doors;
mod entry;
mod http;
mod lost;
mod mine;

pub(crate) use self::demand::Guard;
pub(super) use self::{
    demand::demanded,
    doors::Doors,
    entry::refusal,
    http::{Answer, Asked, Challenge, routes},
    mine::routes as my_routes,
};
pub use self::{
    doors::Voucher,
    entry::{Arrival, Entry},
    lost::{desk, forget_second_factor},
};
