//! The HTTP interface: the router of all modules and what surrounds it.

mod extract;
mod router;

pub use self::{
    extract::{Json, Path, Query},
    router::{openapi, router},
};
