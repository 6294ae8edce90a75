//! Accounts: who may sign in, and as what.

mod accounts;
mod addresses;
mod attempts;
mod codes;
mod config;
mod device;
pub mod email;
mod extract;
mod federation;
mod http;
mod known;
mod language;
mod my_devices;
mod phone;
mod profile;
mod reset;
mod second_factor;
mod sign_ins;
mod users;

/// Where sessions are kept, within the data folder.
pub(crate) const SESSIONS_FILE: &str = "auth.db";

pub(crate) use self::{accounts::address, second_factor::Guard};
pub use self::{
    accounts::{Kind, Profile, User},
    attempts::{Attempts, RULES, default_rules},
    codes::{MailCodes, Scene},
    config::AccountsConfig,
    device::Device,
    extract::Buyer,
    federation::{Federation, SIGN_IN_PAGE},
    http::routes,
    language::Language,
    second_factor::{Arrival, Entry, Voucher, desk, forget_second_factor},
    users::{NewUser, Users},
};
