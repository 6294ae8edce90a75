//! Passwords: argon2id, off the async threads, bounded, and with the same cost for users who do not exist.

mod breach;
mod gate;
mod hash;
mod hasher;
mod params;
mod policy;

pub use self::{
    breach::{BreachList, DenyList},
    hash::PasswordHash,
    hasher::{Hashed, PasswordHasher, Verified},
    params::Argon2Params,
    policy::{PasswordPolicy, PasswordRefusal},
};
