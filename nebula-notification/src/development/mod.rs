//! A sender for the developer's machine: it shows messages instead of sending them.

mod outbox;
mod routes;

pub use self::outbox::{DevelopmentOutbox, DevelopmentSender, ShownMessage};
