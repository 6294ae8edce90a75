//! Seats: which are free, held and sold, and who may say so.

mod ledger;

pub use self::ledger::{
    Changes, Counts, Cursor, Hold, HoldRequest, ImageOrder, LedgerError, LedgerImage, SeatLedger, SeatState, Settled,
    Snapshot,
};
