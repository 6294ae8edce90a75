//! The invariants of a session, checked against what is stored: nothing here repairs.

mod http;
mod violations;

use std::{collections::HashSet, time::Duration};

use serde::Serialize;
use utoipa::ToSchema;

pub use self::{http::desk, violations::Violations};
use crate::{
    clock::Millis,
    ids::SessionId,
    inventory::{Inventory, SeatState},
    money::Money,
    order::storage as orders,
    problem::{Problem, Result},
    storage::{Database, Pool, sql::query},
};

/// A query about what a session has, wherever it is.
macro_rules! of_session {
    ($query:literal) => {
        concat!(include_str!("sql/session.sql"), include_str!($query))
    };
}
/// What an audit found. Every count under `violations` must be zero once the queues have come to rest.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Audit {
    /// The session.
    pub session_id: SessionId,
    /// When it was audited.
    pub at: Millis,
    /// Whether every invariant holds.
    pub sound: bool,
    /// Seats as the ledger has them.
    pub ledger: SeatCounts,
    /// Seats as the database has them.
    pub database: SeatCounts,
    /// Money, by currency.
    pub money: Vec<MoneyCounts>,
    /// What must not be.
    pub violations: Violations,
}

/// Where the money of a session is: what was taken is what tickets cost, what went back, and what was kept of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MoneyCounts {
    /// What providers took.
    pub taken: Money,
    /// What the seats of orders that own them cost.
    pub tickets: Money,
    /// What went back, or is on its way.
    pub refunds: Money,
    /// What was kept of refunded orders.
    pub fees: Money,
}

/// Counts of seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SeatCounts {
    /// All.
    pub seats: u32,
    /// Free.
    pub available: u32,
    /// Held by unpaid orders.
    pub locked: u32,
    /// Paid for.
    pub sold: u32,
}

/// What a look found.
#[derive(Clone, Debug)]
pub struct Look {
    /// The audit.
    pub audit: Audit,
    /// The ledger's epoch: [`Inventory::invalidate`] takes it.
    pub epoch: i64,
    /// Seats about which ledger and database do not agree, and how.
    differing: HashSet<(usize, Differing)>,
}

/// What the database and the ledger say of a seat; nothing where it has no such seat.
type Differing = (Option<SeatState>, Option<SeatState>);

/// Audits sessions.
#[derive(Clone, Debug)]
pub struct Auditor {
    database: Database,
    inventory: Inventory,
}

impl Auditor {
    /// An auditor on its parts.
    #[must_use]
    pub fn new(database: Database, inventory: Inventory) -> Self {
        Self { database, inventory }
    }

    /// Audits one session. While orders change, ledger and database may differ for a moment.
    ///
    /// # Errors
    ///
    /// When the ledger or the database cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn audit(&self, session: SessionId, grace: Duration) -> Result<Audit> {
        Ok(self.look(session, grace).await?.audit)
    }

    /// Audits one session until it is sound, up to `looks` times with a `pause` in between, and leaves out what was not
    /// there at every look: orders on their way from the ledger to the database, and back, are no differences.
    ///
    /// # Errors
    ///
    /// As [`audit`](Self::audit).
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn settled(&self, session: SessionId, grace: Duration, looks: u32, pause: Duration) -> Result<Look> {
        let mut look = self.look(session, grace).await?;
        for _ in 1..looks {
            if look.audit.sound {
                break;
            }
            tokio::time::sleep(pause).await;
            let earlier = std::mem::replace(&mut look, self.look(session, grace).await?);
            look.differing.retain(|seat| earlier.differing.contains(seat));
            let mut violations = look.audit.violations.in_both(earlier.audit.violations);
            violations.ledger_differs = length(&look.differing);
            look.audit.violations = violations;
            look.audit.sound = violations == Violations::default();
        }
        Ok(look)
    }

    async fn look(&self, session: SessionId, grace: Duration) -> Result<Look> {
        let pool = &self.database.read;
        // The ledger first: what it does not know yet the database cannot know either.
        let snapshot = self.inventory.snapshot(session).await?;
        let at = Millis::now();
        let seats = count(pool, include_str!("sql/seats.sql"), session).await?;
        let states = states(pool, session).await?;
        let database = SeatCounts {
            seats,
            available: seats.saturating_sub(length(&states)),
            locked: length_of(&states, SeatState::Locked),
            sold: length_of(&states, SeatState::Sold),
        };
        let mut violations = Violations {
            oversold: count(pool, of_session!("sql/oversold.sql"), session).await?,
            paid_without_seat: count(pool, of_session!("sql/paid_without_seat.sql"), session).await?,
            seat_without_order: count(pool, of_session!("sql/seat_without_order.sql"), session).await?,
            held_twice: count(pool, of_session!("sql/held_twice.sql"), session).await?,
            overdue: overdue(pool, session, at.minus(grace)).await?,
            money_without_order: count(pool, of_session!("sql/money_without_order.sql"), session).await?,
            paid_without_ticket: waiting(pool, session, at.minus(grace)).await?,
            tickets_differ: count(pool, of_session!("sql/tickets_differ.sql"), session).await?,
            money_differs: count(pool, of_session!("sql/money_differs.sql"), session).await?,
            effect_twice: count(pool, of_session!("sql/effect_twice.sql"), session).await?,
            ledger_differs: 0,
        };
        let differing = differing(&states, &snapshot.states);
        violations.ledger_differs = length(&differing);
        let counts = snapshot.counts();
        let audit = Audit {
            session_id: session,
            at,
            sound: violations == Violations::default(),
            ledger: SeatCounts {
                seats: counts.seats,
                available: counts.available(),
                locked: counts.locked,
                sold: counts.sold,
            },
            database,
            money: money(pool, session).await?,
            violations,
        };
        Ok(Look { audit, epoch: snapshot.cursor.epoch, differing })
    }
}

