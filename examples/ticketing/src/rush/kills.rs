//! What each kill meant to buyers.

use comfy_table::{Table, presets};
use serde::Serialize;
use tokio::time::Instant;

use super::pulse::Pulse;

/// What happened to a server.
#[derive(Clone, Debug)]
pub(super) struct Strike {
    pub(super) target: String,
    pub(super) killed: Instant,
    /// When it was started again.
    pub(super) started: Instant,
    /// When it answered again.
    pub(super) up: Instant,
}

/// A kill. All times are milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Kill {
    /// What was killed.
    pub target: String,
    /// When, since the first sale began.
    pub at: u64,
    /// From the kill until it was started again.
    pub down: u64,
    /// From the kill until it answered again.
    pub up: u64,
    /// What became of orders: those that were placed.
    pub orders: Served,
    /// What became of reads: those that were answered.
    pub reads: Served,
}

/// When requests succeeded again. What was asked for before does not count.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Served {
    /// From the kill to the first one while the server was still away; none if there was none.
    pub while_away: Option<u64>,
    /// From the moment in which it answered again to the first one; none if nobody asked any more.
    pub after_up: Option<u64>,
    /// The longest time without one, from the kill to the first one after it was up; none if that was not seen.
    pub longest_silence: Option<u64>,
}

impl Kill {
    pub(super) fn of(strike: &Strike, began: Instant, orders: &Pulse, reads: &Pulse) -> Self {
        let served = |pulse: &Pulse| {
            let after = pulse.first(strike.up, None);
            Served {
                while_away: pulse.first(strike.killed, Some(strike.up)).map(|at| ms(strike.killed, at)),
                after_up: after.map(|at| ms(strike.up, at)),
                longest_silence: after.map(|at| {
                    let silence = pulse.longest_silence(strike.killed, at);
                    u64::try_from(silence.as_millis()).unwrap_or(u64::MAX)
                }),
            }
        };
        Self {
            target: strike.target.clone(),
            at: ms(began, strike.killed),
            down: ms(strike.killed, strike.started),
            up: ms(strike.killed, strike.up),
            orders: served(orders),
            reads: served(reads),
        }
    }
}

fn ms(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}

/// For people: one line a kill.
pub(super) fn table(kills: &[Kill]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED);
    table.set_header([
        "killed",
        "at s",
        "up after ms",
        "order: while away",
        "after up",
        "longest without",
        "read: while away",
        "after up",
        "longest without",
    ]);
    let text = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    for kill in kills {
        #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
        let at = format!("{:.1}", kill.at as f64 / 1_000.0);
        let mut row = vec![kill.target.clone(), at, kill.up.to_string()];
        for served in [kill.orders, kill.reads] {
            row.extend([served.while_away, served.after_up, served.longest_silence].map(text));
        }
        table.add_row(row);
    }
    table
}
