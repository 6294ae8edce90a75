//! How much one person may order of a sale, counted in the orders themselves: what ends gives back by itself.

use std::collections::BTreeSet;

use aws_lc_rs::digest;

use crate::{
    admission::PerPerson,
    clock::Millis,
    day,
    ids::{SessionId, UserId},
    problem::{Code, Problem, Result},
    storage::{
        Connection,
        sql::{Target, query},
    },
};

/// The limits of a sale for one buyer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    pub(super) limits: PerPerson,
    pub(super) session: SessionId,
    pub(super) user: UserId,
}

/// What a buyer has.
struct Has {
    /// Orders of the account, of today.
    orders: u32,
    /// Seats of all accounts of the person.
    seats: u32,
    /// When the next day begins.
    tomorrow: Millis,
}

impl Quota {
    /// Whether another order of so many seats is within the limits.
    ///
    /// # Errors
    ///
    /// [`Code::DailyLimit`] or [`Code::PersonLimit`] if it is not; otherwise the database failed.
    pub(super) async fn leaves<'t>(&self, target: impl Into<Target<'t>>, seats: usize) -> Result<()> {
        self.check(&self.has(target).await?, count(seats))
    }

    /// Whether the order of so many seats that this transaction has written is within the limits.
    ///
    /// # Errors
    ///
    /// As [`leaves`](Self::leaves).
    pub(super) async fn left(&self, connection: &mut Connection<'_>, seats: usize) -> Result<()> {
        let has = self.has(connection).await?;
        let before = has.seats.saturating_sub(count(seats));
        self.check(&Has { orders: has.orders.saturating_sub(1), seats: before, ..has }, count(seats))
    }

    /// Waits until no other order of this person for this sale is being written, so that each counts all before it.
    ///
    /// # Errors
    ///
    /// The database failed, or others take too long.
    pub(super) async fn alone(&self, connection: &mut Connection<'_>) -> Result<()> {
        let marks = query(include_str!("sql/marks.sql")).bind(self.user).scalars::<String>(&mut *connection).await?;
        // Whoever has several waits for them in one order, as everybody else does.
        let locks: BTreeSet<i64> = marks.iter().map(|mark| self.lock(mark)).collect();
        for lock in locks {
            connection.alone(lock).await?;
        }
        Ok(())
    }

    fn lock(&self, mark: &str) -> i64 {
        let name = digest::digest(&digest::SHA256, format!("person:{}:{mark}", self.session).as_bytes());
        let mut lock = [0; 8];
        lock.copy_from_slice(&name.as_ref()[..8]);
        i64::from_be_bytes(lock)
    }

    async fn has<'t>(&self, target: impl Into<Target<'t>>) -> Result<Has> {
        let (today, tomorrow) = day::bounds(day::of(Millis::now())?)?;
        let row = query(include_str!("sql/quota.sql")).bind(self.user).bind(self.session).bind(today.0);
        let row = row.fetch_optional(target).await?.ok_or(sqlx::Error::RowNotFound)?;
        Ok(Has { orders: row.get("orders")?, seats: row.get("seats")?, tomorrow })
    }

    /// Whether one order of so many seats may be added to what there is.
    fn check(&self, has: &Has, seats: u32) -> Result<()> {
        if let Some(limit) = self.limits.orders_per_day.filter(|limit| has.orders >= *limit) {
            let detail = format!("An account may place {limit} orders of this session on a day.");
            return Err(Problem::new(Code::DailyLimit, detail).with("limit", limit).with("until", has.tomorrow));
        }
        if let Some(limit) = self.limits.seats.filter(|limit| has.seats.saturating_add(seats) > *limit) {
            let has = has.seats;
            let detail = format!("A person may have {limit} seats of this session; you have {has}.");
            return Err(Problem::new(Code::PersonLimit, detail).with("limit", limit).with("has", has));
        }
        Ok(())
    }
}

fn count(seats: usize) -> u32 {
    u32::try_from(seats).unwrap_or(u32::MAX)
}
