//! Statements: a provider's bill of a day against the books.

mod books;
mod compare;
mod http;
mod service;

pub use self::{
    compare::{Difference, Kind, Report},
    http::desk,
    service::Statements,
};
