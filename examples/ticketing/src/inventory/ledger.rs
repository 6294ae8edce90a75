//! The seat ledger: who holds which seat of a session right now.

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use tokio::sync::watch;

use super::{Changes, Counts, Cursor, LedgerImage, Snapshot};
use crate::ids::{OrderId, SeatPosition, SessionId, UserId};

/// Decides AVAILABLE → LOCKED, and follows the database for SOLD.
///
/// # Contract
///
/// The suite in `tests/inventory` has one test of the same name for each bullet.
///
/// * `hold_takes_all_or_none`: `hold` is one atomic step; a refusal changes nothing and names every seat that is taken.
/// * `hold_repeats_by_order`: the order's own seats again, in whatever sequence, answer [`Hold::Held`] and change
///   nothing but the age of the hold, also when they are sold by now; the same order with other seats is refused with
///   [`Hold::OtherSeats`], which names those that it has.
/// * `no_seat_twice`: a seat is never held by two orders, whatever runs at the same time.
/// * `user_limit_counts_held_and_sold`: one user never holds or owns more than the session's limit of seats.
/// * `the_counter_has_no_limit`: who buys at a counter is not one person, and [`UserId::COUNTER`] has no limit.
/// * `unknown_seats_are_refused`: seats outside the plan are refused.
/// * `release_frees_only_holds`: `release` frees the seats that this order still holds; sold seats stay sold.
/// * `expire_spares_young_holds`: `expire` is `release`, unless the hold is younger than the given age; both are one
///   step. So a hold repeated in time is never taken away by a sweep that looked a moment earlier.
/// * `sell_repeats`: `sell` turns the seats that this order holds into SOLD, once; of an order that holds nothing it
///   changes nothing and says so.
/// * `many_sell_at_once_each_for_itself`: of many confirmations at the same time, repeated ones among them, each has the answer that
///   it would have alone.
/// * `refund_frees_sold_seats`: `refund` frees what this order holds or owns, once, and counts for nobody's limit any more.
/// * `changes_are_logged`: each change appends to the session's change log in the same step; the log replayed over a
///   snapshot gives every later snapshot.
/// * `old_cursors_reset`: a cursor of another epoch, or one the log does not reach back to, answers [`Changes::Reset`].
/// * `watch_hints`: a watch sees a hint after each change, see [`HINT_COVERS`].
/// * `counts_add_up`: available + locked + sold = seats, in counts and snapshots alike.
/// * `holds_lists_the_oldest`: `holds` lists unsold orders by age.
/// * `unloaded_is_not_ready`: a session that was never loaded answers `NotReady`, and `None` where it has no such word.
/// * `load_replaces_all`: `load` becomes visible at once as a whole; what the image does not know is gone.
/// * `older_epochs_do_not_load`: `load` with an epoch that is not greater than the present one changes nothing.
///
/// And for a ledger whose memory is on another machine: after that memory was lost, or restored from an older copy, the
/// session answers as if it was never loaded.
///
/// The methods are cancel safe in the sense that matters here: a step happens as a whole or not at all, and asking again
/// with the same order finds out. Whether it happened is unknown to a caller that left.
#[async_trait]
pub trait SeatLedger: std::fmt::Debug + Send + Sync + 'static {
    /// Holds seats for an order, all or none.
    ///
    /// # Errors
    ///
    /// When the ledger could not say; the same for all other methods.
    async fn hold(&self, request: &HoldRequest) -> Result<Hold, LedgerError>;

    /// Frees the seats that `order` still holds.
    async fn release(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError>;

    /// Frees the seats that `order` still holds if nobody asked for this hold within `age`.
    async fn expire(&self, session: SessionId, order: OrderId, age: Duration) -> Result<Settled, LedgerError>;

    /// Marks the seats that `order` holds as sold.
    async fn sell(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError>;

    /// Frees the seats that `order` holds or owns: its money went back.
    async fn refund(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError>;

    /// Replaces what is known about a session by what the database says, under a newer epoch.
    async fn load(&self, session: SessionId, image: &LedgerImage) -> Result<Load, LedgerError>;

    /// All seats of a session; `None` when the session is not loaded.
    async fn snapshot(&self, session: SessionId) -> Result<Option<Snapshot>, LedgerError>;

    /// The counts of a session; `None` when the session is not loaded.
    async fn counts(&self, session: SessionId) -> Result<Option<Counts>, LedgerError>;

    /// Where a session stands now, if the ledger can tell without asking anybody.
    fn at_hand(&self, session: SessionId) -> Option<Cursor> {
        let _ = session;
        None
    }

    /// What changed after `cursor`, oldest first, at most some thousand steps: go on from the answered cursor until it
    /// stands still.
    async fn changes(&self, session: SessionId, cursor: Cursor) -> Result<Changes, LedgerError>;

    /// Unsold orders whose hold is at least `age` old, oldest first, at most `limit`.
    async fn holds(&self, session: SessionId, age: Duration, limit: usize) -> Result<Vec<OrderId>, LedgerError>;

    /// Hints that the session changed. They may be late, spurious or, when a link broke, missing: look on a timer too.
    fn watch(&self, session: SessionId) -> watch::Receiver<()>;
}

/// A hint also stands for all changes within this time after it, so that a rush of holds does not become a rush of hints:
/// read the log this long after a hint.
pub const HINT_COVERS: Duration = Duration::from_millis(50);

/// Steps of a session's change log that a ledger keeps unless told otherwise.
pub(super) const LOG: usize = 65_536;

/// What `hold` is asked for.
#[derive(Clone, Debug)]
pub struct HoldRequest {
    /// The session whose seats are wanted.
    pub session: SessionId,
    /// The order that will own the hold.
    pub order: OrderId,
    /// The buyer.
    pub user: UserId,
    /// The seats, 1 to 10 different ones.
    pub seats: Vec<SeatPosition>,
}

impl HoldRequest {
    /// The seats in ascending order, each once.
    pub(super) fn positions(&self) -> Vec<SeatPosition> {
        let mut seats = self.seats.clone();
        seats.sort_unstable();
        seats.dedup();
        seats
    }
}

/// The answer to a hold. Where several refusals apply, the one named first here is given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Hold {
    /// The ledger has to be loaded from the database first.
    NotReady,
    /// The plan has no such seat.
    UnknownSeat(SeatPosition),
    /// The order already has other seats: these, in ascending order. None are named if it is another user's.
    OtherSeats(Vec<SeatPosition>),
    /// With these seats the user would have more than `limit`; they have `has`.
    UserLimit {
        /// Seats the user holds or owns now.
        has: u32,
        /// Seats the user may have.
        limit: u32,
    },
    /// These seats belong to other orders.
    Taken(Vec<SeatPosition>),
    /// The seats are this order's, under this epoch of the ledger.
    Held {
        /// To be compared with the session's epoch in the transaction that writes the order to the database.
        epoch: i64,
    },
}

/// How `release`, `expire` or `sell` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// This many seats changed their state.
    Changed(u32),
    /// The order's seats stay as they are: sold before, or held too recently to expire.
    Kept,
    /// The order has no seats: released before, or never held.
    NothingHeld,
    /// The ledger has to be loaded from the database first.
    NotReady,
}

/// How `load` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Load {
    /// The image is the ledger's content now.
    Done,
    /// Nothing was changed: the ledger knows this epoch, and it is not smaller. It need not be ready.
    Behind {
        /// The epoch that the ledger knows.
        present: i64,
    },
}

/// The ledger could not say.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// It was changed, or not, or nobody can know: asking again with the same order is safe.
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

impl From<LedgerError> for crate::problem::Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Unavailable { .. } => Self::unavailable(error),
            LedgerError::Corrupt(_) => Self::internal(error),
        }
    }
}
