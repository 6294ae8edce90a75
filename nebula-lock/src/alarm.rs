//! Wakes holds when something is to be done for them: to renew them, or to note that they ended.
//!
//! Most locks are released long before that. Until then a hold *rests*: it has neither a task nor a timer of its own,
//! only a place in this list, which one task for each runtime looks after.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::post::Post;

/// When a hold is to be woken, and a number that tells holds of the same instant apart.
type Place = (Instant, u64);

pub(crate) struct Alarm {
    pub(crate) runtime: Handle,
    list: Mutex<List>,
    changed: Notify,
}

#[derive(Default)]
struct List {
    resting: BTreeMap<Place, Arc<Post>>,
    last: u64,
    /// When the task wakes by itself; it need not be told of anything later.
    set_for: Option<Instant>,
    ended: bool,
}

impl Alarm {
    /// An alarm that runs until `over`, and wakes everybody when `forced`.
    pub(crate) fn start(runtime: Handle, over: CancellationToken, forced: CancellationToken) -> Arc<Self> {
        let alarm = Arc::new(Self { runtime, list: Mutex::default(), changed: Notify::new() });
        let tending = Tending(Arc::clone(&alarm));
        alarm.runtime.spawn(async move { over.run_until_cancelled(tending.run(forced)).await });
        alarm
    }

    /// Whether its runtime has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.list.lock().ended
    }

    /// Has `post` woken at `at`.
    pub(crate) fn set(&self, at: Instant, post: &Arc<Post>) -> Place {
        let mut list = self.list.lock();
        list.last += 1;
        let place = (at, list.last);
        list.resting.insert(place, Arc::clone(post));
        let late = list.set_for.is_none_or(|next| at < next);
        if late {
            list.set_for = Some(at);
        }
        drop(list);
        if late {
            self.changed.notify_one();
        }
        place
    }

    pub(crate) fn clear(&self, place: Place) {
        let post = self.list.lock().resting.remove(&place);
        drop(post);
    }

    /// Takes out who is to be woken by `now`, and notes when the next one is.
    fn due(&self, now: Option<Instant>) -> (Vec<Arc<Post>>, Option<Instant>) {
        let mut due = Vec::new();
        let mut list = self.list.lock();
        while let Some(first) = list.resting.first_entry() {
            if now.is_some_and(|now| first.key().0 > now) {
                break;
            }
            due.push(first.remove());
        }
        list.set_for = list.resting.first_key_value().map(|(place, _)| place.0);
        (due, list.set_for)
    }
}

/// The task behind an alarm.
struct Tending(Arc<Alarm>);

impl Tending {
    async fn run(&self, forced: CancellationToken) {
        loop {
            let now = if forced.is_cancelled() { None } else { Some(Instant::now()) };
            let (due, next) = self.0.due(now);
            for post in due {
                post.wake();
            }
            tokio::select! {
                () = self.0.changed.notified() => {}
                () = forced.cancelled(), if now.is_some() => {}
                () = until(next) => {}
            }
        }
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

impl Drop for Tending {
    fn drop(&mut self) {
        let mut list = self.0.list.lock();
        list.ended = true;
        // Nobody will wake them; their guards find out by the clock.
        let forgotten = std::mem::take(&mut list.resting);
        drop(list);
        drop(forgotten);
    }
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarm").field("resting", &self.list.lock().resting.len()).finish_non_exhaustive()
    }
}
