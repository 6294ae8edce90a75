//! The seat ledger: who holds which seat of a session right now.

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use crate::ids::{OrderId, SeatPosition, SessionId, UserId};

/// Decides AVAILABLE → LOCKED, and follows the database for SOLD.
///
/// # Contract
///
/// * `hold` is one atomic step: all seats or none.
/// * `hold` is idempotent by order: the same order and seats again answer [`Hold::Held`] and change nothing; the same
///   order with other seats answers [`Hold::OtherSeats`].
/// * A seat is never held by two orders, whatever runs at the same time.
/// * One user never holds or owns more than the session's limit of seats.
/// * `release` frees only seats that this order still holds; a sold seat stays sold.
/// * `sell` turns the seats that this order holds into SOLD, and is idempotent.
/// * Each change appends to the session's change log, in the same step.
/// * A session that was never loaded, or whose memory was lost, answers [`Hold::NotReady`] until `load` is called; it
///   never answers from an older state.
/// * `load` with an epoch that is not greater than the present one changes nothing and answers `false`.
#[async_trait]
pub trait SeatLedger: std::fmt::Debug + Send + Sync + 'static {
    /// Holds seats for an order, all or none.
    async fn hold(&self, request: &HoldRequest) -> Result<Hold, LedgerError>;

    /// Frees the seats that `order` still holds; answers how many.
    async fn release(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError>;

    /// Marks the seats that `order` holds as sold; answers how many.
    async fn sell(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError>;

    /// Replaces what is known about a session by what the database says, under a newer epoch.
    async fn load(&self, session: SessionId, image: LedgerImage) -> Result<bool, LedgerError>;

    /// All seats of a session; `None` when the session is not loaded.
    async fn snapshot(&self, session: SessionId) -> Result<Option<Snapshot>, LedgerError>;

    /// The counts of a session; `None` when the session is not loaded.
    async fn counts(&self, session: SessionId) -> Result<Option<Counts>, LedgerError>;

    /// What changed after `cursor`, oldest first; [`Changes::Reset`] when the log does not reach back that far.
    async fn changes(&self, session: SessionId, cursor: Cursor) -> Result<Changes, LedgerError>;

    /// Orders that have held seats for at least `age`, oldest first, at most `limit`.
    async fn holds(&self, session: SessionId, age: Duration, limit: usize) -> Result<Vec<OrderId>, LedgerError>;

    /// A hint that some session changed: may be late, spurious or missed, so callers also look on a timer.
    async fn changed(&self);
}

/// What `hold` is asked for.
#[derive(Clone, Debug)]
pub struct HoldRequest {
    /// The session whose seats are wanted.
    pub session: SessionId,
    /// The order that will own the hold.
    pub order: OrderId,
    /// The buyer.
    pub user: UserId,
    /// The seats, without duplicates, 1 to 10.
    pub seats: Vec<SeatPosition>,
}

/// The answer to a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Hold {
    /// The seats are this order's, under this epoch of the ledger.
    Held {
        /// To be checked again when the order is written to the database.
        epoch: i64,
    },
    /// These seats belong to someone else.
    Taken(Vec<SeatPosition>),
    /// With these seats the user would have more than `limit`; they have `has`.
    UserLimit {
        /// Seats the user holds or owns now.
        has: u32,
        /// Seats the user may have.
        limit: u32,
    },
    /// The order already holds other seats.
    OtherSeats,
    /// The plan has no such seat.
    UnknownSeat(SeatPosition),
    /// The ledger has to be loaded from the database first.
    NotReady,
}

/// How `release` or `sell` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// This many seats changed their state.
    Changed(u32),
    /// Nothing to do: it was done before, or the order never held anything.
    Unchanged,
    /// The ledger has to be loaded from the database first.
    NotReady,
}

/// State of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SeatState {
    /// Free to take.
    Available = b'A',
    /// Held by an unpaid order.
    Locked = b'L',
    /// Paid for.
    Sold = b'S',
}

impl SeatState {
    /// The letter used in snapshots, change logs and the HTTP interface.
    #[must_use]
    pub fn letter(self) -> char {
        char::from(self as u8)
    }

    /// Reads the letter.
    #[must_use]
    pub fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'A' => Some(Self::Available),
            b'L' => Some(Self::Locked),
            b'S' => Some(Self::Sold),
            _ => None,
        }
    }
}

/// The content of a session's ledger, as the database knows it.
#[derive(Clone, Debug)]
pub struct LedgerImage {
    /// Fence token of the lock under which the image was read.
    pub epoch: i64,
    /// Number of seats of the plan.
    pub seats: u32,
    /// Most seats one user may have.
    pub seats_per_user: u32,
    /// Every order that holds or owns seats.
    pub orders: Vec<ImageOrder>,
}

/// An order within a [`LedgerImage`].
#[derive(Clone, Debug)]
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

/// All seats at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Where to go on reading changes.
    pub cursor: Cursor,
    /// One state a seat, by position.
    pub states: Vec<SeatState>,
}

/// Counts of a session; `seats` = available + locked + sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The ledger's epoch.
    pub epoch: i64,
    /// Seats of the plan.
    pub seats: u32,
    /// Held by unpaid orders.
    pub locked: u32,
    /// Paid for.
    pub sold: u32,
}

impl Counts {
    /// Seats free to take.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.seats.saturating_sub(self.locked).saturating_sub(self.sold)
    }
}

/// A place in a session's change log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The ledger's epoch: a place in an older generation's log means nothing in this one.
    pub epoch: i64,
    /// Number of the last change seen.
    pub sequence: u64,
}

/// What `changes` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// The changes after the cursor, oldest first; a seat may occur more than once.
    Since {
        /// Where to go on.
        cursor: Cursor,
        /// The new states.
        seats: Vec<(SeatPosition, SeatState)>,
    },
    /// The log does not reach back to the cursor: take a snapshot.
    Reset,
}

/// The ledger could not say.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// Nothing was changed, or nothing can be known: asking again with the same order is safe.
    #[error("the seat ledger cannot be reached: {context}")]
    Unavailable {
        /// What was tried.
        context: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What the ledger's server answered makes no sense.
    #[error("the seat ledger answered nonsense: {0}")]
    Corrupt(String),
}
