//! What a rush showed.

use std::{collections::BTreeMap, fmt, time::Duration};

use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::Value;

use super::{RushArgs, buyer::Tally};

/// The figures and findings of a rush.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether every invariant holds and no request failed.
    pub sound: bool,
    /// Buyers.
    pub users: u32,
    /// Seats.
    pub seats: u32,
    /// Servers that shared the work.
    pub servers: usize,
    /// `POST /orders` that were answered.
    pub attempts: u64,
    /// Orders placed.
    pub placed: u64,
    /// Orders left unpaid on purpose.
    pub abandoned: u64,
    /// Orders that a buyer saw paid.
    pub paid: u64,
    /// Seats sold, by the database.
    pub sold: u64,
    /// Refusals by code.
    pub refused: BTreeMap<String, u64>,
    /// Requests repeated because the answer was lost or asked for patience.
    pub repeated: u64,
    /// Everything else, by text.
    pub errors: BTreeMap<String, u64>,
    /// Seats that more than one paid order has.
    pub oversold: u64,
    /// Orders that a buyer saw paid and that are not.
    pub paid_lost: u64,
    /// Broken invariants, by name; see the audit of a session.
    pub violations: BTreeMap<String, u64>,
    /// Seconds from the first request to the last buyer's end.
    pub seconds: f64,
    /// Orders placed in a second, until 95 of 100 orders were placed: the rest waits for seats that come back.
    pub orders_per_second: f64,
    /// Latency of a granted order.
    pub granted: Latency,
    /// Latency of a refused one.
    pub denied: Latency,
}

/// Latency in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half of the requests were quicker.
    pub p50: f64,
    /// 95 of 100 were quicker.
    pub p95: f64,
    /// 99 of 100 were quicker.
    pub p99: f64,
}

impl Latency {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        // The smallest value that is not smaller than this share of all (nearest rank).
        let at = |percent: usize| {
            let rank = (took.len() * percent).div_ceil(100).saturating_sub(1);
            took.get(rank).copied().unwrap_or_default().as_secs_f64() * 1_000.0
        };
        Self { p50: at(50), p95: at(95), p99: at(99) }
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn rate(mut placed_at: Vec<Duration>) -> f64 {
    placed_at.sort_unstable();
    let most = (placed_at.len() * 95).div_ceil(100);
    match placed_at.get(most.saturating_sub(1)) {
        Some(last) if !last.is_zero() => most as f64 / last.as_secs_f64(),
        _ => 0.0,
    }
}

impl Report {
    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    pub(super) fn new(
        args: &RushArgs,
        servers: usize,
        selling: Duration,
        tally: Tally,
        audits: &[Value],
        paid_lost: u64,
    ) -> Self {
        let mut violations = BTreeMap::<String, u64>::new();
        for (name, count) in audits.iter().filter_map(|audit| audit["violations"].as_object()).flatten() {
            let worst = violations.entry(name.clone()).or_default();
            *worst = (*worst).max(count.as_u64().unwrap_or(u64::MAX));
        }
        let sold = audits.first().and_then(|audit| audit["database"]["sold"].as_u64()).unwrap_or_default();
        let locked = audits.first().and_then(|audit| audit["database"]["locked"].as_u64()).unwrap_or(u64::MAX);
        let paid = tally.paid().len() as u64;
        if locked > 0 {
            violations.insert("held_without_end".to_owned(), locked);
        }
        // Whoever wanted a seat and did not get one means that none was left.
        let wanted = u64::from(args.users) - tally.abandoned;
        let unsold = u64::from(args.seats).min(wanted).saturating_sub(sold);
        violations.insert("unsold_although_wanted".to_owned(), unsold);
        violations.insert("paid_and_lost".to_owned(), paid_lost);
        let seconds = selling.as_secs_f64();
        Self {
            sound: violations.values().all(|count| *count == 0)
                && tally.errors.is_empty()
                && audits.iter().all(|audit| audit["sound"] == true),
            users: args.users,
            seats: args.seats,
            servers,
            attempts: tally.attempts,
            placed: tally.placed,
            abandoned: tally.abandoned,
            paid,
            sold,
            oversold: violations.get("oversold").copied().unwrap_or_default(),
            paid_lost,
            violations,
            seconds,
            orders_per_second: rate(tally.placed_at),
            granted: Latency::of(tally.granted),
            denied: Latency::of(tally.denied),
            refused: tally.refused,
            repeated: tally.repeated,
            errors: tally.errors,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED);
        let latency = |l: &Latency| format!("{:.1} / {:.1} / {:.1}", l.p50, l.p95, l.p99);
        let refused: u64 = self.refused.values().sum();
        let errors: u64 = self.errors.values().sum();
        for (name, value) in [
            ("buyers, seats, servers", format!("{}, {}, {}", self.users, self.seats, self.servers)),
            ("attempts", self.attempts.to_string()),
            ("orders placed", format!("{} ({} left unpaid on purpose)", self.placed, self.abandoned)),
            ("seats sold", format!("{} of {}", self.sold, self.seats)),
            ("refused", refused.to_string()),
            ("repeated", self.repeated.to_string()),
            ("errors", errors.to_string()),
            ("oversold", self.oversold.to_string()),
            ("orders/s", format!("{:.0} (all over after {:.1} s)", self.orders_per_second, self.seconds)),
            ("granted p50/p95/p99 ms", latency(&self.granted)),
            ("refused p50/p95/p99 ms", latency(&self.denied)),
        ] {
            table.add_row([name.to_owned(), value]);
        }
        writeln!(f, "{table}")?;
        for (what, count) in self.violations.iter().filter(|(_, count)| **count > 0) {
            writeln!(f, "BROKEN: {what} = {count}")?;
        }
        for (what, count) in &self.errors {
            writeln!(f, "ERROR ({count}×): {what}")?;
        }
        f.write_str(if self.sound { "Every invariant holds." } else { "The rush is NOT sound." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_leaves_the_stragglers_out() {
        let mut placed_at: Vec<_> = (1..=95).map(|n| Duration::from_millis(10 * n)).collect();
        placed_at.extend([Duration::from_secs(60); 5]);
        assert_eq!(rate(placed_at).round(), 100.0);
        assert_eq!(rate(Vec::new()), 0.0);
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let took: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        let Latency { p50, p95, p99 } = Latency::of(took);
        assert_eq!((p50, p95, p99), (100.0, 190.0, 198.0));
        let Latency { p50, p99, .. } = Latency::of(vec![Duration::from_millis(7)]);
        assert_eq!((p50, p99), (7.0, 7.0));
        assert_eq!(Latency::of(Vec::new()).p99, 0.0);
    }
}
