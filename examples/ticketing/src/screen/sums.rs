//! The orders of a session, added up.

use std::time::Duration;

use tokio::time::Instant;

use super::view::OrderSums;
use crate::{
    ids::SessionId,
    money::{Currency, Money},
    order::OrderState,
    problem::Result,
    storage::{Pool, sql::query},
};

/// The orders are added up after this time at the earliest, and so seldom that it takes a twentieth of a reader's time.
const SOONEST: Duration = Duration::from_secs(1);
const SHARE: u32 = 20;

/// The sums as they were read last.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) orders: OrderSums,
    due: Option<Instant>,
}

impl Sums {
    /// Adds the orders up, unless that was done a moment ago.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub(super) async fn read(&mut self, pool: &Pool, session: SessionId, currency: Option<Currency>) -> Result<()> {
        let begun = Instant::now();
        if self.due.is_some_and(|due| begun < due) {
            return Ok(());
        }
        self.due = Some(begun + SOONEST);
        let rows = query(include_str!("sql/orders.sql")).bind(session).fetch_all(pool).await?;
        let (mut sums, mut revenue) = (OrderSums::default(), 0_i64);
        for row in rows {
            let (state, orders, minor): (String, u32, i64) = (row.get("state")?, row.get("orders")?, row.get("minor")?);
            let orders = u64::from(orders);
            sums.placed += orders;
            match OrderState::from_name(&state) {
                Some(state) if state.is_live() => sums.unpaid += orders,
                Some(state) if state.owns_seats() => {
                    sums.paid += orders;
                    revenue = revenue.saturating_add(minor);
                }
                Some(OrderState::Cancelled) => sums.cancelled += orders,
                Some(OrderState::TimeoutCancelled) => sums.timed_out += orders,
                Some(OrderState::Refunded) => sums.refunded += orders,
                _ => {}
            }
        }
        sums.revenue = currency.map(|currency| Money { minor: revenue, currency });
        self.orders = sums;
        self.due = Some(begun + SOONEST.max(begun.elapsed() * SHARE));
        Ok(())
    }
}
