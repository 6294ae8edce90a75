//! Where a guard and whoever looks after its hold meet.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::background::Unstoppable;
use crate::error::Result;
use crate::guard::{LockGuard, Release};
use crate::hold::{Hold, Keeper};

/// What a guard wants; the outcome goes back through the channel. A guard that is dropped gives no order: it closes the
/// channel to its keeper, which then releases.
#[derive(Debug)]
pub(crate) enum Order {
    Release(oneshot::Sender<Release>),
    Downgrade(oneshot::Sender<Result<LockGuard>>),
}

/// Shared by the guard and the alarm.
#[derive(Debug)]
pub(crate) struct Post(Mutex<Charge>);

/// Who looks after the hold.
#[derive(Debug)]
enum Charge {
    /// Nobody needs to until the alarm.
    Resting(Box<Rest>),
    /// A task, which takes orders.
    Kept(oneshot::Sender<Order>),
    /// The guard has given it up.
    Gone,
}

#[derive(Debug)]
struct Rest {
    hold: Hold,
    alarm: Arc<Alarm>,
    place: (Instant, u64),
}

impl Post {
    /// Lets a hold rest until the alarm.
    pub(crate) fn resting(hold: Hold, alarm: Arc<Alarm>) -> Arc<Self> {
        let post = Arc::new(Self(Mutex::new(Charge::Gone)));
        // The alarm may go off at once; it has to wait until the hold is there.
        let mut charge = post.0.lock();
        let place = alarm.set(hold.due(), &post);
        *charge = Charge::Resting(Box::new(Rest { hold, alarm, place }));
        drop(charge);
        post
    }

    pub(crate) fn kept() -> (Arc<Self>, oneshot::Receiver<Order>) {
        let (order, orders) = oneshot::channel();
        (Arc::new(Self(Mutex::new(Charge::Kept(order)))), orders)
    }

    /// Starts a keeper for a hold that rests. Called by the alarm, on its runtime.
    pub(crate) fn wake(&self) {
        let mut charge = self.0.lock();
        if let Charge::Resting(_) = &*charge {
            let (order, orders) = oneshot::channel();
            if let Charge::Resting(rest) = std::mem::replace(&mut *charge, Charge::Kept(order)) {
                rest.alarm.runtime.spawn(Keeper::new(rest.hold, orders).run());
            }
        }
    }

    /// Releases the hold, of which the guard has already found out whether it is lost. `None`: nobody looked after it.
    pub(crate) async fn release(&self, lost: bool) -> Option<Release> {
        match self.take() {
            Charge::Resting(rest) => {
                let (hold, runtime) = rest.rise();
                if lost {
                    runtime.spawn(hold.release());
                    return Some(Release::AlreadyLost);
                }
                let runtime = Handle::try_current().unwrap_or(runtime);
                Some(Unstoppable::new(runtime, hold.release()).await)
            }
            Charge::Kept(order) => {
                let (reply, outcome) = oneshot::channel();
                drop(order.send(Order::Release(reply)));
                if lost { Some(Release::AlreadyLost) } else { outcome.await.ok() }
            }
            Charge::Gone => None,
        }
    }

    /// Has a keeper turn the hold into that of a reader. `None`: there is no keeper any more.
    pub(crate) fn downgrade(&self) -> Option<oneshot::Receiver<Result<LockGuard>>> {
        let (reply, outcome) = oneshot::channel();
        let order = Order::Downgrade(reply);
        match self.take() {
            Charge::Resting(rest) => {
                let (hold, runtime) = rest.rise();
                let (sender, orders) = oneshot::channel();
                sender.send(order).ok()?;
                runtime.spawn(Keeper::new(hold, orders).run());
            }
            Charge::Kept(keeper) => keeper.send(order).ok()?,
            Charge::Gone => return None,
        }
        Some(outcome)
    }

    /// Releases the hold in the background. `false`: that was done, or handed on, before.
    pub(crate) fn let_go(&self) -> bool {
        match self.take() {
            Charge::Resting(rest) => {
                let (hold, runtime) = rest.rise();
                runtime.spawn(hold.release());
                true
            }
            // Dropping the channel to a keeper is its order to release.
            Charge::Kept(_) => true,
            Charge::Gone => false,
        }
    }

    fn take(&self) -> Charge {
        std::mem::replace(&mut *self.0.lock(), Charge::Gone)
    }
}

impl Rest {
    fn rise(self) -> (Hold, Handle) {
        self.alarm.clear(self.place);
        (self.hold, self.alarm.runtime.clone())
    }
}
