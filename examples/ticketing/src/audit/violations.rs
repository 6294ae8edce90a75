//! What must not be.

use serde::Serialize;
use utoipa::ToSchema;

/// Broken invariants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Violations {
    /// Seats that more than one paid order has.
    pub oversold: u32,
    /// Seats of paid orders without their unique row.
    pub paid_without_seat: u32,
    /// Unique rows without their paid order.
    pub seat_without_order: u32,
    /// Seats that two live orders have.
    pub held_twice: u32,
    /// Unpaid orders past their time by more than the grace.
    pub overdue: u32,
    /// Charges that nobody has an order for and that do not go back.
    pub money_without_order: u32,
    /// Paid orders that have waited for their tickets for longer than the grace.
    pub paid_without_ticket: u32,
    /// Seats of orders with tickets that have none, or tickets that open doors without such an order.
    pub tickets_differ: u32,
    /// Orders of which what was taken is not what their seats cost and what went back, fees included.
    pub money_differs: u32,
    /// Orders that were paid or ended more than once: a message had its effect twice.
    pub effect_twice: u32,
    /// Seats about which ledger and database do not agree.
    pub ledger_differs: u32,
}

impl Violations {
    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.each().into_iter().fold(0, u32::saturating_add)
    }

    /// What was there both times.
    pub(super) fn in_both(mut self, mut other: Self) -> Self {
        for (mine, others) in self.each_mut().into_iter().zip(other.each_mut()) {
            *mine = (*mine).min(*others);
        }
        self
    }

    fn each(mut self) -> [u32; 11] {
        self.each_mut().map(|count| *count)
    }

    fn each_mut(&mut self) -> [&mut u32; 11] {
        let Self {
            oversold,
            paid_without_seat,
            seat_without_order,
            held_twice,
            overdue,
            money_without_order,
            paid_without_ticket,
            tickets_differ,
            money_differs,
            effect_twice,
            ledger_differs,
        } = self;
        [
            oversold,
            paid_without_seat,
            seat_without_order,
            held_twice,
            overdue,
            money_without_order,
            paid_without_ticket,
            tickets_differ,
            money_differs,
            effect_twice,
            ledger_differs,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_once_only_does_not_count() {
        let first = Violations { oversold: 2, ledger_differs: 5, overdue: 1, ..Violations::default() };
        let second = Violations { oversold: 1, ledger_differs: 7, tickets_differ: 3, ..Violations::default() };
        let both = first.in_both(second);
        assert_eq!(both, Violations { oversold: 1, ledger_differs: 5, ..Violations::default() });
        assert_eq!((both.total(), Violations::default().total()), (6, 0));
    }
}
