//! Admission: what stands between a buyer and the seats.
//!
//! A sale says by its [`Policy`] which steps it has. `chain` decides, purely, what is to be looked at next and when to
//! refuse, the cheapest refusal first; [`Admission`] does the looking.

mod chain;
mod desk;
mod http;
mod kinds;
pub mod limits;
mod policies;
mod policy;
mod reservations;
pub mod room;
mod routed;
mod service;
mod storage;
mod tokens;
mod view;

pub use self::{
    chain::{Facts, Question, Refusal, Ticket, Verdict, decide},
    desk::desk,
    http::routes,
    kinds::{Domain, Domains, Kind, Kinds},
    limits::Limits,
    policies::Policies,
    policy::{PerPerson, Policy, Room},
    reservations::Reservations,
    routed::RoutedLedger,
    service::{Admission, Admitted, Knock, Parts},
    tokens::{Check, Purpose, Tokens},
};
