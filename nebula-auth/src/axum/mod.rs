//! Extractors for axum.

mod extract;
mod header;
mod rejection;

pub use self::{
    extract::{Authenticated, MaybeAuthenticated},
    rejection::{AuthRefusal, AuthRejection},
};
