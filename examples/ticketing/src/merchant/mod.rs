//! Merchants: the tenants of the platform, the wall between them, and who works for whom.
//!
//! Buyers are the platform's. What a merchant has is reached through a [`Scope`], and a scope cannot be had without
//! saying whose: every statement of it is rewritten by nebula-tenant's wall.

mod desk;
mod domain;
mod http;
mod invitations;
mod registry;
mod rows;
mod scope;
mod staff;
mod storefront;

pub use self::{
    desk::{AtDesk, Staff},
    domain::Merchant,
    http::desk,
    http::routes,
    registry::{Merchants, NewMerchant},
    rows::Rows,
    scope::{Scope, ScopedQuery},
    storefront::Storefront,
};
