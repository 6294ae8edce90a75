//! The HTTP interface: the router of all modules and what surrounds it.

mod extract;
mod guard;
mod health;
mod observe;
mod openapi;
mod problems;
pub mod request_id;
mod router;
mod server;

pub use self::{
    extract::{Json, Path, Query},
    guard::none_match,
    observe::exporter,
    router::{openapi, router},
    server::{BindError, Server},
};
