//! The content of a session's ledger, as the database knows it.

use std::collections::HashMap;

use super::SeatState;
use crate::ids::{OrderId, SeatPosition, UserId};

/// The content of a session's ledger, as the database knows it.
#[derive(Clone, Debug)]
pub struct LedgerImage {
    /// Number of this generation of the ledger, greater than every earlier one.
    pub epoch: i64,
    /// Number of seats of the plan.
    pub seats: u32,
    /// Most seats one user may have.
    pub seats_per_user: u32,
    /// Every order that holds or owns seats.
    pub orders: Vec<ImageOrder>,
}

/// An order within a [`LedgerImage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageOrder {
    /// The order.
    pub order: OrderId,
    /// The buyer.
    pub user: UserId,
    /// Its seats.
    pub seats: Vec<SeatPosition>,
    /// Whether they are paid for.
    pub sold: bool,
}

/// A [`LedgerImage`] in the form that ledgers store: each seat has one owner at most.
#[derive(Debug)]
pub(super) struct Layout {
    /// One state a seat.
    pub(super) states: Vec<SeatState>,
    /// The orders, with ascending positions and never without seats.
    pub(super) orders: Vec<ImageOrder>,
    /// Seats of each user.
    pub(super) users: HashMap<UserId, u32>,
    /// Seats held.
    pub(super) locked: u32,
    /// Seats sold.
    pub(super) sold: u32,
}

impl LedgerImage {
    /// Lays the orders out over the seats. A seat claimed twice goes to the sold order; the database forbids that two
    /// orders have it sold, and the epoch of the ledger that two live orders hold it, so a second claim is logged.
    pub(super) fn layout(&self) -> Layout {
        let mut layout = Layout {
            states: vec![SeatState::Available; self.seats as usize],
            orders: Vec::with_capacity(self.orders.len()),
            users: HashMap::new(),
            locked: 0,
            sold: 0,
        };
        let mut orders: Vec<_> = self.orders.iter().collect();
        orders.sort_by_key(|order| !order.sold);
        for order in orders {
            layout.place(order);
        }
        layout
    }
}

impl Layout {
    fn place(&mut self, order: &ImageOrder) {
        let state = if order.sold { SeatState::Sold } else { SeatState::Locked };
        let mut seats = order.seats.clone();
        seats.sort_unstable();
        seats.dedup();
        seats.retain(|position| match self.states.get_mut(*position as usize) {
            Some(free @ SeatState::Available) => {
                *free = state;
                true
            }
            other => {
                tracing::error!(order = %order.order, position, found = ?other, "an order claims a seat it cannot have");
                false
            }
        });
        let count = u32::try_from(seats.len()).unwrap_or(u32::MAX);
        if count == 0 {
            return;
        }
        if order.sold {
            self.sold += count;
        } else {
            self.locked += count;
        }
        *self.users.entry(order.user).or_default() += count;
        self.orders.push(ImageOrder { seats, ..order.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_has_one_owner_and_a_sale_beats_a_hold() {
        let order = |seats: &[u32], sold| ImageOrder {
            order: OrderId::new(),
            user: UserId::new(),
            seats: seats.to_vec(),
            sold,
        };
        let image = LedgerImage {
            epoch: 1,
            seats: 4,
            seats_per_user: 4,
            orders: vec![order(&[2, 1], false), order(&[1], true), order(&[9], false), order(&[2], false)],
        };
        let layout = image.layout();
        let letters: String = layout.states.iter().map(|s| s.letter()).collect();
        assert_eq!(letters, "ASLA");
        assert_eq!((layout.locked, layout.sold), (1, 1));
        let seats: Vec<_> = layout.orders.iter().map(|o| o.seats.as_slice()).collect();
        assert_eq!(seats, [&[1][..], &[2]]);
        assert_eq!(layout.users.values().sum::<u32>(), 2);
    }
}
