//! Refunds that somebody asks for: by which rules, at what price, and with whose consent.

mod desk;
mod domain;
mod http;
mod names;
mod service;

pub use self::{
    desk::desk,
    domain::{FeeStep, Policy, Quote, Refusal},
    http::routes,
    names::RefusedNames,
    service::{Asker, Refunds, Request},
};