/// The seats that are not in the ledger as the database has them.
fn differing(database: &[(u32, SeatState)], ledger: &[SeatState]) -> HashSet<(usize, Differing)> {
    let mut expected = vec![SeatState::Available; ledger.len()];
    let mut differing = HashSet::new();
    for (position, state) in database {
        let position = usize::try_from(*position).unwrap_or(usize::MAX);
        match expected.get_mut(position) {
            Some(seat) => *seat = *state,
            None => {
                differing.insert((position, (Some(*state), None)));
            }
        }
    }
    let seats = expected.into_iter().zip(ledger.iter().copied()).enumerate();
    differing.extend(seats.filter(|(_, (is, has))| is != has).map(|(place, (is, has))| (place, (Some(is), Some(has)))));
    differing
}

async fn count(pool: &Pool, sql: &'static str, session: SessionId) -> Result<u32> {
    Ok(query(sql).bind(session).scalar(pool).await?)
}

async fn waiting(pool: &Pool, session: SessionId, before: Millis) -> Result<u32> {
    let sql = "SELECT count(*) FROM orders WHERE session_id = $1 AND state = 'PAID' AND updated_at < $2";
    Ok(query(sql).bind(session).bind(before.0).scalar(pool).await?)
}

async fn money(pool: &Pool, session: SessionId) -> Result<Vec<MoneyCounts>> {
    let rows = query(of_session!("sql/money.sql")).bind(session).fetch_all(pool).await?;
    let counts = rows.iter().map(|row| {
        let taken = orders::money(row)?;
        let part = |column: &'static str| Ok::<_, Problem>(Money { minor: row.get(column)?, ..taken });
        Ok(MoneyCounts { taken, tickets: part("tickets")?, refunds: part("refunds")?, fees: part("fees")? })
    });
    counts.collect()
}

async fn overdue(pool: &Pool, session: SessionId, before: Millis) -> Result<u32> {
    Ok(query(include_str!("sql/overdue.sql")).bind(session).bind(before.0).scalar(pool).await?)
}

/// Every seat that is not free, as the database has it.
async fn states(pool: &Pool, session: SessionId) -> Result<Vec<(u32, SeatState)>> {
    query(of_session!("sql/states.sql"))
        .bind(session)
        .fetch_all(pool)
        .await?
        .iter()
        .map(|row| {
            let state = if row.get::<bool>("sold")? { SeatState::Sold } else { SeatState::Locked };
            Ok((row.get("position")?, state))
        })
        .collect()
}

fn length(items: impl IntoIterator<IntoIter: ExactSizeIterator>) -> u32 {
    u32::try_from(items.into_iter().len()).unwrap_or(u32::MAX)
}

fn length_of(states: &[(u32, SeatState)], wanted: SeatState) -> u32 {
    u32::try_from(states.iter().filter(|(_, state)| *state == wanted).count()).unwrap_or(u32::MAX)
}
