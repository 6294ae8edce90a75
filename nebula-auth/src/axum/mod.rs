//! Extractors, a layer and a router for axum.

mod access;
mod extract;
mod header;
mod layer;
mod problem;
mod rejection;
mod secure;

pub(crate) use self::problem::problem;
pub use self::{
    extract::{Authenticated, MaybeAuthenticated},
    layer::{AuthLayer, AuthService, Refusal},
    rejection::{AuthRefusal, AuthRejection},
    secure::{Policy, SecureRouter, SecuredRoute},
};
