//! The live screen of a sale, for those who run it: seats, orders, money, the waiting room, the funnel and the refusals.
//!
//! One task for each session that somebody watches reads the sources at a calm pace, whoever many watch: each viewer gets the
//! last frame, written once. Seats follow the live stream of the inventory, what happens is read from the numbers of the
//! [funnel](crate::funnel), orders and money from the orders themselves.

mod book;
mod http;
mod painter;
mod seats;
mod sums;
mod view;

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::painter::Painter;
pub use self::{
    http::desk,
    view::{Crowd, OrderSums, Part, Refused, ScreenView, SeatSums, Series, StepSum, ZoneSums},
};
use crate::{admission::Admission, ids::SessionId, inventory::Inventory, show::Catalog, storage::Database};

/// What a screen shows comes from these.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Sessions, their plans and times.
    pub catalog: Catalog,
    /// Seats.
    pub inventory: Inventory,
    /// Waiting rooms.
    pub admission: Admission,
    /// Orders, and what was counted.
    pub database: Database,
    /// Screens end with the platform.
    pub stopping: CancellationToken,
}

/// A screen at one moment, as JSON; `None` before the first.
type Frame = Option<Arc<str>>;
type Painters = Arc<Mutex<HashMap<SessionId, watch::Sender<Frame>>>>;

/// The screens that somebody watches. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Screens {
    sources: Sources,
    painters: Painters,
}

impl Screens {
    /// Screens of what comes from there.
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        Self { sources, painters: Painters::default() }
    }

    /// The frames of a session, the latest at any time. It is painted while somebody has them.
    #[must_use]
    pub fn watch(&self, session: SessionId) -> watch::Receiver<Frame> {
        let mut painters = self.painters.lock();
        if let Some(sender) = painters.get(&session) {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(None);
        painters.insert(session, sender.clone());
        let (painter, all) = (Painter::new(self.sources.clone(), session, sender), Arc::clone(&self.painters));
        tokio::spawn(async move { painter.run(&all).await });
        receiver
    }

    /// How many sessions are being painted.
    #[must_use]
    pub fn painted(&self) -> usize {
        self.painters.lock().len()
    }
}
