//! Seats: which are free, held and sold, and who may say so.
//!
//! A [`SeatLedger`] decides who holds a seat; the database knows what is sold and which orders live. [`Inventory`] joins
//! them: it loads the ledger from the database when it has to, and lets it follow what the database decided.

mod feed;
mod guarded;
mod handle;
mod http;
mod image;
mod ledger;
mod memory;
mod mirror;
mod rebuild;
mod redis;
mod sold_out;
mod state;
mod truth;
mod view;

pub use self::{
    feed::{Batch, Listener, Update},
    guarded::GuardedLedger,
    handle::Inventory,
    http::routes,
    image::{ImageOrder, LedgerImage},
    ledger::{HINT_COVERS, Hold, HoldRequest, LedgerError, Load, SeatLedger, Settled},
    memory::MemoryLedger,
    rebuild::REBUILD_LOCK,
    redis::RedisLedger,
    state::{Changes, Counts, Cursor, CursorError, SeatState, Snapshot},
};
pub(crate) use self::{mirror::Claimed, truth::unsettled};
