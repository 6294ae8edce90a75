//! Asking for permission: in attributes, as a type, by hand.

mod context;
mod error;
mod granted;
mod requirement;
mod roles;

pub(crate) use self::context::require;
pub use self::{
    context::{AuthContext, spawn_with_auth},
    error::AccessError,
    granted::Granted,
    requirement::{DeclaredPermission, Requirement},
    roles::SessionRoles,
};
