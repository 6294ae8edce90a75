//! Accounts: who may sign in, and as what.

mod accounts;
mod attempts;
mod codes;
mod config;
mod device;
pub mod email;
mod federation;
mod http;
mod known;
mod letters;
mod second_factor;
mod sign_ins;
mod users;

/// Where sessions are kept, within the data folder.
pub(crate) const SESSIONS_FILE: &str = "auth.db";

pub(crate) use self::second_factor::Guard;
pub use self::{
    accounts::{Kind, Profile, Reader, User},
    attempts::{Attempts, RULES, default_rules},
    codes::{MailCodes, Scene},
    config::AccountsConfig,
    device::Device,
    federation::{Federation, SIGN_IN_PAGE},
    http::{Buyer, routes},
    letters::{Letter, Letters},
    second_factor::{Arrival, Entry, Voucher, desk, forget_second_factor},
    users::{NewUser, Users},
};
