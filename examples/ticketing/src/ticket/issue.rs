//! Tickets of paid orders.

use std::time::Duration;

use super::{
    code::Codes,
    storage::{self, TicketRow},
};
use crate::{
    clock::Millis,
    ids::OrderId,
    order::{OrderState, storage as orders},
    outbox::{Notice, Outbox, Topic},
    problem::{Problem, Result},
    storage::Database,
};

/// Issues tickets, and lets people in with them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tickets {
    pub(super) database: Database,
    pub(super) codes: Codes,
    outbox: Outbox,
}

impl Tickets {
    /// The service on its parts.
    #[must_use]
    pub fn new(database: Database, codes: Codes, outbox: Outbox) -> Self {
        Self { database, codes, outbox }
    }

    /// Makes and reads what the QR codes say.
    #[must_use]
    pub fn codes(&self) -> &Codes {
        &self.codes
    }

    /// Issues the tickets of a paid order: PAID → ISSUED, once, however often this is asked.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    ///
    /// # Cancel safety
    ///
    /// Issued or not; asking again finds out.
    pub async fn issue(&self, order: OrderId) -> Result<bool> {
        let outbox = self.outbox.clone();
        let issued = self
            .database
            .write
            .run::<_, Problem, _>(move |connection| {
                Box::pin(async move {
                    let row = orders::lock(connection, order).await?;
                    // Anything else was issued before, or is being refunded.
                    if row.is_none_or(|row| row.state != OrderState::Paid) {
                        return Ok(false);
                    }
                    storage::issue(connection, order).await?;
                    let (from, to) = (OrderState::Paid, OrderState::Issued);
                    let issued = orders::transition(connection, order, from, to, "tickets issued").await?;
                    if issued {
                        outbox.record(connection, &Notice::order(order, Topic::TicketsIssued)).await?;
                    }
                    Ok(issued)
                })
            })
            .await?;
        if issued {
            self.outbox.wake();
            metrics::counter!("ticketing_tickets_issued_total").increment(1);
        }
        Ok(issued)
    }

    /// The tickets of an order, with their codes.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn of_order(&self, order: OrderId) -> Result<Vec<(TicketRow, String)>> {
        let rows = storage::of_order(&self.database.read, order).await?;
        Ok(rows.into_iter().map(|row| (self.codes.of(row.id), row)).map(|(code, row)| (row, code)).collect())
    }

    /// Issues what lost messages left behind: orders that are paid for longer than `age`. Answers how many there were.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    ///
    /// # Cancel safety
    ///
    /// Some may be issued; the next run does the others.
    pub async fn catch_up(&self, age: Duration, limit: u32) -> Result<u32> {
        let mut issued = 0;
        for order in storage::unissued(&self.database.read, Millis::now().minus(age), limit).await? {
            issued += u32::from(self.issue(order).await?);
        }
        Ok(issued)
    }

    /// Ends the orders whose show began more than `length` ago: ISSUED → COMPLETED. Answers how many there were.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    ///
    /// # Cancel safety
    ///
    /// All of them or none.
    pub async fn complete(&self, length: Duration, limit: u32) -> Result<u32> {
        let over = storage::over(&self.database.read, Millis::now().minus(length), limit).await?;
        if over.is_empty() {
            return Ok(0);
        }
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    let mut completed = 0;
                    for order in over {
                        let (from, to) = (OrderState::Issued, OrderState::Completed);
                        let done = orders::transition(connection, order, from, to, "the show is over").await?;
                        completed += u32::from(done);
                    }
                    Ok(completed)
                })
            })
            .await
    }
}
