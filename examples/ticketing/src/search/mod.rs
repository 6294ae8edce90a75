//! Finding shows: full text in English and Chinese, filters, sorts, and suggestions while typing.
//!
//! Texts are matched by a [`SearchEngine`]; [`TextIndex`] is the one that each process keeps in its own memory, so that
//! replicas have no state, and [`OpenSearch`] a server that they share. [`Search`] follows the catalog: what changes there is found within a second. Filters and sorts
//! look at the shows themselves ([`domain`]), so that they are exact for each performance. While the engine fails, the shows
//! as the database has them are looked through instead.

mod config;
pub mod domain;
mod engine;
#[cfg(test)]
mod fake;
mod http;
mod index;
mod opensearch;
mod service;
mod storage;
mod suggestions;
#[cfg(test)]
mod suite;
mod words;

pub use self::{
    config::{OpenSearchConfig, SearchConfig},
    engine::{EngineError, Hit, SearchEngine},
    http::routes,
    index::TextIndex,
    opensearch::OpenSearch,
    service::{Differences, Found, Search, follow},
    suggestions::Suggestion,
    words::Words,
};
