//! Accounts: who may sign in, and as what.

mod accounts;
mod addresses;
mod attempts;
mod codes;
mod config;
pub mod email;
mod extract;
mod federation;
mod http;
mod language;
mod phone;
mod profile;
mod users;

/// Where sessions are kept, within the data folder.
pub(crate) const SESSIONS_FILE: &str = "auth.db";

pub(crate) use self::accounts::address;
pub use self::{
    accounts::{Kind, Profile, User},
    attempts::{Attempts, RULES, default_rules},
    codes::{MailCodes, Scene},
    config::AccountsConfig,
    extract::Buyer,
    federation::{Federation, SIGN_IN_PAGE},
    http::routes,
    language::Language,
    users::{NewUser, Users},
};
