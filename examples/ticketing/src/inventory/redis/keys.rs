//! Names of what a session has on the server, and how it is written there; `common.lua` documents it.

use std::fmt::Write;

use crate::ids::{SeatPosition, SessionId};

/// The keys of one session, in one slot of a cluster.
#[derive(Debug)]
pub(super) struct Keys {
    base: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, session: SessionId) -> Self {
        Self { base: format!("{prefix}{{{session}}}:") }
    }

    /// Book, states, orders, users, ages and log.
    pub(super) fn all(&self) -> [String; 6] {
        ["book", "states", "orders", "users", "ages", "log"].map(|name| format!("{}{name}", self.base))
    }

    /// States, orders, users and ages of an image that is being built.
    pub(super) fn staged(&self, epoch: i64) -> [String; 4] {
        ["states", "orders", "users", "ages"].map(|name| format!("{}load:{epoch}:{name}", self.base))
    }

    /// Where hints are published.
    pub(super) fn channel(&self) -> String {
        format!("{}changed", self.base)
    }
}

/// `12,13`
pub(super) fn positions(seats: &[SeatPosition]) -> String {
    let mut text = String::with_capacity(seats.len() * 6);
    for (index, position) in seats.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{position}");
    }
    text
}
