//! Accounts: who may sign in, and as what.

mod accounts;
mod attempts;
pub mod email;
mod extract;
mod http;
mod users;

/// Where sessions are kept, within the data folder.
pub(crate) const SESSIONS_FILE: &str = "auth.db";

pub use self::{
    accounts::{Kind, User, insert},
    attempts::{Attempts, default_rules},
    extract::Buyer,
    http::routes,
    users::Users,
};
