//! The HTTP interface: the router of all modules and what surrounds it.

mod answers;
mod extract;
mod guard;
mod health;
mod meters;
mod observe;
mod openapi;
pub(crate) mod places;
mod problems;
mod process;
mod router;
mod server;
mod stream;

pub use self::{
    extract::{Body, Json, Path, Query, read_at_most},
    guard::none_match,
    observe::exporter,
    router::{openapi, router},
    server::{BindError, Server},
    stream::live,
};
