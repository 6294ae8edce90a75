//! Links by which a recipient of marketing ends it.

mod links;
#[cfg(feature = "axum")]
mod routes;

pub use self::links::UnsubscribeLinks;
#[cfg(feature = "axum")]
pub use self::routes::UnsubscribeRoutes;
