//! What a rush showed.

use std::{collections::BTreeMap, fmt, time::Duration};

use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::Value;

use super::{buyer::Tally, chaos::Chaos, kills, profile::Plan, windows::Window};
use crate::money::parse_minor;

/// What is known of a sale when everybody has gone.
pub(super) struct Sold {
    pub(super) plan: Plan,
    pub(super) tally: Tally,
    /// From its beginning to the last buyer's end.
    pub(super) took: Duration,
    /// What each server says of it.
    pub(super) audits: Vec<Value>,
    /// Orders that a buyer saw paid and that are not.
    pub(super) lost: u64,
}

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
    /// Latency of what is only looked at.
    pub queries: Latency,
    /// Where the money is, in minor units: what was taken is the sum of the others.
    pub money: BTreeMap<String, i64>,
    /// The sales, when there were several.
    pub sales: Vec<SaleReport>,
    /// How long it took until everybody knew, as the servers measured it meanwhile.
    pub windows: Vec<Window>,
    /// What was killed meanwhile.
    pub chaos: Option<Chaos>,
}

/// The figures of one sale of a rush.
#[derive(Clone, Debug, Serialize)]
pub struct SaleReport {
    /// `show` or `flash`.
    pub name: &'static str,
    /// Buyers.
    pub users: u32,
    /// Seats.
    pub seats: u32,
    /// Seats sold, by the database.
    pub sold: u64,
    /// Orders placed.
    pub placed: u64,
    /// As of the whole.
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
    pub(crate) fn of(mut took: Vec<Duration>) -> Self {
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

impl Sold {
    fn figure(&self, pointer: &str) -> Option<u64> {
        self.audits.first().and_then(|audit| audit.pointer(pointer)).and_then(Value::as_u64)
    }

    fn sold(&self) -> u64 {
        self.figure("/database/sold").unwrap_or_default()
    }

    /// Broken invariants by name, the worst that any server says of each.
    fn violations(&self) -> BTreeMap<String, u64> {
        let mut violations = BTreeMap::<String, u64>::new();
        for (name, count) in self.audits.iter().filter_map(|audit| audit["violations"].as_object()).flatten() {
            let worst = violations.entry(name.clone()).or_default();
            *worst = (*worst).max(count.as_u64().unwrap_or(u64::MAX));
        }
        violations.insert("held_without_end".to_owned(), self.figure("/database/locked").unwrap_or(u64::MAX));
        // Whoever wanted a seat and did not get one means that none was left.
        let wanted = u64::from(self.plan.users).saturating_sub(self.tally.abandoned);
        let unsold = u64::from(self.plan.seats).min(wanted).saturating_sub(self.sold());
        violations.insert("unsold_although_wanted".to_owned(), unsold);
        violations.insert("paid_and_lost".to_owned(), self.lost);
        let money = self.money();
        if let Some(taken) = money.get("taken") {
            let out: i64 = money
                .iter()
                .filter(|(name, _)| *name != "taken")
                .fold(0, |all: i64, (_, sum)| all.saturating_add(*sum));
            violations.insert("money_unbalanced".to_owned(), taken.abs_diff(out));
        }
        violations
    }

    /// Minor units by what became of them, over all currencies. What was taken is the sum of the others.
    fn money(&self) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::<String, i64>::new();
        let currencies = self.audits.first().and_then(|audit| audit["money"].as_array()).into_iter().flatten();
        for (name, amount) in currencies.filter_map(Value::as_object).flatten() {
            let sum = sums.entry(name.clone()).or_default();
            *sum = sum.saturating_add(amount["amount"].as_str().and_then(parse_minor).unwrap_or(i64::MAX));
        }
        sums
    }

    fn report(&self) -> SaleReport {
        SaleReport {
            name: self.plan.name,
            users: self.plan.users,
            seats: self.plan.seats,
            sold: self.sold(),
            placed: self.tally.placed,
            orders_per_second: rate(self.tally.placed_at.clone()),
            granted: Latency::of(self.tally.granted.clone()),
            denied: Latency::of(self.tally.denied.clone()),
        }
    }
}

impl Report {
    pub(super) fn new(
        servers: usize,
        sold: Vec<Sold>,
        repeated: u64,
        windows: Vec<Window>,
        chaos: Option<Chaos>,
    ) -> Self {
        let (mut violations, mut money) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, i64>::new());
        for sale in &sold {
            for (name, count) in sale.violations() {
                let sum = violations.entry(name).or_default();
                *sum = sum.saturating_add(count);
            }
            for (name, amount) in sale.money() {
                let sum = money.entry(name).or_default();
                *sum = sum.saturating_add(amount);
            }
        }
        let audited = sold.iter().flat_map(|sale| &sale.audits).all(|audit| audit["sound"] == true);
        let sales: Vec<_> = sold.iter().map(Sold::report).collect();
        let (seats_sold, lost) = (sold.iter().map(Sold::sold).sum(), sold.iter().map(|sale| sale.lost).sum());
        let (users, seats) = (sales.iter().map(|sale| sale.users).sum(), sales.iter().map(|sale| sale.seats).sum());
        let took = sold.iter().map(|sale| sale.took).max().unwrap_or_default();
        let mut tally = Tally::default();
        for sale in sold {
            tally.add(sale.tally);
        }
        Self {
            sound: violations.values().all(|count| *count == 0) && tally.errors.is_empty() && audited,
            users,
            seats,
            servers,
            attempts: tally.attempts,
            placed: tally.placed,
            abandoned: tally.abandoned,
            paid: tally.paid().len() as u64,
            sold: seats_sold,
            oversold: violations.get("oversold").copied().unwrap_or_default(),
            paid_lost: lost,
            violations,
            seconds: took.as_secs_f64(),
            orders_per_second: rate(tally.placed_at),
            granted: Latency::of(tally.granted),
            denied: Latency::of(tally.denied),
            queries: Latency::of(tally.queries),
            refused: tally.refused,
            repeated,
            errors: tally.errors,
            money,
            sales: if sales.len() > 1 { sales } else { Vec::new() },
            windows,
            chaos,
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
            ("looked at p50/p95/p99 ms", latency(&self.queries)),
            ("money", by_name(&self.money)),
        ] {
            table.add_row([name.to_owned(), value]);
        }
        for sale in &self.sales {
            let figures = format!(
                "{} of {} seats sold, {:.0} orders/s, granted {} ms",
                sale.sold,
                sale.seats,
                sale.orders_per_second,
                latency(&sale.granted)
            );
            table.add_row([format!("of it {}", sale.name), figures]);
        }
        for window in &self.windows {
            table.add_row([format!("{} p50/p99/max ms, at most", window.name), window.text()]);
        }
        if let Some(chaos) = &self.chaos {
            table.add_row([format!("killed (--chaos-seed {})", chaos.seed), by_name(&chaos.strikes)]);
        }
        writeln!(f, "{table}")?;
        if let Some(chaos) = &self.chaos {
            writeln!(f, "{}", kills::table(&chaos.kills))?;
        }
        writeln!(f, "Invariants: {}", by_name(&self.violations))?;
        for (what, count) in self.violations.iter().filter(|(_, count)| **count > 0) {
            writeln!(f, "BROKEN: {what} = {count}")?;
        }
        for (what, count) in &self.errors {
            writeln!(f, "ERROR ({count}×): {what}")?;
        }
        f.write_str(if self.sound { "Every invariant holds." } else { "The rush is NOT sound." })
    }
}

fn by_name<T: fmt::Display>(items: &BTreeMap<String, T>) -> String {
    items.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
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
