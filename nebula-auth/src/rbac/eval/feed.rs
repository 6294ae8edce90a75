//! Keeps up with what other processes change.

use std::sync::{Arc, Weak, atomic::Ordering};

use super::{Shared, coarse};
use crate::{
    error::{Error, ErrorKind},
    rbac::service::{Observer, Report},
    telemetry,
};

/// More users than this at once are not named one by one.
const NAMED: u32 = 1000;

impl Shared {
    /// Asks once what has changed, and forgets it.
    pub(super) async fn catch_up(&self) -> Result<(), Error> {
        // Before the question: what is committed while it is under way need not be in the answer.
        let asked = coarse::precise();
        let (since, seen) = (self.position.lock().sequence, self.seen.load(Ordering::Acquire));
        let asking = self.store.changes(since, NAMED);
        let changes = tokio::time::timeout(self.options.timeout, asking)
            .await
            .map_err(|_| Error::new(ErrorKind::Unavailable, "the store did not say in time what has changed"))??;
        // A replica that lags, or a store that was restored from a backup.
        if changes.head.sequence < seen {
            return Err(Error::new(ErrorKind::Unavailable, "the store answers from the past"));
        }
        self.saw(changes.head);
        {
            let mut position = self.position.lock();
            // Somebody here has committed meanwhile.
            if changes.head.sequence < position.sequence {
                return Ok(());
            }
            if let Some(level) = self.level.get() {
                level.journal.lock().note(changes.users.as_deref(), since, changes.head.sequence);
            }
            match changes.users {
                Some(users) if changes.head.policy <= position.policy => self.cache.forget(&users),
                _ => self.cache.forget_all(),
            }
            *position = changes.head;
        }
        self.cache.believe_until(coarse::after(asked, self.options.lease));
        Ok(())
    }
}

/// Asks again and again, as long as somebody uses the evaluator.
pub(super) async fn follow(shared: Weak<Shared>) {
    loop {
        let Some(strong) = shared.upgrade() else { return };
        if let Err(error) = strong.catch_up().await {
            telemetry::changes_unknown(&error);
        }
        let (poll, wake, stop) = (strong.options.poll, Arc::clone(&strong.wake), strong.stop.clone());
        drop(strong);
        tokio::select! {
            () = tokio::time::sleep(poll) => {}
            () = wake.notified() => {}
            () = stop.notified() => return,
        }
    }
}

impl Observer for Shared {
    fn attempt(self: Arc<Self>) -> Report {
        Box::new(move |made| {
            let Some(made) = made else {
                // Perhaps it was made, perhaps not.
                self.wake.notify_one();
                return;
            };
            self.saw(made.head);
            let mut position = self.position.lock();
            if let Some(level) = self.level.get() {
                level.journal.lock().note(Some(made.users), position.sequence, made.head.sequence);
            }
            if made.policy {
                self.cache.forget_all();
            } else {
                self.cache.forget(made.users);
            }
            // Nothing of anybody else is in between.
            if position.sequence + 1 == made.head.sequence {
                *position = made.head;
            }
            drop(position);
            for signal in self.signals.lock().iter() {
                signal.announce(made.head.sequence);
            }
        })
    }
}
