//! Accounts: who may sign in, and as what.

mod extract;
mod users;

pub use self::{
    extract::{Admin, Buyer},
    users::{Role, Users},
};
